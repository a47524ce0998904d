//! Names of flags and values for `-strace`, with AArch64's numbers, and the conversion of open flags, the only bits
//! that the two architectures number differently. It must not know which calls use them.

use crate::table::Names;
use linux_raw_sys::general::{O_DIRECT, O_DIRECTORY, O_LARGEFILE, O_NOFOLLOW};

/// Open flags by their AArch64 bit and their x86-64 bit, where these differ.
const MOVED: [(u32, u32); 4] =
    [(0o40000, O_DIRECTORY), (0o100000, O_NOFOLLOW), (0o200000, O_DIRECT), (0o400000, O_LARGEFILE)];

fn moved(flags: u64, bits: impl Iterator<Item = (u32, u32)> + Clone) -> u64 {
    let mask = bits.clone().fold(0, |mask, (from, _)| mask | u64::from(from));
    let set = bits.filter(|(from, _)| flags & u64::from(*from) != 0).fold(0, |set, (_, to)| set | u64::from(to));
    flags & !mask | set
}

/// The guest's open flags as the host's.
pub(crate) fn open_to_host(flags: u64) -> u64 {
    moved(flags, MOVED.into_iter())
}

/// The host's open flags as the guest's.
pub(crate) fn open_to_guest(flags: u64) -> u64 {
    moved(flags, MOVED.into_iter().map(|(guest, host)| (host, guest)))
}

/// open(2), pipe2(2) and the like. Combinations stand before their parts.
#[rustfmt::skip]
pub(crate) const OPEN: Names = &[
    (0, "O_RDONLY"), (0o20040000, "O_TMPFILE"), (0o4010000, "O_SYNC"), (1, "O_WRONLY"), (2, "O_RDWR"),
    (0o100, "O_CREAT"), (0o200, "O_EXCL"), (0o400, "O_NOCTTY"), (0o1000, "O_TRUNC"), (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"), (0o10000, "O_DSYNC"), (0o20000, "O_ASYNC"), (0o40000, "O_DIRECTORY"),
    (0o100000, "O_NOFOLLOW"), (0o200000, "O_DIRECT"), (0o400000, "O_LARGEFILE"), (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"), (0o10000000, "O_PATH"),
];

/// `*at` calls.
pub(crate) const AT: Names = &[
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x200, "AT_EACCESS"),
    (0x400, "AT_SYMLINK_FOLLOW"),
    (0x800, "AT_NO_AUTOMOUNT"),
    (0x1000, "AT_EMPTY_PATH"),
    (0x2000, "AT_STATX_FORCE_SYNC"),
    (0x4000, "AT_STATX_DONT_SYNC"),
];

/// unlinkat(2).
pub(crate) const AT_REMOVE: Names = &[(0x200, "AT_REMOVEDIR")];

/// access(2).
pub(crate) const ACCESS: Names = &[(0, "F_OK"), (1, "X_OK"), (2, "W_OK"), (4, "R_OK")];

/// lseek(2).
pub(crate) const SEEK: Names = &[(0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END"), (3, "SEEK_DATA"), (4, "SEEK_HOLE")];

/// fcntl(2).
#[rustfmt::skip]
pub(crate) const FCNTL: Names = &[
    (0, "F_DUPFD"), (1, "F_GETFD"), (2, "F_SETFD"), (3, "F_GETFL"), (4, "F_SETFL"), (5, "F_GETLK"), (6, "F_SETLK"),
    (7, "F_SETLKW"), (8, "F_SETOWN"), (9, "F_GETOWN"), (10, "F_SETSIG"), (11, "F_GETSIG"), (15, "F_SETOWN_EX"),
    (16, "F_GETOWN_EX"), (36, "F_OFD_GETLK"), (37, "F_OFD_SETLK"), (38, "F_OFD_SETLKW"), (1024, "F_SETLEASE"),
    (1025, "F_GETLEASE"), (1026, "F_NOTIFY"), (1030, "F_DUPFD_CLOEXEC"), (1031, "F_SETPIPE_SZ"),
    (1032, "F_GETPIPE_SZ"), (1033, "F_ADD_SEALS"), (1034, "F_GET_SEALS"),
];

/// ioctl(2): those that every program meets.
#[rustfmt::skip]
pub(crate) const IOCTL: Names = &[
    (0x5401, "TCGETS"), (0x5402, "TCSETS"), (0x5403, "TCSETSW"), (0x5404, "TCSETSF"), (0x540e, "TIOCSCTTY"),
    (0x540f, "TIOCGPGRP"), (0x5410, "TIOCSPGRP"), (0x5413, "TIOCGWINSZ"), (0x5414, "TIOCSWINSZ"),
    (0x541b, "FIONREAD"), (0x5421, "FIONBIO"), (0x5450, "FIONCLEX"), (0x5451, "FIOCLEX"), (0x802c542a, "TCGETS2"),
];

/// epoll_ctl(2).
pub(crate) const EPOLL_OP: Names = &[(1, "EPOLL_CTL_ADD"), (2, "EPOLL_CTL_DEL"), (3, "EPOLL_CTL_MOD")];

/// Clocks.
#[rustfmt::skip]
pub(crate) const CLOCK: Names = &[
    (0, "CLOCK_REALTIME"), (1, "CLOCK_MONOTONIC"), (2, "CLOCK_PROCESS_CPUTIME_ID"), (3, "CLOCK_THREAD_CPUTIME_ID"),
    (4, "CLOCK_MONOTONIC_RAW"), (5, "CLOCK_REALTIME_COARSE"), (6, "CLOCK_MONOTONIC_COARSE"), (7, "CLOCK_BOOTTIME"),
    (8, "CLOCK_REALTIME_ALARM"), (9, "CLOCK_BOOTTIME_ALARM"), (11, "CLOCK_TAI"),
];

/// futex(2), with and without FUTEX_PRIVATE_FLAG.
#[rustfmt::skip]
pub(crate) const FUTEX: Names = &[
    (0, "FUTEX_WAIT"), (1, "FUTEX_WAKE"), (3, "FUTEX_REQUEUE"), (4, "FUTEX_CMP_REQUEUE"), (5, "FUTEX_WAKE_OP"),
    (6, "FUTEX_LOCK_PI"), (7, "FUTEX_UNLOCK_PI"), (9, "FUTEX_WAIT_BITSET"), (10, "FUTEX_WAKE_BITSET"),
    (128, "FUTEX_WAIT_PRIVATE"), (129, "FUTEX_WAKE_PRIVATE"), (131, "FUTEX_REQUEUE_PRIVATE"),
    (132, "FUTEX_CMP_REQUEUE_PRIVATE"), (133, "FUTEX_WAKE_OP_PRIVATE"), (134, "FUTEX_LOCK_PI_PRIVATE"),
    (135, "FUTEX_UNLOCK_PI_PRIVATE"), (137, "FUTEX_WAIT_BITSET_PRIVATE"), (138, "FUTEX_WAKE_BITSET_PRIVATE"),
    (265, "FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME"), (393, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"),
];

/// sigprocmask(2).
pub(crate) const SIG_HOW: Names = &[(0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")];

/// Resource limits.
#[rustfmt::skip]
pub(crate) const RLIMIT: Names = &[
    (0, "RLIMIT_CPU"), (1, "RLIMIT_FSIZE"), (2, "RLIMIT_DATA"), (3, "RLIMIT_STACK"), (4, "RLIMIT_CORE"),
    (5, "RLIMIT_RSS"), (6, "RLIMIT_NPROC"), (7, "RLIMIT_NOFILE"), (8, "RLIMIT_MEMLOCK"), (9, "RLIMIT_AS"),
    (10, "RLIMIT_LOCKS"), (11, "RLIMIT_SIGPENDING"), (12, "RLIMIT_MSGQUEUE"), (13, "RLIMIT_NICE"),
    (14, "RLIMIT_RTPRIO"), (15, "RLIMIT_RTTIME"),
];

/// prctl(2).
#[rustfmt::skip]
pub(crate) const PRCTL: Names = &[
    (1, "PR_SET_PDEATHSIG"), (2, "PR_GET_PDEATHSIG"), (3, "PR_GET_DUMPABLE"), (4, "PR_SET_DUMPABLE"),
    (7, "PR_GET_KEEPCAPS"), (8, "PR_SET_KEEPCAPS"), (15, "PR_SET_NAME"), (16, "PR_GET_NAME"), (21, "PR_GET_SECCOMP"),
    (22, "PR_SET_SECCOMP"), (23, "PR_CAPBSET_READ"), (24, "PR_CAPBSET_DROP"), (27, "PR_GET_SECUREBITS"),
    (28, "PR_SET_SECUREBITS"), (29, "PR_SET_TIMERSLACK"), (30, "PR_GET_TIMERSLACK"), (35, "PR_SET_MM"),
    (36, "PR_SET_CHILD_SUBREAPER"), (37, "PR_GET_CHILD_SUBREAPER"), (38, "PR_SET_NO_NEW_PRIVS"),
    (39, "PR_GET_NO_NEW_PRIVS"), (40, "PR_GET_TID_ADDRESS"), (41, "PR_SET_THP_DISABLE"), (42, "PR_GET_THP_DISABLE"),
    (47, "PR_CAP_AMBIENT"), (50, "PR_SVE_SET_VL"), (51, "PR_SVE_GET_VL"), (52, "PR_GET_SPECULATION_CTRL"),
    (53, "PR_SET_SPECULATION_CTRL"), (54, "PR_PAC_RESET_KEYS"), (55, "PR_SET_TAGGED_ADDR_CTRL"),
    (56, "PR_GET_TAGGED_ADDR_CTRL"), (57, "PR_SET_IO_FLUSHER"), (58, "PR_GET_IO_FLUSHER"),
    (60, "PR_PAC_SET_ENABLED_KEYS"), (61, "PR_PAC_GET_ENABLED_KEYS"), (62, "PR_SCHED_CORE"),
    (0x53564d41, "PR_SET_VMA"), (0x59616d61, "PR_SET_PTRACER"),
];

/// socket(2).
#[rustfmt::skip]
pub(crate) const FAMILY: Names = &[
    (0, "AF_UNSPEC"), (1, "AF_UNIX"), (2, "AF_INET"), (10, "AF_INET6"), (16, "AF_NETLINK"), (17, "AF_PACKET"),
    (38, "AF_ALG"), (40, "AF_VSOCK"),
];

/// Page protection.
#[rustfmt::skip]
pub(crate) const PROT: Names = &[
    (0, "PROT_NONE"), (1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC"), (0x10, "PROT_BTI"), (0x20, "PROT_MTE"),
    (0x0100_0000, "PROT_GROWSDOWN"), (0x0200_0000, "PROT_GROWSUP"),
];

/// mmap(2).
#[rustfmt::skip]
pub(crate) const MAP: Names = &[
    (3, "MAP_SHARED_VALIDATE"), (1, "MAP_SHARED"), (2, "MAP_PRIVATE"), (0x10, "MAP_FIXED"), (0x20, "MAP_ANONYMOUS"),
    (0x100, "MAP_GROWSDOWN"), (0x800, "MAP_DENYWRITE"), (0x1000, "MAP_EXECUTABLE"), (0x2000, "MAP_LOCKED"),
    (0x4000, "MAP_NORESERVE"), (0x8000, "MAP_POPULATE"), (0x1_0000, "MAP_NONBLOCK"), (0x2_0000, "MAP_STACK"),
    (0x4_0000, "MAP_HUGETLB"), (0x8_0000, "MAP_SYNC"), (0x10_0000, "MAP_FIXED_NOREPLACE"),
];

/// mremap(2).
pub(crate) const MREMAP: Names = &[(1, "MREMAP_MAYMOVE"), (2, "MREMAP_FIXED"), (4, "MREMAP_DONTUNMAP")];

/// madvise(2).
#[rustfmt::skip]
pub(crate) const MADV: Names = &[
    (0, "MADV_NORMAL"), (1, "MADV_RANDOM"), (2, "MADV_SEQUENTIAL"), (3, "MADV_WILLNEED"), (4, "MADV_DONTNEED"),
    (8, "MADV_FREE"), (9, "MADV_REMOVE"), (10, "MADV_DONTFORK"), (11, "MADV_DOFORK"), (12, "MADV_MERGEABLE"),
    (13, "MADV_UNMERGEABLE"), (14, "MADV_HUGEPAGE"), (15, "MADV_NOHUGEPAGE"), (16, "MADV_DONTDUMP"),
    (17, "MADV_DODUMP"), (18, "MADV_WIPEONFORK"), (19, "MADV_KEEPONFORK"), (20, "MADV_COLD"), (21, "MADV_PAGEOUT"),
    (22, "MADV_POPULATE_READ"), (23, "MADV_POPULATE_WRITE"), (25, "MADV_COLLAPSE"),
];

/// clone(2). The low byte is the exit signal.
#[rustfmt::skip]
pub(crate) const CLONE: Names = &[
    (0x100, "CLONE_VM"), (0x200, "CLONE_FS"), (0x400, "CLONE_FILES"), (0x800, "CLONE_SIGHAND"),
    (0x1000, "CLONE_PIDFD"), (0x2000, "CLONE_PTRACE"), (0x4000, "CLONE_VFORK"), (0x8000, "CLONE_PARENT"),
    (0x1_0000, "CLONE_THREAD"), (0x2_0000, "CLONE_NEWNS"), (0x4_0000, "CLONE_SYSVSEM"), (0x8_0000, "CLONE_SETTLS"),
    (0x10_0000, "CLONE_PARENT_SETTID"), (0x20_0000, "CLONE_CHILD_CLEARTID"), (0x40_0000, "CLONE_DETACHED"),
    (0x80_0000, "CLONE_UNTRACED"), (0x100_0000, "CLONE_CHILD_SETTID"), (0x200_0000, "CLONE_NEWCGROUP"),
    (0x400_0000, "CLONE_NEWUTS"), (0x800_0000, "CLONE_NEWIPC"), (0x1000_0000, "CLONE_NEWUSER"),
    (0x2000_0000, "CLONE_NEWPID"), (0x4000_0000, "CLONE_NEWNET"), (0x8000_0000, "CLONE_IO"), (17, "SIGCHLD"),
];

/// Signals.
#[rustfmt::skip]
pub(crate) const SIGNAL: Names = &[
    (1, "SIGHUP"), (2, "SIGINT"), (3, "SIGQUIT"), (4, "SIGILL"), (5, "SIGTRAP"), (6, "SIGABRT"), (7, "SIGBUS"),
    (8, "SIGFPE"), (9, "SIGKILL"), (10, "SIGUSR1"), (11, "SIGSEGV"), (12, "SIGUSR2"), (13, "SIGPIPE"),
    (14, "SIGALRM"), (15, "SIGTERM"), (16, "SIGSTKFLT"), (17, "SIGCHLD"), (18, "SIGCONT"), (19, "SIGSTOP"),
    (20, "SIGTSTP"), (21, "SIGTTIN"), (22, "SIGTTOU"), (23, "SIGURG"), (24, "SIGXCPU"), (25, "SIGXFSZ"),
    (26, "SIGVTALRM"), (27, "SIGPROF"), (28, "SIGWINCH"), (29, "SIGIO"), (30, "SIGPWR"), (31, "SIGSYS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// AArch64's values, from its asm/fcntl.h, against the host's, from libc.
    const PAIRS: [(u64, i32); 7] = [
        (0o40000, libc::O_DIRECTORY),
        (0o100000, libc::O_NOFOLLOW),
        (0o200000, libc::O_DIRECT),
        (0o20040000, libc::O_TMPFILE),
        (0o2000000, libc::O_CLOEXEC),
        (0o10000000, libc::O_PATH),
        (0o4010000, libc::O_SYNC),
    ];

    #[test]
    fn open_flags_convert_both_ways() {
        for (guest, host) in PAIRS {
            assert_eq!(open_to_host(guest), host as u64, "{guest:o}");
            assert_eq!(open_to_guest(host as u64), guest, "{guest:o}");
        }
        // O_LARGEFILE, which libc calls 0 on 64-bit hosts; x86-64's asm/fcntl.h has 0100000.
        assert_eq!(open_to_host(0o400000), 0o100000);
        assert_eq!(open_to_guest(0o100000), 0o400000);
        let all = u64::from(u32::MAX);
        assert_eq!(open_to_host(all), all);
        for bit in 0..64 {
            assert_eq!(open_to_guest(open_to_host(1 << bit)), 1 << bit);
        }
    }

    #[test]
    fn unchanged_open_flags_have_the_hosts_values() {
        for (name, host) in [
            ("O_CREAT", libc::O_CREAT),
            ("O_EXCL", libc::O_EXCL),
            ("O_NOCTTY", libc::O_NOCTTY),
            ("O_TRUNC", libc::O_TRUNC),
            ("O_APPEND", libc::O_APPEND),
            ("O_NONBLOCK", libc::O_NONBLOCK),
            ("O_NOATIME", libc::O_NOATIME),
        ] {
            assert!(OPEN.contains(&(host as u64, name)), "{name}");
        }
    }
}
