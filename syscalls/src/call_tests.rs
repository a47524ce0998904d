//! Calls made as a guest would make them, against what Linux does.

use crate::testing::{AT_FDCWD, Guest, Scratch, at, c, failed, guest_parts};
use crate::{After, Config, Sysroot, host};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

fn guest() -> Guest {
    Guest::new(Config::default())
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Offsets as a program built with AArch64's headers prints them.
fn check_stat(stat: &[u8; 128], name: &str) {
    let real = fs::metadata(name).unwrap();
    assert_eq!(word(stat, 0), real.dev());
    assert_eq!(word(stat, 8), real.ino());
    assert_eq!(half(stat, 16), real.mode());
    assert_eq!(u64::from(half(stat, 20)), real.nlink());
    assert_eq!(half(stat, 24), real.uid());
    assert_eq!(half(stat, 28), real.gid());
    assert_eq!(word(stat, 32), real.rdev());
    assert_eq!(word(stat, 48), real.size());
    assert_eq!(u64::from(half(stat, 56)), real.blksize());
    assert_eq!(word(stat, 64), real.blocks());
    assert_eq!(word(stat, 72), real.atime() as u64);
    assert_eq!(word(stat, 88), real.mtime() as u64);
    assert_eq!(word(stat, 96), real.mtime_nsec() as u64);
    assert_eq!(word(stat, 104), real.ctime() as u64);
    assert_eq!(word(stat, 112), real.ctime_nsec() as u64);
}

#[test]
fn stat_has_the_guests_layout() {
    let scratch = Scratch::new("stat");
    let file = scratch.path("file");
    fs::write(&file, "12345").unwrap();
    let mut guest = guest();
    let mut stat = [0xffu8; 128];
    let mut name = c(&file);
    assert_eq!(guest.call("newfstatat", &[AT_FDCWD, at(&mut name[..]), at(&mut stat), 0]), 0);
    check_stat(&stat, &file);
    let fd = guest.call("openat", &[AT_FDCWD, at(&mut name[..]), 0, 0]) as u64;
    stat.fill(0xff);
    assert_eq!(guest.call("fstat", &[fd, at(&mut stat)]), 0);
    check_stat(&stat, &file);
    assert_eq!(guest.call("fstat", &[fd, 8]), failed(libc::EFAULT));
    assert_eq!(guest.call("newfstatat", &[AT_FDCWD, 8, at(&mut stat), 0]), failed(libc::EFAULT));
    assert_eq!(guest.call("close", &[fd]), 0);
    assert_eq!(guest.call("fstat", &[fd, at(&mut stat)]), failed(libc::EBADF));
}

#[test]
fn open_flags_are_the_guests() {
    const O_DIRECTORY: u64 = 0o40000;
    const O_NOFOLLOW: u64 = 0o100000;
    const O_LARGEFILE: i64 = 0o400000;
    let scratch = Scratch::new("open");
    let (file, link) = (scratch.path("file"), scratch.path("link"));
    fs::write(&file, "x").unwrap();
    symlink(&file, &link).unwrap();
    let mut guest = guest();
    let (mut file, mut link) = (c(&file), c(&link));
    assert_eq!(guest.call("openat", &[AT_FDCWD, at(&mut file[..]), O_DIRECTORY]), failed(libc::ENOTDIR));
    assert_eq!(guest.call("openat", &[AT_FDCWD, at(&mut link[..]), O_NOFOLLOW]), failed(libc::ELOOP));
    let mut how = [O_NOFOLLOW, 0, 0];
    assert_eq!(guest.call("openat2", &[AT_FDCWD, at(&mut link[..]), at(&mut how), 24]), failed(libc::ELOOP));
    assert_eq!(guest.call("openat2", &[AT_FDCWD, at(&mut link[..]), at(&mut how), 8]), failed(libc::EINVAL));
    let fd = guest.call("openat", &[AT_FDCWD, at(&mut file[..]), 2]);
    assert!(fd > 2);
    let fd = fd as u64;
    const APPEND: u64 = 0o2000;
    assert_eq!(guest.call("fcntl", &[fd, libc::F_GETFL as u64]), 2 | O_LARGEFILE);
    assert_eq!(guest.call("fcntl", &[fd, libc::F_SETFL as u64, APPEND]), 0);
    assert_eq!(guest.call("fcntl", &[fd, libc::F_GETFL as u64]), 2 | O_LARGEFILE | APPEND as i64);
    guest.call("close", &[fd]);
}

#[test]
fn packet_pipes_ask_for_the_hosts_bit() {
    const O_DIRECT: u64 = 0o200000;
    let mut guest = guest();
    let mut fds = [0u32; 2];
    assert_eq!(guest.call("pipe2", &[at(&mut fds), O_DIRECT]), 0);
    let flags = guest.call("fcntl", &[u64::from(fds[1]), libc::F_GETFL as u64]);
    assert_ne!(flags & O_DIRECT as i64, 0);
    for fd in fds {
        guest.call("close", &[u64::from(fd)]);
    }
}

#[test]
fn the_sysroot_is_searched_first() {
    let scratch = Scratch::new("sysroot");
    let root = scratch.path("root");
    fs::create_dir_all(format!("{root}/etc/inner")).unwrap();
    fs::write(format!("{root}/etc/only-here"), "guest").unwrap();
    symlink("/etc/only-here", format!("{root}/etc/inner/absolute")).unwrap();
    let mut guest = Guest::new(Config { sysroot: Sysroot::new(root.as_ref()), ..Config::default() });
    let mut here = c("/etc/only-here");
    let mut link = c("/etc/inner/absolute");
    let mut absent = c("/etc/passwd");
    let mut above = c("/../../etc/only-here");
    for path in [&mut here, &mut link, &mut above, &mut absent] {
        let fd = guest.call("openat", &[AT_FDCWD, at(&mut path[..]), 0]);
        assert!(fd >= 0, "{path:?}");
        guest.call("close", &[fd as u64]);
        assert_eq!(guest.call("faccessat", &[AT_FDCWD, at(&mut path[..]), 4]), 0);
    }
    let mut stat = [0u8; 128];
    assert_eq!(guest.call("newfstatat", &[AT_FDCWD, at(&mut link[..]), at(&mut stat), 0x100]), 0);
    assert_eq!(half(&stat, 16) & libc::S_IFMT, libc::S_IFLNK);
    let mut target = [0u8; 64];
    let bytes = guest.call("readlinkat", &[AT_FDCWD, at(&mut link[..]), at(&mut target), 64]);
    assert_eq!(&target[..bytes as usize], b"/etc/only-here");
    // Creating goes to the host; here to a directory that does not exist there.
    let mut new = c("/etc/inner/new");
    assert_eq!(guest.call("mkdirat", &[AT_FDCWD, at(&mut new[..]), 0o700]), failed(libc::ENOENT));
}

#[test]
fn the_program_is_the_guests() {
    let scratch = Scratch::new("exe");
    let exe = scratch.path("prog");
    fs::write(&exe, "program").unwrap();
    let mut guest = Guest::new(Config { exe: exe.clone().into(), ..Config::default() });
    let own = format!("/proc/{}/exe", std::process::id());
    for name in ["/proc/self/exe", "/proc/thread-self/exe", &own] {
        let mut name = c(name);
        let mut target = [0u8; 256];
        let bytes = guest.call("readlinkat", &[AT_FDCWD, at(&mut name[..]), at(&mut target), 256]);
        assert_eq!(&target[..bytes as usize], exe.as_bytes());
        assert_eq!(guest.call("readlinkat", &[AT_FDCWD, at(&mut name[..]), at(&mut target), 3]), 3);
        let mut stat = [0u8; 128];
        assert_eq!(guest.call("newfstatat", &[AT_FDCWD, at(&mut name[..]), at(&mut stat), 0]), 0);
        check_stat(&stat, &exe);
        let fd = guest.call("openat", &[AT_FDCWD, at(&mut name[..]), 0]) as u64;
        assert_eq!(guest.call("read", &[fd, at(&mut target), 256]), 7);
        guest.call("close", &[fd]);
    }
}

#[test]
fn epoll_events_are_padded() {
    let mut guest = guest();
    let event_fd = guest.call("eventfd2", &[1, 0]) as u64;
    let epoll = guest.call("epoll_create1", &[0]) as u64;
    let mut event = [1u32, 0xdead, 0x5566_7788, 0x1122_3344];
    assert_eq!(guest.call("epoll_ctl", &[epoll, 1, event_fd, at(&mut event)]), 0);
    let mut events = [0xffff_ffffu32; 8];
    assert_eq!(guest.call("epoll_pwait", &[epoll, at(&mut events), 2, 0, 0, 8]), 1);
    assert_eq!(events, [1, 0, 0x5566_7788, 0x1122_3344, u32::MAX, u32::MAX, u32::MAX, u32::MAX]);
    assert_eq!(guest.call("epoll_pwait", &[epoll, 8, 2, 0, 0, 8]), failed(libc::EFAULT));
    assert_eq!(guest.call("epoll_pwait", &[epoll, at(&mut events), 0, 0, 0, 8]), failed(libc::EINVAL));
    assert_eq!(guest.call("epoll_pwait", &[epoll, at(&mut events), 1 << 31, 0, 0, 8]), failed(libc::EINVAL));
    assert_eq!(guest.call("epoll_ctl", &[epoll, 3, event_fd, 8]), failed(libc::EFAULT));
    assert_eq!(guest.call("epoll_ctl", &[epoll, 2, event_fd, 0]), 0);
    guest.call("close", &[epoll]);
    guest.call("close", &[event_fd]);
}

#[test]
fn semaphores_have_the_guests_layout() {
    const IPC_PRIVATE: u64 = 0;
    let mut guest = guest();
    let id = guest.call("semget", &[IPC_PRIVATE, 5, 0o600]);
    assert!(id >= 0);
    let id = id as u64;
    let mut state = [u64::MAX; 12];
    assert_eq!(guest.call("semctl", &[id, 0, 2, at(&mut state)]), 0);
    assert_eq!(state[6], 0, "sem_otime");
    assert!(state[7] > 1_600_000_000, "sem_ctime");
    assert_eq!(state[8], 5, "sem_nsems");
    assert_eq!(state[11], u64::MAX, "nothing beyond the structure");
    assert_eq!(guest.call("semctl", &[id, 0, 0, 0]), 0);
}

#[test]
fn shared_memory_is_the_guests() {
    let mut guest = guest();
    let id = guest.call("shmget", &[0, 5000, 0o600]) as u64;
    let start = guest.call("shmat", &[id, 0, 0]);
    assert!(start > 0);
    let range = ir::GuestRange::new(ir::GuestAddr(start as u64), 8192);
    assert!(guest_parts(guest.thread.process().memory(), range).1);
    assert_eq!(guest.call("shmctl", &[id, 0, 0]), 0);
    assert_eq!(guest.call("shmdt", &[start as u64 + 4096]), failed(libc::EINVAL));
    assert_eq!(guest.call("shmdt", &[start as u64]), 0);
    assert!(guest_parts(guest.thread.process().memory(), range).0.is_empty());
}

#[test]
fn uname_says_aarch64() {
    let mut guest = Guest::new(Config { uname_release: Some("6.1.2-test".into()), ..Config::default() });
    let mut names = [0xffu8; 390];
    assert_eq!(guest.call("uname", &[at(&mut names)]), 0);
    let field = |index: usize| std::ffi::CStr::from_bytes_until_nul(&names[index * 65..]).unwrap().to_str().unwrap();
    assert_eq!((field(0), field(2), field(4)), ("Linux", "6.1.2-test", "aarch64"));
    assert_eq!(guest.call("uname", &[8]), failed(libc::EFAULT));
}

#[test]
fn memory_limits_are_read_back() {
    let mut guest = guest();
    let (mut new, mut old) = ([1 << 20, 1 << 40], [0u64; 2]);
    let address_space = u64::from(libc::RLIMIT_AS);
    assert_eq!(guest.call("setrlimit", &[address_space, at(&mut new)]), 0);
    assert_eq!(guest.call("getrlimit", &[address_space, at(&mut old)]), 0);
    assert_eq!(old, new);
    let mut wrong = [2u64, 1];
    assert_eq!(guest.call("prlimit64", &[0, address_space, at(&mut wrong), 0]), failed(libc::EINVAL));
    assert_eq!(guest.call("prlimit64", &[0, 99, 0, at(&mut old)]), failed(libc::EINVAL));
    assert_eq!(guest.call("prlimit64", &[0, u64::from(libc::RLIMIT_NOFILE), 0, at(&mut old)]), 0);
    assert!(old[0] <= old[1]);
}

#[test]
fn emus_descriptors_stay_open() {
    let file = fs::File::open("/dev/null").unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    let mut guest = Guest::new(Config { private_fds: vec![fd], ..Config::default() });
    assert_eq!(guest.call("close", &[fd as u64]), failed(libc::EBADF));
    assert_eq!(guest.call("close_range", &[fd as u64, fd as u64, 0]), 0);
    assert_eq!(guest.call("dup3", &[0, fd as u64, 0]), failed(libc::EBADF));
    assert!(file.metadata().is_ok());
}

#[test]
fn exit_ends_with_its_status() {
    let mut guest = guest();
    assert_eq!(guest.call_after("exit_group", &[0x103]).1, After::Exit(3));
    assert_eq!(guest.call_after("exit", &[0]).1, After::Exit(0));
}

#[test]
fn a_fork_gives_a_child() {
    let mut guest = guest();
    guest.cpu.x[31] = 0x1000;
    let (mut parent_tid, mut child_tid) = (0u32, 0u32);
    let flags = 0x100_0000 | 0x20_0000 | 0x10_0000 | libc::SIGCHLD as u64;
    let pid = guest.call("clone", &[flags, 0x2000, at(&mut parent_tid), 0, at(&mut child_tid)]);
    if pid == 0 {
        let own = guest.call("getpid", &[]) as u32;
        // The kernel stores the other one in the memory of the parent alone.
        let right = child_tid == own && parent_tid == 0 && guest.cpu.x[31] == 0x2000;
        guest.thread.process().exit(if right { 42 } else { 1 });
    }
    assert!(pid > 0);
    assert_eq!((i64::from(parent_tid), child_tid, guest.cpu.x[31]), (pid, 0, 0x1000));
    let mut status = 0u32;
    assert_eq!(guest.call("wait4", &[pid as u64, at(&mut status), 0, 0]), pid);
    assert_eq!(status, 42 << 8);
}

#[test]
fn death_by_signal_is_in_the_wait_status() {
    for signal in [libc::SIGSEGV, libc::SIGABRT, libc::SIGILL, libc::SIGBUS, libc::SIGTRAP] {
        for raised in [false, true] {
            let mut guest = guest();
            let pid = guest.call("clone", &[libc::SIGCHLD as u64]);
            if pid == 0 {
                let mut no_core = [0u64; 2];
                guest.call("setrlimit", &[u64::from(libc::RLIMIT_CORE), at(&mut no_core)]);
                if raised {
                    let own = [guest.call("getpid", &[]), guest.call("gettid", &[]), i64::from(signal)];
                    guest.call("tgkill", &own.map(|value| value as u64));
                }
                guest.thread.process().die(signal);
            }
            let mut status = 0i32;
            assert_eq!(guest.call("wait4", &[pid as u64, at(&mut status), 0, 0]), pid);
            assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == signal, "{signal} {status:#x}");
        }
    }
}

#[test]
fn execve_runs_host_programs_and_scripts() {
    let scratch = Scratch::new("exec");
    let script = scratch.path("script");
    fs::write(&script, "#!/bin/sh -e\n[ \"$1 $VALUE\" = 'argument 7' ] && exit 5\n").unwrap();
    let mut permissions = fs::metadata(&script).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o700);
    fs::set_permissions(&script, permissions).unwrap();
    let mut guest = guest();
    let (mut path, mut argument, mut variable) = (c(&script), c("argument"), c("VALUE=7"));
    let mut argv = [at(&mut path[..]), at(&mut argument[..]), 0];
    let mut envp = [at(&mut variable[..]), 0];
    // A plain fork, which goes through libc: the test harness has other threads, and a vfork of theirs would leave
    // their allocator's locks held in the child. emu itself brings its other threads to rest first
    // (tests/guest/children.c).
    let pid = guest.call("clone", &[libc::SIGCHLD as u64]);
    if pid == 0 {
        let (_, after) = guest.call_after("execve", &[at(&mut path[..]), at(&mut argv), at(&mut envp)]);
        if after == After::Exec {
            guest.thread.become_program(&mut guest.cpu);
        }
        guest.thread.process().exit(1);
    }
    let mut status = 0u32;
    assert_eq!(guest.call("wait4", &[pid as u64, at(&mut status), 0, 0]), pid);
    assert_eq!(status, 5 << 8);
}

#[test]
fn execve_refuses_what_cannot_run() {
    let scratch = Scratch::new("noexec");
    let text = scratch.path("text");
    fs::write(&text, "not a program\n").unwrap();
    let mut guest = guest();
    let mut argv = [0u64];
    let mut call = |path: &str| {
        let mut path = c(path);
        guest.call("execve", &[at(&mut path[..]), at(&mut argv), 0])
    };
    assert_eq!(call("/does/not/exist"), failed(libc::ENOENT));
    assert_eq!(call(&text), failed(libc::EACCES));
    assert_eq!(call("/tmp"), failed(libc::EACCES));
    assert_eq!(call(""), failed(libc::ENOENT));
    assert_eq!(guest.call("execve", &[8, 0, 0]), failed(libc::EFAULT));
}

#[test]
fn libraries_fall_back_from_newer_calls() {
    let mut guest = guest();
    assert_eq!(guest.call("rseq", &[0, 32, 0, 0]), failed(libc::ENOSYS));
    assert_eq!(guest.call("pkey_alloc", &[]), failed(libc::ENOSPC));
}

#[test]
fn clocks_answer_as_the_kernel_does() {
    let mut guest = guest();
    let mut time = [0u64; 2];
    let mut last = 0;
    for _ in 0..1000 {
        assert_eq!(guest.call("clock_gettime", &[libc::CLOCK_MONOTONIC as u64, at(&mut time)]), 0);
        assert!(time[1] < 1_000_000_000);
        let now = time[0] * 1_000_000_000 + time[1];
        assert!(now >= last);
        last = now;
    }
    // Every clock that the host has, by the call that goes past the C library.
    for clock in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, u64::MAX, (-6i64) as u64, 1 << 32] {
        let mut known = [0u64; 2];
        let expected = host::call3(libc::SYS_clock_gettime, clock, at(&mut known), 0);
        let actual = guest.call("clock_gettime", &[clock, at(&mut time)]);
        assert_eq!(actual, expected.map_or_else(|error| failed(error.0), |value| value as i64), "clock {clock}");
        assert!(actual < 0 || time[0].abs_diff(known[0]) <= 1, "clock {clock}");
    }
    assert_eq!(guest.call("clock_gettime", &[0, 8]), failed(libc::EFAULT));
    assert_eq!(guest.call("clock_gettime", &[0, 0]), failed(libc::EFAULT));
    assert_eq!(guest.call("clock_gettime", &[77, 8]), failed(libc::EINVAL));
}

#[test]
fn gettimeofday_answers_as_the_kernel_does() {
    let mut guest = guest();
    let (mut time, mut zone) = ([0u64; 2], [u32::MAX; 2]);
    assert_eq!(guest.call("gettimeofday", &[at(&mut time), 0]), 0);
    assert!(time[0] > 1_600_000_000 && time[1] < 1_000_000);
    assert_eq!(guest.call("gettimeofday", &[0, 0]), 0);
    assert_eq!(guest.call("gettimeofday", &[0, at(&mut zone)]), 0);
    assert!(!zone.contains(&u32::MAX));
    assert_eq!(guest.call("gettimeofday", &[8, 0]), failed(libc::EFAULT));
    assert_eq!(guest.call("gettimeofday", &[at(&mut time), 8]), failed(libc::EFAULT));
}
