//! The blocks that a thread has run lately, found without a lock.

use crate::block::BlockKey;
use crate::interp::tier0::HotBlock;
use ir::{Frontend, GuestAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Entries that a thread begins with: most threads run little, and there may be thousands.
const FIRST: usize = 1 << 9;
/// Entries at most.
const MOST: usize = 1 << 13;

/// A direct-mapped cache of blocks.
pub struct NearBlocks<F: Frontend> {
    entries: Vec<Option<Arc<HotBlock<F>>>>,
    /// Blocks that were not there since it has had its size.
    missed: usize,
}

impl<F: Frontend> Default for NearBlocks<F> {
    fn default() -> Self {
        Self { entries: empty(FIRST), missed: 0 }
    }
}

fn empty<F: Frontend>(entries: usize) -> Vec<Option<Arc<HotBlock<F>>>> {
    (0..entries).map(|_| None).collect()
}

impl<F: Frontend> NearBlocks<F> {
    fn index(&self, pc: GuestAddr) -> usize {
        (pc.0 >> 2) as usize & (self.entries.len() - 1)
    }

    /// Takes out the block at a place, whose address is aligned. The caller puts it back: sharing it instead would cost
    /// two atomic operations a block.
    pub fn take(&mut self, key: BlockKey) -> Option<Arc<HotBlock<F>>> {
        let index = self.index(key.pc());
        let found = self.entries[index].take();
        let found = found.filter(|block| block.key == key && !block.dead.load(Ordering::SeqCst));
        if found.is_none() {
            self.miss();
        }
        found
    }

    fn miss(&mut self) {
        self.missed += 1;
        if self.missed > 2 * self.entries.len() && self.entries.len() < MOST {
            let more = empty((4 * self.entries.len()).min(MOST));
            let old = std::mem::replace(&mut self.entries, more);
            old.into_iter().flatten().for_each(|block| self.put(block));
            self.missed = 0;
        }
    }

    /// Puts a block in.
    pub fn put(&mut self, block: Arc<HotBlock<F>>) {
        let index = self.index(block.key.pc());
        self.entries[index] = Some(block);
    }
}
