//! What the dataflow over a region says to do in each of its blocks.

use super::Region;
use super::dataflow::{
    FlagsFrom, ends, flags_from, is_back_edge, is_small, known_links, live_at_start, loaded_at_start, overwritten,
    pass_unwanted, shortest_loops, stored_on_entry, sure_returns, unwanted_flags,
};
use crate::config::Holding;
use crate::optimizing::checkpoint::{self, Effect, End, Step};
use ir::{Flow, Frontend, RegSet};

/// The result of the dataflow, by node.
#[derive(Debug)]
pub struct Plan {
    /// Registers that may be newer than memory when the block starts. What else is, is stored on the way to it.
    pub dirty_in: Vec<RegSet>,
    /// Whether it holds what the way to the block says about the flags.
    pub holds_flags: Vec<bool>,
    /// Instructions from its start whose loads it holds (`Effect::logged`).
    pub logged: Vec<usize>,
    /// What to do about each instruction of each block.
    pub steps: Vec<Vec<Step>>,
    /// Whether a block is a loop of its own that is performed again as a whole: memory stays as it is while it runs.
    pub replayed: Vec<bool>,
    /// Whether the flags must be in memory when the block starts.
    pub flags_in: Vec<bool>,
    /// Whether the flags are those of the same instruction of the region on all ways to the block. They need not be in
    /// memory then.
    pub flags_known: Vec<bool>,
    /// Whether each way to the block says where the flags are (`layout::FLAGS_BY_EDGE`), instead of storing them: only
    /// the checkpoint at the block's start wants them, when registers in memory are those at the end of the way. At the
    /// region's entry they are in memory.
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
    /// Whether the block ends with a return that goes to where its context says: nothing has changed X30.
    pub returns_surely: Vec<bool>,
    /// By context, whether code in it goes on outside of the region.
    pub is_left: Vec<bool>,
    /// Whether all blocks hold registers; else only those that are loops of their own.
    pub holds: bool,
}

/// The ways between the nodes of a region, and out of it.
struct Ways {
    successors: Vec<Vec<usize>>,
    /// Whether the region may be left at the end of a node.
    leaves: Vec<bool>,
    calls_out: Vec<bool>,
    /// Nodes that calls outside of the region return to.
    resumed: Vec<usize>,
    /// See `Plan`.
    predecessors: Vec<usize>,
    returns_surely: Vec<bool>,
    is_left: Vec<bool>,
    /// By node, those of its shortest loop.
    loops: Vec<Vec<usize>>,
}

impl Ways {
    fn of<F: Frontend>(region: &Region<F::Insn>, effects: &[Effect]) -> Self {
        let count = region.blocks.len();
        let successors: Vec<Vec<usize>> = (0..count).map(|node| region.successors(node)).collect();
        let is_left = region.contexts_left();
        let links = known_links::<F>(region, effects, &successors);
        let returns_surely = sure_returns::<F>(region, effects, &links);
        let leaves = (0..count)
            .map(|node| match region.blocks[node].flow {
                Flow::Return => !(returns_surely[node] && region.graph.returned(region.graph.context[node]).is_some()),
                _ => region.calls_out(node) || region.goes_out(node),
            })
            .collect();
        let resumed = (0..count).filter(|&node| region.calls_out(node)).filter_map(|node| region.resumed(node));
        let outside = (0..is_left.len()).filter(|&c| is_left[c]).filter_map(|c| region.graph.returned(c));
        let resumed: Vec<usize> = resumed.chain(outside).collect();
        let mut predecessors = vec![0; count];
        for &to in successors.iter().flatten().chain(&resumed) {
            predecessors[to] += 1;
        }
        let loops = shortest_loops(&successors);
        let calls_out = (0..count).map(|node| region.calls_out(node)).collect();
        Self { successors, leaves, calls_out, resumed, predecessors, returns_surely, is_left, loops }
    }
}

/// See `Plan::flags_by_edge`.
fn flags_by_edge(effects: &[Effect], flags_from: &[FlagsFrom], ways: &Ways) -> Vec<bool> {
    let unwanted = unwanted_flags(effects, &ways.successors, &ways.leaves);
    (0..effects.len())
        .map(|i| {
            let (e, from) = (&effects[i], &flags_from[i]);
            let end_here = e.writes_flags || pass_unwanted(i, &ways.successors, &ways.leaves, &unwanted);
            // The entry's other way to it is from outside.
            let count = ways.predecessors[i] + usize::from(i == 0);
            from.is_set && !from.is_known && count > 1 && e.wants_flags_first_only && end_here
        })
        .collect()
}

/// `Plan::dirty_in` and `Plan::flags_in`, each the least that holds on all ways.
fn state_in(effects: &[Effect], ways: &Ways, flags_known: &[bool], flags_by_edge: &[bool]) -> (Vec<RegSet>, Vec<bool>) {
    let count = effects.len();
    let stored = stored_on_entry(effects, &ways.loops);
    let mut dirty_in = vec![RegSet::default(); count];
    let may_want = |i: usize| !flags_known[i] && !flags_by_edge[i];
    let mut flags_in: Vec<bool> = (0..count).map(|i| effects[i].wants_flags && may_want(i)).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (i, e) in effects.iter().enumerate() {
            let out = e.dirty_after.union(dirty_in[i].intersection(e.stays_dirty));
            for &to in &ways.successors[i] {
                let handed_on = if ways.loops[to].contains(&i) { out } else { out.without(stored[to]) };
                let merged = dirty_in[to].union(handed_on);
                changed |= merged != dirty_in[to];
                dirty_in[to] = merged;
            }
            // An exit stores what it knows, and so does a safepoint; flags that came in through memory are there already.
            let wants_them = |to: usize| flags_in[to] || flags_by_edge[to] || is_back_edge(i, to);
            let leaves_with_them = ways.leaves[i] || ways.successors[i].iter().any(|&to| wants_them(to));
            let wants = may_want(i) && (e.wants_flags || !e.kills_flags && leaves_with_them);
            changed |= wants != flags_in[i];
            flags_in[i] = wants;
        }
    }
    (dirty_in, flags_in)
}

impl Plan {
    /// Plans a region.
    pub fn new<F: Frontend>(region: &Region<F::Insn>, may_hold: RegSet, holding: Holding) -> Self {
        let count = region.blocks.len();
        let footprints: Vec<_> = region.blocks.iter().map(|block| checkpoint::footprints::<F>(block)).collect();
        // What blocks read and write does not depend on what follows.
        let plan_all = |ends: &[End]| -> (Vec<Vec<Step>>, Vec<Effect>) {
            let blocks = region.blocks.iter().zip(&footprints).zip(ends);
            blocks.map(|((block, footprints), &end)| checkpoint::plan(block, footprints, may_hold, end)).unzip()
        };
        let (_, effects) = plan_all(&vec![End::default(); count]);
        let ways = Ways::of::<F>(region, &effects);
        let overwritten = overwritten(&effects, &ways.successors, &ways.calls_out, &ways.loops);
        let holds = holding == Holding::Always || is_small(&effects);
        let ends = ends(&effects, &ways.successors, &ways.leaves, &overwritten, holds);
        let (steps, effects) = plan_all(&ends);

        let flags_from = flags_from(&effects, &ways.successors, &ways.resumed);
        let flags_known: Vec<bool> = flags_from.iter().map(|from| from.is_known).collect();
        let flags_by_edge = flags_by_edge(&effects, &flags_from, &ways);
        let (dirty_in, flags_in) = state_in(&effects, &ways, &flags_known, &flags_by_edge);
        let live_in = live_at_start(&effects, &ways.successors, &ways.leaves, &dirty_in);
        let loaded_in = loaded_at_start(&effects, &ways.successors);
        Self {
            dirty_in,
            holds_flags: (0..count).map(|i| flags_by_edge[i] && effects[i].is_held).collect(),
            logged: effects.iter().map(|e| e.logged).collect(),
            steps,
            replayed: effects.iter().map(|e| e.is_replayed).collect(),
            flags_in,
            flags_known,
            flags_by_edge,
            live_in,
            loads: effects.iter().zip(&loaded_in).map(|(e, &loaded)| e.reads.without(loaded)).collect(),
            loaded_in,
            predecessors: ways.predecessors,
            returns_surely: ways.returns_surely,
            is_left: ways.is_left,
            holds,
        }
    }
}
