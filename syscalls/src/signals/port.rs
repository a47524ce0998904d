//! Where a thread's signals arrive: the host handler, which only records, and what it records into. One slot is enough:
//! from the record until the guest's frame has been built the host thread blocks all signals but emu's own, so that the
//! kernel keeps the queue. It must not know what is done with a signal.
//!
//! Unsafe because a handler finds its thread by a pointer, and edits the frame by which the kernel goes on.
#![allow(unsafe_code)]

use super::{OWNED, bit};
use crate::host::{self, HostAction};
use ir::{ControlWords, Words};
use std::cell::{Cell, UnsafeCell};
use std::ptr::null;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// `siginfo_t`, the same on both sides: 128 bytes.
pub(crate) type SigInfo = [u64; 16];

/// The signal's number in a siginfo.
pub(crate) fn number_of(info: &SigInfo) -> i32 {
    info[0] as i32
}

/// `si_code`.
pub(crate) fn code_of(info: &SigInfo) -> i32 {
    info[1] as i32
}

const EMPTY: u32 = 0;
const BUSY: u32 = 1;
const FULL: u32 = 2;

/// Room for one siginfo, filled by handlers and emptied by the thread.
struct Slot {
    /// EMPTY, BUSY while being written or read, or FULL.
    state: AtomicU32,
    info: UnsafeCell<SigInfo>,
}

impl Slot {
    const fn new() -> Self {
        Self { state: AtomicU32::new(EMPTY), info: UnsafeCell::new([0; 16]) }
    }

    /// False if there is something in it.
    fn put(&self, info: &SigInfo) -> bool {
        if self.state.compare_exchange(EMPTY, BUSY, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: BUSY keeps everybody else out.
        unsafe { *self.info.get() = *info };
        self.state.store(FULL, Ordering::Release);
        true
    }

    fn take(&self) -> Option<SigInfo> {
        self.state.compare_exchange(FULL, BUSY, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: BUSY keeps everybody else out.
        let info = unsafe { *self.info.get() };
        self.state.store(EMPTY, Ordering::Release);
        Some(info)
    }

    fn is_full(&self) -> bool {
        self.state.load(Ordering::Acquire) == FULL
    }
}

/// Which of the signals that emu handles itself the guest ignores, as a set: handlers can take no lock.
pub(crate) type Ignored = Arc<AtomicU64>;

/// One guest thread's signals.
pub(crate) struct Port {
    slot: Slot,
    /// Sent SIGSEGV and SIGBUS that the guest blocks: the host cannot, for emu needs them.
    held: [Slot; 2],
    /// The guest's mask.
    mask: AtomicU64,
    ignored: Ignored,
    /// Of the thread, once it can run.
    words: OnceLock<Words>,
}

// SAFETY: slots are guarded by their states.
unsafe impl Send for Port {}
// SAFETY: as above.
unsafe impl Sync for Port {}

thread_local! {
    static PORT: Cell<*const Port> = const { Cell::new(null()) };
}

fn held_index(signal: i32) -> Option<usize> {
    match signal {
        libc::SIGSEGV => Some(0),
        libc::SIGBUS => Some(1),
        _ => None,
    }
}

impl Port {
    /// For a thread whose guest mask is `mask`.
    pub(crate) fn new(mask: u64, ignored: &Ignored) -> Arc<Self> {
        Arc::new(Self {
            slot: Slot::new(),
            held: [Slot::new(), Slot::new()],
            mask: AtomicU64::new(mask),
            ignored: Arc::clone(ignored),
            words: OnceLock::new(),
        })
    }

    /// Has the calling host thread's signals arrive here.
    pub(crate) fn open(&self) {
        PORT.set(self);
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
        self.mask.load(Ordering::Relaxed)
    }

    /// Sets the guest's mask, not yet the host's.
    pub(crate) fn set_mask(&self, mask: u64) {
        self.mask.store(mask, Ordering::Relaxed);
    }

    /// A signal is recorded that has not been delivered.
    pub(crate) fn has_signal(&self) -> bool {
        self.slot.is_full()
    }

    /// The word that is not zero if there may be a recorded signal.
    pub(crate) fn flag(&self) -> *const u32 {
        self.slot.state.as_ptr()
    }

    /// Takes what is recorded.
    pub(crate) fn take(&self) -> Option<SigInfo> {
        self.slot.take()
    }

    /// Held signals, as a set.
    pub(crate) fn held(&self) -> u64 {
        let of =
            |signal: i32| held_index(signal).filter(|&index| self.held[index].is_full()).map_or(0, |_| bit(signal));
        of(libc::SIGSEGV) | of(libc::SIGBUS)
    }

    /// Takes a held signal that is in `set`.
    pub(crate) fn take_held(&self, set: u64) -> Option<SigInfo> {
        [libc::SIGBUS, libc::SIGSEGV]
            .into_iter()
            .filter(|&signal| set & bit(signal) != 0)
            .find_map(|signal| held_index(signal).and_then(|index| self.held[index].take()))
    }

    /// Records a held signal that the guest does not block any more.
    pub(crate) fn release_held(&self) {
        if !self.has_signal()
            && let Some(info) = self.take_held(!self.mask())
        {
            self.record(&info);
        }
    }

    /// Nothing is held, as in a new process.
    pub(crate) fn forget_held(&self) {
        while self.take_held(u64::MAX).is_some() {}
    }

    fn record(&self, info: &SigInfo) -> bool {
        let recorded = self.slot.put(info);
        self.call();
        recorded
    }

    /// What a handler does with a signal; says whether it is recorded.
    fn receive(&self, info: &SigInfo) -> bool {
        let signal = number_of(info);
        if OWNED & bit(signal) != 0 {
            if self.ignored.load(Ordering::Relaxed) & bit(signal) != 0 {
                return false;
            }
            // Full already: the host could not block this one meanwhile.
            if self.mask() & bit(signal) != 0 || self.slot.state.load(Ordering::Relaxed) != EMPTY {
                if let Some(index) = held_index(signal) {
                    self.held[index].put(info);
                }
                return false;
            }
        }
        self.record(info)
    }
}

/// The handler of all signals that the guest catches, and of SIGSEGV and SIGBUS that were sent.
pub extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a siginfo of 128 bytes.
    let info: SigInfo = unsafe { info.cast::<SigInfo>().read_unaligned() };
    // SAFETY: and the frame by which it goes on.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let synchronous = matches!(signal, libc::SIGILL | libc::SIGFPE | libc::SIGTRAP) && code_of(&info) > 0;
    // SAFETY: the port lives as long as it is open.
    let port = unsafe { PORT.get().as_ref() };
    let Some(port) = port.filter(|_| !synchronous) else {
        // A fault of emu's own, or nobody's signal: by its default action.
        let _ = host::sigaction(signal, Some(HostAction::default()));
        if !synchronous {
            let tid = host::call3(libc::SYS_gettid, 0, 0, 0).unwrap_or(0);
            let _ = host::call3(libc::SYS_tkill, tid, signal as u64, 0);
        }
        return;
    };
    if port.receive(&info) {
        // Nothing more until the frame has been built: the kernel keeps what comes.
        // SAFETY: the kernel's mask is the first word of the C library's.
        unsafe { (&raw mut context.uc_sigmask).cast::<u64>().write(!OWNED) };
        let pc = &mut context.uc_mcontext.gregs[libc::REG_RIP as usize];
        *pc = host::after_signal(*pc as u64) as i64;
    }
}
