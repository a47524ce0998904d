//! Emu's allocator: the system's, and behind it a reserve for when the host gives no more, because the guest has taken
//! all there is (`ulimit -v`, a full address space, strict overcommit). The guest is told ENOMEM and can go on; emu
//! cannot. Unsafe because it is an allocator.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is given back to the host when it refuses: one part at a time.
const PART_BYTES: usize = 4 << 20;
const PARTS: usize = 4;

static RESERVE: [AtomicUsize; PARTS] = [const { AtomicUsize::new(0) }; PARTS];

/// Lays the reserve by, of a host that has more to give. Never touched, it is address space and a promise.
pub fn lay_by() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills the structure given.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) };
    let parts = if limit.rlim_cur == libc::RLIM_INFINITY { PARTS } else { 1 };
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    for part in RESERVE.iter().take(parts) {
        // SAFETY: a fresh anonymous mapping.
        let at =
            unsafe { libc::mmap(ptr::null_mut(), PART_BYTES, prot, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
        if at == libc::MAP_FAILED {
            return;
        }
        part.store(at as usize, Ordering::Relaxed);
    }
}

/// Gives one part back to the host; whether there was one.
fn give_back() -> bool {
    let part = RESERVE.iter().map(|part| part.swap(0, Ordering::Relaxed)).find(|&at| at != 0);
    let Some(at) = part else { return false };
    // SAFETY: mapped by `lay_by` and used by nobody; whoever has swapped it out is the only one to know it.
    unsafe { libc::munmap(at as *mut libc::c_void, PART_BYTES) == 0 }
}

/// The system's allocator with the reserve.
pub struct Reserved;

/// Tries until there is memory or no reserve.
fn insist(mut attempt: impl FnMut() -> *mut u8) -> *mut u8 {
    loop {
        let memory = attempt();
        if !memory.is_null() || !give_back() {
            return memory;
        }
    }
}

// SAFETY: all memory is `System`'s, whose promises these are.
unsafe impl GlobalAlloc for Reserved {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        insist(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        insist(|| unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as the caller promises; a failed attempt leaves the old memory as it was.
        insist(|| unsafe { System.realloc(memory, layout, bytes) })
    }
}
