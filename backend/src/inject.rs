//! Failures of emu's own that tests ask for, each at the place where it could happen. Knows nothing of what comes of
//! them.
//!
//! Unsafe because some of them are instructions that fail.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

/// What fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Failure {
    /// The optimising compiler panics.
    Compiler = 1,
    /// Cranelift refuses a region.
    Cranelift,
    /// An assertion of the machine-code pass.
    MachineCode,
    /// An assertion of what is done to CLIF once it has been verified.
    Prepared,
    /// An assertion of what labels are put on.
    Labels,
    /// An assertion of the deferred floating-point checks.
    Deferred,
    /// The emitter panics.
    Emitter,
    /// A guest thread panics.
    Thread,
    /// The compiler's thread panics outside of the compiler, as soon as a fork waits for it.
    Worker,
    /// An access of emu's own faults.
    Fault,
    /// An instruction of emu's own is none.
    Illegal,
    /// An access of emu's own is to a file that ends before it.
    Bus,
    /// Emu divides by zero.
    Division,
    /// Emu comes to a breakpoint.
    Breakpoint,
}

const NAMES: [(&str, Failure); 14] = [
    ("compiler", Failure::Compiler),
    ("cranelift", Failure::Cranelift),
    ("machine-code", Failure::MachineCode),
    ("prepared", Failure::Prepared),
    ("labels", Failure::Labels),
    ("deferred", Failure::Deferred),
    ("emitter", Failure::Emitter),
    ("thread", Failure::Thread),
    ("worker", Failure::Worker),
    ("fault", Failure::Fault),
    ("illegal", Failure::Illegal),
    ("bus", Failure::Bus),
    ("division", Failure::Division),
    ("breakpoint", Failure::Breakpoint),
];

static CHOSEN: AtomicU32 = AtomicU32::new(0);
static TIMES_LEFT: AtomicU32 = AtomicU32::new(0);
/// Of `TIMES_LEFT`: each time.
const ALWAYS: u32 = u32::MAX;

impl Failure {
    /// From its name, with a comma and a number behind it, the one time at which it happens; it happens each time
    /// without.
    #[must_use]
    pub fn parse(text: &str) -> Option<(Self, Option<u32>)> {
        let (name, time) = match text.split_once(',') {
            Some((name, time)) => (name, Some(time.parse().ok().filter(|&time| time > 0 && time != ALWAYS)?)),
            None => (text, None),
        };
        let failure = NAMES.iter().find(|known| known.0 == name)?.1;
        Some((failure, time))
    }
}

/// From now on `failure` happens: at the given time of those at which it could, or each time.
pub fn inject(failure: Failure, time: Option<u32>) {
    TIMES_LEFT.store(time.unwrap_or(ALWAYS), Ordering::Relaxed);
    CHOSEN.store(failure as u32, Ordering::Relaxed);
}

/// Whether `failure` is to happen, now that it could.
pub fn is_due(failure: Failure) -> bool {
    if CHOSEN.load(Ordering::Relaxed) != failure as u32 {
        return false;
    }
    let count = |left: u32| Some(if left == ALWAYS { left } else { left.saturating_sub(1) });
    let left = TIMES_LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).unwrap_or_default();
    left == ALWAYS || left == 1
}

/// Panics if `failure` is to happen.
pub fn panic_if_due(failure: Failure) {
    assert!(!is_due(failure), "this failure has been asked for");
}

/// What can happen to a guest thread in emu's own code.
pub fn fail_thread_if_due() {
    if CHOSEN.load(Ordering::Relaxed) < Failure::Thread as u32 {
        return;
    }
    panic_if_due(Failure::Thread);
    if is_due(Failure::Fault) {
        // SAFETY: kills the process, as it should.
        unsafe { std::arch::asm!("mov {0}, qword ptr [{0}]", inout(reg) 8u64 => _) };
    }
    if is_due(Failure::Illegal) {
        // SAFETY: kills the process, as it should.
        unsafe { std::arch::asm!("ud2") };
    }
    if is_due(Failure::Bus) {
        // SAFETY: maps an empty file, whose pages cannot be read; kills the process, as it should.
        unsafe {
            let file = libc::memfd_create(c"empty".as_ptr(), libc::MFD_CLOEXEC);
            let page = libc::mmap(std::ptr::null_mut(), 1, libc::PROT_READ, libc::MAP_SHARED, file, 0);
            page.cast::<u8>().read_volatile();
        }
    }
    if is_due(Failure::Division) {
        // SAFETY: kills the process, as it should.
        unsafe { std::arch::asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) };
    }
    if is_due(Failure::Breakpoint) {
        // SAFETY: kills the process, as it should.
        unsafe { std::arch::asm!("int3") };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_names_and_times() {
        assert_eq!(Failure::parse("compiler"), Some((Failure::Compiler, None)));
        assert_eq!(Failure::parse("fault,3"), Some((Failure::Fault, Some(3))));
        for wrong in ["", "nothing", "fault,", "fault,0", "fault,x"] {
            assert_eq!(Failure::parse(wrong), None, "{wrong}");
        }
        for (index, (_, failure)) in NAMES.into_iter().enumerate() {
            assert_eq!(failure as usize, index + 1);
        }
    }
}
