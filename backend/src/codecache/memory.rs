//! Memory of one generation of the code cache: a reservation for code, one for link slots, and the provider through
//! which cranelift-jit allocates from it. It is returned as a whole, when no thread can be in it any more.
//!
//! Unsafe because it maps memory and stores link pointers that generated code reads. It knows nothing of regions.
#![allow(unsafe_code)]

use crate::abi::slot::Slot;
use crate::abi::trampoline::{self, CodePtr};
use crate::own_memory::own_neighbourhood;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Room that the largest region may need: with less left, the cache is full.
const REGION_BYTES: usize = 1 << 20;
/// Slots that the largest region may need.
const REGION_SLOTS: usize = 1 << 12;
const PAGE_BYTES: usize = ir::PAGE_BYTES as usize;

/// So much code is kept in small pages.
const SMALL_CODE_BYTES: u64 = 1 << 20;

/// Most code there is, so that code and slots are within 32-bit distances of each other.
const MOST_CODE_BYTES: usize = 1 << 30;

/// One mapping: the reservation for code, and behind it the one for slots.
#[derive(Debug)]
pub struct CodeMemory {
    code: u64,
    code_bytes: usize,
    used: AtomicUsize,
    slots: u64,
    slot_bytes: usize,
    slot_count: AtomicUsize,
    /// How far from the start code begins that all emitted blocks share, plus 1; 0 if there is none yet.
    shared: AtomicU32,
}

fn reserve(bytes: usize) -> io::Result<u64> {
    let prot = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh anonymous mapping: the address is a wish.
    let at = unsafe { libc::mmap(own_neighbourhood(bytes), bytes, prot, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at as u64) }
}

fn prefer_huge_pages(start: u64, end: u64) {
    let start = start.next_multiple_of(4096);
    if start < end {
        // SAFETY: part of a mapping of ours; a hint that changes no content. Kernels without huge pages refuse it.
        unsafe { libc::madvise(start as *mut libc::c_void, (end - start) as usize, libc::MADV_HUGEPAGE) };
    }
}

fn release(at: u64, bytes: usize) {
    // SAFETY: a mapping made by `reserve`, which nothing refers to any more.
    unsafe { libc::munmap(at as *mut libc::c_void, bytes) };
}

impl CodeMemory {
    /// Reserves address space for `code_bytes` of code; pages are touched as they are used.
    pub fn new(code_bytes: usize) -> io::Result<Self> {
        let code_bytes = code_bytes.clamp(2 * REGION_BYTES, MOST_CODE_BYTES).next_multiple_of(PAGE_BYTES);
        // One slot, 8 bytes, for each 32 bytes of code is more than code can have exits.
        let slot_bytes = (code_bytes / 4).max(16 * REGION_SLOTS);
        // Code is both written and executed: Cranelift relocates code in place, and threads run in the pages
        // that the next region is appended to.
        let code = reserve(code_bytes + slot_bytes)?;
        let slots = code + code_bytes as u64;
        if !trampoline::add_code_range(code, code + code_bytes as u64) {
            release(code, code_bytes + slot_bytes);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // Small programs stay small; those with much code are spared most of the page faults.
        prefer_huge_pages(code + SMALL_CODE_BYTES, code + code_bytes as u64);
        let (used, slot_count) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Self { code, code_bytes, used, slots, slot_bytes, slot_count, shared: AtomicU32::new(0) })
    }

    /// Bytes of code in use.
    pub fn used_bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether the largest region may no longer fit.
    pub fn is_full(&self) -> bool {
        let slots = self.slot_count.load(Ordering::Relaxed);
        self.used_bytes() + REGION_BYTES > self.code_bytes || (slots + REGION_SLOTS) * 8 > self.slot_bytes
    }

    /// Address of slot 0.
    pub fn slots_base(&self) -> u64 {
        self.slots
    }

    /// Room for `size` bytes of code.
    pub fn allocate(&self, size: usize, align: usize) -> Option<u64> {
        let mut start = 0;
        let room = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            start = used.next_multiple_of(align);
            (start + size <= self.code_bytes).then_some(start + size)
        });
        room.ok().map(|_| self.code + start as u64)
    }

    /// Takes a new slot, unlinked. None if there are no more.
    pub fn take_slot(&self) -> Option<Slot> {
        let limit = self.slot_bytes / 8;
        let taken =
            self.slot_count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limit).then_some(n + 1));
        let slot = Slot(taken.ok()? as u32);
        self.link(slot, trampoline::unlinked_stub());
        Some(slot)
    }

    /// Takes a slot whose low 32 bits count down from `runs`.
    pub fn take_counter(&self, runs: u32) -> Option<Slot> {
        let slot = self.take_slot()?;
        self.set_counter(slot, runs);
        Some(slot)
    }

    /// Has a counter count down from `runs` again.
    pub fn set_counter(&self, slot: Slot, runs: u32) {
        self.slot(slot).store(u64::from(runs), Ordering::Relaxed);
    }

    /// What is left of a counter.
    pub fn counter(&self, slot: Slot) -> u32 {
        self.slot(slot).load(Ordering::Relaxed) as u32
    }

    /// Copies code into the cache, aligned to 16 bytes: `size` bytes, which `finish` makes when it is told how far from
    /// the start of the cache they will be. None if there is no room.
    pub fn append<'a>(&self, size: usize, finish: impl FnOnce(u32) -> &'a [u8]) -> Option<CodePtr> {
        let at = self.allocate(size, 16)?;
        let bytes = finish((at - self.code) as u32);
        assert_eq!(bytes.len(), size, "the code has the size announced");
        // SAFETY: `allocate` has given this part of the mapping to nobody else.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
        Some(CodePtr(at))
    }

    /// How far from the start of the cache the code is that all emitted blocks share: always `bytes`. None if it had no
    /// room.
    pub fn shared(&self, bytes: &[u8]) -> Option<u32> {
        if let Some(placed) = self.shared.load(Ordering::Acquire).checked_sub(1) {
            return Some(placed);
        }
        // Two threads may come here. No lock keeps one out: it might be held when the process forks.
        let placed = (self.append(bytes.len(), |_| bytes)?.0 - self.code) as u32;
        self.shared.store(placed + 1, Ordering::Release);
        Some(placed)
    }

    /// How far from the start of the cache a slot is.
    pub fn slot_offset(&self, slot: Slot) -> u32 {
        self.code_bytes as u32 + 8 * slot.0
    }

    /// A copy of `bytes` bytes of code.
    pub fn copy(&self, code: CodePtr, bytes: u32) -> Vec<u8> {
        let offset = code.0.wrapping_sub(self.code) as usize;
        assert!(offset + bytes as usize <= self.used_bytes(), "code that was allocated here");
        // SAFETY: inside the code mapping, which is readable; code is never changed once it is known.
        unsafe { std::slice::from_raw_parts(code.0 as *const u8, bytes as usize) }.to_vec()
    }

    fn slot(&self, slot: Slot) -> &AtomicU64 {
        let at = self.slots + u64::from(slot.0) * 8;
        assert!((slot.0 as usize) < self.slot_bytes / 8, "slots come from take_slot");
        // SAFETY: inside the slot mapping, aligned, and only ever accessed atomically.
        unsafe { AtomicU64::from_ptr(at as *mut u64) }
    }

    /// Points a slot at code.
    pub fn link(&self, slot: Slot, to: CodePtr) {
        self.slot(slot).store(to.0, Ordering::Release);
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        trampoline::remove_code_range(self.code);
        release(self.code, self.code_bytes + self.slot_bytes);
    }
}
