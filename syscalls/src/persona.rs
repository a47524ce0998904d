//! personality(2): kept for the guest and its programs. The host's never changes, for it would change how emu itself is
//! run. It must not know how memory is mapped.

use crate::host::{self, Args, Outcome};
use crate::process::Context;
use std::sync::atomic::{AtomicU32, Ordering};

const ASK: u32 = 0xffff_ffff;
const PER_MASK: u32 = 0xff;
const PER_LINUX32: u32 = 8;
const UNAME26: u32 = libc::UNAME26 as u32;
const READ_IMPLIES_EXEC: u32 = libc::READ_IMPLIES_EXEC as u32;

/// What personality(2) has set.
pub(crate) struct Persona(AtomicU32);

fn of_the_host() -> u32 {
    host::call3(libc::SYS_personality, u64::from(ASK), 0, 0).map_or(0, |persona| persona as u32)
}

impl Persona {
    /// As `inherited` by the program, or that of the process in which emu was started.
    pub(crate) fn new(inherited: Option<u32>) -> Self {
        Self(AtomicU32::new(inherited.unwrap_or_else(of_the_host) & !READ_IMPLIES_EXEC))
    }

    /// A copy, for another process.
    pub(crate) fn copy(&self) -> Self {
        Self(AtomicU32::new(self.0.load(Ordering::Relaxed)))
    }

    /// What a program started with execve(2) inherits, if that is not the host's.
    pub(crate) fn of_the_next_program(&self) -> Option<u32> {
        let persona = self.0.load(Ordering::Relaxed) & !READ_IMPLIES_EXEC;
        (persona != of_the_host()).then_some(persona)
    }

    /// Whether programs are told that the kernel is an old one.
    pub(crate) fn is_uname26(&self) -> bool {
        self.0.load(Ordering::Relaxed) & UNAME26 != 0
    }

    /// Whether programs are told that the machine has 32 bits.
    pub(crate) fn is_linux32(&self) -> bool {
        self.0.load(Ordering::Relaxed) & PER_MASK == PER_LINUX32
    }
}

/// personality implements Linux syscall personality(2).
pub(crate) fn personality(context: &mut Context<'_>, args: Args) -> Outcome {
    let persona = &context.process.persona;
    let wanted = args[0] as u32;
    if wanted == ASK {
        return Ok(u64::from(persona.0.load(Ordering::Relaxed)));
    }
    let old = persona.0.swap(wanted, Ordering::Relaxed);
    context.process.memory().read_implies_exec(wanted & READ_IMPLIES_EXEC != 0);
    Ok(u64::from(old))
}
