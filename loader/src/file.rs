//! Opens program files and reads parts of them. Never blocks on what is not a regular file, never reads more than
//! asked for.

use crate::LoadError;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How much of a file is read at first: enough for the ELF header, most program header tables, and the 256 bytes in
/// which the kernel looks for a script's interpreter.
const HEAD_BYTES: usize = 1024;

/// A file opened for execution.
#[derive(Debug)]
pub struct ProgramFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    head: Vec<u8>,
}

/// Opens `path` for execution: a regular file, executable and readable by the caller.
pub fn open(path: &Path) -> Result<ProgramFile, LoadError> {
    open_any(path, true)
}

/// Opens a loader named by a program, which need not be marked executable: sysroots unpacked from archives often
/// have lost that.
pub(crate) fn open_interpreter(path: &Path) -> Result<ProgramFile, LoadError> {
    open_any(path, false)
}

fn open_any(path: &Path, must_be_executable: bool) -> Result<ProgramFile, LoadError> {
    let host = |error: io::Error| LoadError::io(path, &error);
    // Opening a device can have effects and opening a FIFO can wait, so look before opening, and again after.
    check_type(path, &std::fs::metadata(path).map_err(host)?)?;
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).map_err(host)?;
    ProgramFile::from_file(path, file, must_be_executable)
}

impl ProgramFile {
    /// Takes an open file; `path` is what messages and AT_EXECFN call it.
    pub fn from_open(path: &Path, file: File) -> Result<Self, LoadError> {
        Self::from_file(path, file, true)
    }

    fn from_file(path: &Path, file: File, must_be_executable: bool) -> Result<Self, LoadError> {
        let metadata = file.metadata().map_err(|error| LoadError::io(path, &error))?;
        check_type(path, &metadata)?;
        if must_be_executable && metadata.permissions().mode() & 0o111 == 0 {
            return Err(LoadError::new(path, libc::EACCES, "permission denied: the file is not marked executable"));
        }
        let mut opened = Self { path: path.to_owned(), file, bytes: metadata.len(), head: Vec::new() };
        let wanted = opened.bytes.min(HEAD_BYTES as u64) as usize;
        opened.head = opened.read(0, wanted)?;
        Ok(opened)
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The open file, for fexecve.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the open file back.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// The start of the file.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// `bytes` bytes at `offset`; an error if the file ends before. Callers bound `bytes`.
    pub(crate) fn read(&self, offset: u64, bytes: usize) -> Result<Vec<u8>, LoadError> {
        if let Some(part) =
            usize::try_from(offset).ok().and_then(|start| self.head.get(start..start.checked_add(bytes)?))
        {
            return Ok(part.to_vec());
        }
        let mut buffer = vec![0; bytes];
        self.file.read_exact_at(&mut buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => LoadError::format(&self.path, "truncated file"),
            _ => LoadError::io(&self.path, &error),
        })?;
        Ok(buffer)
    }
}

fn check_type(path: &Path, metadata: &Metadata) -> Result<(), LoadError> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "is a directory"
    } else if kind.is_fifo() {
        "is a FIFO, not a program"
    } else if kind.is_socket() {
        "is a socket, not a program"
    } else {
        "is a device, not a program"
    };
    Err(LoadError::new(path, libc::EACCES, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_elf::Scratch;

    #[test]
    fn what_is_no_regular_executable_file_is_refused() {
        let scratch = Scratch::new();
        let refused = |path: &Path| open(path).unwrap_err();
        assert_eq!(refused(Path::new("/dev/null")).exit_status(), 126);
        assert!(refused(Path::new("/dev/null")).to_string().contains("device"));
        assert!(refused(scratch.path()).to_string().contains("directory"));
        assert_eq!(refused(&scratch.path().join("none")).exit_status(), 127);
        let plain = scratch.file("plain", b"hello", 0o644);
        assert_eq!(refused(&plain).errno(), libc::EACCES);
        assert_eq!(refused(&plain.join("below")).errno(), libc::ENOTDIR);
        let fifo = scratch.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.is_ok_and(|status| status.success()));
        assert!(refused(&fifo).to_string().contains("FIFO"));
    }
}
