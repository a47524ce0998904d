//! Memory of the code cache: one reservation for code, one for link slots, and the provider through which
//! cranelift-jit allocates from it. Nothing is returned before the whole generation is.
//!
//! Unsafe because it maps memory and stores link pointers that generated code reads. It knows nothing of regions.
#![allow(unsafe_code)]

use crate::trampoline::{self, CodePtr};
use cranelift_jit::{BranchProtection, JITMemoryKind, JITMemoryProvider};
use cranelift_module::ModuleResult;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Room that the largest region may need: with less left, the cache is full.
const REGION_BYTES: usize = 1 << 20;
/// Slots that the largest region may need.
const REGION_SLOTS: usize = 1 << 12;

/// Index of a link slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot(pub u32);

/// The two reservations.
#[derive(Debug)]
pub struct CodeMemory {
    code: u64,
    code_bytes: usize,
    used: AtomicUsize,
    slots: u64,
    slot_bytes: usize,
    slot_count: AtomicUsize,
}

fn reserve(bytes: usize, prot: i32) -> io::Result<u64> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh anonymous mapping.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes, prot, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at as u64) }
}

impl CodeMemory {
    /// Reserves address space for `code_bytes` of code; pages are touched as they are used.
    pub fn new(code_bytes: usize) -> io::Result<Arc<Self>> {
        let code_bytes = code_bytes.max(2 * REGION_BYTES);
        // One slot, 8 bytes, for each 32 bytes of code is more than code can have exits.
        let slot_bytes = (code_bytes / 4).max(16 * REGION_SLOTS);
        // One mapping is both written and executed: Cranelift relocates code in place, and threads run in the pages
        // that the next region is appended to.
        let code = reserve(code_bytes, libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)?;
        let slots = reserve(slot_bytes, libc::PROT_READ | libc::PROT_WRITE)?;
        trampoline::set_code_range(code, code + code_bytes as u64);
        let (used, slot_count) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Arc::new(Self { code, code_bytes, used, slots, slot_bytes, slot_count }))
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

    /// Takes `count` new slots, unlinked; gives the first.
    pub fn take_slots(&self, count: u32) -> Slot {
        let first = self.slot_count.fetch_add(count as usize, Ordering::Relaxed) as u32;
        for slot in first..first + count {
            self.link(Slot(slot), trampoline::unlinked_stub());
        }
        Slot(first)
    }

    /// Takes a slot whose low 32 bits count down from `runs`.
    pub fn take_counter(&self, runs: u32) -> Slot {
        let slot = self.take_slots(1);
        self.link(slot, CodePtr(u64::from(runs)));
        slot
    }

    /// Takes `bytes` bytes, aligned to `align`; gives their offset.
    fn take(&self, bytes: usize, align: usize) -> Option<usize> {
        let place = |used: usize| {
            let start = used.next_multiple_of(align);
            (start + bytes <= self.code_bytes).then_some((start, start + bytes))
        };
        let used =
            self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| place(used).map(|p| p.1)).ok()?;
        place(used).map(|p| p.0)
    }

    /// Copies finished code into the cache, aligned to 16 bytes. None if it has no room.
    pub fn append(&self, bytes: &[u8]) -> Option<CodePtr> {
        let start = self.code + self.take(bytes.len(), 16)? as u64;
        // SAFETY: `take` has given this part of the mapping to nobody else.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len()) };
        Some(CodePtr(start))
    }

    /// Number of slots taken so far: the next to be taken, while the compiler's lock is held.
    pub fn next_slot(&self) -> Slot {
        Slot(self.slot_count.load(Ordering::Relaxed) as u32)
    }

    /// Points a slot at code.
    pub fn link(&self, slot: Slot, to: CodePtr) {
        let at = self.slots + u64::from(slot.0) * 8;
        assert!(at + 8 <= self.slots + self.slot_bytes as u64, "slots are taken only while the cache is not full");
        // SAFETY: inside the slot mapping, aligned, and only ever accessed atomically.
        unsafe { AtomicU64::from_ptr(at as *mut u64) }.store(to.0, Ordering::Release);
    }

    /// Forgets everything allocated. No thread may be in generated code, nor come back to it.
    pub fn reset(&self) {
        self.used.store(0, Ordering::Relaxed);
        self.slot_count.store(0, Ordering::Relaxed);
    }
}

/// Hands out [`CodeMemory`] to cranelift-jit.
pub struct Provider(pub Arc<CodeMemory>);

impl JITMemoryProvider for Provider {
    fn allocate(&mut self, size: usize, align: u64, _kind: JITMemoryKind) -> io::Result<*mut u8> {
        let start = self.0.take(size, (align as usize).max(16)).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok((self.0.code + start as u64) as *mut u8)
    }

    unsafe fn free_memory(&mut self) {}

    fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
        Ok(())
    }
}
