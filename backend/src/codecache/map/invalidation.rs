//! What becomes of code that the guest changes, and of what is the same again afterwards.

use super::CodeMap;
use super::pages::Pages;
use super::tier_up::Budget;
use crate::abi::control_block::ControlBlock;
use crate::abi::trampoline::{self, CodePtr};
use crate::block::{Block, BlockKey};
use crate::interp::tier0::{HotBlock, MOST_BLOCK_BYTES, pages_of};
use ir::{Frontend, GuestAddr, GuestRange, PAGE_BYTES};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// More blocks than this are not kept for the case that they come back.
const MOST_INVALIDATED: usize = 1 << 16;

impl<F: Frontend> CodeMap<F> {
    /// The block that was at a key before the guest was said to have changed it, if it is still the same: programs
    /// take away the permission to execute for a while, or write what was there before. Its code is in use again, if
    /// that was made of nothing that has changed. `is_unchanged` looks at the guest's memory.
    pub fn revalidate(
        &mut self,
        key: BlockKey,
        is_unchanged: impl Fn(&Block<F::Insn>) -> bool,
    ) -> Option<Arc<HotBlock<F>>> {
        let (block, code) = self.invalidated.remove(&key)?;
        if !is_unchanged(&block.block) {
            return None;
        }
        self.stats.revalidated += 1;
        self.insert(&block);
        let counter = block.counter();
        if code != CodePtr(0) {
            block.code.store(0, Ordering::SeqCst);
            block.become_hot_anew();
        }
        block.dead.store(false, Ordering::SeqCst);
        if self.region_blocks.contains_key(&code) {
            self.restore(key, is_unchanged);
        } else if let Some(generation) = self.generation.clone().filter(|_| code != CodePtr(0)) {
            self.reuse(&generation, &block, code, counter);
        }
        Some(block)
    }

    /// Puts the last region of an entry in use again that has been taken out of it because the guest has changed some
    /// of its blocks, if they are all the same again.
    pub fn restore(&mut self, entry: BlockKey, is_unchanged: impl Fn(&Block<F::Insn>) -> bool) -> Option<CodePtr> {
        let code = *self.regions.get(&entry)?;
        let generation = self.generation.clone()?;
        let first = Arc::clone(self.blocks.get(&entry)?);
        let is_alive = generation.objects().get(code.0)?.alive;
        let mut blocks = self.region_blocks.get(&code)?.iter();
        if is_alive || self.ended || !blocks.all(|block| is_unchanged(block)) {
            return None;
        }
        self.stats.restored += 1;
        self.reuse(&generation, &first, code, None);
        Some(code)
    }

    /// Takes out of use what was made from `range`; says whether there was anything. Code stays in the cache, for
    /// threads that are in it, until the cache is emptied; those threads leave it at their next safepoint.
    pub fn invalidate(&mut self, range: GuestRange) -> bool {
        let mut changed = false;
        for key in self.blocks_in(range) {
            if let Some(block) = self.blocks.remove(&key) {
                block.dead.store(true, Ordering::SeqCst);
                changed = true;
                let code = CodePtr(block.code.load(Ordering::SeqCst));
                self.retire(code, range);
                if self.invalidated.len() >= MOST_INVALIDATED {
                    self.invalidated.clear();
                }
                self.invalidated.insert(key, (block, code));
            }
        }
        let pages: Vec<u64> = if range.bytes() / PAGE_BYTES > self.pages.regions.len() as u64 {
            self.pages.regions.keys().copied().collect()
        } else {
            pages_of(range.start, range.end).collect()
        };
        for page in pages {
            let regions = self.pages.regions.remove(&page).unwrap_or_default();
            let before = regions.len();
            let left: Vec<CodePtr> = regions.into_iter().filter(|&code| !self.retire(code, range)).collect();
            changed |= left.len() < before;
            if !left.is_empty() {
                self.pages.regions.insert(page, left);
            }
        }
        if changed {
            self.stats.invalidations += 1;
            self.each_thread(ControlBlock::request_exit);
        }
        changed
    }

    /// Where blocks begin that have an instruction in `range`.
    fn blocks_in(&self, range: GuestRange) -> Vec<BlockKey> {
        let hit = |key: &BlockKey| {
            let block = self.blocks.get(key);
            block.is_some_and(|block| range.overlaps(GuestRange { start: key.pc(), end: block.block.next() }))
        };
        let first = GuestAddr(range.start.0.saturating_sub(MOST_BLOCK_BYTES));
        let pages = pages_of(first, range.end);
        if pages.end() - pages.start() > self.pages.starts.len() as u64 {
            return self.blocks.keys().copied().filter(hit).collect();
        }
        let starts = pages.filter_map(|page| Some((page, self.pages.starts.get(&page)?)));
        let starts = starts.flat_map(|(page, starts)| starts.addresses(page));
        starts.flat_map(|pc| [BlockKey::new(pc, false), BlockKey::new(pc, true)]).filter(hit).collect()
    }

    /// Nobody enters this code from now on, if it was made from `range`; says whether it was.
    fn retire(&mut self, code: CodePtr, range: GuestRange) -> bool {
        let Some(generation) = self.generation.clone() else { return false };
        let mut objects = generation.objects();
        let Some(object) = objects.get_mut(code.0) else { return false };
        if !object.ranges().any(|r| r.overlaps(range)) {
            return false;
        }
        let (entry, links) = (object.entry, object.links.clone());
        if !std::mem::replace(&mut object.alive, false) {
            return true;
        }
        drop(objects);
        self.links.retire(links, &generation.memory);
        self.links.prune(entry);
        for link in self.links.of(entry) {
            generation.memory.link(link.slot, trampoline::unlinked_stub());
        }
        if let Some(block) = self.blocks.get(&entry) {
            block.code.store(0, Ordering::SeqCst);
            block.become_hot_anew();
        }
        self.each_thread(|thread| thread.forget(entry));
        true
    }

    /// Forgets everything compiled, and all blocks with it. Threads that are in the old code leave it at their next
    /// safepoint; its memory goes with the last of them.
    pub fn empty(&mut self) {
        self.stats.flushes += 1;
        for block in self.blocks.values() {
            block.dead.store(true, Ordering::SeqCst);
        }
        self.blocks.clear();
        self.pages = Pages::default();
        self.invalidated.clear();
        self.regions.clear();
        self.budget = Budget::default();
        self.region_blocks.clear();
        self.links.clear();
        self.earlier.retain(|generation| generation.strong_count() != 0);
        self.earlier.extend(self.generation.take().map(|generation| Arc::downgrade(&generation)));
        self.each_thread(ControlBlock::request_exit);
    }
}
