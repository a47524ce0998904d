//! A guest that passes anything: emu must live, and its memory must stay as it was.

use crate::Config;
use crate::testing::Guest;
use std::fs;

/// xorshift64*, so that a failure comes again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn pick(&mut self, from: &[u64]) -> u64 {
        from[self.next() as usize % from.len()]
    }
}

/// Where something is mapped in this process: most of it emu's.
fn mapped() -> Vec<u64> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter_map(|line| u64::from_str_radix(line.split('-').next()?, 16).ok()).collect()
}

/// Runs `body` in a child, since it may leave the process's memory or signals in any state; true if the child lived.
fn survives(body: impl FnOnce(&mut Guest)) -> bool {
    let mut guest = Guest::new(Config::default());
    let pid = guest.call("clone", &[libc::SIGCHLD as u64]);
    if pid == 0 {
        guest.call("setitimer", &[0, [0u64, 0, 20, 0].as_ptr() as u64, 0]);
        body(&mut guest);
        guest.thread.process().exit(0);
    }
    let mut status = u32::MAX;
    guest.call("wait4", &[pid as u64, std::ptr::from_mut(&mut status) as u64, 0, 0]);
    status == 0
}

#[test]
fn random_memory_calls_leave_emu_alone() {
    const CALLS: [&str; 6] = ["mmap", "munmap", "mprotect", "mremap", "madvise", "brk"];
    const LENGTHS: [u64; 7] = [0, 1, 4096, 8192, 0x10_0000, 1 << 33, u64::MAX - 4095];
    // Not MADV_POPULATE_*, MAP_POPULATE and MAP_LOCKED: they only take time and memory.
    const ADVICE: [u64; 6] = [0, 4, 8, 9, 14, 21];
    const MAP_FLAGS: u64 = !0xa000 & 0x11_7fff;
    assert!(survives(|guest| {
        let mut random = Random(0x1234_5678_9abc_def1);
        let mut places = mapped();
        places.extend([0, 4096, u64::MAX - 4095, 1 << 47, 0x7fff_ffff_e000]);
        guest.thread.process().memory().start_brk(ir::GuestAddr(0x3000_0000));
        for _ in 0..20_000 {
            let name = CALLS[random.next() as usize % CALLS.len()];
            let offset = random.pick(&[0, 0, 4096, 0u64.wrapping_sub(4096), 0x8000, 1]);
            let place = random.pick(&places).wrapping_add(offset);
            let length = random.pick(&LENGTHS);
            let args = match name {
                "mmap" => [place, length, random.next() & 7, random.next() & MAP_FLAGS | 0x20, u64::MAX, 0],
                "mremap" => [place, length, random.pick(&LENGTHS), random.next() & 7, random.pick(&places), 0],
                "madvise" => [place, length, random.pick(&ADVICE), 0, 0, 0],
                _ => [place, length, random.next() & 7, 0, 0, 0],
            };
            let result = guest.call(name, &args);
            if result > 0 && places.len() < 1000 {
                places.push(result as u64);
            }
        }
    }));
}

#[test]
fn wild_pointers_are_faults() {
    const CALLS: &[&str] = &[
        "epoll_ctl",
        "epoll_pwait",
        "epoll_pwait2",
        "clone3",
        "execve",
        "execveat",
        "faccessat",
        "fstat",
        "getxattr",
        "inotify_add_watch",
        "listxattr",
        "name_to_handle_at",
        "newfstatat",
        "openat",
        "openat2",
        "pipe2",
        "prlimit64",
        "readlinkat",
        "rt_sigaction",
        "rt_sigprocmask",
        "semctl",
        "set_robust_list",
        "set_tid_address",
        "setrlimit",
        "sigaltstack",
        "statfs",
        "statx",
        "uname",
    ];
    const VALUES: [u64; 10] = [0, 1, 2, 8, 24, 4095, 1 << 40, 1 << 47, 1 << 63, u64::MAX];
    assert!(survives(|guest| {
        let mut random = Random(0xfeed_f00d_dead_beef);
        for _ in 0..20_000 {
            let name = CALLS[random.next() as usize % CALLS.len()];
            let args: Vec<u64> = (0..6).map(|_| random.pick(&VALUES)).collect();
            guest.call(name, &args);
        }
    }));
}
