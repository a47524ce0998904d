//! Where `-strace` and `-d` write: standard error, or the file that `-D` names.

use crate::options::Options;
use crate::process::out_of_the_way;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::IntoRawFd;
use std::path::PathBuf;

/// The place, opened once.
pub enum LogFile {
    /// Standard error.
    Stderr,
    /// A file of the user's.
    File(File),
}

impl LogFile {
    /// Opens what the options name. `%d` in the name stands for the process's number, as with QEMU.
    pub fn open(options: &Options) -> Result<Self, String> {
        let Some(path) = &options.log_file else { return Ok(Self::Stderr) };
        let path = match path.to_str() {
            Some(text) if text.contains("%d") => PathBuf::from(text.replace("%d", &std::process::id().to_string())),
            _ => path.clone(),
        };
        // All processes of a tree write to it, so each write goes to the end, and only the first one empties it.
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|file| if options.reexec { Ok(file) } else { file.set_len(0).map(|()| file) })
            .map_err(|error| format!("{}: {}", path.display(), crate::report::plain(&error)))?;
        Ok(Self::File(out_of_the_way(file)))
    }

    /// A writer to it.
    pub fn writer(&self) -> io::Result<Box<dyn Write + Send + Sync>> {
        Ok(match self {
            Self::Stderr => Box::new(io::stderr()),
            Self::File(file) => Box::new(out_of_the_way(file.try_clone()?)),
        })
    }

    /// The descriptor that must not become the guest's. It stays open for good.
    pub fn into_descriptor(self) -> Option<i32> {
        match self {
            Self::Stderr => None,
            Self::File(file) => Some(file.into_raw_fd()),
        }
    }
}
