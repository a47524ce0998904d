//! What of the map is in which page of guest memory.

use crate::abi::trampoline::CodePtr;
use ir::{GuestAddr, PAGE_BYTES};
use rustc_hash::FxHashMap;

/// A bit for each instruction of a page.
#[derive(Default)]
pub struct Starts([u64; (PAGE_BYTES / 4 / 64) as usize]);

impl Starts {
    pub fn insert(&mut self, pc: GuestAddr) {
        let index = pc.0 % PAGE_BYTES / 4;
        self.0[(index / 64) as usize] |= 1 << (index % 64);
    }

    /// Ascending.
    pub fn addresses(&self, page: u64) -> impl Iterator<Item = GuestAddr> {
        self.0.iter().zip(0u64..).flat_map(move |(&word, n)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let index = 64 * n + u64::from(left.trailing_zeros());
                left &= left.checked_sub(1)?;
                Some(GuestAddr(page * PAGE_BYTES + 4 * index))
            })
        })
    }
}

/// By page.
#[derive(Default)]
pub struct Pages {
    /// Where blocks begin, or have begun.
    pub starts: FxHashMap<u64, Starts>,
    /// Regions of which a block is there. What was emitted is found by its block.
    pub regions: FxHashMap<u64, Vec<CodePtr>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_found_again() {
        let mut starts = Starts::default();
        let offsets = [0, 4, 252, 256, 2048, 4092];
        let page = u64::MAX / PAGE_BYTES;
        for offset in offsets {
            starts.insert(GuestAddr(page * PAGE_BYTES + offset));
        }
        assert!(starts.addresses(page).map(|pc| pc.0 % PAGE_BYTES).eq(offsets));
    }
}
