//! The per-thread table by which generated code finds the code for a computed guest address.
//!
//! Unsafe because generated code reads it: it is shared memory of atomics at a fixed address.
#![allow(unsafe_code)]

use crate::layout::LOOKUP_ENTRIES;
use crate::trampoline::CodePtr;
use ir::GuestAddr;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A direct-mapped table of guest PC and code pointer. Other threads may remove entries; only the owner adds.
#[derive(Debug)]
pub struct Lookup {
    entries: *mut [AtomicU64; 2],
    /// Nothing has been added since it was made or emptied.
    is_empty: AtomicBool,
}

// SAFETY: the entries are atomics; they live as long as the table.
unsafe impl Send for Lookup {}
// SAFETY: as above.
unsafe impl Sync for Lookup {}

// Aligned so that no entry is in two cache lines. More, and zeroing would touch all of it.
const LAYOUT: Layout = match Layout::from_size_align(LOOKUP_ENTRIES * 16, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("the size is no multiple of the alignment"),
};
/// A tag that no address with entry 0's index has.
const NO_PC: u64 = u64::MAX;

impl Lookup {
    /// An empty table; pages are touched when used. On the heap, because that begins with a huge page.
    pub fn new() -> std::io::Result<Self> {
        // SAFETY: the layout is not empty.
        let at = unsafe { alloc_zeroed(LAYOUT) };
        if at.is_null() {
            return Err(std::io::ErrorKind::OutOfMemory.into());
        }
        let table = Self { entries: at.cast(), is_empty: AtomicBool::new(true) };
        // A zero tag in entry 0 would make address 0 a hit.
        table.entry(0)[0].store(NO_PC, Ordering::Relaxed);
        Ok(table)
    }

    /// Its address.
    pub fn address(&self) -> u64 {
        self.entries as u64
    }

    fn entry(&self, index: usize) -> &[AtomicU64; 2] {
        assert!(index < LOOKUP_ENTRIES, "the index is masked");
        // SAFETY: within the memory that `self` keeps; atomics may be shared.
        unsafe { &*self.entries.add(index) }
    }

    fn index(pc: GuestAddr) -> usize {
        (pc.0 >> 2) as usize & (LOOKUP_ENTRIES - 1)
    }

    /// Adds an entry. Owner only.
    pub fn insert(&self, pc: GuestAddr, code: CodePtr) {
        let entry = self.entry(Self::index(pc));
        self.is_empty.store(false, Ordering::Relaxed);
        entry[0].store(NO_PC, Ordering::Relaxed);
        entry[1].store(code.0, Ordering::Release);
        // Before the owner looks whether the code is still meant: who retires code says so first, and then removes
        // this.
        entry[0].store(pc.0, Ordering::SeqCst);
    }

    /// Removes an entry, from any thread.
    pub fn remove(&self, pc: GuestAddr) {
        let entry = self.entry(Self::index(pc));
        let _ = entry[0].compare_exchange(pc.0, NO_PC, Ordering::SeqCst, Ordering::Relaxed);
    }

    /// Removes all entries. Owner only.
    pub fn clear(&self) {
        // Even reading would have the kernel map each page.
        if self.is_empty.swap(true, Ordering::Relaxed) {
            return;
        }
        for index in 0..LOOKUP_ENTRIES {
            let tag = &self.entry(index)[0];
            // Reading first leaves untouched pages untouched.
            if tag.load(Ordering::Relaxed) != 0 {
                tag.store(NO_PC, Ordering::Release);
            }
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`; nothing refers to it any more: its thread has ended.
        unsafe { dealloc(self.entries.cast(), LAYOUT) };
    }
}
