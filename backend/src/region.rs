//! Regions: what tier 1 compiles. A hot entry, and the basic blocks that direct branches reach from it; plus the plan
//! that dataflow over it gives: which registers may be newer than memory at each block's start, and where the flags
//! must be in memory.

use ir::{Flow, Footprint, Frontend, GuestAddr, RegSet};
use std::collections::HashMap;
use std::sync::Arc;

/// A decoded basic block.
#[derive(Debug)]
pub struct Block<I> {
    /// Address of the first instruction.
    pub start: GuestAddr,
    /// The instructions, in order.
    pub insns: Vec<I>,
    /// How the last one leaves.
    pub flow: Flow,
}

impl<I> Block<I> {
    /// The address after the last instruction.
    pub fn next(&self) -> GuestAddr {
        self.start.offset(4 * self.insns.len() as i64)
    }

    /// Where a call comes back to.
    pub fn resumes(&self) -> Option<GuestAddr> {
        matches!(self.flow, Flow::Call(_) | Flow::IndirectCall).then(|| self.next())
    }

    /// Where direct control may go without leaving through a call, an indirect branch or emu.
    pub fn successors(&self) -> [Option<GuestAddr>; 2] {
        match self.flow {
            Flow::Next => [Some(self.next()), None],
            Flow::Jump(target) => [Some(target), None],
            Flow::Branch(target) => [Some(self.next()), Some(target)],
            _ => [None, None],
        }
    }
}

/// What tier 1 compiles: `blocks[0]` is the entry.
#[derive(Debug)]
pub struct Region<I> {
    /// The blocks, each reached from the entry through direct branches, returns of calls and computed branches.
    pub blocks: Vec<Arc<Block<I>>>,
    /// Blocks of the region, by index, that a block's computed branch (BR) has been seen to go to.
    pub computed: Vec<Vec<usize>>,
}

impl<I> Region<I> {
    /// The region from `entry`, breadth first over direct branches, the returns of calls, and the targets that
    /// `computed` knows of the branch that ends a block; of the blocks that `known` gives, at most `max_insns`
    /// instructions (the first block always). None if the entry itself is not known.
    pub fn discover(
        entry: GuestAddr,
        max_insns: usize,
        mut known: impl FnMut(GuestAddr) -> Option<Arc<Block<I>>>,
        mut computed: impl FnMut(GuestAddr) -> Vec<GuestAddr>,
    ) -> Option<Self> {
        let first = known(entry)?;
        let mut insns = first.insns.len();
        let mut blocks = vec![first];
        let mut index = HashMap::from([(entry, 0)]);
        let mut branches = Vec::new();
        let mut next = 0;
        while next < blocks.len() {
            let block = Arc::clone(&blocks[next]);
            let seen = if block.flow == Flow::Indirect { computed(block.start) } else { Vec::new() };
            for &target in block.successors().iter().chain([&block.resumes()]).flatten().chain(&seen) {
                if index.contains_key(&target) {
                    continue;
                }
                if let Some(block) = known(target)
                    && insns + block.insns.len() <= max_insns
                {
                    insns += block.insns.len();
                    index.insert(target, blocks.len());
                    blocks.push(block);
                }
            }
            branches.push(seen);
            next += 1;
        }
        let inside =
            |targets: &Vec<GuestAddr>| targets.iter().filter_map(|target| index.get(target).copied()).collect();
        Some(Self { computed: branches.iter().map(inside).collect(), blocks })
    }

    /// The entry's address.
    pub fn entry(&self) -> GuestAddr {
        self.blocks[0].start
    }

    /// Number of instructions.
    pub fn insn_count(&self) -> usize {
        self.blocks.iter().map(|block| block.insns.len()).sum()
    }
}

/// What one block does to registers and flags, in sum.
#[derive(Clone, Copy, Default)]
struct Effect {
    /// Registers written after the last instruction that needs exact state.
    dirty_after: RegSet,
    /// Some instruction needs exact state, which cleans what came in.
    cleans: bool,
    /// Registers read before they are written.
    reads: RegSet,
    /// Registers written, whatever comes after.
    writes: RegSet,
    /// Registers written before the first write-back.
    writes_before_store: RegSet,
    /// The flags that come in must be in memory: read, or exact state needed, before all are overwritten.
    wants_flags: bool,
    /// The flags that come in are overwritten before anything wants them.
    kills_flags: bool,
}

/// The result of the dataflow, by block index.
#[derive(Debug)]
pub struct Plan {
    /// Index of a block by its address.
    pub index: HashMap<GuestAddr, usize>,
    /// Registers that may be newer than memory when the block starts.
    pub dirty_in: Vec<RegSet>,
    /// Whether the flags must be in memory when the block starts.
    pub flags_in: Vec<bool>,
    /// Registers whose value at the block's start matters: read, or stored as possibly dirty, before they are
    /// written. After a call they come from memory, as at the entry.
    pub live_in: Vec<RegSet>,
    /// Predecessors inside the region; the entry has one more, from outside.
    pub predecessors: Vec<usize>,
    /// Targets inside the region of a block's computed branch, by index.
    pub computed: Vec<Vec<usize>>,
}

impl Plan {
    /// Plans a region.
    pub fn new<F: Frontend>(region: &Region<F::Insn>) -> Self {
        let index: HashMap<_, _> = region.blocks.iter().enumerate().map(|(i, b)| (b.start, i)).collect();
        let count = region.blocks.len();
        let effects: Vec<Effect> = region.blocks.iter().map(|block| effect::<F>(block)).collect();
        let successors: Vec<Vec<usize>> = region
            .blocks
            .iter()
            .zip(&region.computed)
            .map(|(b, computed)| {
                let mut inside: Vec<usize> =
                    b.successors().into_iter().flatten().filter_map(|t| index.get(&t).copied()).collect();
                inside.dedup();
                inside.extend(computed);
                inside
            })
            .collect();
        let leaves: Vec<bool> = region
            .blocks
            .iter()
            .map(|b| {
                let targets = b.successors();
                targets == [None, None] || targets.into_iter().flatten().any(|t| !index.contains_key(&t))
            })
            .collect();
        let mut predecessors = vec![0; count];
        let resumed = region.blocks.iter().filter_map(|b| index.get(&b.resumes()?));
        for &to in successors.iter().flatten().chain(resumed) {
            predecessors[to] += 1;
        }

        let mut dirty_in = vec![RegSet::default(); count];
        let mut flags_in: Vec<bool> = effects.iter().map(|e| e.wants_flags).collect();
        let mut changed = true;
        while changed {
            changed = false;
            for i in 0..count {
                let e = effects[i];
                let out = if e.cleans { e.dirty_after } else { e.dirty_after.union(dirty_in[i]) };
                for &to in &successors[i] {
                    let merged = dirty_in[to].union(out);
                    changed |= merged != dirty_in[to];
                    dirty_in[to] = merged;
                }
                // An exit stores what it knows, and so does a safepoint; flags that came in through memory are there already.
                let leaves_with_them = leaves[i] || successors[i].iter().any(|&to| flags_in[to] || is_back_edge(i, to));
                let wants = e.wants_flags || !e.kills_flags && leaves_with_them;
                changed |= wants != flags_in[i];
                flags_in[i] = wants;
            }
        }
        let live_in = live_at_start(&effects, &successors, &leaves, &dirty_in);
        Self { index, dirty_in, flags_in, live_in, predecessors, computed: region.computed.clone() }
    }
}

/// Whether an edge between blocks, by index, leads back: then there is a safepoint on it.
pub fn is_back_edge(from: usize, to: usize) -> bool {
    to <= from
}

/// Backward dataflow of register values. A write-back uses what may be dirty; so does every way out.
fn live_at_start(effects: &[Effect], successors: &[Vec<usize>], leaves: &[bool], dirty_in: &[RegSet]) -> Vec<RegSet> {
    let mut live = vec![RegSet::default(); effects.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for i in (0..effects.len()).rev() {
            let e = &effects[i];
            let mut at_end = successors[i].iter().fold(RegSet::default(), |sum, &to| sum.union(live[to]));
            // Safepoints at back-edges store what is dirty too, so being dirty at a successor's start is a use.
            at_end = successors[i].iter().fold(at_end, |sum, &to| sum.union(dirty_in[to]));
            if leaves[i] && !e.cleans {
                at_end = at_end.union(dirty_in[i]);
            }
            let mut at_start = e.reads.union(at_end.without(e.writes));
            if e.cleans {
                at_start = at_start.union(dirty_in[i].without(e.writes_before_store));
            }
            changed |= at_start != live[i];
            live[i] = at_start;
        }
    }
    live
}

fn effect<F: Frontend>(block: &Block<F::Insn>) -> Effect {
    let mut e = Effect::default();
    for insn in &block.insns {
        let mut f = Footprint::default();
        let Ok(()) = F::lift(insn, &mut f);
        e.reads = e.reads.union(f.reads.without(e.writes));
        if f.needs_state && !e.cleans {
            e.cleans = true;
            e.writes_before_store = e.writes;
        }
        e.writes = e.writes.union(f.writes);
        if f.needs_state {
            e.dirty_after = RegSet::default();
        }
        e.dirty_after = e.dirty_after.union(f.writes);
        if !e.kills_flags && !e.wants_flags {
            e.wants_flags = f.needs_state || f.reads_flags;
            e.kills_flags = f.writes_flags && !e.wants_flags;
        }
    }
    e
}
