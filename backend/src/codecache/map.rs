//! What is known of translated code: decoded blocks, what was compiled from them, and the links between. Its children
//! say what becomes of code that the guest changes (`invalidation`), and which code is compiled again with more work
//! (`tier_up`). Invariants:
//! - a slot is in `links` of its target as long as its code is in use, and points to code exactly while that target
//!   has some; slots of code that is out of use lead to the dispatcher;
//! - a block's `code` lies in the generation that was current while the block was in the map: emptying the cache kills
//!   all blocks.

mod invalidation;
mod pages;
mod tier_up;

use crate::abi::control_block::ControlBlock;
use crate::abi::slot::Slot;
use crate::abi::stats::Stats;
use crate::abi::trampoline::CodePtr;
use crate::block::{Block, BlockKey};
use crate::codecache::generation::{CodeObject, Generation, Kind};
use crate::codecache::links::Links;
use crate::codecache::object::Compiled;
use crate::interp::tier0::{HotBlock, pages_of};
use ir::{Frontend, GuestRange, PAGE_BYTES};
use pages::Pages;
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use tier_up::Budget;

/// What a region was made from.
type Blocks<I> = Box<[Arc<Block<I>>]>;

/// All that is known.
pub struct CodeMap<F: Frontend> {
    /// The current generation, once something has been compiled.
    pub generation: Option<Arc<Generation>>,
    /// Those before that threads may still be in.
    earlier: Vec<Weak<Generation>>,
    /// What is made is made knowing that the guest uses tags.
    pub untags: bool,
    blocks: FxHashMap<BlockKey, Arc<HotBlock<F>>>,
    /// Blocks of which the guest said that it has changed them, with the code that they had, or 0.
    invalidated: FxHashMap<BlockKey, (Arc<HotBlock<F>>, CodePtr)>,
    /// The region compiled last at each entry.
    regions: FxHashMap<BlockKey, CodePtr>,
    /// What regions were made from.
    region_blocks: FxHashMap<CodePtr, Blocks<F::Insn>>,
    pages: Pages,
    links: Links,
    budget: Budget,
    threads: Vec<Weak<ControlBlock>>,
    ended: bool,
    /// Room for decoding.
    pub scratch: Vec<F::Insn>,
    /// Counters, without those that running threads keep.
    pub stats: Stats,
}

impl<F: Frontend> Default for CodeMap<F> {
    fn default() -> Self {
        Self {
            generation: None,
            earlier: Vec::new(),
            untags: false,
            blocks: FxHashMap::default(),
            invalidated: FxHashMap::default(),
            regions: FxHashMap::default(),
            region_blocks: FxHashMap::default(),
            pages: Pages::default(),
            links: Links::default(),
            budget: Budget::default(),
            threads: Vec::new(),
            ended: false,
            scratch: Vec::new(),
            stats: Stats::default(),
        }
    }
}

impl<F: Frontend> CodeMap<F> {
    /// The block at a key, if it has been decoded.
    pub fn block(&self, key: BlockKey) -> Option<&Arc<HotBlock<F>>> {
        self.blocks.get(&key)
    }

    /// Adds a block.
    pub fn add_block(&mut self, block: Arc<HotBlock<F>>) {
        self.stats.blocks += 1;
        self.stats.decoded_insns += block.block.insns.len() as u64;
        self.insert(&block);
    }

    fn insert(&mut self, block: &Arc<HotBlock<F>>) {
        let pc = block.key.pc();
        self.pages.starts.entry(pc.0 / PAGE_BYTES).or_default().insert(pc);
        self.blocks.insert(block.key, Arc::clone(block));
    }

    /// Adds a thread.
    pub fn add_thread(&mut self, thread: &Arc<ControlBlock>) {
        self.threads.push(Arc::downgrade(thread));
    }

    /// A thread goes: its counters stay.
    pub fn remove_thread(&mut self, thread: &Arc<ControlBlock>) {
        thread.counts.add_to(&mut self.stats.counts);
        self.threads.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(thread)));
    }

    /// All counters.
    pub fn all_stats(&mut self) -> Stats {
        let mut stats = self.stats.clone();
        self.each_thread(|thread| thread.counts.add_to(&mut stats.counts));
        stats.cache_bytes = self.generation.as_ref().map_or(0, |g| g.memory.used_bytes() as u64);
        stats
    }

    /// Nothing is published any more.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// After a fork: of all threads only `kept` is there.
    pub fn keep_only_thread(&mut self, kept: std::thread::ThreadId) {
        self.threads.retain(|thread| thread.upgrade().is_some_and(|thread| thread.owner == kept));
    }

    fn each_thread(&mut self, mut act: impl FnMut(&ControlBlock)) {
        self.threads.retain(|thread| match thread.upgrade() {
            Some(thread) => {
                act(&thread);
                true
            }
            None => false,
        });
    }

    /// Makes compiled code known and links it both ways; not if the guest has changed what it was made from, the cache
    /// has been emptied meanwhile, or the process ends. It takes the key of what was compiled for the same entry
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
        let mut objects = generation.objects();
        let before = objects.get(first.code.load(Ordering::SeqCst));
        let extended = before.filter(|object| object.kind == Kind::Optimized).map_or(0, |object| object.extended + 1);
        let links = self.links.count()..self.links.count() + compiled.exits.len() as u32;
        let locations = objects.locations.len() as u32;
        objects.locations.extend_from_slice(&compiled.locations);
        let object = CodeObject {
            kind,
            entry,
            bytes: compiled.bytes,
            insns,
            first: range(&first.block),
            others: blocks.iter().skip(1).map(range).collect(),
            locations: locations..objects.locations.len() as u32,
            flag_sources: compiled.flag_sources.as_slice().into(),
            deopt_values: compiled.deopt_values.into(),
            sources: compiled.sources.into(),
            links: links.clone(),
            alive: true,
            extended,
        };
        objects.insert(compiled.code, object);
        drop(objects);
        for &(slot, target) in &compiled.exits {
            self.links.add(slot, compiled.code, entry.at(target));
        }
        if kind == Kind::Optimized {
            self.regions.insert(entry, compiled.code);
            self.region_blocks.insert(compiled.code, blocks.into());
        }
        self.install(generation, &first, (kind, compiled.code, links), compiled.counter);
        true
    }

    /// Has threads leave generated code at their next safepoints.
    pub fn request_exit(&mut self) {
        self.each_thread(ControlBlock::request_exit);
    }

    /// Puts code in use again at the entry of `first`.
    fn reuse(&mut self, generation: &Generation, first: &HotBlock<F>, code: CodePtr, counter: Option<Slot>) {
        let mut objects = generation.objects();
        let Some(object) = objects.get_mut(code.0) else { return };
        object.alive = true;
        let (kind, links) = (object.kind, object.links.clone());
        drop(objects);
        self.links.revalidate(links.clone(), code);
        self.install(generation, first, (kind, code, links), counter);
    }

    /// Leads to code at the entry of `first`, in key of what is there. Its object and its links are there already:
    /// threads may be in the code, and fault there, as soon as anything leads to it.
    fn install(
        &mut self,
        generation: &Generation,
        first: &HotBlock<F>,
        (kind, code, links): (Kind, CodePtr, Range<u32>),
        counter: Option<Slot>,
    ) {
        let entry = first.key;
        let before = first.code.load(Ordering::SeqCst);
        let memory = &generation.memory;
        let mut is_looping = false;
        if let Some(object) = generation.objects().get_mut(before) {
            object.alive = false;
            self.links.retire(object.links.clone(), memory);
            // A block that is a loop of its own does not leave through a slot.
            is_looping = object.kind == Kind::Baseline && first.block.successors().contains(&Some(entry.pc()));
        }
        first.set_counter(counter);
        first.code.store(code.0, Ordering::SeqCst);
        // The code of one block is found by the block.
        let blocks = (kind == Kind::Optimized).then(|| self.region_blocks.get(&code)).flatten();
        for block in blocks.into_iter().flat_map(|blocks| &**blocks) {
            for page in pages_of(block.start, block.next()) {
                let there = self.pages.regions.entry(page).or_default();
                if !there.contains(&code) {
                    there.push(code);
                }
            }
        }
        for link in self.links.numbered(links) {
            let code = self.blocks.get(&link.to).map_or(0, |block| block.code.load(Ordering::Acquire));
            if code != 0 {
                memory.link(link.slot, CodePtr(code));
            }
        }
        let mut any_retired = false;
        for link in self.links.of(entry) {
            match link.owner {
                CodePtr(0) => any_retired = true,
                _ => memory.link(link.slot, code),
            }
        }
        if any_retired {
            self.links.prune(entry);
        }
        if before != 0 {
            self.each_thread(|thread| thread.forget(entry));
        }
        if is_looping {
            self.each_thread(ControlBlock::request_exit);
        }
    }

    /// All generations whose code threads may be in.
    pub fn generations(&self) -> Vec<Arc<Generation>> {
        self.earlier.iter().filter_map(Weak::upgrade).chain(self.generation.clone()).collect()
    }
}
