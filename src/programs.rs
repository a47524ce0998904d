//! Tells files apart for the guest's execve, with the loader's eyes and under its errno.

use ir::Sysroot as _;
use loader::{Kind, ProgramFile};
use std::os::fd::OwnedFd;
use std::path::Path;
use syscalls::{ProgramKind, Programs, Sysroot};

/// Knows where the guest's files are.
pub struct Files {
    /// `-L`.
    pub sysroot: Option<Sysroot>,
}

impl Programs for Files {
    fn kind(&self, file: OwnedFd, path: &Path) -> Result<(ProgramKind, OwnedFd), ir::Errno> {
        let errno = |error: loader::LoadError| ir::Errno(error.errno());
        let file = ProgramFile::from_open(path, file.into()).map_err(errno)?;
        let kind = match file.kind() {
            Ok(Kind::Guest) => {
                loader::check(&file, self.sysroot.as_ref().map(|sysroot| sysroot as _)).map_err(errno)?;
                ProgramKind::Guest
            }
            Ok(Kind::Host(elf)) => {
                let missing = elf.interpreter.as_deref().filter(|name| !name.exists());
                let found = |name: &Path| self.sysroot.as_ref().is_some_and(|sysroot| sysroot.find(name).is_some());
                if missing.is_some_and(found) { ProgramKind::HostInSysroot } else { ProgramKind::Other }
            }
            Ok(Kind::Script(script)) => {
                ProgramKind::Script { interpreter: script.interpreter.into_os_string(), argument: script.argument }
            }
            // Some other machine's, maybe, which the kernel may know how to run.
            Err(error) if error.errno() == libc::ENOEXEC => ProgramKind::Other,
            Err(error) => return Err(errno(error)),
        };
        Ok((kind, file.into_file().into()))
    }
}
