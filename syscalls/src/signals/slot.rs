//! Rooms for signals that have arrived, filled by handlers of signals and emptied by threads. It must not know whose they
//! are.
//!
//! Unsafe because a handler cannot take a lock.
#![allow(unsafe_code)]

use super::{OWNED_SIGNALS, bit};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// Room for one siginfo.
pub(super) struct Slot {
    /// EMPTY, BUSY while being written or read, or FULL.
    state: AtomicU32,
    info: UnsafeCell<SigInfo>,
}

// SAFETY: the state says who may be at the siginfo.
unsafe impl Sync for Slot {}

impl Slot {
    pub(super) const fn new() -> Self {
        Self { state: AtomicU32::new(EMPTY), info: UnsafeCell::new([0; 16]) }
    }

    /// False if there is something in it.
    pub(super) fn put(&self, info: &SigInfo) -> bool {
        if self.state.compare_exchange(EMPTY, BUSY, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        // SAFETY: BUSY keeps everybody else out.
        unsafe { *self.info.get() = *info };
        // Before whoever puts it looks at masks, as those who change a mask look here afterwards.
        self.state.store(FULL, Ordering::SeqCst);
        true
    }

    pub(super) fn take(&self) -> Option<SigInfo> {
        self.state.compare_exchange(FULL, BUSY, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: BUSY keeps everybody else out.
        let info = unsafe { *self.info.get() };
        self.state.store(EMPTY, Ordering::Release);
        Some(info)
    }

    /// Empties it, whatever somebody was doing to it who is there no longer.
    fn clear(&self) {
        self.state.store(EMPTY, Ordering::Relaxed);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.load(Ordering::Relaxed) == EMPTY
    }

    pub(super) fn is_full(&self) -> bool {
        self.state.load(Ordering::SeqCst) == FULL
    }

    /// The word that is not zero if there may be something in it.
    pub(super) fn flag(&self) -> *const u32 {
        self.state.as_ptr()
    }
}

/// Pending signals among those whose handlers are emu's. The kernel too keeps one of each.
pub(super) struct Held([Slot; OWNED_SIGNALS.len()]);

impl Held {
    pub(super) const fn new() -> Self {
        Self([const { Slot::new() }; OWNED_SIGNALS.len()])
    }

    fn each(&self) -> impl Iterator<Item = (u64, &Slot)> {
        OWNED_SIGNALS.map(bit).into_iter().zip(&self.0)
    }

    /// False if that signal is pending already.
    pub(super) fn put(&self, info: &SigInfo) -> bool {
        self.each().find(|(bit_of, _)| *bit_of == bit(number_of(info))).is_some_and(|(_, slot)| slot.put(info))
    }

    /// Takes the first that is in `set`.
    pub(super) fn take(&self, set: u64) -> Option<SigInfo> {
        self.each().filter(|(bit_of, _)| set & bit_of != 0).find_map(|(_, slot)| slot.take())
    }

    /// All of them, as a set.
    pub(super) fn set(&self) -> u64 {
        self.each().filter(|(_, slot)| slot.is_full()).map(|(bit_of, _)| bit_of).sum()
    }

    /// Empties all, when nobody else is there any more.
    pub(super) fn clear(&self) {
        self.0.iter().for_each(Slot::clear);
    }

    /// Forgets those in `set`.
    pub(super) fn forget(&self, set: u64) {
        while self.take(set).is_some() {}
    }
}
