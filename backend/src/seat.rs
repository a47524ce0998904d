//! What other threads may touch of a guest thread: its lookup tables, and the word that makes it leave generated code.
//!
//! Unsafe because it reaches into the `CpuState` of a running thread; only its atomics.
#![allow(unsafe_code)]

use crate::code::Place;
use crate::counts::Counts;
use crate::lookup::Lookup;
use crate::trampoline::CodePtr;
use ir::{CpuState, GuestAddr};
use std::ptr::{NonNull, addr_of};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::ThreadId;

/// What `CpuState::safepoint` is when all that is wanted is that code that has changed is left.
pub const CODE_CHANGED: u64 = CpuState::SAFEPOINT_WANTED | CpuState::SAFEPOINT_CODE as u64;

/// The words of a thread that is in `Thread::run`.
#[derive(Clone, Copy, Debug)]
struct Running {
    safepoint: NonNull<AtomicU64>,
    stack_guard: NonNull<AtomicU64>,
}

/// Where a thread has been seen.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// The start of the block that it was about to run: a function or the head of a loop.
    pub at: Place,
    /// What its X30 was: if `at` is a function, the address behind the call of it.
    pub link: GuestAddr,
}

/// One guest thread, as others see it.
#[derive(Debug)]
pub struct Seat {
    /// The host thread.
    pub owner: ThreadId,
    /// What it has done.
    pub counts: Counts,
    /// One table for each mode (`Place`).
    lookups: [OnceLock<Lookup>; 2],
    running: Mutex<Option<Running>>,
    /// Somebody wants to see the thread.
    is_wanted: AtomicBool,
    /// Where it has been seen last: the place, 0 if nowhere, and X30.
    seen: [AtomicU64; 2],
}

// SAFETY: the pointers are only followed under the lock that `stand_up` takes before what they point to can go, and
// lead to atomics.
unsafe impl Send for Seat {}
// SAFETY: as above.
unsafe impl Sync for Seat {}

impl Seat {
    /// For the calling thread; with `count`, with room for all counters.
    pub fn new(count: bool) -> Self {
        let lookups = [const { OnceLock::new() }; 2];
        let owner = std::thread::current().id();
        Self {
            owner,
            counts: Counts::new(count),
            lookups,
            running: Mutex::new(None),
            is_wanted: AtomicBool::new(false),
            seen: [const { AtomicU64::new(0) }; 2],
        }
    }

    /// The thread's table for a mode, made when first asked for.
    pub fn lookup(&self, flushing: bool) -> std::io::Result<&Lookup> {
        let place = &self.lookups[usize::from(flushing)];
        if let Some(lookup) = place.get() {
            return Ok(lookup);
        }
        let made = Lookup::new()?;
        Ok(place.get_or_init(|| made))
    }

    /// Adds code to the thread's table. Owner only.
    pub fn remember(&self, place: Place, code: CodePtr) {
        if let Some(lookup) = self.lookups[usize::from(place.flushing())].get() {
            lookup.insert(place.pc(), code);
        }
    }

    /// Takes a place out of the thread's table.
    pub fn forget(&self, place: Place) {
        if let Some(lookup) = self.lookups[usize::from(place.flushing())].get() {
            lookup.remove(place.pc());
        }
    }

    /// Empties the thread's tables.
    pub fn forget_all(&self) {
        for lookup in self.lookups.iter().filter_map(OnceLock::get) {
            lookup.clear();
        }
    }

    /// The thread begins to run.
    pub fn sit_down(&self, cpu: &mut CpuState) {
        // Raw, so that no reference to the whole state stands beside the owner's.
        let cpu: *mut CpuState = cpu;
        // SAFETY: fields of a live object.
        let running = unsafe {
            Running {
                safepoint: NonNull::new_unchecked(addr_of!((*cpu).safepoint).cast_mut()),
                stack_guard: NonNull::new_unchecked(addr_of!((*cpu).stack_guard).cast_mut()),
            }
        };
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }

    /// It does no longer.
    pub fn stand_up(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Where the thread has been since this was last called, if it has run generated code since. Has it show itself
    /// again.
    pub fn look(&self) -> Option<Sighting> {
        let place = self.seen[0].swap(0, Ordering::SeqCst);
        let link = GuestAddr(self.seen[1].load(Ordering::SeqCst));
        self.is_wanted.store(true, Ordering::SeqCst);
        self.call_back();
        (place != 0).then(|| Sighting { at: Place::new(GuestAddr(place), place & 1 != 0), link })
    }

    /// The thread has left generated code at a safepoint. Owner only.
    pub fn show(&self, sighting: Sighting) {
        if self.is_wanted.swap(false, Ordering::SeqCst) {
            let Sighting { at, link } = sighting;
            self.seen[1].store(link.0, Ordering::SeqCst);
            self.seen[0].store(at.pc().0 | u64::from(at.flushing()), Ordering::SeqCst);
        }
    }

    /// Has the thread leave generated code at its next safepoint.
    pub fn call_back(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = *running {
            // SAFETY: the thread cannot leave `run` while the lock is held; atomics may be shared.
            let (safepoint, guard) = unsafe { (running.safepoint.as_ref(), running.stack_guard.as_ref()) };
            // In this order, as `CpuState::request_safepoint`.
            safepoint.fetch_or(CODE_CHANGED, Ordering::SeqCst);
            guard.store(u64::MAX, Ordering::SeqCst);
        }
    }
}
