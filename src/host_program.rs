//! Programs of the host's own architecture: handed to the host's kernel, by way of the sysroot's loader if they name
//! one that only the sysroot has.

use crate::process::execve;
use crate::report::plain;
use ir::Sysroot;
use loader::{HostElf, LoadError};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where a sysroot of the host's architecture keeps libraries.
const LIBRARY_DIRS: [&str; 8] = [
    "/lib64",
    "/usr/lib64",
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/i386-linux-gnu",
    "/usr/lib/i386-linux-gnu",
    "/lib",
    "/usr/lib",
];

/// Becomes the program at `path`. Comes back only with the reason why not.
pub fn run(path: &Path, elf: &HostElf, sysroot: Option<&dyn Sysroot>, argv: &[CString], envp: &[CString]) -> LoadError {
    let missing = elf.interpreter.as_deref().filter(|name| !name.exists());
    let inside = missing.and_then(|name| sysroot.and_then(|sysroot| Some((sysroot, sysroot.find(name)?))));
    let error = match inside {
        Some((sysroot, interpreter)) => {
            let argv = interpreter_arguments(path, &interpreter, sysroot, argv);
            execve(&c_string(interpreter.into_os_string()), &argv, envp)
        }
        None => execve(&c_string(path.into()), argv, envp),
    };
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    let reason = match (errno, missing) {
        (libc::ENOENT, Some(name)) => {
            format!("is for this host, but needs the loader {}, which is missing", name.display())
        }
        (libc::ENOEXEC, _) if elf.is_i386 => {
            "is a 32-bit x86 program, which this host's kernel does not run".to_owned()
        }
        _ => plain(&error),
    };
    LoadError::new(path, errno, reason)
}

/// What the loader, run as a program, is told: glibc's and musl's understand the same.
fn interpreter_arguments(path: &Path, interpreter: &Path, sysroot: &dyn Sysroot, argv: &[CString]) -> Vec<CString> {
    let dirs: Vec<PathBuf> = LIBRARY_DIRS.iter().filter_map(|dir| sysroot.find(Path::new(dir))).collect();
    let library_path = dirs.iter().map(|dir| dir.as_os_str().as_bytes()).collect::<Vec<_>>().join(&b':');
    let mut arguments = vec![c_string(interpreter.into())];
    if let Some(argv0) = argv.first() {
        arguments.extend([c"--argv0".to_owned(), argv0.clone()]);
    }
    arguments.extend([c"--library-path".to_owned(), c_string(OsString::from_vec(library_path)), c_string(path.into())]);
    arguments.extend_from_slice(argv.get(1..).unwrap_or_default());
    arguments
}

/// A C string; what follows a NUL, which no path or argument has, is lost.
pub fn c_string(text: OsString) -> CString {
    let mut bytes = text.into_vec();
    bytes.truncate(bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()));
    CString::new(bytes).unwrap_or_default()
}
