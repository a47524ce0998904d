//! `struct stat`, which AArch64 takes from asm-generic and x86-64 does not, and the calls that fill it. It must not
//! know how paths are looked up.

use crate::host::{self, Args, Outcome};
use crate::paths::{self, Links};
use crate::process::Context;
use crate::user;
use linux_raw_sys::general::stat;
use zerocopy::{Immutable, IntoBytes};

/// `struct stat` of AArch64 (asm-generic/stat.h).
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, IntoBytes, Immutable)]
pub(crate) struct GuestStat {
    st_dev: u64,
    st_ino: u64,
    st_mode: u32,
    st_nlink: u32,
    st_uid: u32,
    st_gid: u32,
    st_rdev: u64,
    pad1: u64,
    st_size: i64,
    st_blksize: i32,
    pad2: i32,
    st_blocks: i64,
    st_atime: i64,
    st_atime_nsec: u64,
    st_mtime: i64,
    st_mtime_nsec: u64,
    st_ctime: i64,
    st_ctime_nsec: u64,
    unused: [u32; 2],
}

// Offsets printed by a program built with AArch64's headers.
const _: () = {
    assert!(size_of::<GuestStat>() == 128);
    assert!(std::mem::offset_of!(GuestStat, st_mode) == 16);
    assert!(std::mem::offset_of!(GuestStat, st_nlink) == 20);
    assert!(std::mem::offset_of!(GuestStat, st_rdev) == 32);
    assert!(std::mem::offset_of!(GuestStat, st_size) == 48);
    assert!(std::mem::offset_of!(GuestStat, st_blksize) == 56);
    assert!(std::mem::offset_of!(GuestStat, st_blocks) == 64);
    assert!(std::mem::offset_of!(GuestStat, st_atime) == 72);
    assert!(std::mem::offset_of!(GuestStat, st_ctime_nsec) == 112);
};

impl From<stat> for GuestStat {
    fn from(host: stat) -> Self {
        Self {
            st_dev: host.st_dev,
            st_ino: host.st_ino,
            st_mode: host.st_mode,
            st_nlink: host.st_nlink as u32,
            st_uid: host.st_uid,
            st_gid: host.st_gid,
            st_rdev: host.st_rdev,
            st_size: host.st_size,
            st_blksize: host.st_blksize as i32,
            st_blocks: host.st_blocks,
            st_atime: host.st_atime as i64,
            st_atime_nsec: host.st_atime_nsec,
            st_mtime: host.st_mtime as i64,
            st_mtime_nsec: host.st_mtime_nsec,
            st_ctime: host.st_ctime as i64,
            st_ctime_nsec: host.st_ctime_nsec,
            ..Self::default()
        }
    }
}

/// fstat implements Linux syscall fstat(2).
pub(crate) fn fstat(_: &mut Context<'_>, args: Args) -> Outcome {
    let host = host::stat_by(|stat| host::call3(libc::SYS_fstat, args[0], stat, 0))?;
    user::write(args[1], &GuestStat::from(host))?;
    Ok(0)
}

/// newfstatat implements Linux syscall newfstatat(2), the stat of all kinds.
pub(crate) fn newfstatat(context: &mut Context<'_>, args: Args) -> Outcome {
    let host = host::stat_by(|stat| {
        paths::resolve(context.process, args[0], args[1], links(args[3]), |path| {
            host::call(libc::SYS_newfstatat, [args[0], path, stat, args[3], 0, 0])
        })
    })?;
    user::write(args[2], &GuestStat::from(host))?;
    Ok(0)
}

/// statx implements Linux syscall statx(2), whose structure is the same everywhere.
pub(crate) fn statx(context: &mut Context<'_>, args: Args) -> Outcome {
    paths::resolve(context.process, args[0], args[1], links(args[2]), |path| {
        host::call(libc::SYS_statx, [args[0], path, args[2], args[3], args[4], args[5]])
    })
}

fn links(flags: u64) -> Links {
    if flags & libc::AT_SYMLINK_NOFOLLOW as u64 != 0 { Links::Keep } else { Links::Follow }
}
