//! Where a thread's signals arrive: the host handler, which only records, and what it records into. One slot is enough:
//! from the record until the guest's frame has been built the host thread blocks all signals but emu's own, so that the
//! kernel keeps the queue; of emu's own, `pending.rs` keeps what is blocked. It must not know what is done with a signal.
//!
//! Unsafe because a handler finds its thread by a pointer, and edits the frame by which the kernel goes on.
#![allow(unsafe_code)]

use super::pending::{self, ProcessSignals, ThreadSignals};
use super::slot::{SigInfo, Slot, code_of, number_of};
use super::{BLOCKABLE, OWNED, bit};
use crate::host::{self, HostAction, Outcome};
use ir::{ControlWords, Words};
use std::cell::Cell;
use std::ptr::null;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// One guest thread's signals.
pub(crate) struct Port {
    slot: Slot,
    process: Arc<ProcessSignals>,
    /// The guest's mask, and signals of emu's that are pending for the thread. `process` owns it.
    entry: *const ThreadSignals,
    /// Of the thread, once it can run.
    words: OnceLock<Words>,
}

// SAFETY: all of an entry that a port looks at is atomic.
unsafe impl Send for Port {}
// SAFETY: as above.
unsafe impl Sync for Port {}

/// What has become of a signal that has arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// It is to be delivered by this thread.
    Recorded,
    /// It is not, as far as this thread is concerned: the kernel would not have interrupted it.
    Unnoticed,
}

thread_local! {
    static PORT: Cell<*const Port> = const { Cell::new(null()) };
}

impl Port {
    /// For a thread whose guest mask is `mask`.
    pub(crate) fn new(mask: u64, process: &Arc<ProcessSignals>) -> Arc<Self> {
        let (process, entry) = (Arc::clone(process), process.entry());
        let port = Self { slot: Slot::new(), process, entry, words: OnceLock::new() };
        port.set_mask(mask);
        Arc::new(port)
    }

    fn entry(&self) -> &ThreadSignals {
        // SAFETY: it is there as long as `process`.
        unsafe { &*self.entry }
    }

    /// Has the calling host thread's signals arrive here.
    pub(crate) fn open(&self) {
        PORT.set(self);
        self.entry().begin_on_this_thread();
    }

    /// The calling thread's signals arrive here no longer.
    pub(crate) fn close(&self) {
        if std::ptr::eq(PORT.get(), self) {
            PORT.set(null());
        }
    }

    /// The words by which the thread is called out of guest code, for good.
    pub(crate) fn attach(&self, words: Words) {
        let _ = self.words.set(words);
        if self.has_signal() {
            self.call();
        }
    }

    /// Has the thread leave guest code.
    fn call(&self) {
        if let Some(words) = self.words.get() {
            words.request_safepoint(ControlWords::SIGNAL);
        }
    }

    /// The guest's mask.
    pub(crate) fn mask(&self) -> u64 {
        self.entry().mask.load(Ordering::Relaxed)
    }

    /// Sets the guest's mask, not yet the host's.
    pub(crate) fn set_mask(&self, mask: u64) {
        // Who sends a signal to the process looks here after it has put it where this thread will look.
        self.entry().mask.store(mask, Ordering::SeqCst);
    }

    /// A signal is recorded that has not been delivered.
    pub(crate) fn has_signal(&self) -> bool {
        self.slot.is_full()
    }

    /// The word that is not zero if there may be a recorded signal.
    pub(crate) fn flag(&self) -> *const u32 {
        self.slot.flag()
    }

    /// Takes what is recorded.
    pub(crate) fn take(&self) -> Option<SigInfo> {
        self.slot.take()
    }

    /// Signals of emu's that are pending for this thread or the process, as a set.
    pub(crate) fn held(&self) -> u64 {
        self.entry().held.set() | self.process.pending()
    }

    /// Takes one of these that is in `set`.
    pub(crate) fn take_held(&self, set: u64) -> Option<SigInfo> {
        self.entry().held.take(set).or_else(|| self.process.take(set))
    }

    /// Records a held signal that the guest does not block any more. If there is one, all others are blocked until it is
    /// delivered.
    pub(crate) fn release_held(&self) {
        if self.has_signal() || self.held() & !self.mask() == 0 {
            return;
        }
        let before = host::sigmask(libc::SIG_SETMASK, Some(BLOCKABLE));
        if self.has_signal() {
            return;
        }
        match self.take_held(!self.mask()) {
            Some(info) => {
                self.record(&info);
            }
            None => {
                let _ = before.and_then(|mask| host::sigmask(libc::SIG_SETMASK, Some(mask)));
            }
        }
    }

    /// In the child of a fork, with the calling thread alone: nothing is pending.
    pub(crate) fn begin_process(&self) {
        self.process.only(self.entry());
    }

    /// What this thread blocks and signalfds show, among emu's signals.
    pub(crate) fn shown(&self) -> u64 {
        self.process.shown() & self.mask()
    }

    /// A signalfd has been made that shows the signals of `set`.
    pub(crate) fn shows(&self, set: u64) {
        self.process.shows(set);
    }

    /// Makes a call, with the signals of `set` waited for by sigtimedwait(2).
    pub(crate) fn awaiting(&self, set: u64, call: impl FnOnce() -> Outcome) -> Outcome {
        self.entry().awaited.store(set & OWNED, Ordering::SeqCst);
        let outcome = call();
        self.entry().awaited.store(0, Ordering::SeqCst);
        outcome
    }

    /// Makes a call that may ask a signalfd for the signals of `set`, which the guest blocks: with them pending where the
    /// kernel knows of them.
    pub(crate) fn watching(&self, set: u64, call: impl FnOnce() -> Outcome) -> Outcome {
        self.entry().watched.store(set, Ordering::SeqCst);
        let _ = host::sigmask(libc::SIG_BLOCK, Some(set));
        while let Some(info) = self.take_held(set) {
            pending::requeue(&info);
        }
        let outcome = call();
        self.entry().watched.store(0, Ordering::SeqCst);
        let _ = host::sigmask(libc::SIG_UNBLOCK, Some(set));
        outcome
    }

    fn record(&self, info: &SigInfo) -> bool {
        let recorded = self.slot.put(info);
        self.call();
        recorded
    }

    /// What a handler does with a signal.
    fn receive(&self, info: &SigInfo) -> Arrival {
        let (signal, entry) = (number_of(info), self.entry());
        if OWNED & bit(signal) == 0 {
            if !self.record(info) {
                // This thread has opened its mask since the last was recorded: back to the kernel, until it is closed again.
                pending::requeue(info);
            }
            return Arrival::Recorded;
        }
        let is_in = |set: u64| set & bit(signal) != 0;
        if !is_in(self.mask()) {
            if self.process.ignores(signal) {
                return Arrival::Unnoticed;
            }
            if self.slot.is_empty() && self.record(info) {
                return Arrival::Recorded;
            }
            // Full already: the host could not block this one meanwhile.
            entry.held.put(info);
        } else if code_of(info) == libc::SI_TKILL {
            entry.held.put(info);
        } else if is_in(entry.awaited.load(Ordering::Relaxed) | entry.watched.load(Ordering::Relaxed)) {
            self.process.keep(info);
        } else {
            self.process.route(info);
        }
        Arrival::Unnoticed
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.entry().leave();
    }
}

/// The process whose threads are being interrupted.
static INTERRUPTED: AtomicU64 = AtomicU64::new(0);

/// Has thread `tid` of this process, of which a safepoint is wanted, come back from a call that it waits in. It may be
/// about to begin one: whoever wants to be sure interrupts it again. For a process that ends: a signal that the guest
/// sends itself may be taken for such an interruption from now on.
pub fn interrupt(tid: u32) {
    let pid = host::call3(libc::SYS_getpid, 0, 0, 0).unwrap_or(0);
    INTERRUPTED.store(pid, Ordering::Relaxed);
    // Of those that no thread blocks.
    let _ = host::call3(libc::SYS_tgkill, pid, tid.into(), libc::SIGBUS as u64);
}

fn is_interruption(info: &SigInfo) -> bool {
    let pid = INTERRUPTED.load(Ordering::Relaxed);
    pid != 0
        && number_of(info) == libc::SIGBUS
        && code_of(info) == libc::SI_TKILL
        && info[2] & 0xffff_ffff == pid
        && host::call3(libc::SYS_getpid, 0, 0, 0) == Ok(pid)
}

/// The handler of all signals that the guest catches, and of those of emu's own handlers that were sent.
pub extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a siginfo of 128 bytes.
    let mut info: SigInfo = unsafe { info.cast::<SigInfo>().read_unaligned() };
    // SAFETY: and the frame by which it goes on.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let [pc, result] = [libc::REG_RIP, libc::REG_RAX].map(|register| context.uc_mcontext.gregs[register as usize]);
    let pc_now = &mut context.uc_mcontext.gregs[libc::REG_RIP as usize];
    if is_interruption(&info) {
        *pc_now = host::after_signal(pc as u64) as i64;
        return;
    }
    if OWNED & bit(signal) != 0 {
        pending::reveal(&mut info);
    }
    // SAFETY: the port lives as long as it is open.
    let Some(port) = (unsafe { PORT.get().as_ref() }) else {
        if !pending::route_home(&info) {
            // Nobody's signal: by its default action.
            let _ = host::sigaction(signal, Some(HostAction::default()));
            let tid = host::call3(libc::SYS_gettid, 0, 0, 0).unwrap_or(0);
            let _ = host::call3(libc::SYS_tkill, tid, signal as u64, 0);
        }
        return;
    };
    if port.receive(&info) == Arrival::Recorded {
        *pc_now = host::after_signal(pc as u64) as i64;
        // Nothing more until the frame has been built: the kernel keeps what comes.
        // SAFETY: the kernel's mask is the first word of the C library's.
        unsafe { (&raw mut context.uc_sigmask).cast::<u64>().write(!OWNED) };
    } else {
        *pc_now = host::after_nothing(pc as u64, result) as i64;
    }
}
