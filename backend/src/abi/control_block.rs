//! What other threads may touch of a guest thread: its lookup tables, and the word that makes it leave generated code.

use crate::abi::counts::Counts;
use crate::abi::lookup::Lookup;
use crate::abi::trampoline::CodePtr;
use crate::block::BlockKey;
use ir::{ControlWords, GuestAddr, Lock, Rank, Words};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ThreadId;

/// What the safepoint word is when all that is wanted is that code that has changed is left.
pub const CODE_CHANGED: u64 = ControlWords::WANTED | ControlWords::CODE_CHANGED as u64;

/// Where a thread has been seen.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The start of the block that it was about to run: a function or the head of a loop.
    pub at: BlockKey,
    /// What its X30 was: if `at` is a function, the address behind the call of it.
    pub link: GuestAddr,
}

/// One guest thread, as others see it.
#[derive(Debug)]
pub struct ControlBlock {
    /// The host thread.
    pub owner: ThreadId,
    /// What it has done.
    pub counts: Counts,
    /// One table for each mode (`BlockKey`).
    lookups: [OnceLock<Lookup>; 2],
    /// The control words of the registers that it runs, or has run last.
    words: Lock<Option<Words>>,
    /// Somebody wants to see the thread.
    is_wanted: AtomicBool,
    /// Where it has been seen last: the place, 0 if nowhere, and X30.
    seen: [AtomicU64; 2],
}

impl ControlBlock {
    /// For the calling thread; with `count`, with room for all counters.
    pub fn new(count: bool) -> Self {
        let lookups = [const { OnceLock::new() }; 2];
        let owner = std::thread::current().id();
        Self {
            owner,
            counts: Counts::new(count),
            lookups,
            words: Lock::new(Rank::ControlBlock, None),
            is_wanted: AtomicBool::new(false),
            seen: [const { AtomicU64::new(0) }; 2],
        }
    }

    /// The thread's table for a mode, made when first asked for.
    pub fn lookup(&self, flushing: bool) -> std::io::Result<&Lookup> {
        let key = &self.lookups[usize::from(flushing)];
        if let Some(lookup) = key.get() {
            return Ok(lookup);
        }
        let made = Lookup::new()?;
        Ok(key.get_or_init(|| made))
    }

    /// Adds code to the thread's table. Owner only.
    pub fn remember(&self, key: BlockKey, code: CodePtr) {
        if let Some(lookup) = self.lookups[usize::from(key.flushing())].get() {
            lookup.insert(key.pc(), code);
        }
    }

    /// Takes a place out of the thread's table.
    pub fn forget(&self, key: BlockKey) {
        if let Some(lookup) = self.lookups[usize::from(key.flushing())].get() {
            lookup.remove(key.pc());
        }
    }

    /// Empties the thread's tables.
    pub fn forget_all(&self) {
        for lookup in self.lookups.iter().filter_map(OnceLock::get) {
            lookup.clear();
        }
    }

    /// From now on the thread runs the registers that `words` belong to.
    pub fn attach(&self, words: Words) {
        *self.words.lock() = Some(words);
    }

    /// Where the thread has been since this was last called, if it has run generated code since. Has it show itself
    /// again.
    pub fn take_sample(&self) -> Option<Sample> {
        let key = self.seen[0].swap(0, Ordering::SeqCst);
        let link = GuestAddr(self.seen[1].load(Ordering::SeqCst));
        self.is_wanted.store(true, Ordering::SeqCst);
        self.request_exit();
        (key != 0).then(|| Sample { at: BlockKey::new(GuestAddr(key), key & 1 != 0), link })
    }

    /// The thread has left generated code at a safepoint. Owner only.
    pub fn give_sample(&self, sample: Sample) {
        if self.is_wanted.swap(false, Ordering::SeqCst) {
            let Sample { at, link } = sample;
            self.seen[1].store(link.0, Ordering::SeqCst);
            self.seen[0].store(at.pc().0 | u64::from(at.flushing()), Ordering::SeqCst);
        }
    }

    /// Has the thread leave generated code at its next safepoint.
    pub fn request_exit(&self) {
        if let Some(words) = self.words.lock().as_ref() {
            words.request_safepoint(ControlWords::CODE_CHANGED);
        }
    }
}
