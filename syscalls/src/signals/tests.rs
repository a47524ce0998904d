use super::*;
use crate::Config;
use crate::testing::{Guest, at, failed};

fn action(handler: u64, flags: u64, mask: u64) -> [u64; 4] {
    [handler, flags, 0, mask]
}

#[test]
fn actions_are_recorded_and_given_back() {
    let mut guest = Guest::new(Config::default());
    let mut first = action(0x40_0000, 0x1000_0004, 0xffff_ffff_ffff_ffff);
    let mut old = [9u64; 4];
    let usr2 = libc::SIGUSR2 as u64;
    assert_eq!(guest.call("rt_sigaction", &[usr2, at(&mut first), at(&mut old), 8]), 0);
    assert_eq!(old, [0; 4]);
    let mut second = action(1, 0, 0);
    assert_eq!(guest.call("rt_sigaction", &[usr2, at(&mut second), at(&mut old), 8]), 0);
    // SIGKILL and SIGSTOP are not kept in masks.
    assert_eq!(old, [0x40_0000, 0x1000_0004, 0, !(1 << 8 | 1 << 18)]);
    assert_eq!(host::sigaction(libc::SIGUSR2, None).unwrap().handler, SIG_IGN);
    assert_eq!(guest.call("kill", &[u64::from(std::process::id()), usr2]), 0, "ignored");
    let mut default = action(0, 0, 0);
    assert_eq!(guest.call("rt_sigaction", &[usr2, at(&mut default), at(&mut old), 8]), 0);
    assert_eq!(old[0], SIG_IGN);
    assert_eq!(host::sigaction(libc::SIGUSR2, None).unwrap().handler, SIG_DFL);
}

#[test]
fn real_time_signals_are_all_the_guests() {
    let mut guest = Guest::new(Config::default());
    let mut ignore = action(1, 0, 0);
    for signal in [34, 63, 64] {
        assert_eq!(guest.call("rt_sigaction", &[signal, at(&mut ignore), 0, 8]), 0);
        assert_eq!(host::sigaction(signal as i32, None).unwrap().handler, SIG_IGN);
    }
}

#[test]
fn emus_handlers_stay() {
    let mut guest = Guest::new(Config::default());
    let before = host::sigaction(libc::SIGSEGV, None).unwrap();
    let mut ignore = action(1, 0, 0);
    let mut old = [9u64; 4];
    let segv = libc::SIGSEGV as u64;
    assert_eq!(guest.call("rt_sigaction", &[segv, at(&mut ignore), at(&mut old), 8]), 0);
    assert_eq!(old, [0; 4]);
    assert_eq!(host::sigaction(libc::SIGSEGV, None).unwrap(), before);
    assert_eq!(guest.call("kill", &[u64::from(std::process::id()), segv]), 0, "ignored");
}

#[test]
fn bad_signals_are_refused() {
    let mut guest = Guest::new(Config::default());
    let mut ignore = action(1, 0, 0);
    let einval = failed(libc::EINVAL);
    for signal in [0, 65, u64::MAX, libc::SIGKILL as u64, libc::SIGSTOP as u64] {
        assert_eq!(guest.call("rt_sigaction", &[signal, at(&mut ignore), 0, 8]), einval, "{signal}");
    }
    assert_eq!(guest.call("rt_sigaction", &[1, 0, 0, 16]), einval);
    assert_eq!(guest.call("rt_sigaction", &[1, 8, 0, 8]), failed(libc::EFAULT));
    assert_eq!(guest.call("rt_sigaction", &[1, 0, 8, 8]), failed(libc::EFAULT));
    assert_eq!(guest.call("rt_sigprocmask", &[7, at(&mut ignore), 0, 8]), einval);
}

#[test]
fn the_mask_is_the_guests_but_for_emus_signals() {
    let mut guest = Guest::new(Config::default());
    let (mut set, mut old) = (u64::MAX, 0u64);
    assert_eq!(guest.call("rt_sigprocmask", &[2, at(&mut set), 0, 8]), 0);
    assert_eq!(guest.call("rt_sigprocmask", &[0, 0, at(&mut old), 8]), 0);
    assert_eq!(old, !(bit(libc::SIGKILL) | bit(libc::SIGSTOP)));
    let host = host::sigmask(libc::SIG_BLOCK, None).unwrap();
    assert_eq!(host & (bit(libc::SIGSEGV) | bit(libc::SIGBUS)), 0);
    assert_ne!(host & bit(libc::SIGTERM), 0);
    set = bit(libc::SIGTERM);
    assert_eq!(guest.call("rt_sigprocmask", &[1, at(&mut set), 0, 8]), 0);
    assert_eq!(host::sigmask(libc::SIG_BLOCK, None).unwrap() & bit(libc::SIGTERM), 0);
    set = 0;
    assert_eq!(guest.call("rt_sigprocmask", &[2, at(&mut set), 0, 8]), 0);
}

#[test]
fn the_alternate_stack_is_kept() {
    let mut guest = Guest::new(Config::default());
    let mut old = [9u64; 3];
    assert_eq!(guest.call("sigaltstack", &[0, at(&mut old)]), 0);
    assert_eq!(old, [0, u64::from(SS_DISABLE), 0]);
    let mut stack = [0x10_0000u64, 0, 16384];
    assert_eq!(guest.call("sigaltstack", &[at(&mut stack), 0]), 0);
    let mut small = [0x10_0000u64, 0, 5119];
    assert_eq!(guest.call("sigaltstack", &[at(&mut small), 0]), failed(libc::ENOMEM));
    let mut wrong = [0x10_0000u64, 4, 16384];
    assert_eq!(guest.call("sigaltstack", &[at(&mut wrong), 0]), failed(libc::EINVAL));
    guest.cpu.x[CpuState::SP] = 0x10_1000;
    assert_eq!(guest.call("sigaltstack", &[at(&mut stack), at(&mut old)]), failed(libc::EPERM));
    assert_eq!(guest.call("sigaltstack", &[0, at(&mut old)]), 0);
    assert_eq!(old, [0x10_0000, u64::from(SS_ONSTACK), 16384]);
}

use ir::CpuState;
