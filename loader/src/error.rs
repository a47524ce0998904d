//! The one error of this crate: which file cannot be run, and why, in one line.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file that cannot be run, and the reason. Displays as one line: `FILE: REASON`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    file: PathBuf,
    reason: String,
    errno: i32,
    kills: bool,
}

impl LoadError {
    /// An error with the error number that execve(2) would give.
    pub fn new(file: &Path, errno: i32, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), reason: reason.into(), errno, kills: false }
    }

    /// ENOEXEC: the file is not a program that can be run here.
    pub(crate) fn format(file: &Path, reason: impl Into<String>) -> Self {
        Self::new(file, libc::ENOEXEC, reason)
    }

    /// What the host said about the file.
    pub(crate) fn io(file: &Path, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        Self::new(file, errno, describe(errno))
    }

    /// The same error, for what Linux finds out when the old program is gone: it kills the process by SIGSEGV.
    pub(crate) fn after_the_old_program(self) -> Self {
        Self { kills: true, ..self }
    }

    /// The same error with another number.
    pub(crate) fn with_errno(self, errno: i32) -> Self {
        Self { errno, ..self }
    }

    /// Whether execve(2) would not return, but end in SIGSEGV.
    #[must_use]
    pub fn kills(&self) -> bool {
        self.kills
    }

    /// The error number that execve(2) would give.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// What a shell's exit status would be: 127 when something was not found, 126 when it cannot be executed.
    #[must_use]
    pub fn exit_status(&self) -> i32 {
        if self.errno == libc::ENOENT { 127 } else { 126 }
    }
}

/// The host's words for an error number, without Rust's "(os error N)".
pub(crate) fn describe(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut chars = words.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{}: {}", self.file.display(), self.reason);
        // File names may hold line breaks and escape sequences; the message must stay one harmless line.
        for c in line.chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_and_status_follows_the_shell() {
        let missing = LoadError::io(Path::new("a\nb"), &io::Error::from_raw_os_error(libc::ENOENT));
        assert_eq!(missing.to_string(), "a\\nb: no such file or directory");
        assert_eq!(missing.exit_status(), 127);
        assert_eq!(LoadError::format(Path::new("x"), "not a program").exit_status(), 126);
    }
}
