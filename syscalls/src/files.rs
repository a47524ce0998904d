//! Calls that name files: opening and looking up, with the sysroot (`paths.rs`) and AArch64's open flags. It must not
//! know file descriptors' own calls (`descriptors.rs`) or `struct stat` (`stat.rs`).

use crate::flags;
use crate::host::{self, Args, Outcome};
use crate::paths::{self, Links};
use crate::process::Context;
use crate::user;
use ir::Errno;
use linux_raw_sys::general::open_how;
use zerocopy::IntoBytes;

const AT_FDCWD: u64 = libc::AT_FDCWD as u64;
const AT_SYMLINK_NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;
const AT_SYMLINK_FOLLOW: u64 = libc::AT_SYMLINK_FOLLOW as u64;

/// The host's call `number` with the path in argument `index` looked up.
fn with_path(context: &Context<'_>, number: i64, args: Args, index: usize, links: Links) -> Outcome {
    // The calls whose path is their second argument take a directory as the first.
    let dir = if index == 1 { args[0] } else { AT_FDCWD };
    paths::resolve(context.process, dir, args[index], links, |path| {
        let mut args = args;
        args[index] = path;
        context.guest_call(number, args)
    })
}

fn links(flags: u64, nofollow: u64) -> Links {
    if flags & nofollow != 0 { Links::Keep } else { Links::Follow }
}

/// What opening with these host flags does with a last symbolic link.
fn open_links(host_flags: u64) -> Links {
    let exclusive = (libc::O_CREAT | libc::O_EXCL) as u64;
    if host_flags & exclusive == exclusive { Links::Keep } else { links(host_flags, libc::O_NOFOLLOW as u64) }
}

/// openat implements Linux syscall openat(2).
pub(crate) fn openat(context: &mut Context<'_>, mut args: Args) -> Outcome {
    args[2] = flags::open_to_host(args[2]);
    let links = open_links(args[2]);
    with_path(context, libc::SYS_openat, args, 1, links)
}

/// openat2 implements Linux syscall openat2(2): `struct open_how` is three words, of which the first has the flags.
pub(crate) fn openat2(context: &mut Context<'_>, mut args: Args) -> Outcome {
    let size = args[3];
    if size < size_of::<open_how>() as u64 {
        return Err(Errno(libc::EINVAL));
    }
    if size > ir::PAGE_BYTES {
        return Err(Errno(libc::E2BIG));
    }
    let mut how = vec![0u64; size.div_ceil(8) as usize];
    user::read_bytes(args[2], &mut how.as_mut_bytes()[..size as usize])?;
    how[0] = flags::open_to_host(how[0]);
    args[2] = how.as_ptr() as u64;
    // With RESOLVE_* the path is meant in a root of the caller's own.
    if how[2] != 0 {
        return context.guest_call(libc::SYS_openat2, args);
    }
    with_path(context, libc::SYS_openat2, args, 1, open_links(how[0]))
}

/// open_by_handle_at implements Linux syscall open_by_handle_at(2).
pub(crate) fn open_by_handle_at(_: &mut Context<'_>, mut args: Args) -> Outcome {
    args[2] = flags::open_to_host(args[2]);
    host::call(libc::SYS_open_by_handle_at, args)
}

/// name_to_handle_at implements Linux syscall name_to_handle_at(2).
pub(crate) fn name_to_handle_at(context: &mut Context<'_>, args: Args) -> Outcome {
    let links = if args[4] & AT_SYMLINK_FOLLOW != 0 { Links::Follow } else { Links::Keep };
    with_path(context, libc::SYS_name_to_handle_at, args, 1, links)
}

/// mq_open implements Linux syscall mq_open(2). Names are not paths.
pub(crate) fn mq_open(_: &mut Context<'_>, mut args: Args) -> Outcome {
    args[1] = flags::open_to_host(args[1]);
    host::call(libc::SYS_mq_open, args)
}

/// fanotify_init implements Linux syscall fanotify_init(2): its second argument is open flags.
pub(crate) fn fanotify_init(_: &mut Context<'_>, mut args: Args) -> Outcome {
    args[1] = flags::open_to_host(args[1]);
    host::call(libc::SYS_fanotify_init, args)
}

/// faccessat implements Linux syscall faccessat(2), which has no flags.
pub(crate) fn faccessat(context: &mut Context<'_>, args: Args) -> Outcome {
    with_path(context, libc::SYS_faccessat, args, 1, Links::Follow)
}

/// faccessat2 implements Linux syscall faccessat2(2).
pub(crate) fn faccessat2(context: &mut Context<'_>, args: Args) -> Outcome {
    with_path(context, libc::SYS_faccessat2, args, 1, links(args[3], AT_SYMLINK_NOFOLLOW))
}

/// readlinkat implements Linux syscall readlinkat(2).
pub(crate) fn readlinkat(context: &mut Context<'_>, args: Args) -> Outcome {
    if let Ok(path) = user::read_path(args[1])
        && paths::is_own_exe(args[0], path.to_bytes())
        && let Some(exe) = paths::own_exe(context.process)
    {
        // A link like the one asked for, or where there are no descriptors the path itself.
        if context.process.config.exe_fd.is_some() {
            return host::call(libc::SYS_readlinkat, [AT_FDCWD, exe.as_ptr() as u64, args[2], args[3], 0, 0]);
        }
        let size = args[3] as i32;
        if size <= 0 {
            return Err(Errno(libc::EINVAL));
        }
        let shown = &exe.to_bytes()[..exe.count_bytes().min(size as usize)];
        user::write_bytes(args[2], shown)?;
        return Ok(shown.len() as u64);
    }
    with_path(context, libc::SYS_readlinkat, args, 1, Links::Keep)
}

/// chdir implements Linux syscall chdir(2).
pub(crate) fn chdir(context: &mut Context<'_>, args: Args) -> Outcome {
    with_path(context, libc::SYS_chdir, args, 0, Links::Follow)
}

/// statfs implements Linux syscall statfs(2). The structure is the same.
pub(crate) fn statfs(context: &mut Context<'_>, args: Args) -> Outcome {
    with_path(context, libc::SYS_statfs, args, 0, Links::Follow)
}

/// inotify_add_watch implements Linux syscall inotify_add_watch(2).
pub(crate) fn inotify_add_watch(context: &mut Context<'_>, args: Args) -> Outcome {
    let links = links(args[2], u64::from(libc::IN_DONT_FOLLOW));
    paths::resolve(context.process, AT_FDCWD, args[1], links, |path| {
        host::call3(libc::SYS_inotify_add_watch, args[0], path, args[2])
    })
}

/// getxattr implements Linux syscall getxattr(2).
pub(crate) fn getxattr(context: &mut Context<'_>, args: Args) -> Outcome {
    with_path(context, libc::SYS_getxattr, args, 0, Links::Follow)
}

/// lgetxattr implements Linux syscall lgetxattr(2).
pub(crate) fn lgetxattr(context: &mut Context<'_>, args: Args) -> Outcome {
    with_path(context, libc::SYS_lgetxattr, args, 0, Links::Keep)
}

/// listxattr implements Linux syscall listxattr(2).
pub(crate) fn listxattr(context: &mut Context<'_>, args: Args) -> Outcome {
    with_path(context, libc::SYS_listxattr, args, 0, Links::Follow)
}

/// llistxattr implements Linux syscall llistxattr(2).
pub(crate) fn llistxattr(context: &mut Context<'_>, args: Args) -> Outcome {
    with_path(context, libc::SYS_llistxattr, args, 0, Links::Keep)
}
