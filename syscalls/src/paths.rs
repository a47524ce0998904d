//! Which host file a guest path names: the sysroot is searched first for absolute paths, and /proc/self/exe is the
//! guest's program. It must not know what is done with the file.
//!
//! Only calls that look things up come here. Those that create, remove or rename act on the path as it is, so that
//! a program cannot change the sysroot by accident; /proc, /sys and /dev are always the host's.

use crate::host::{self, Outcome};
use crate::process::Process;
use crate::user;
use ir::Errno;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `struct open_how` with RESOLVE_IN_ROOT, as openat2(2) takes it.
const RESOLVE_IN_ROOT: u64 = 0x10;
const O_CLOEXEC: u64 = libc::O_CLOEXEC as u64;
const O_PATH: u64 = libc::O_PATH as u64;

/// A path argument as the host gets it.
pub(crate) enum HostPath {
    /// The guest's own string.
    Guest(u64),
    /// Another path in its place.
    Other(CString),
}

impl HostPath {
    /// The argument.
    pub(crate) fn arg(&self) -> u64 {
        match self {
            Self::Guest(at) => *at,
            Self::Other(path) => path.as_ptr() as u64,
        }
    }
}

/// Whether the last component's symbolic link is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Links {
    /// Followed.
    Follow,
    /// The link itself is meant.
    Keep,
}

/// The host's path for the guest's path at `at`. Wild pointers are left for the kernel to refuse.
pub(crate) fn resolve(process: &Process, at: u64, links: Links) -> HostPath {
    let mut first = [0];
    if user::read_bytes(at, &mut first).is_err() || first != *b"/" {
        return HostPath::Guest(at);
    }
    let Ok(path) = user::read_path(at) else { return HostPath::Guest(at) };
    match lookup(process, &path, links) {
        Some(other) => HostPath::Other(other),
        None => HostPath::Guest(at),
    }
}

/// The path that stands for the absolute path `path`, if it is not itself.
pub(crate) fn lookup(process: &Process, path: &CStr, links: Links) -> Option<CString> {
    let bytes = path.to_bytes();
    if links == Links::Follow && is_own_exe(bytes) && !process.config.exe.as_os_str().is_empty() {
        return CString::new(process.config.exe.as_os_str().as_bytes()).ok();
    }
    let sysroot = process.config.sysroot.as_deref()?;
    if !bytes.starts_with(b"/") || is_host_only(bytes) {
        return None;
    }
    in_sysroot(sysroot, path, links)
}

fn is_host_only(path: &[u8]) -> bool {
    [&b"/proc"[..], b"/sys", b"/dev"]
        .iter()
        .any(|prefix| path.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest[0] == b'/'))
}

/// Whether `path` is the link to the running program.
pub(crate) fn is_own_exe(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/proc/").and_then(|rest| rest.strip_suffix(b"/exe")) else { return false };
    let own = |name: &[u8], call: i64| host::call3(call, 0, 0, 0).is_ok_and(|id| name == id.to_string().as_bytes());
    rest == b"self" || rest == b"thread-self" || own(rest, libc::SYS_getpid)
}

fn in_sysroot(sysroot: &Path, path: &CStr, links: Links) -> Option<CString> {
    let root = CString::new(sysroot.as_os_str().as_bytes()).ok()?;
    let root_fd = open_path(libc::AT_FDCWD as u64, &root, O_PATH | O_CLOEXEC, 0).ok()?;
    let nofollow = if links == Links::Keep { libc::O_NOFOLLOW as u64 } else { 0 };
    // The kernel resolves it as if in a chroot: absolute links inside the sysroot stay inside.
    let found = open_path(root_fd, path, O_PATH | O_CLOEXEC | nofollow, RESOLVE_IN_ROOT);
    close(root_fd);
    let joined = || CString::new([root.to_bytes(), path.to_bytes()].concat()).ok();
    match found {
        Ok(fd) => {
            let real = descriptor_path(fd);
            close(fd);
            real.or_else(joined)
        }
        Err(Errno(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => None,
        // An old kernel, or no descriptors left: the plain way.
        Err(_) => {
            let plain = joined()?;
            let args = [libc::AT_FDCWD as u64, plain.as_ptr() as u64, 0, 0, 0, 0];
            host::call(libc::SYS_faccessat, args).ok().map(|_| plain)
        }
    }
}

fn open_path(dir: u64, path: &CStr, flags: u64, resolve: u64) -> Outcome {
    let path = path.as_ptr() as u64;
    if resolve == 0 {
        return host::call(libc::SYS_openat, [dir, path, flags, 0, 0, 0]);
    }
    let how = [flags, 0, resolve];
    host::call(libc::SYS_openat2, [dir, path, how.as_ptr() as u64, 24, 0, 0])
}

fn close(fd: u64) {
    let _ = host::call3(libc::SYS_close, fd, 0, 0);
}

/// The path that the kernel knows the open file by.
pub(crate) fn descriptor_path(fd: u64) -> Option<CString> {
    let link = CString::new(format!("/proc/self/fd/{fd}")).ok()?;
    let mut target = vec![0u8; user::PATH_MAX];
    let args = [libc::AT_FDCWD as u64, link.as_ptr() as u64, target.as_mut_ptr() as u64, target.len() as u64, 0, 0];
    let bytes = host::call(libc::SYS_readlinkat, args).ok()? as usize;
    if bytes == target.len() || target[0] != b'/' {
        return None;
    }
    target.truncate(bytes);
    CString::new(target).ok()
}
