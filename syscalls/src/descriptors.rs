//! Calls on file descriptors that differ from the host's: open flags, and descriptors that are emu's own, which the
//! guest can neither close nor replace. Also, how emu opens files when the guest has left it no descriptors. It must not
//! know which file a path names. Unsafe because what is opened past libc is taken charge of here.
#![allow(unsafe_code)]

use crate::flags;
use crate::host::{self, Args, Outcome};
use crate::process::Context;
use crate::table::{Arg, Row};
use crate::user;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Emu's own descriptors are moved to this number or above: the guest expects to get the lowest free ones.
pub const FIRST_OWN_DESCRIPTOR: i32 = 768;

/// close_range(2), which goes around them.
const CLOSE_RANGE: u16 = 436;

/// Whether an argument is a descriptor of emu's own: to the guest it is not open.
pub(crate) fn names_private(private_fds: &[i32], row: &Row, args: &Args) -> bool {
    let is_private =
        |&(arg, &value): &(&Arg, &u64)| matches!(arg, Arg::Fd | Arg::DirFd) && private_fds.contains(&(value as i32));
    row.number != CLOSE_RANGE && row.args.iter().zip(args).any(|pair| is_private(&pair))
}

/// close_range implements Linux syscall close_range(2), around emu's own descriptors.
pub(crate) fn close_range(context: &mut Context<'_>, args: Args) -> Outcome {
    let (mut first, last) = (args[0] as u32, args[1] as u32);
    let mut private: Vec<u32> = context.process.config.private_fds.iter().map(|&fd| fd as u32).collect();
    private.retain(|fd| (first..=last).contains(fd));
    private.sort_unstable();
    for fd in private {
        if first < fd {
            host::call3(libc::SYS_close_range, u64::from(first), u64::from(fd - 1), args[2])?;
        }
        match fd.checked_add(1) {
            Some(next) if next <= last => first = next,
            _ => return Ok(0),
        }
    }
    host::call3(libc::SYS_close_range, u64::from(first), u64::from(last), args[2])
}

/// fcntl implements Linux syscall fcntl(2). `struct flock` is the same; F_GETFL and F_SETFL speak open flags.
pub(crate) fn fcntl(context: &mut Context<'_>, mut args: Args) -> Outcome {
    match args[1] as i32 {
        libc::F_GETFL => host::call(libc::SYS_fcntl, args).map(flags::open_to_guest),
        libc::F_SETFL => {
            args[2] = flags::open_to_host(args[2]);
            host::call(libc::SYS_fcntl, args)
        }
        _ => context.guest_call(libc::SYS_fcntl, args),
    }
}

/// pipe2 implements Linux syscall pipe2(2): O_DIRECT is a packet pipe.
pub(crate) fn pipe2(_: &mut Context<'_>, mut args: Args) -> Outcome {
    args[1] = flags::open_to_host(args[1]);
    host::call(libc::SYS_pipe2, args)
}

/// Calls `work`, which opens files for itself and closes them, where some descriptors are free although the process has
/// none left: on a thread with a table of its own, a copy in which a few are closed, but none of `kept`. None if the
/// kernel has no room for that thread.
pub fn with_spare_descriptors<T: Send>(kept: &[i32], work: impl FnOnce() -> T + Send) -> Option<T> {
    const SPARE: usize = 4;
    let helper = || {
        host::call3(libc::SYS_unshare, libc::CLONE_FILES as u64, 0, 0).ok()?;
        let limit = SPARE + kept.len();
        let closable = (0..limit as i32).filter(|fd| !kept.contains(fd));
        for fd in closable {
            let _ = host::call3(libc::SYS_close, fd as u64, 0, 0);
        }
        Some(work())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, helper).ok()?;
        thread.join().ok().flatten()
    })
}

/// Takes charge of a descriptor that a call like open(2) has just given to emu itself.
pub(crate) fn own(fd: u64) -> OwnedFd {
    // SAFETY: new, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// The number as calls take it.
pub(crate) fn number(fd: &OwnedFd) -> u64 {
    fd.as_raw_fd() as u64
}

/// The path that the kernel knows the open file by.
pub(crate) fn path_of(fd: u64) -> Option<CString> {
    link_target(&CString::new(format!("/proc/self/fd/{fd}")).ok()?)
}

/// Where a link of /proc leads, if that is a path.
pub(crate) fn link_target(link: &CStr) -> Option<CString> {
    let mut target = vec![0u8; user::PATH_MAX];
    let args = [libc::AT_FDCWD as u64, link.as_ptr() as u64, target.as_mut_ptr() as u64, target.len() as u64, 0, 0];
    let bytes = host::call(libc::SYS_readlinkat, args).ok()? as usize;
    if bytes == target.len() || target[0] != b'/' {
        return None;
    }
    target.truncate(bytes);
    CString::new(target).ok()
}

/// Whether `fd` goes to the programs that this process becomes.
pub(crate) fn set_inherited(fd: u64, inherited: bool) {
    let flags = if inherited { 0 } else { libc::FD_CLOEXEC as u64 };
    let _ = host::call3(libc::SYS_fcntl, fd, libc::F_SETFD as u64, flags);
}

/// ftruncate implements Linux syscall ftruncate(2). What was mapped beyond the new end is gone.
pub(crate) fn ftruncate(context: &mut Context<'_>, args: Args) -> Outcome {
    changing_the_file(context, libc::SYS_ftruncate, args)
}

/// fallocate implements Linux syscall fallocate(2), which can make holes in what is mapped.
pub(crate) fn fallocate(context: &mut Context<'_>, args: Args) -> Outcome {
    changing_the_file(context, libc::SYS_fallocate, args)
}

fn changing_the_file(context: &Context<'_>, number: i64, args: Args) -> Outcome {
    let result = context.guest_call(number, args);
    context.process.memory().file_changed(args[0] as i32);
    result
}
