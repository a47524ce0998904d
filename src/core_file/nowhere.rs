//! A place for the core file that the host's kernel must write to say in the wait status that there is one (WCOREDUMP):
//! an empty file system that is mounted nowhere and goes with the process. Making one takes rights; who has not got
//! them has them in a user namespace of its own, which a child process enters, since one with threads cannot.
//!
//! Unsafe because these are system calls, and because of that child.
#![allow(unsafe_code)]

use crate::process;
use linux_raw_sys::general::fsconfig_command::FSCONFIG_CMD_CREATE;
use std::ffi::{CStr, CString};
use std::os::fd::RawFd;
use std::path::Path;

/// Has the calling thread be there, alone, where `path` can be made. False if that cannot be; for paths that do not
/// begin at the working directory it takes rights. For a process that ends.
pub fn enter(path: &Path) -> bool {
    // SAFETY: makes a descriptor, which is nobody else's.
    let place = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if place < 0 || !(mount_onto(place) || mount_in_child(place)) {
        return false;
    }
    // SAFETY: system calls without pointers.
    if unsafe { libc::unshare(libc::CLONE_FS) != 0 || libc::fchdir(place) != 0 } {
        return false;
    }
    let Ok(below_root) = path.strip_prefix("/") else { return true };
    // SAFETY: a C string.
    let has_entered = || unsafe { libc::chroot(c".".as_ptr()) } == 0;
    below_root.parent().is_none_or(|parent| std::fs::create_dir_all(parent).is_ok()) && has_entered()
}

/// Makes the file system and has descriptor `place` be its root. Allocates nothing.
fn mount_onto(place: RawFd) -> bool {
    // SAFETY: system calls with integers and a C string.
    unsafe {
        let context = libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), 0);
        if context < 0 || libc::syscall(libc::SYS_fsconfig, context, FSCONFIG_CMD_CREATE as u32, 0, 0, 0) != 0 {
            return false;
        }
        let mount = libc::syscall(libc::SYS_fsmount, context, 0, 0);
        mount >= 0 && libc::dup3(mount as RawFd, place, libc::O_CLOEXEC) == place
    }
}

/// The same in a child that shares descriptors, and has every right in a user namespace where only its own ids are.
fn mount_in_child(place: RawFd) -> bool {
    let [uid, gid] = process::effective_user().map(|id| CString::new(format!("{id} {id} 1")).unwrap_or_default());
    // SAFETY: a copy of this thread, without a signal when it ends. Other threads' locks may be held in it, so that it
    // makes nothing but system calls; and it ends here.
    unsafe {
        let child = libc::syscall(libc::SYS_clone, libc::CLONE_FILES, 0, 0, 0, 0) as libc::pid_t;
        if child == 0 {
            let is_done = libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0
                && write(c"/proc/self/uid_map", &uid)
                && write(c"/proc/self/setgroups", c"deny")
                && write(c"/proc/self/gid_map", &gid)
                && mount_onto(place);
            libc::syscall(libc::SYS_exit_group, i32::from(!is_done));
        }
        let mut status = 0;
        child > 0 && libc::waitpid(child, &raw mut status, libc::__WALL) == child && status == 0
    }
}

fn write(file: &CStr, text: &CStr) -> bool {
    // SAFETY: C strings.
    unsafe {
        let fd = libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        let bytes = text.count_bytes();
        fd >= 0 && libc::write(fd, text.as_ptr().cast(), bytes) == bytes as isize
    }
}
