//! The dataflows over the nodes of a region, each by itself.

use super::Region;
use crate::block::Block;
use crate::optimizing::checkpoint::{Effect, End, LINK};
use ir::{Flow, Footprint, Frontend, RegSet};
use std::collections::VecDeque;
use std::sync::Arc;

/// By node, whether X30 is what the call of its context has put there when it starts.
pub fn known_links<F: Frontend>(region: &Region<F::Insn>, effects: &[Effect], successors: &[Vec<usize>]) -> Vec<bool> {
    let keeps = |node: usize| effects[node].writes.intersection(LINK) == RegSet::default();
    let mut is_kept: Vec<bool> = region.graph.context.iter().map(|&context| context != 0).collect();
    for node in (0..is_kept.len()).filter(|&node| region.calls_out(node)) {
        if let Some(to) = region.resumed(node) {
            is_kept[to] = false;
        }
    }
    for to in (1..region.graph.contexts.len()).filter_map(|context| region.graph.returned(context)) {
        is_kept[to] = false;
    }
    let mut changed = true;
    while changed {
        changed = false;
        for (node, targets) in successors.iter().enumerate() {
            for &to in targets.iter().filter(|&&to| region.graph.context[to] == region.graph.context[node]) {
                if is_kept[to] && !(is_kept[node] && keeps(node)) {
                    is_kept[to] = false;
                    changed = true;
                }
            }
        }
    }
    is_kept
}

/// By node, whether it returns from its context to where that says: by X30, which nothing has changed since the call.
pub fn sure_returns<F: Frontend>(region: &Region<F::Insn>, effects: &[Effect], links: &[bool]) -> Vec<bool> {
    let by_link = |block: &Block<F::Insn>| {
        let mut f = Footprint::default();
        block.insns.last().is_some_and(|insn| {
            let Ok(()) = F::lift(insn, &mut f);
            f.reads == LINK
        })
    };
    let is_sure = |(node, block): (usize, &Arc<Block<_>>)| {
        let keeps = effects[node].writes.intersection(LINK).is_empty();
        block.flow == Flow::Return && links[node] && keeps && by_link(block)
    };
    region.blocks.iter().enumerate().map(is_sure).collect()
}

/// By block, the shortest loop through it: the blocks of one turn. Empty if there is none.
pub fn shortest_loops(successors: &[Vec<usize>]) -> Vec<Vec<usize>> {
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
pub fn stored_on_entry(effects: &[Effect], loops: &[Vec<usize>]) -> Vec<RegSet> {
    let body = |(start, turn): (usize, &Vec<usize>)| {
        if effects[start].is_replayed && !turn.is_empty() {
            return RegSet::ALL;
        }
        if effects[start].is_held {
            // What the loop changes is held.
            return RegSet::ALL.without(effects[start].writes);
        }
        turn.iter().fold(RegSet::default(), |sum, &block| sum.union(effects[block].stores_incoming))
    };
    loops.iter().enumerate().map(body).collect()
}

/// By block, whether the flags that come in are overwritten before anything wants them, in it or in what follows.
pub fn unwanted_flags(effects: &[Effect], successors: &[Vec<usize>], leaves: &[bool]) -> Vec<bool> {
    let mut unwanted: Vec<bool> = effects.iter().map(|e| !e.wants_flags).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (i, e) in effects.iter().enumerate() {
            if unwanted[i] && !e.kills_flags && !pass_unwanted(i, successors, leaves, &unwanted) {
                unwanted[i] = false;
                changed = true;
            }
        }
    }
    unwanted
}

/// Whether nothing wants the flags that a block has at its end: exits and safepoints do.
pub fn pass_unwanted(block: usize, successors: &[Vec<usize>], leaves: &[bool], unwanted: &[bool]) -> bool {
    !leaves[block] && successors[block].iter().all(|&to| unwanted[to] && !is_back_edge(block, to))
}

/// Where the flags come from when a block starts.
#[derive(Clone, Copy, Debug)]
pub struct FlagsFrom {
    /// From the same instruction of the region on all ways, and all these ways lead forward.
    pub is_known: bool,
    /// On some way from one instruction of the region.
    pub is_set: bool,
}

/// By block, where the flags come from. `resumed` are the blocks behind calls: what comes back from those has its flags
/// in memory.
pub fn flags_from(effects: &[Effect], successors: &[Vec<usize>], resumed: &[usize]) -> Vec<FlagsFrom> {
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
    let mut is_set = vec![false; effects.len()];
    for (i, e) in effects.iter().enumerate() {
        let leaving = match coming[i] {
            _ if e.writes_flags => From::Block(i),
            // No block before this one leads here.
            From::Nowhere => From::Memory,
            coming => coming,
        };
        for &to in &successors[i] {
            is_set[to] |= matches!(leaving, From::Block(_));
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
pub fn loaded_at_start(effects: &[Effect], successors: &[Vec<usize>]) -> Vec<RegSet> {
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

/// A region that uses at most so many registers of a kind has host registers for all of them.
const FEW: u32 = 12;

/// Whether the host has registers for all that a region uses.
pub fn is_small(effects: &[Effect]) -> bool {
    let used = effects.iter().fold(RegSet::default(), |sum, e| sum.union(e.reads).union(e.writes));
    used.x.count_ones() <= FEW && used.v.count_ones() <= FEW
}

/// By block, the registers that are likely overwritten after its end before they are stored on a way out: code that is
/// not in the region is seldom run, and loops go on.
pub fn overwritten(
    effects: &[Effect],
    successors: &[Vec<usize>],
    calls_out: &[bool],
    loops: &[Vec<usize>],
) -> Vec<RegSet> {
    let stays = |from: usize, to: usize| loops[from].contains(&to) || loops[to].contains(&from);
    let mut overwritten = vec![RegSet::default(); effects.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for i in (0..effects.len()).rev().filter(|&i| !calls_out[i]) {
            let is_in_loop = successors[i].iter().any(|&to| stays(i, to));
            let likely = successors[i].iter().filter(|&&to| !is_in_loop || stays(i, to));
            let behind = likely.map(|&to| effects[to].writes.union(overwritten[to]));
            let sum = behind.reduce(RegSet::intersection).unwrap_or_default();
            changed |= sum != overwritten[i];
            overwritten[i] = sum;
        }
    }
    overwritten
}

/// By block, what is known of its end. Exits and safepoints need all registers.
pub fn ends(
    effects: &[Effect],
    successors: &[Vec<usize>],
    leaves: &[bool],
    overwritten: &[RegSet],
    holds: bool,
) -> Vec<End> {
    let goes_back = |block: usize| successors[block].iter().any(|&to| is_back_edge(block, to));
    let needs = |block: usize| if leaves[block] || goes_back(block) { RegSet::ALL } else { RegSet::default() };
    let end = |block| End { needs: needs(block), overwritten: overwritten[block], holds };
    let mut ends: Vec<End> = (0..effects.len()).map(end).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for i in (0..effects.len()).rev() {
            let mut end = ends[i];
            for &to in &successors[i] {
                end.needs = end.needs.union(effects[to].reads).union(ends[to].needs.without(effects[to].writes));
            }
            changed |= end != ends[i];
            ends[i] = end;
        }
    }
    ends
}

/// Backward dataflow of register values. A write-back uses what may be dirty; so does every way out.
pub fn live_at_start(
    effects: &[Effect],
    successors: &[Vec<usize>],
    leaves: &[bool],
    dirty_in: &[RegSet],
) -> Vec<RegSet> {
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
            let stored = dirty_in[i].intersection(e.stores_incoming.union(e.holds));
            let at_start = e.reads.union(at_end.without(e.writes)).union(stored);
            changed |= at_start != live[i];
            live[i] = at_start;
        }
    }
    live
}
