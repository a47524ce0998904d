//! The per-thread table by which generated code finds the code for a computed guest address.
//!
//! Unsafe because generated code reads it: it is shared memory of atomics at a fixed address.
#![allow(unsafe_code)]

use crate::abi::layout::LOOKUP_ENTRIES;
use crate::abi::trampoline::CodePtr;
use crate::own_memory::own_neighbourhood;
use ir::GuestAddr;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// A direct-mapped table of guest PC and code pointer. Other threads may remove entries; only the owner adds.
#[derive(Debug)]
pub struct Lookup {
    entries: *mut [AtomicU64; 2],
    /// It is a mapping of its own.
    is_mapped: bool,
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

fn allocate() -> std::io::Result<*mut u8> {
    // SAFETY: the layout is not empty.
    let at = unsafe { alloc_zeroed(LAYOUT) };
    if at.is_null() { Err(std::io::ErrorKind::OutOfMemory.into()) } else { Ok(at) }
}

fn map() -> std::io::Result<*mut u8> {
    let (bytes, access) = (LAYOUT.size(), libc::PROT_READ | libc::PROT_WRITE);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh anonymous mapping: the address is a wish.
    let at = unsafe { libc::mmap(own_neighbourhood(bytes), bytes, access, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(at.cast()) }
}

/// How many tables are on the heap.
static ON_HEAP: AtomicUsize = AtomicUsize::new(0);
/// As many at most.
const MOST_ON_HEAP: usize = 16;

fn forget_one() {
    ON_HEAP.fetch_sub(1, Ordering::Relaxed);
}

impl Lookup {
    /// An empty table; pages are touched when used. Few are on the heap, which begins with a huge page and where threads
    /// that come and go find the memory of those before. Where there are many threads their tables are mapped: of what
    /// is on the heap the allocator touches all, and mostly keeps it.
    pub fn new() -> std::io::Result<Self> {
        let on_heap = |count| (count < MOST_ON_HEAP).then_some(count + 1);
        let is_mapped = ON_HEAP.fetch_update(Ordering::Relaxed, Ordering::Relaxed, on_heap).is_err();
        let at = if is_mapped { map()? } else { allocate().inspect_err(|_| forget_one())? };
        let table = Self { entries: at.cast(), is_mapped, is_empty: AtomicBool::new(true) };
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
        // SAFETY: made in `new`, in this way; nothing refers to it any more: its thread has ended.
        unsafe {
            if self.is_mapped {
                libc::munmap(self.entries.cast(), LAYOUT.size());
            } else {
                dealloc(self.entries.cast(), LAYOUT);
                forget_one();
            }
        }
    }
}
