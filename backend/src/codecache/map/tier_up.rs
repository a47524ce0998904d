//! Which blocks are hot, and which regions are compiled again with more work: decided by how often blocks have run and by
//! samples of where threads are.

use super::CodeMap;
use crate::abi::control_block::Sample;
use crate::block::BlockKey;
use crate::codecache::generation::Kind;
use crate::interp::tier0::HotBlock;
use ir::{Frontend, GuestAddr, PAGE_BYTES};
use rustc_hash::FxHashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Entries of regions for which more work may be done: by wider limits, or by holding more registers.
#[derive(Default)]
pub(super) struct Budget {
    /// They would gain from it.
    wanting: FxHashSet<BlockKey>,
    /// They have it.
    raised: FxHashSet<BlockKey>,
}

impl<F: Frontend> CodeMap<F> {
    /// Says whether the region at `entry` would gain from more work: by wider limits, or by holding more registers.
    pub fn set_wants_budget(&mut self, entry: BlockKey, is_cut: bool) {
        if is_cut && !self.budget.raised.contains(&entry) {
            self.budget.wanting.insert(entry);
        } else {
            self.budget.wanting.remove(&entry);
        }
    }

    /// Whether more work is done for the region at `entry`.
    pub fn has_raised_budget(&self, entry: BlockKey) -> bool {
        self.budget.raised.contains(&entry)
    }

    /// More work is done for the region at `entry` from now on.
    pub fn raise_budget(&mut self, entry: BlockKey) {
        self.budget.wanting.remove(&entry);
        self.budget.raised.insert(entry);
    }

    /// Where threads have been since this was last called. Has them show themselves again, if there is any region that
    /// would gain from more work: it costs them the way back to the middle of a region.
    pub fn samples(&mut self) -> Vec<Sample> {
        let mut seen = Vec::new();
        if !self.budget.wanting.is_empty() {
            self.each_thread(|thread| seen.extend(thread.take_sample()));
        }
        seen
    }

    /// Entries of the regions that would gain from more work and in which a thread was when it was seen: in one of its
    /// loops, or in a function that it calls.
    pub fn regions_wanting_budget(&self, sample: Sample) -> Vec<BlockKey> {
        let Some(generation) = self.generation.as_ref().filter(|_| !self.budget.wanting.is_empty()) else {
            return Vec::new();
        };
        let Sample { at, link } = sample;
        let objects = generation.objects();
        let by_page = |pc: GuestAddr| self.pages.regions.get(&(pc.0 / PAGE_BYTES)).into_iter().flatten();
        // The call is before the address that it returns to.
        let codes = by_page(at.pc()).chain(by_page(link.offset(-4)));
        let there = codes.filter_map(|code| objects.get(code.0)).filter(|object| {
            object.alive
                && object.entry.flushing() == at.flushing()
                && self.budget.wanting.contains(&object.entry)
                && object.ranges().any(|range| range.start == at.pc() || range.end == link)
        });
        let mut entries: Vec<BlockKey> = there.map(|object| object.entry).collect();
        entries.sort_unstable();
        entries.dedup();
        entries
    }

    /// Whether code compiled for another entry since `entry` was asked for runs that block too: the blocks of a loop
    /// become hot together. Then the block counts `runs` again, once; if it is entered from elsewhere it comes back.
    pub fn cool_down_if_covered(&mut self, entry: BlockKey, runs: u32) -> bool {
        let (Some(block), Some(generation)) = (self.blocks.get(&entry), &self.generation) else { return false };
        let objects = generation.objects();
        let here = self.pages.regions.get(&(entry.pc().0 / PAGE_BYTES));
        let covered = here.into_iter().flatten().any(|code| {
            let Some(object) = objects.get(code.0) else { return false };
            object.alive
                && object.entry.flushing() == entry.flushing()
                && object.ranges().any(|range| range.start == entry.pc())
        });
        if !covered || block.cooled.swap(true, Ordering::Relaxed) {
            return false;
        }
        // It has been seen to run, which regions want to know.
        block.count.store(1, Ordering::Relaxed);
        if let Some(counter) = block.counter() {
            // Lost if the block counts at this moment: then it is asked for again much later.
            generation.memory.set_counter(counter, runs);
        }
        true
    }

    /// The block at a key, if it has run so often (it may have run more). `threshold` is what counters count down
    /// from.
    pub fn block_run(&self, key: BlockKey, runs: u32, threshold: u32) -> Option<&Arc<HotBlock<F>>> {
        let block = self.blocks.get(&key)?;
        let in_tier0 = block.count.load(Ordering::Relaxed);
        let emitted = match (block.counter(), &self.generation) {
            // It has been hot, and runs as part of a region since.
            _ if block.cooled.load(Ordering::Relaxed) => threshold,
            (Some(counter), Some(generation)) => threshold.wrapping_sub(generation.memory.counter(counter)),
            // Of a region's entry, runs are not counted any more.
            _ if block.code.load(Ordering::Relaxed) != 0 => threshold,
            _ => 0,
        };
        (in_tier0 > 0 && in_tier0.saturating_add(emitted) >= runs).then_some(block)
    }

    /// How often the block at a key has run: in tier 0, and since its counter ran out.
    pub fn heat(&self, key: BlockKey) -> u32 {
        let (Some(block), Some(generation)) = (self.blocks.get(&key), &self.generation) else { return 0 };
        let since = block.counter().map_or(0, |counter| generation.memory.counter(counter).wrapping_neg());
        block.count.load(Ordering::Relaxed).saturating_add(since)
    }

    /// A region that leaves to the hot key `to` and could take it in: its entry is to be compiled again, if `to`
    /// leads back into it (`reaches` tells).
    pub fn extensible(
        &self,
        to: BlockKey,
        region_insns: usize,
        mut reaches: impl FnMut(GuestAddr) -> bool,
    ) -> Option<BlockKey> {
        const MOST_EXTENSIONS: u8 = 4;
        let generation = self.generation.as_ref()?;
        let objects = generation.objects();
        let owners = self.links.of(to).filter_map(|link| objects.get(link.owner.0));
        let mut fit = owners.filter(|object| {
            object.alive
                && object.kind == Kind::Optimized
                && object.entry != to
                && object.extended < MOST_EXTENSIONS
                && (object.insns as usize) < region_insns * 3 / 4
                && object.ranges().all(|range| range.start != to.pc())
        });
        fit.find(|object| reaches(object.entry.pc())).map(|object| object.entry)
    }

    /// The compiler has refused the region at `entry`, or has failed at it: it is not asked again while the block there
    /// is the same.
    pub fn refuse(&mut self, entry: BlockKey) {
        self.stats.refused_regions += 1;
        if let Some(block) = self.blocks.get(&entry) {
            block.refused.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it has been.
    pub fn is_refused(&self, entry: BlockKey) -> bool {
        self.blocks.get(&entry).is_some_and(|block| block.refused.load(Ordering::Relaxed))
    }
}
