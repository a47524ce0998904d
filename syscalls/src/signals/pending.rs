//! Pending signals that the host's kernel cannot keep, because emu needs them unblocked on all its threads ([`OWNED`]):
//! it gives such a signal to whichever thread it likes. So here is which guest threads there are and what each blocks,
//! and a signal for the process goes on to one that takes it, or is kept until there is one. It must not know how signals
//! arrive or are delivered.
//!
//! Unsafe because handlers of signals go through the list of threads, where they can take no lock.
#![allow(unsafe_code)]

use super::slot::{Held, SigInfo, code_of, number_of};
use super::{OWNED, bit};
use crate::host;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Which of the signals that emu handles itself the guest ignores, as a set: handlers can take no lock.
pub(crate) type Ignored = Arc<AtomicU64>;

/// Of `ThreadSignals::tid`: the thread has not begun.
const NOT_YET: u32 = u32::MAX;

/// What others may know of a thread.
pub(super) struct ThreadSignals {
    /// The thread's id; 0 if the entry is free.
    tid: AtomicU32,
    /// The guest's mask.
    pub(super) mask: AtomicU64,
    /// What it waits for by sigtimedwait(2), as a set.
    pub(super) awaited: AtomicU64,
    /// What is blocked on the host too, while the thread is in a call that may ask a signalfd.
    pub(super) watched: AtomicU64,
    /// Pending for this thread.
    pub(super) held: Held,
    next: *mut ThreadSignals,
}

impl ThreadSignals {
    fn new() -> Self {
        Self {
            tid: AtomicU32::new(NOT_YET),
            mask: AtomicU64::new(0),
            awaited: AtomicU64::new(0),
            watched: AtomicU64::new(0),
            held: Held::new(),
            next: null_mut(),
        }
    }

    /// The calling thread is the one.
    pub(super) fn begin_on_this_thread(&self) {
        self.tid.store(own(libc::SYS_gettid) as u32, Ordering::SeqCst);
    }

    /// The thread is gone.
    pub(super) fn leave(&self) {
        self.held.forget(u64::MAX);
        for word in [&self.awaited, &self.watched] {
            word.store(0, Ordering::Relaxed);
        }
        self.tid.store(0, Ordering::SeqCst);
    }
}

/// What handlers of signals know of a process.
pub(crate) struct ProcessSignals {
    ignored: Ignored,
    /// What signalfds of the process show, as a set.
    shown: AtomicU64,
    /// Pending for the process.
    held: Held,
    /// Its threads. Entries are only added.
    threads: AtomicPtr<ThreadSignals>,
}

// SAFETY: everything in an entry is atomic, but for `next`, which does not change once others see it.
unsafe impl Sync for ProcessSignals {}
// SAFETY: as above.
unsafe impl Send for ProcessSignals {}

/// Of the process whose threads are not all the guest's, or null.
static HOME: AtomicPtr<ProcessSignals> = AtomicPtr::new(null_mut());

impl ProcessSignals {
    /// For a process that ignores what `ignored` says.
    pub(crate) fn new(ignored: &Ignored) -> Arc<Self> {
        Arc::new(Self {
            ignored: Arc::clone(ignored),
            shown: AtomicU64::new(0),
            held: Held::new(),
            threads: AtomicPtr::new(null_mut()),
        })
    }

    /// For a process that comes of this one, with nothing pending.
    pub(crate) fn copy(&self, ignored: &Ignored) -> Arc<Self> {
        let copy = Self::new(ignored);
        copy.shows(self.shown());
        copy
    }

    /// Signals that come to threads of emu's own are for this process.
    pub(crate) fn be_home(self: &Arc<Self>) {
        HOME.store(Arc::as_ptr(self).cast_mut(), Ordering::Release);
    }

    pub(super) fn ignores(&self, signal: i32) -> bool {
        self.ignored.load(Ordering::Relaxed) & bit(signal) != 0
    }

    /// A signalfd shows the signals of `set`.
    pub(super) fn shows(&self, set: u64) {
        self.shown.fetch_or(set & OWNED, Ordering::Relaxed);
    }

    /// What signalfds show.
    pub(super) fn shown(&self) -> u64 {
        self.shown.load(Ordering::Relaxed)
    }

    fn threads(&self) -> impl Iterator<Item = &ThreadSignals> {
        // SAFETY: entries live as long as `self`.
        let at = |entry: *mut ThreadSignals| unsafe { entry.as_ref() };
        std::iter::successors(at(self.threads.load(Ordering::Acquire)), move |entry| at(entry.next))
    }

    /// An entry for a thread that is to begin. It stays where it is as long as this.
    pub(super) fn entry(&self) -> *const ThreadSignals {
        let is_taken = |entry: &ThreadSignals| {
            entry.tid.compare_exchange(0, NOT_YET, Ordering::AcqRel, Ordering::Relaxed).is_err()
        };
        if let Some(entry) = self.threads().find(|entry| !is_taken(entry)) {
            return entry;
        }
        let new = Box::into_raw(Box::new(ThreadSignals::new()));
        let mut next = self.threads.load(Ordering::Acquire);
        loop {
            // SAFETY: nobody else knows of it yet.
            unsafe { (*new).next = next };
            match self.threads.compare_exchange(next, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return new,
                Err(other) => next = other,
            }
        }
    }

    /// In the child of a fork: nothing is pending, and only the thread in `entry` is there.
    pub(super) fn only(&self, entry: &ThreadSignals) {
        // A thread that is not there may have been at a slot.
        self.held.clear();
        self.threads().for_each(|entry| {
            entry.held.clear();
            entry.leave();
        });
        entry.begin_on_this_thread();
    }

    /// What is pending for the process, as a set.
    pub(super) fn pending(&self) -> u64 {
        self.held.set()
    }

    /// Takes one that is pending for the process and in `set`.
    pub(super) fn take(&self, set: u64) -> Option<SigInfo> {
        self.held.take(set)
    }

    /// Keeps one for whoever takes it; one of each.
    pub(super) fn keep(&self, info: &SigInfo) {
        self.held.put(info);
    }

    /// Nothing of `signal` is pending any more, as it is ignored from now on.
    pub(crate) fn forget(&self, signal: i32) {
        self.held.forget(bit(signal));
        self.threads().for_each(|entry| entry.held.forget(bit(signal)));
    }

    /// A thread that would get `signal` of the process: one that does not block it or waits for it, else one that may be
    /// asking a signalfd.
    fn target(&self, signal: i32) -> Option<u32> {
        let has = |word: &AtomicU64| word.load(Ordering::SeqCst) & bit(signal) != 0;
        let here = || {
            self.threads()
                .map(|entry| (entry.tid.load(Ordering::SeqCst), entry))
                .filter(|(tid, _)| !matches!(*tid, 0 | NOT_YET))
        };
        let open = here().find(|(_, entry)| !has(&entry.mask) || has(&entry.awaited));
        open.or_else(|| here().find(|(_, entry)| has(&entry.watched))).map(|(tid, _)| tid)
    }

    /// Sends a signal for the process, which has come to a thread that does not take it, to one that does, or keeps it.
    pub(super) fn route(&self, info: &SigInfo) {
        /// Threads may change their masks all the time.
        const ATTEMPTS: usize = 16;
        let signal = number_of(info);
        let mut info = *info;
        for _ in 0..ATTEMPTS {
            let target = self.target(signal);
            if target.is_some_and(|tid| send(tid, &info).is_ok()) {
                return;
            }
            self.keep(&info);
            // Who begins to take it looks here afterwards, and may have looked before.
            if self.target(signal).is_none_or(|tid| Some(tid) == target) {
                return;
            }
            let Some(kept) = self.take(bit(signal)) else { return };
            info = kept;
        }
        self.keep(&info);
    }
}

impl Drop for ProcessSignals {
    fn drop(&mut self) {
        let _ = HOME.compare_exchange(self, null_mut(), Ordering::AcqRel, Ordering::Relaxed);
        let mut entry = *self.threads.get_mut();
        while !entry.is_null() {
            // SAFETY: comes from `entry`, and whoever has one keeps this alive.
            entry = unsafe { Box::from_raw(entry) }.next;
        }
    }
}

/// What becomes of a signal for the process that has come to a thread of emu's own. False if nobody knows.
pub(super) fn route_home(info: &SigInfo) -> bool {
    // SAFETY: it is taken out of there before it is dropped.
    let Some(process) = (unsafe { HOME.load(Ordering::Acquire).as_ref() }) else { return false };
    if OWNED & bit(number_of(info)) == 0 {
        return false;
    }
    // If the guest ignores it, whoever gets it does; but what is blocked is not ignored.
    process.route(info);
    true
}

fn own(call: i64) -> u64 {
    host::call3(call, 0, 0, 0).unwrap_or(0)
}

/// Leaves a signal to the kernel again, for the calling thread.
pub(super) fn requeue(info: &SigInfo) {
    let _ = send(own(libc::SYS_gettid) as u32, info);
}

/// Sends a signal to thread `tid` of this process.
fn send(tid: u32, info: &SigInfo) -> host::Outcome {
    let mut info = *info;
    // What nobody may say to others, and what emu would take for a fault.
    if OWNED & bit(number_of(&info)) != 0 && (code_of(&info) > 0 || u64::from(tid) != own(libc::SYS_gettid)) {
        disguise(&mut info);
    }
    let (signal, at) = (number_of(&info) as u64, info.as_ptr() as u64);
    host::call(libc::SYS_rt_tgsigqueueinfo, [own(libc::SYS_getpid), tid.into(), signal, at, 0, 0])
}

/// What the sign bit marks are codes of the kernel's own, which are small.
const LARGEST_CODE: i32 = 0xff_ffff;
/// Words of a siginfo that the kernel knows: for a code of nobody's the others must be zero.
const KNOWN_WORDS: usize = 6;

/// Makes the code of the kernel's own one that anybody may send, and that is no fault's.
pub(super) fn disguise(info: &mut SigInfo) {
    if (0..=LARGEST_CODE).contains(&code_of(info)) {
        info[1] |= 1 << 31;
        info[KNOWN_WORDS..].fill(0);
    }
}

/// Undoes [`disguise`].
pub(super) fn reveal(info: &mut SigInfo) {
    if (0..=LARGEST_CODE).contains(&(code_of(info) & i32::MAX)) {
        info[1] &= !(1 << 31);
    }
}
