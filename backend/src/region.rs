//! Regions: what tier 1 compiles. A hot entry, and the basic blocks that direct branches reach from it; plus the plan
//! that dataflow over it gives: which registers may be newer than memory at each block's start, and where the flags
//! must be in memory.

use crate::checkpoint::{self, Effect, Step};
use ir::{Flow, Frontend, GuestAddr, RegSet};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A decoded basic block.
#[derive(Debug)]
pub struct Block<I> {
    /// Address of the first instruction.
    pub start: GuestAddr,
    /// The instructions, in order.
    pub insns: Arc<[I]>,
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
    /// Functions that a block's computed call (BLR) has been seen to call.
    pub called: Vec<Vec<GuestAddr>>,
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
        let (mut branches, mut called) = (Vec::new(), Vec::new());
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
            called.push(if block.flow == Flow::IndirectCall { computed(block.start) } else { Vec::new() });
            next += 1;
        }
        let inside =
            |targets: &Vec<GuestAddr>| targets.iter().filter_map(|target| index.get(target).copied()).collect();
        Some(Self { computed: branches.iter().map(inside).collect(), called, blocks })
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

/// The result of the dataflow, by block index.
#[derive(Debug)]
pub struct Plan {
    /// Index of a block by its address.
    pub index: HashMap<GuestAddr, usize>,
    /// Registers that may be newer than memory when the block starts. What else is, is stored on the way to it.
    pub dirty_in: Vec<RegSet>,
    /// What to do about each instruction of each block.
    pub steps: Vec<Vec<Step>>,
    /// Whether a block is a loop of its own that is performed again as a whole: memory stays as it is while it runs.
    pub replayed: Vec<bool>,
    /// Whether the flags must be in memory when the block starts.
    pub flags_in: Vec<bool>,
    /// Whether the flags are those of the same instruction of the region on all ways to the block. They need not be in
    /// memory then.
    pub flags_known: Vec<bool>,
    /// Whether each way to the block says where the flags are (`layout::FLAGS_BY_EDGE`), instead of storing them: only the
    /// checkpoint at the block's start wants them, when registers in memory are those at the end of the way.
    pub flags_by_edge: Vec<bool>,
    /// Registers whose value at the block's start matters: read, or stored as possibly dirty, before they are
    /// written.
    pub live_in: Vec<RegSet>,
    /// Registers that have been loaded or written on some way to the block since the entry or the last call. The other
    /// ways load those of them that are live; what is not among them is in memory alone.
    pub loaded_in: Vec<RegSet>,
    /// Registers that are loaded when the block starts, because it reads them and none of the ways to it has them.
    pub loads: Vec<RegSet>,
    /// Predecessors inside the region; the entry has one more, from outside.
    pub predecessors: Vec<usize>,
    /// Targets inside the region of a block's computed branch, by index.
    pub computed: Vec<Vec<usize>>,
    /// Functions that a block's computed call has been seen to call.
    pub called: Vec<Vec<GuestAddr>>,
}

impl Plan {
    /// Plans a region.
    pub fn new<F: Frontend>(region: &Region<F::Insn>) -> Self {
        let index: HashMap<_, _> = region.blocks.iter().enumerate().map(|(i, b)| (b.start, i)).collect();
        let count = region.blocks.len();
        let (steps, effects): (Vec<_>, Vec<_>) = region.blocks.iter().map(|block| checkpoint::plan::<F>(block)).unzip();
        let replayed = effects.iter().map(|e: &Effect| e.is_replayed).collect();
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
        let resumed: Vec<usize> = region.blocks.iter().filter_map(|b| index.get(&b.resumes()?).copied()).collect();
        for &to in successors.iter().flatten().chain(&resumed) {
            predecessors[to] += 1;
        }
        let flags_from = flags_from(&effects, &successors, &resumed);
        let flags_known: Vec<bool> = flags_from.iter().map(|from| from.is_known).collect();
        let flags_by_edge: Vec<bool> = (0..count)
            .map(|i| {
                flags_from[i].is_set && !flags_known[i] && predecessors[i] > 1 && effects[i].wants_flags_first_only
            })
            .collect();

        let loops = shortest_loops(&successors);
        let stored = stored_on_entry(&effects, &loops);
        let mut dirty_in = vec![RegSet::default(); count];
        let mut flags_in: Vec<bool> =
            (0..count).map(|i| effects[i].wants_flags && !flags_known[i] && !flags_by_edge[i]).collect();
        let mut changed = true;
        while changed {
            changed = false;
            for i in 0..count {
                let e: &Effect = &effects[i];
                let out = e.dirty_after.union(dirty_in[i].intersection(e.stays_dirty));
                for &to in &successors[i] {
                    let handed_on = if loops[to].contains(&i) { out } else { out.without(stored[to]) };
                    let merged = dirty_in[to].union(handed_on);
                    changed |= merged != dirty_in[to];
                    dirty_in[to] = merged;
                }
                // An exit stores what it knows, and so does a safepoint; flags that came in through memory are there already.
                let leaves_with_them = leaves[i] || successors[i].iter().any(|&to| flags_in[to] || is_back_edge(i, to));
                let wants =
                    !flags_known[i] && !flags_by_edge[i] && (e.wants_flags || !e.kills_flags && leaves_with_them);
                changed |= wants != flags_in[i];
                flags_in[i] = wants;
            }
        }
        let live_in = live_at_start(&effects, &successors, &leaves, &dirty_in);
        let loaded_in = loaded_at_start(&effects, &successors);
        let loads = effects.iter().zip(&loaded_in).map(|(e, &loaded)| e.reads.without(loaded)).collect();
        let computed = region.computed.clone();
        Self {
            index,
            dirty_in,
            steps,
            replayed,
            flags_in,
            flags_known,
            flags_by_edge,
            live_in,
            loaded_in,
            loads,
            predecessors,
            computed,
            called: region.called.clone(),
        }
    }
}

/// By block, the shortest loop through it: the blocks of one turn. Empty if there is none.
fn shortest_loops(successors: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let shortest = |start: usize| {
        let mut came_from = vec![usize::MAX; successors.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for &to in &successors[at] {
                if to == start {
                    let mut turn = vec![at];
                    while let Some(&last) = turn.last().filter(|&&last| last != start) {
                        turn.push(came_from[last]);
                    }
                    return turn;
                }
                if came_from[to] == usize::MAX {
                    came_from[to] = at;
                    queue.push_back(to);
                }
            }
        }
        Vec::new()
    };
    (0..successors.len()).map(shortest).collect()
}

/// By block, the registers that are stored on the way to it from outside its loop if they are dirty: each turn would
/// write them back again, since they may be dirty. In a replayed block nothing else stores.
fn stored_on_entry(effects: &[Effect], loops: &[Vec<usize>]) -> Vec<RegSet> {
    let body = |(start, turn): (usize, &Vec<usize>)| {
        if effects[start].is_replayed && !turn.is_empty() {
            return checkpoint::ALL;
        }
        turn.iter().fold(RegSet::default(), |sum, &block| sum.union(effects[block].stores_incoming))
    };
    loops.iter().enumerate().map(body).collect()
}

/// Where the flags come from when a block starts.
#[derive(Clone, Copy, Debug)]
struct FlagsFrom {
    /// From the same instruction of the region on all ways, and all these ways lead forward.
    is_known: bool,
    /// On each way from one instruction of the region.
    is_set: bool,
}

/// By block, where the flags come from. `resumed` are the blocks behind calls: what comes back from those has its flags in
/// memory.
fn flags_from(effects: &[Effect], successors: &[Vec<usize>], resumed: &[usize]) -> Vec<FlagsFrom> {
    /// Whose flags they are.
    #[derive(Clone, Copy, PartialEq)]
    enum From {
        /// No way to the block has been seen.
        Nowhere,
        /// The last flags that this block writes.
        Block(usize),
        /// One of several, or those that the region was entered with.
        Memory,
    }
    let mut coming = vec![From::Nowhere; effects.len()];
    for &block in [0].iter().chain(resumed) {
        coming[block] = From::Memory;
    }
    for (i, to) in successors.iter().enumerate() {
        for &to in to.iter().filter(|&&to| is_back_edge(i, to)) {
            coming[to] = From::Memory;
        }
    }
    let mut is_set: Vec<bool> = (0..effects.len()).map(|i| i != 0 && !resumed.contains(&i)).collect();
    for (i, e) in effects.iter().enumerate() {
        let leaving = match coming[i] {
            _ if e.writes_flags => From::Block(i),
            // No block before this one leads here.
            From::Nowhere => From::Memory,
            coming => coming,
        };
        for &to in &successors[i] {
            is_set[to] &= matches!(leaving, From::Block(_));
            if !is_back_edge(i, to) {
                let same = matches!(coming[to], From::Nowhere) || coming[to] == leaving;
                coming[to] = if same { leaving } else { From::Memory };
            }
        }
    }
    let known = coming.iter().map(|from| matches!(from, From::Block(_)));
    known.zip(is_set).map(|(is_known, is_set)| FlagsFrom { is_known, is_set }).collect()
}

/// Whether an edge between blocks, by index, leads back: then there is a safepoint on it.
pub fn is_back_edge(from: usize, to: usize) -> bool {
    to <= from
}

/// Forward dataflow of what is in SSA variables. A loop has at its start what any of its blocks uses, so nothing is
/// loaded again in each turn.
fn loaded_at_start(effects: &[Effect], successors: &[Vec<usize>]) -> Vec<RegSet> {
    let mut loaded = vec![RegSet::default(); effects.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (i, e) in effects.iter().enumerate() {
            let at_end = loaded[i].union(e.reads).union(e.writes);
            for &to in &successors[i] {
                let merged = loaded[to].union(at_end);
                changed |= merged != loaded[to];
                loaded[to] = merged;
            }
        }
    }
    loaded
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
            // What a successor does not take dirty is stored on the way.
            if leaves[i] || !successors[i].is_empty() {
                at_end = at_end.union(dirty_in[i].intersection(e.passes));
            }
            let stored = dirty_in[i].intersection(e.stores_incoming);
            let at_start = e.reads.union(at_end.without(e.writes)).union(stored);
            changed |= at_start != live[i];
            live[i] = at_start;
        }
    }
    live
}
