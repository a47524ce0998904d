//! Which host file a guest path names: the sysroot is searched first for absolute paths, then the host, which is also
//! searched for what is relative to a directory of the sysroot; and /proc/self/exe is the guest's program. It must not
//! know what is done with the file.
//!
//! Only calls that look things up come here. Those that create, remove or rename act on the path as it is, so that
//! a program cannot change the sysroot by accident; /proc, /sys and /dev are always the host's.

use crate::descriptors::{link_target, path_of};
use crate::host::{self, Outcome};
use crate::process::Process;
pub(crate) use crate::sysroot::Links;
use crate::user;
use ir::Errno;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;

const AT_FDCWD: u64 = libc::AT_FDCWD as u64;

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
    let sysroot = process.config.sysroot.as_ref()?;
    let path = path.to_bytes();
    if path.is_empty() || path.starts_with(b"/") {
        return None;
    }
    let dir = if dir == AT_FDCWD { link_target(c"/proc/self/cwd")? } else { path_of(dir)? };
    let root = sysroot.real_root()?;
    let inside = dir.to_bytes().strip_prefix(root.to_bytes())?;
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
    let sysroot = process.config.sysroot.as_ref()?;
    if !bytes.starts_with(b"/") || is_host_only(bytes) {
        return None;
    }
    sysroot.lookup(path, links)
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
