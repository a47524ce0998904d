//! Which host file a guest path names: the sysroot is searched first for absolute paths, then the host, which is also
//! searched for what is relative to a directory of the sysroot; and /proc/self/exe is the guest's program. It must not
//! know what is done with the file.
//!
//! Only calls that look things up come here. Those that create, remove or rename act on the path as it is, so that
//! a program cannot change the sysroot by accident; /proc, /sys and /dev are always the host's.

use crate::host::{self, Outcome};
use crate::process::Process;
use crate::user;
use ir::Errno;
use linux_raw_sys::general::open_how;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const AT_FDCWD: u64 = libc::AT_FDCWD as u64;
const O_CLOEXEC: u64 = libc::O_CLOEXEC as u64;
const O_PATH: u64 = libc::O_PATH as u64;

/// Whether the last component's symbolic link is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Links {
    /// Followed.
    Follow,
    /// The link itself is meant.
    Keep,
}

/// Performs `call` with the host's path for the guest's path at `at`, relative to the descriptor `dir`: an address. What
/// is not found in a directory of the sysroot is looked for where the host has that directory: it is the same one for
/// the guest, which may go there step by step. Wild pointers are left for the kernel to refuse.
pub(crate) fn resolve(
    process: &Process,
    dir: u64,
    at: u64,
    links: Links,
    mut call: impl FnMut(u64) -> Outcome,
) -> Outcome {
    let Ok(path) = user::read_path(at) else { return call(at) };
    let outcome = match lookup(process, dir, &path, links) {
        Some(other) => call(other.as_ptr() as u64),
        None => call(at),
    };
    match outcome {
        Err(Errno(libc::ENOENT)) => match beside_sysroot(process, dir, &path) {
            Some(other) => call(other.as_ptr() as u64),
            None => outcome,
        },
        _ => outcome,
    }
}

/// The host's path of the same name, for a path that is relative to a directory of the sysroot.
fn beside_sysroot(process: &Process, dir: u64, path: &CStr) -> Option<CString> {
    let sysroot = process.config.sysroot.as_deref()?;
    let path = path.to_bytes();
    if path.is_empty() || path.starts_with(b"/") {
        return None;
    }
    let dir = if dir == AT_FDCWD { link_target(c"/proc/self/cwd")? } else { descriptor_path(dir)? };
    let sysroot = CString::new(sysroot.as_os_str().as_bytes()).ok()?;
    let root_fd = open_path(AT_FDCWD, &sysroot, O_PATH | O_CLOEXEC, 0).ok()?;
    let root = descriptor_path(root_fd);
    close(root_fd);
    let inside = dir.to_bytes().strip_prefix(root?.to_bytes())?;
    if !inside.is_empty() && inside[0] != b'/' {
        return None;
    }
    CString::new([inside, b"/", path].concat()).ok()
}

/// The path that stands for `path`, if it is not itself.
pub(crate) fn lookup(process: &Process, dir: u64, path: &CStr, links: Links) -> Option<CString> {
    let bytes = path.to_bytes();
    if links == Links::Follow && is_own_exe(dir, bytes) {
        return own_exe(process);
    }
    let sysroot = process.config.sysroot.as_deref()?;
    if !bytes.starts_with(b"/") || is_host_only(bytes) {
        return None;
    }
    in_sysroot(sysroot, path, links)
}

/// A path by which the host finds the guest's program, whatever has become of its name.
pub(crate) fn own_exe(process: &Process) -> Option<CString> {
    if let Some(fd) = process.config.exe_fd {
        return CString::new(format!("/proc/self/fd/{fd}")).ok();
    }
    let exe = process.config.exe.as_os_str().as_bytes();
    CString::new(exe).ok().filter(|exe| !exe.is_empty())
}

fn is_host_only(path: &[u8]) -> bool {
    [&b"/proc"[..], b"/sys", b"/dev"]
        .iter()
        .any(|prefix| path.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest[0] == b'/'))
}

/// Whether `path`, relative to the descriptor `dir`, is the link to the running program: `exe` in the directory that
/// /proc has for this process or for one of its threads, however the directory is reached.
pub(crate) fn is_own_exe(dir: u64, path: &[u8]) -> bool {
    // Nearly all paths end here.
    let Some(parent) = path.strip_suffix(b"exe").filter(|parent| parent.is_empty() || parent.ends_with(b"/")) else {
        return false;
    };
    if !is_proc() {
        return false;
    }
    let same = |inside: &[u8], known: &CStr| {
        let Ok(inside) = CString::new([parent, inside].concat()) else { return false };
        match (host::stat_at(dir, &inside, 0), host::stat_at(AT_FDCWD, known, 0)) {
            (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
            _ => false,
        }
    };
    // By the id of a thread, a process can be found although it is not listed.
    let of_thread = || {
        let name = trim_slashes(parent).rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let is_number = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
        let task = CString::new([b"/proc/self/task/", name].concat());
        is_number && task.is_ok_and(|task| host::stat_at(AT_FDCWD, &task, 0).is_ok()) && same(b"..", c"/proc")
    };
    same(b".", c"/proc/self") || same(b"..", c"/proc/self/task") || of_thread()
}

/// Whether /proc is the kernel's.
fn is_proc() -> bool {
    let path = c"/proc/self/";
    host::statfs_by(|statfs| host::call3(libc::SYS_statfs, path.as_ptr() as u64, statfs, 0))
        .is_ok_and(|statfs| statfs.f_type == libc::PROC_SUPER_MAGIC)
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    &path[..end]
}

fn in_sysroot(sysroot: &Path, path: &CStr, links: Links) -> Option<CString> {
    let root = CString::new(sysroot.as_os_str().as_bytes()).ok()?;
    let root_fd = open_path(AT_FDCWD, &root, O_PATH | O_CLOEXEC, 0).ok()?;
    let nofollow = if links == Links::Keep { libc::O_NOFOLLOW as u64 } else { 0 };
    // The kernel resolves it as if in a chroot: absolute links inside the sysroot stay inside.
    let found = open_path(root_fd, path, O_PATH | O_CLOEXEC | nofollow, libc::RESOLVE_IN_ROOT);
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
            let args = [AT_FDCWD, plain.as_ptr() as u64, 0, 0, 0, 0];
            host::call(libc::SYS_faccessat, args).ok().map(|_| plain)
        }
    }
}

fn open_path(dir: u64, path: &CStr, flags: u64, resolve: u64) -> Outcome {
    let path = path.as_ptr() as u64;
    if resolve == 0 {
        return host::call(libc::SYS_openat, [dir, path, flags, 0, 0, 0]);
    }
    let how = open_how { flags, mode: 0, resolve };
    host::call(libc::SYS_openat2, [dir, path, &raw const how as u64, size_of_val(&how) as u64, 0, 0])
}

fn close(fd: u64) {
    let _ = host::call3(libc::SYS_close, fd, 0, 0);
}

/// The path that the kernel knows the open file by.
pub(crate) fn descriptor_path(fd: u64) -> Option<CString> {
    link_target(&CString::new(format!("/proc/self/fd/{fd}")).ok()?)
}

/// Where a link of /proc leads, if that is a path.
fn link_target(link: &CStr) -> Option<CString> {
    let mut target = vec![0u8; user::PATH_MAX];
    let args = [AT_FDCWD, link.as_ptr() as u64, target.as_mut_ptr() as u64, target.len() as u64, 0, 0];
    let bytes = host::call(libc::SYS_readlinkat, args).ok()? as usize;
    if bytes == target.len() || target[0] != b'/' {
        return None;
    }
    target.truncate(bytes);
    CString::new(target).ok()
}
