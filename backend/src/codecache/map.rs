//! What is known of translated code: decoded blocks, what was compiled from them, and the links between. Invariants:
//! - a slot is in `incoming` of its target as long as its code is in use, and points to code exactly while that target
//!   has some; slots of code that is out of use lead to the dispatcher;
//! - a block's `code` lies in the generation that was current while the block was in the map: emptying the cache kills
//!   all blocks.

use crate::abi::seat::{Seat, Sighting};
use crate::abi::slot::Slot;
use crate::abi::stats::Stats;
use crate::abi::trampoline::{self, CodePtr};
use crate::block::{Block, BlockKey};
use crate::codecache::generation::{Generation, Kind, Record};
use crate::codecache::links::Links;
use crate::codecache::object::Compiled;
use crate::interp::tier0::{HotBlock, MOST_BLOCK_BYTES, pages_of};
use ir::{Frontend, GuestAddr, GuestRange, PAGE_BYTES};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

/// A bit for each instruction of a page.
#[derive(Default)]
struct Starts([u64; (PAGE_BYTES / 4 / 64) as usize]);

impl Starts {
    fn insert(&mut self, pc: GuestAddr) {
        let index = pc.0 % PAGE_BYTES / 4;
        self.0[(index / 64) as usize] |= 1 << (index % 64);
    }

    /// Ascending.
    fn addresses(&self, page: u64) -> impl Iterator<Item = GuestAddr> {
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

/// What a region was made from.
type Blocks<I> = Box<[Arc<Block<I>>]>;

/// More blocks than this are not kept for the case that they come back.
const MOST_DORMANT: usize = 1 << 16;

/// All that is known.
pub struct Code<F: Frontend> {
    /// The current generation, once something has been compiled.
    pub generation: Option<Arc<Generation>>,
    /// Those before that threads may still be in.
    earlier: Vec<Weak<Generation>>,
    /// What is made is made knowing that the guest uses tags.
    pub untags: bool,
    blocks: FxHashMap<BlockKey, Arc<HotBlock<F>>>,
    /// Blocks of which the guest said that it has changed them, with the code that they had, or 0.
    dormant: FxHashMap<BlockKey, (Arc<HotBlock<F>>, CodePtr)>,
    /// The region compiled last at each entry.
    regions: FxHashMap<BlockKey, CodePtr>,
    /// Entries of regions that would gain from more work: by wider limits, or by holding more registers.
    cut: FxHashSet<BlockKey>,
    /// Entries of regions for which more work is done.
    wide: FxHashSet<BlockKey>,
    /// What regions were made from.
    region_blocks: FxHashMap<CodePtr, Blocks<F::Insn>>,
    /// Where in each page blocks begin, or have begun.
    starts_by_page: FxHashMap<u64, Starts>,
    /// Regions by the pages of their blocks. What was emitted is found by its block.
    regions_by_page: FxHashMap<u64, Vec<CodePtr>>,
    incoming: Links,
    seats: Vec<Weak<Seat>>,
    ended: bool,
    /// Room for decoding.
    pub scratch: Vec<F::Insn>,
    /// Counters, without those that running threads keep.
    pub stats: Stats,
}

impl<F: Frontend> Default for Code<F> {
    fn default() -> Self {
        Self {
            generation: None,
            earlier: Vec::new(),
            untags: false,
            blocks: FxHashMap::default(),
            dormant: FxHashMap::default(),
            regions: FxHashMap::default(),
            cut: FxHashSet::default(),
            wide: FxHashSet::default(),
            region_blocks: FxHashMap::default(),
            starts_by_page: FxHashMap::default(),
            regions_by_page: FxHashMap::default(),
            incoming: Links::default(),
            seats: Vec::new(),
            ended: false,
            scratch: Vec::new(),
            stats: Stats::default(),
        }
    }
}

impl<F: Frontend> Code<F> {
    /// The block at a place, if it has been decoded.
    pub fn block(&self, place: BlockKey) -> Option<&Arc<HotBlock<F>>> {
        self.blocks.get(&place)
    }

    /// Adds a block.
    pub fn add_block(&mut self, block: Arc<HotBlock<F>>) {
        self.stats.blocks += 1;
        self.stats.decoded_insns += block.block.insns.len() as u64;
        self.insert(&block);
    }

    fn insert(&mut self, block: &Arc<HotBlock<F>>) {
        let pc = block.place.pc();
        self.starts_by_page.entry(pc.0 / PAGE_BYTES).or_default().insert(pc);
        self.blocks.insert(block.place, Arc::clone(block));
    }

    /// Adds a thread.
    pub fn add_seat(&mut self, seat: &Arc<Seat>) {
        self.seats.push(Arc::downgrade(seat));
    }

    /// A thread goes: its counters stay.
    pub fn remove_seat(&mut self, seat: &Arc<Seat>) {
        seat.counts.add_to(&mut self.stats.counts);
        self.seats.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(seat)));
    }

    /// All counters.
    pub fn all_stats(&mut self) -> Stats {
        let mut stats = self.stats.clone();
        self.each_seat(|seat| seat.counts.add_to(&mut stats.counts));
        stats.cache_bytes = self.generation.as_ref().map_or(0, |g| g.memory.used_bytes() as u64);
        stats
    }

    /// Nothing is published any more.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// After a fork: of all threads only `kept` is there.
    pub fn keep_only_seat(&mut self, kept: std::thread::ThreadId) {
        self.seats.retain(|seat| seat.upgrade().is_some_and(|seat| seat.owner == kept));
    }

    fn each_seat(&mut self, mut act: impl FnMut(&Seat)) {
        self.seats.retain(|seat| match seat.upgrade() {
            Some(seat) => {
                act(&seat);
                true
            }
            None => false,
        });
    }

    /// Makes compiled code known and links it both ways; not if the guest has changed what it was made from, the cache
    /// has been emptied meanwhile, or the process ends. It takes the place of what was compiled for the same entry
    /// before.
    pub fn publish(
        &mut self,
        generation: &Arc<Generation>,
        entry: BlockKey,
        blocks: &[Arc<Block<F::Insn>>],
        compiled: Compiled,
        kind: Kind,
    ) -> bool {
        let current = self.generation.as_ref().is_some_and(|now| Arc::ptr_eq(now, generation));
        let unchanged = blocks
            .iter()
            .all(|block| self.blocks.get(&entry.at(block.start)).is_some_and(|now| Arc::ptr_eq(&now.block, block)));
        let Some(first) = self.blocks.get(&entry).cloned() else { return false };
        if !current || !unchanged || self.ended {
            return false;
        }
        let insns = blocks.iter().map(|b| b.insns.len() as u32).sum();
        let range = |b: &Arc<Block<F::Insn>>| GuestRange { start: b.start, end: b.next() };
        let mut records = generation.records();
        let before = records.get(first.code.load(Ordering::SeqCst));
        let grown = before.filter(|record| record.kind == Kind::Region).map_or(0, |record| record.grown + 1);
        let links = self.incoming.count()..self.incoming.count() + compiled.exits.len() as u32;
        let locations = records.locations.len() as u32;
        records.locations.extend_from_slice(&compiled.locations);
        let record = Record {
            kind,
            entry,
            bytes: compiled.bytes,
            insns,
            first: range(&first.block),
            others: blocks.iter().skip(1).map(range).collect(),
            locations: locations..records.locations.len() as u32,
            flag_sources: compiled.flag_sources.as_slice().into(),
            recoveries: compiled.recoveries.into(),
            sources: compiled.sources.into(),
            links: links.clone(),
            alive: true,
            grown,
        };
        records.insert(compiled.code, record);
        drop(records);
        for &(slot, target) in &compiled.exits {
            self.incoming.add(slot, compiled.code, entry.at(target));
        }
        if kind == Kind::Region {
            self.regions.insert(entry, compiled.code);
            self.region_blocks.insert(compiled.code, blocks.into());
        }
        self.install(generation, &first, (kind, compiled.code, links), compiled.counter);
        true
    }

    /// Says whether the region at `entry` would gain from more work: by wider limits, or by holding more registers.
    pub fn set_cut(&mut self, entry: BlockKey, is_cut: bool) {
        if is_cut && !self.wide.contains(&entry) {
            self.cut.insert(entry);
        } else {
            self.cut.remove(&entry);
        }
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

    /// Whether more work is done for the region at `entry`.
    pub fn is_wide(&self, entry: BlockKey) -> bool {
        self.wide.contains(&entry)
    }

    /// More work is done for the region at `entry` from now on.
    pub fn set_wide(&mut self, entry: BlockKey) {
        self.cut.remove(&entry);
        self.wide.insert(entry);
    }

    /// Has threads leave generated code at their next safepoints.
    pub fn call_back(&mut self) {
        self.each_seat(Seat::call_back);
    }

    /// Where threads have been since this was last called. Has them show themselves again, if there is any region that
    /// would gain from more work: it costs them the way back to the middle of a region.
    pub fn sightings(&mut self) -> Vec<Sighting> {
        let mut seen = Vec::new();
        if !self.cut.is_empty() {
            self.each_seat(|seat| seen.extend(seat.look()));
        }
        seen
    }

    /// Entries of the regions that would gain from more work and in which a thread was when it was seen: in one of its
    /// loops, or in a function that it calls.
    pub fn cut_regions(&self, sighting: Sighting) -> Vec<BlockKey> {
        let Some(generation) = self.generation.as_ref().filter(|_| !self.cut.is_empty()) else { return Vec::new() };
        let Sighting { at, link } = sighting;
        let records = generation.records();
        let by_page = |pc: GuestAddr| self.regions_by_page.get(&(pc.0 / PAGE_BYTES)).into_iter().flatten();
        // The call is before the address that it returns to.
        let codes = by_page(at.pc()).chain(by_page(link.offset(-4)));
        let there = codes.filter_map(|code| records.get(code.0)).filter(|record| {
            record.alive
                && record.entry.flushing() == at.flushing()
                && self.cut.contains(&record.entry)
                && record.ranges().any(|range| range.start == at.pc() || range.end == link)
        });
        let mut entries: Vec<BlockKey> = there.map(|record| record.entry).collect();
        entries.sort_unstable();
        entries.dedup();
        entries
    }

    /// Puts code in use again at the entry of `first`.
    fn reuse(&mut self, generation: &Generation, first: &HotBlock<F>, code: CodePtr, counter: Option<Slot>) {
        let mut records = generation.records();
        let Some(record) = records.get_mut(code.0) else { return };
        record.alive = true;
        let (kind, links) = (record.kind, record.links.clone());
        drop(records);
        self.incoming.revive(links.clone(), code);
        self.install(generation, first, (kind, code, links), counter);
    }

    /// Leads to code at the entry of `first`, in place of what is there. Its record and its links are there already:
    /// threads may be in the code, and fault there, as soon as anything leads to it.
    fn install(
        &mut self,
        generation: &Generation,
        first: &HotBlock<F>,
        (kind, code, links): (Kind, CodePtr, Range<u32>),
        counter: Option<Slot>,
    ) {
        let entry = first.place;
        let before = first.code.load(Ordering::SeqCst);
        let memory = &generation.memory;
        let mut is_looping = false;
        if let Some(record) = generation.records().get_mut(before) {
            record.alive = false;
            self.incoming.retire(record.links.clone(), memory);
            // A block that is a loop of its own does not leave through a slot.
            is_looping = record.kind == Kind::Emitted && first.block.successors().contains(&Some(entry.pc()));
        }
        first.set_counter(counter);
        first.code.store(code.0, Ordering::SeqCst);
        // The code of one block is found by the block.
        let blocks = (kind == Kind::Region).then(|| self.region_blocks.get(&code)).flatten();
        for block in blocks.into_iter().flat_map(|blocks| &**blocks) {
            for page in pages_of(block.start, block.next()) {
                let there = self.regions_by_page.entry(page).or_default();
                if !there.contains(&code) {
                    there.push(code);
                }
            }
        }
        for link in self.incoming.numbered(links) {
            let code = self.blocks.get(&link.to).map_or(0, |block| block.code.load(Ordering::Acquire));
            if code != 0 {
                memory.link(link.slot, CodePtr(code));
            }
        }
        let mut any_retired = false;
        for link in self.incoming.of(entry) {
            match link.owner {
                CodePtr(0) => any_retired = true,
                _ => memory.link(link.slot, code),
            }
        }
        if any_retired {
            self.incoming.prune(entry);
        }
        if before != 0 {
            self.each_seat(|seat| seat.forget(entry));
        }
        if is_looping {
            self.each_seat(Seat::call_back);
        }
    }

    /// The block that was at a place before the guest was said to have changed it, if it is still the same: programs
    /// take away the permission to execute for a while, or write what was there before. Its code is in use again, if
    /// that was made of nothing that has changed. `is_unchanged` looks at the guest's memory.
    pub fn revive(
        &mut self,
        place: BlockKey,
        is_unchanged: impl Fn(&Block<F::Insn>) -> bool,
    ) -> Option<Arc<HotBlock<F>>> {
        let (block, code) = self.dormant.remove(&place)?;
        if !is_unchanged(&block.block) {
            return None;
        }
        self.stats.revived += 1;
        self.insert(&block);
        let counter = block.counter();
        if code != CodePtr(0) {
            block.code.store(0, Ordering::SeqCst);
            block.become_hot_anew();
        }
        block.dead.store(false, Ordering::SeqCst);
        if self.region_blocks.contains_key(&code) {
            self.restore(place, is_unchanged);
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
        let is_alive = generation.records().get(code.0)?.alive;
        let mut blocks = self.region_blocks.get(&code)?.iter();
        if is_alive || self.ended || !blocks.all(|block| is_unchanged(block)) {
            return None;
        }
        self.stats.restored += 1;
        self.reuse(&generation, &first, code, None);
        Some(code)
    }

    /// Whether code compiled for another entry since `entry` was asked for runs that block too: the blocks of a loop
    /// become hot together. Then the block counts `runs` again, once; if it is entered from elsewhere it comes back.
    pub fn cool_down_if_covered(&mut self, entry: BlockKey, runs: u32) -> bool {
        let (Some(block), Some(generation)) = (self.blocks.get(&entry), &self.generation) else { return false };
        let records = generation.records();
        let here = self.regions_by_page.get(&(entry.pc().0 / PAGE_BYTES));
        let covered = here.into_iter().flatten().any(|code| {
            let Some(record) = records.get(code.0) else { return false };
            record.alive
                && record.entry.flushing() == entry.flushing()
                && record.ranges().any(|range| range.start == entry.pc())
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

    /// The block at a place, if it has run so often (it may have run more). `threshold` is what counters count down
    /// from.
    pub fn block_run(&self, place: BlockKey, runs: u32, threshold: u32) -> Option<&Arc<HotBlock<F>>> {
        let block = self.blocks.get(&place)?;
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

    /// How often the block at a place has run: in tier 0, and since its counter ran out.
    pub fn heat(&self, place: BlockKey) -> u32 {
        let (Some(block), Some(generation)) = (self.blocks.get(&place), &self.generation) else { return 0 };
        let since = block.counter().map_or(0, |counter| generation.memory.counter(counter).wrapping_neg());
        block.count.load(Ordering::Relaxed).saturating_add(since)
    }

    /// A region that leaves to the hot place `to` and could take it in: its entry is to be compiled again, if `to`
    /// leads back into it (`reaches` tells).
    pub fn growing(
        &self,
        to: BlockKey,
        region_insns: usize,
        mut reaches: impl FnMut(GuestAddr) -> bool,
    ) -> Option<BlockKey> {
        const MOST_GROWTHS: u8 = 4;
        let generation = self.generation.as_ref()?;
        let records = generation.records();
        let owners = self.incoming.of(to).filter_map(|link| records.get(link.owner.0));
        let mut fit = owners.filter(|record| {
            record.alive
                && record.kind == Kind::Region
                && record.entry != to
                && record.grown < MOST_GROWTHS
                && (record.insns as usize) < region_insns * 3 / 4
                && record.ranges().all(|range| range.start != to.pc())
        });
        fit.find(|record| reaches(record.entry.pc())).map(|record| record.entry)
    }

    /// Takes out of use what was made from `range`; says whether there was anything. Code stays in the cache, for
    /// threads that are in it, until the cache is emptied; those threads leave it at their next safepoint.
    pub fn invalidate(&mut self, range: GuestRange) -> bool {
        let mut changed = false;
        for place in self.places_in(range) {
            if let Some(block) = self.blocks.remove(&place) {
                block.dead.store(true, Ordering::SeqCst);
                changed = true;
                let code = CodePtr(block.code.load(Ordering::SeqCst));
                self.retire(code, range);
                if self.dormant.len() >= MOST_DORMANT {
                    self.dormant.clear();
                }
                self.dormant.insert(place, (block, code));
            }
        }
        let pages: Vec<u64> = if range.bytes() / PAGE_BYTES > self.regions_by_page.len() as u64 {
            self.regions_by_page.keys().copied().collect()
        } else {
            pages_of(range.start, range.end).collect()
        };
        for page in pages {
            let regions = self.regions_by_page.remove(&page).unwrap_or_default();
            let before = regions.len();
            let left: Vec<CodePtr> = regions.into_iter().filter(|&code| !self.retire(code, range)).collect();
            changed |= left.len() < before;
            if !left.is_empty() {
                self.regions_by_page.insert(page, left);
            }
        }
        if changed {
            self.stats.invalidations += 1;
            self.each_seat(Seat::call_back);
        }
        changed
    }

    /// Where blocks begin that have an instruction in `range`.
    fn places_in(&self, range: GuestRange) -> Vec<BlockKey> {
        let hit = |place: &BlockKey| {
            let block = self.blocks.get(place);
            block.is_some_and(|block| range.overlaps(GuestRange { start: place.pc(), end: block.block.next() }))
        };
        let first = GuestAddr(range.start.0.saturating_sub(MOST_BLOCK_BYTES));
        let pages = pages_of(first, range.end);
        if pages.end() - pages.start() > self.starts_by_page.len() as u64 {
            return self.blocks.keys().copied().filter(hit).collect();
        }
        let starts = pages.filter_map(|page| Some((page, self.starts_by_page.get(&page)?)));
        let starts = starts.flat_map(|(page, starts)| starts.addresses(page));
        starts.flat_map(|pc| [BlockKey::new(pc, false), BlockKey::new(pc, true)]).filter(hit).collect()
    }

    /// Nobody enters this code from now on, if it was made from `range`; says whether it was.
    fn retire(&mut self, code: CodePtr, range: GuestRange) -> bool {
        let Some(generation) = self.generation.clone() else { return false };
        let mut records = generation.records();
        let Some(record) = records.get_mut(code.0) else { return false };
        if !record.ranges().any(|r| r.overlaps(range)) {
            return false;
        }
        let (entry, links) = (record.entry, record.links.clone());
        if !std::mem::replace(&mut record.alive, false) {
            return true;
        }
        drop(records);
        self.incoming.retire(links, &generation.memory);
        self.incoming.prune(entry);
        for incoming in self.incoming.of(entry) {
            generation.memory.link(incoming.slot, trampoline::unlinked_stub());
        }
        if let Some(block) = self.blocks.get(&entry) {
            block.code.store(0, Ordering::SeqCst);
            block.become_hot_anew();
        }
        self.each_seat(|seat| seat.forget(entry));
        true
    }

    /// All generations whose code threads may be in.
    pub fn generations(&self) -> Vec<Arc<Generation>> {
        self.earlier.iter().filter_map(Weak::upgrade).chain(self.generation.clone()).collect()
    }

    /// Forgets everything compiled, and all blocks with it. Threads that are in the old code leave it at their next
    /// safepoint; its memory goes with the last of them.
    pub fn empty(&mut self) {
        self.stats.flushes += 1;
        for block in self.blocks.values() {
            block.dead.store(true, Ordering::SeqCst);
        }
        self.blocks.clear();
        self.starts_by_page.clear();
        self.dormant.clear();
        self.regions.clear();
        self.cut.clear();
        self.wide.clear();
        self.region_blocks.clear();
        self.regions_by_page.clear();
        self.incoming.clear();
        self.earlier.retain(|generation| generation.strong_count() != 0);
        self.earlier.extend(self.generation.take().map(|generation| Arc::downgrade(&generation)));
        self.each_seat(Seat::call_back);
    }
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
