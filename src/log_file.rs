//! Where `-strace` and `-d` write: standard error, or the file that `-D` names.

use crate::options::Options;
use crate::process::out_of_the_way;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The place, opened once.
pub enum LogFile {
    /// Standard error.
    Stderr,
    /// A file of the user's.
    File(Arc<File>),
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
            .custom_flags(if options.reexec { 0 } else { libc::O_TRUNC })
            .open(&path)
            .map_err(|error| format!("{}: {}", path.display(), crate::report::plain(&error)))?;
        Ok(Self::File(Arc::new(out_of_the_way(file))))
    }

    /// A writer to it.
    pub fn writer(&self) -> Box<dyn Write + Send + Sync> {
        match self {
            Self::Stderr => Box::new(io::stderr()),
            Self::File(file) => Box::new(Arc::clone(file)),
        }
    }

    /// The descriptor that must not become the guest's.
    pub fn descriptor(&self) -> Option<i32> {
        match self {
            Self::Stderr => None,
            Self::File(file) => Some(file.as_raw_fd()),
        }
    }
}
