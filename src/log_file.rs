//! Where `-strace` and `-d` write: standard error, or the file that `-D` names.

use crate::options::Options;
use crate::process;
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
    File {
        /// Open for appending.
        file: Arc<File>,
        /// Whether the programs that the guest starts write to the same one.
        is_shared: bool,
    },
}

impl LogFile {
    /// Opens what the options name. `%d` in the name stands for the process's number, as with QEMU.
    pub fn open(options: &Options) -> Result<Self, String> {
        let Some(path) = &options.log_file else { return Ok(Self::Stderr) };
        if let Some(file) = options.log_fd.and_then(process::take) {
            return Ok(Self::File { file: Arc::new(file), is_shared: true });
        }
        let mut is_shared = true;
        let path = match path.to_str() {
            Some(text) if text.contains("%d") => {
                is_shared = false;
                PathBuf::from(text.replace("%d", &std::process::id().to_string()))
            }
            _ => path.clone(),
        };
        // All processes of a tree write to it, so each write goes to the end, and only the first one empties it.
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .custom_flags(if options.reexec { 0 } else { libc::O_TRUNC })
            .open(&path);
        match file {
            Ok(file) => Ok(Self::File { file: Arc::new(process::out_of_the_way(file)), is_shared }),
            // The guest may have gone where the directory is not, which is no reason not to run its programs.
            Err(_) if options.reexec => Ok(Self::Stderr),
            Err(error) => Err(format!("{}: {}", path.display(), crate::report::plain(&error))),
        }
    }

    /// A writer to it.
    pub fn writer(&self) -> Box<dyn Write + Send + Sync> {
        match self {
            Self::Stderr => Box::new(io::stderr()),
            Self::File { file, .. } => Box::new(Arc::clone(file)),
        }
    }

    /// The descriptor that must not become the guest's.
    pub fn descriptor(&self) -> Option<i32> {
        match self {
            Self::Stderr => None,
            Self::File { file, .. } => Some(file.as_raw_fd()),
        }
    }

    /// The descriptor that the programs which the guest starts get.
    pub fn shared_descriptor(&self) -> Option<i32> {
        match self {
            Self::File { file, is_shared: true } => Some(file.as_raw_fd()),
            _ => None,
        }
    }
}
