//! What becomes of a bug of emu's own. A failure of a translator gives up what it was at ([`guarded`]), and the guest
//! goes on in the tier below. Everything else ends the process at once: a thread that has unwound leaves locks, and a
//! guest that waits for it for ever. One line says that it is emu's fault, where, and how to report it.
//!
//! Panics unwind, although most of them end the process, because a panic inside of Cranelift can be caught in no other
//! way: it has no errors for what it takes to be impossible. The hook, which runs before anything is unwound, ends the
//! process unless the thread is in a guarded translation.
//!
//! Unsafe because it writes past Rust's standard error and ends the process, both also in signal handlers.
#![allow(unsafe_code)]

use ir::CpuState;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};
use std::panic::AssertUnwindSafe;

/// What a thread is doing, for the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    /// Nothing of the engine's.
    Else,
    /// Performing or dispatching.
    Tier0,
    /// In generated code, or in a helper of it.
    Code,
    /// In the emitter.
    Emitting,
    /// In the optimising compiler.
    Compiling,
}

/// The thread's registers, or an address that it is at.
#[derive(Clone, Copy)]
enum At {
    Nowhere,
    Cpu(*const CpuState),
    Address(u64),
}

thread_local! {
    // None of these needs to be made or dropped, so a signal handler can look at them.
    static AT: Cell<At> = const { Cell::new(At::Nowhere) };
    static DOING: Cell<Doing> = const { Cell::new(Doing::Else) };
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The calling thread runs the registers at `cpu`, which stay there until [`forget_registers`].
pub fn runs(cpu: *const CpuState) {
    AT.set(At::Cpu(cpu));
}

/// The calling thread's registers go.
pub fn forget_registers() {
    AT.set(At::Nowhere);
}

/// The calling thread, which has no registers, works on what is at a guest address.
pub fn works_at(address: u64) {
    if !matches!(AT.get(), At::Cpu(_)) {
        AT.set(At::Address(address));
    }
}

/// What the calling thread does from now on; gives what it was.
pub fn does(doing: Doing) -> Doing {
    DOING.replace(doing)
}

/// Runs a translator. If it panics, what it was at is given up, and the reason is the error.
pub fn guarded<T>(doing: Doing, body: impl FnOnce() -> T) -> Result<T, String> {
    let before = does(doing);
    let was_guarded = IS_GUARDED.replace(true);
    let result = std::panic::catch_unwind(AssertUnwindSafe(body));
    IS_GUARDED.set(was_guarded);
    does(before);
    result.map_err(|payload| {
        let said = LAST_PANIC.take();
        if said.is_empty() { text_of(&*payload).to_owned() } else { said }
    })
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("a panic")
}

/// Has panics and signals of emu's own making end the process, with a line that says so.
pub fn report_bugs() {
    std::panic::set_hook(Box::new(|panic| {
        if IS_GUARDED.get() {
            LAST_PANIC.set(panic.to_string().replace('\n', " "));
            return;
        }
        let text = text_of(panic.payload());
        match panic.location() {
            Some(at) => report(format_args!("panic at {}:{}: {text}", at.file(), at.line())),
            None => report(format_args!("panic: {text}")),
        }
        die(libc::SIGABRT);
    }));
}

/// Says that emu has failed. Async-signal-safe.
pub fn report(what: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 1000], used: 0 };
    let _ = write!(line, "emu: this is a bug of emu, not of the program: {what}");
    let tier = match DOING.get() {
        Doing::Else => "outside of guest code",
        Doing::Tier0 => "in tier 0",
        Doing::Code => "in generated code",
        Doing::Emitting => "in the emitter",
        Doing::Compiling => "in the compiler",
    };
    let address = match AT.get() {
        At::Nowhere => None,
        // SAFETY: registers that have not gone. Another owner of theirs may be at them, which is this thread.
        At::Cpu(cpu) => Some(unsafe { (&raw const (*cpu).pc).read_volatile() }.0),
        At::Address(address) => Some(address),
    };
    let _ = match address {
        Some(address) => write!(line, " (guest pc {address:#x}, {tier}"),
        None => write!(line, " (no guest pc, {tier}"),
    };
    let _ = write!(line, ", version {}); please report this line and the program", env!("CARGO_PKG_VERSION"));
    line.finish();
}

/// Kills the process by a signal. Async-signal-safe.
pub fn die(signal: i32) -> ! {
    // SAFETY: plain system calls, the last of them past libc, whose idea of the thread's id is stale after a raw clone.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::syscall(libc::SYS_gettid), signal);
        libc::_exit(128 + signal)
    }
}

/// One line, in memory that is there already.
struct Line {
    bytes: [u8; 1000],
    used: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // What does not fit is left out, but for the end of the line.
        for byte in text.bytes() {
            if self.used < self.bytes.len() - 1 {
                self.bytes[self.used] = if byte == b'\n' { b' ' } else { byte };
                self.used += 1;
            }
        }
        Ok(())
    }
}

impl Line {
    fn finish(mut self) {
        self.bytes[self.used] = b'\n';
        // SAFETY: a part of an array of ours. If standard error is closed, nothing can be done.
        unsafe { libc::write(libc::STDERR_FILENO, self.bytes.as_ptr().cast(), self.used + 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarded_panic_is_an_error() {
        assert_eq!(guarded(Doing::Compiling, || 7), Ok(7));
        let reason = guarded(Doing::Compiling, || panic!("for a {}", "reason")).map(|(): ()| ()).unwrap_err();
        assert!(reason.contains("for a reason"), "{reason}");
        assert!(!IS_GUARDED.get());
        assert_eq!(DOING.get(), Doing::Else);
    }
}
