//! Where emu's own mappings go.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where `bytes` of emu's own do not get in the guest's way: some way behind emu's image, one behind the other.
/// Elsewhere they could take a place that the guest has just unmapped and means to use again.
pub fn own_neighbourhood(bytes: usize) -> *mut libc::c_void {
    const DISTANCE: u64 = 16 << 30;
    const SPACING: usize = 2 << 20;
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    let start = (own_neighbourhood as *const () as u64 + DISTANCE) & !(DISTANCE - 1);
    let offset = TAKEN.fetch_add(bytes.next_multiple_of(SPACING) as u64, Ordering::Relaxed);
    (start + offset % DISTANCE) as *mut libc::c_void
}
