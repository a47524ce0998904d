//! Regions: what tier 1 compiles. A hot entry, and the basic blocks that direct branches reach from it; plus the plan
//! that dataflow over it gives: which registers may be newer than memory at each block's start, and where the flags
//! must be in memory.

use crate::block::Block;
use crate::config::Holding;
use crate::optimizing::checkpoint::{self, Effect, End, LINK, Step};
use ir::{Flow, Footprint, Frontend, GuestAddr, RegSet};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Who called the code of a node, if the region contains the call: the instance of a function that stands in it.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The address behind the call.
    pub back: GuestAddr,
    /// The context of the caller, less than this one's number.
    pub parent: usize,
    /// Calls around it that the region contains, this one included.
    depth: usize,
}

/// The nodes of a region and how control goes between them. Each is a block in a context. In context 0 the region has
/// been entered; another is that of a call in the region whose callee is in it too. So the same block may stand in
/// several.
#[derive(Debug)]
pub struct Graph {
    /// The contexts of the nodes.
    pub context: Vec<usize>,
    /// All contexts. The first has neither caller nor address to return to.
    pub contexts: Vec<Context>,
    /// Addresses that a node's computed branch (BR) has been seen to go to.
    pub computed: Vec<Vec<GuestAddr>>,
    /// Functions that a node's computed call (BLR) has been seen to call; of a direct call, the function.
    pub called: Vec<Vec<GuestAddr>>,
    /// By node, the context of the functions that it calls, if any of them is in the region.
    pub callee: Vec<Option<usize>>,
    /// Node by context and address.
    index: HashMap<(usize, GuestAddr), usize>,
}

impl Graph {
    /// The node of an address in a context.
    pub fn node(&self, context: usize, at: GuestAddr) -> Option<usize> {
        self.index.get(&(context, at)).copied()
    }

    /// The node that a return from a context leads to.
    pub fn returned(&self, context: usize) -> Option<usize> {
        if context == 0 {
            return None;
        }
        let Context { back, parent, .. } = self.contexts[context];
        self.node(parent, back)
    }

    /// Addresses of functions that a node calls and that are in the region, in the callee's context.
    pub fn callees(&self, node: usize) -> impl Iterator<Item = (usize, GuestAddr)> {
        let functions = self.callee[node].map(|context| self.called[node].iter().map(move |&at| (context, at)));
        functions.into_iter().flatten().filter(|key| self.index.contains_key(key))
    }
}

/// What tier 1 compiles.
#[derive(Debug)]
pub struct Region<I> {
    /// The blocks of the nodes, each reached from the entry, the first, through direct branches, calls, returns and
    /// computed branches.
    pub blocks: Vec<Arc<Block<I>>>,
    /// The nodes.
    pub graph: Graph,
    /// Whether [`Limits::wider`] ones would let more in.
    pub is_cut: bool,
}

/// How large regions may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most instructions of a region.
    pub insns: usize,
    /// Most instructions of a function that is taken into its caller's region; nested ones must be shorter.
    pub callee_insns: usize,
}

impl Limits {
    /// For a region in which much time goes by: what it gains is worth the time to compile it.
    pub fn wider(self) -> Self {
        Self { insns: 2 * self.insns, callee_insns: 2 * self.callee_insns }
    }
}

/// Most calls around each other in a region.
const MOST_DEPTH: usize = 3;
/// A computed call that has been seen to call so many functions at most compares with each.
pub const MOST_CALLED: usize = 2;

/// A region being discovered.
struct Discovery<'d, I> {
    region: Region<I>,
    insns: usize,
    limits: Limits,
    known: &'d mut dyn FnMut(GuestAddr) -> Option<Arc<Block<I>>>,
    computed: &'d mut dyn FnMut(GuestAddr) -> Vec<GuestAddr>,
}

impl<I> Discovery<'_, I> {
    /// Adds a node, if its block is known and there is room; says whether it is there now.
    fn add(&mut self, context: usize, at: GuestAddr) -> bool {
        if self.region.graph.index.contains_key(&(context, at)) {
            return true;
        }
        let Some(block) = (self.known)(at) else { return false };
        if self.insns + block.insns.len() > self.limits.insns && !self.region.blocks.is_empty() {
            self.region.is_cut = true;
            return false;
        }
        self.insns += block.insns.len();
        self.region.graph.index.insert((context, at), self.region.blocks.len());
        self.region.blocks.push(block);
        self.region.graph.context.push(context);
        true
    }

    /// Adds what a node goes to.
    fn expand(&mut self, node: usize) {
        let (block, context) = (Arc::clone(&self.region.blocks[node]), self.region.graph.context[node]);
        for target in block.successors().into_iter().flatten() {
            self.add(context, target);
        }
        let computed = if block.flow == Flow::Indirect { (self.computed)(block.start) } else { Vec::new() };
        for &target in &computed {
            self.add(context, target);
        }
        self.region.graph.computed.push(computed);
        let called = match block.flow {
            Flow::Call(target) => vec![target],
            Flow::IndirectCall => (self.computed)(block.start),
            _ => Vec::new(),
        };
        let callee = block.resumes().and_then(|back| self.add_callees(context, back, &called));
        self.region.graph.callee.push(callee);
        self.region.graph.called.push(called);
        if let Some(back) = block.resumes() {
            self.add(context, back);
        }
        if let (Flow::Return, true) = (block.flow, context != 0) {
            let Context { back, parent, .. } = self.region.graph.contexts[context];
            self.add(parent, back);
        }
    }

    /// Adds the entries of functions that are called, in a context of their own, if they are worth it.
    fn add_callees(&mut self, parent: usize, back: GuestAddr, called: &[GuestAddr]) -> Option<usize> {
        let depth = self.region.graph.contexts[parent].depth + 1;
        if depth > MOST_DEPTH || called.len() > MOST_CALLED {
            return None;
        }
        let context = self.region.graph.contexts.len();
        self.region.graph.contexts.push(Context { back, parent, depth });
        let mut any = false;
        for &function in called {
            any |= self.is_small(function, depth) && self.add(context, function);
        }
        if !any {
            self.region.graph.contexts.pop();
        }
        any.then_some(context)
    }

    /// Whether a function returns and is so short that it is worth having in its caller's region, and has room there.
    fn is_small(&mut self, function: GuestAddr, depth: usize) -> bool {
        let room = |limits: Limits| (limits.callee_insns / depth).min((limits.insns / 2).saturating_sub(self.insns));
        let (room, most) = (room(self.limits), room(self.limits.wider()));
        let (mut insns, mut returns) = (0, false);
        let mut seen = HashSet::from([function]);
        let mut left = vec![function];
        while let Some(at) = left.pop() {
            let Some(block) = (self.known)(at) else { continue };
            insns += block.insns.len();
            if insns > most {
                return false;
            }
            returns |= block.flow == Flow::Return;
            let computed = if block.flow == Flow::Indirect { (self.computed)(at) } else { Vec::new() };
            let next = block.successors().into_iter().flatten().chain(block.resumes()).chain(computed);
            left.extend(next.filter(|&to| seen.insert(to)));
        }
        self.region.is_cut |= returns && insns > room;
        returns && insns <= room
    }
}

impl<I> Region<I> {
    /// The region from `entry`, breadth first over direct branches, calls of small functions, the returns of calls, and
    /// the targets that `computed` knows of the branch that ends a block; of the blocks that `known` gives, as many as
    /// `limits` say (the first block always). None if the entry itself is not known.
    pub fn discover(
        entry: GuestAddr,
        limits: Limits,
        mut known: impl FnMut(GuestAddr) -> Option<Arc<Block<I>>>,
        mut computed: impl FnMut(GuestAddr) -> Vec<GuestAddr>,
    ) -> Option<Self> {
        let graph = Graph {
            context: Vec::new(),
            contexts: vec![Context { back: GuestAddr(0), parent: 0, depth: 0 }],
            computed: Vec::new(),
            called: Vec::new(),
            callee: Vec::new(),
            index: HashMap::new(),
        };
        let region = Self { blocks: Vec::new(), graph, is_cut: false };
        let mut discovery = Discovery { region, insns: 0, limits, known: &mut known, computed: &mut computed };
        if !discovery.add(0, entry) {
            return None;
        }
        let mut next = 0;
        while next < discovery.region.blocks.len() {
            discovery.expand(next);
            next += 1;
        }
        let mut region = discovery.region;
        region.sort();
        Some(region)
    }

    /// Puts the nodes into reverse postorder, so that few edges lead back: what follows a call comes after the callee.
    fn sort(&mut self) {
        let count = self.blocks.len();
        let ways: Vec<Vec<usize>> = (0..count)
            .map(|node| {
                let mut ways = self.successors(node);
                // Not taken directly, if the callee is in the region, but all its ways lead there.
                ways.extend(self.resumed(node));
                ways
            })
            .collect();
        let mut order = Vec::with_capacity(count);
        let mut seen = vec![false; count];
        seen[0] = true;
        let mut path = vec![(0, 0)];
        while let Some((node, way)) = path.pop() {
            // The first way is the last in postorder, if the order is free: straight on.
            let Some(&to) = ways[node].iter().rev().nth(way) else {
                order.push(node);
                continue;
            };
            path.push((node, way + 1));
            if !std::mem::replace(&mut seen[to], true) {
                path.push((to, 0));
            }
        }
        order.reverse();
        assert_eq!(order.len(), count, "every node is reached");
        let mut position = vec![0; count];
        for (new, &old) in order.iter().enumerate() {
            position[old] = new;
        }
        self.blocks = order.iter().map(|&old| Arc::clone(&self.blocks[old])).collect();
        self.graph.context = order.iter().map(|&old| self.graph.context[old]).collect();
        self.graph.computed = order.iter().map(|&old| std::mem::take(&mut self.graph.computed[old])).collect();
        self.graph.called = order.iter().map(|&old| std::mem::take(&mut self.graph.called[old])).collect();
        self.graph.callee = order.iter().map(|&old| self.graph.callee[old]).collect();
        for node in self.graph.index.values_mut() {
            *node = position[*node];
        }
    }

    /// The entry's address.
    pub fn entry(&self) -> GuestAddr {
        self.blocks[0].start
    }

    /// Number of instructions.
    pub fn insn_count(&self) -> usize {
        self.blocks.iter().map(|block| block.insns.len()).sum()
    }

    /// Where a call of a node comes back to.
    fn resumed(&self, node: usize) -> Option<usize> {
        self.graph.node(self.graph.context[node], self.blocks[node].resumes()?)
    }

    /// Nodes that a node goes to with registers as they are.
    fn successors(&self, node: usize) -> Vec<usize> {
        let (block, context) = (&self.blocks[node], self.graph.context[node]);
        let direct = block.successors().into_iter().flatten();
        let mut inside: Vec<usize> = direct.filter_map(|at| self.graph.node(context, at)).collect();
        inside.dedup();
        inside.extend(self.graph.computed[node].iter().filter_map(|&at| self.graph.node(context, at)));
        inside.extend(self.graph.callees(node).filter_map(|(context, at)| self.graph.node(context, at)));
        if block.flow == Flow::Return {
            inside.extend(self.graph.returned(context));
        }
        inside
    }

    /// Whether a node makes a host call: it calls what is not in the region.
    fn calls_out(&self, node: usize) -> bool {
        match self.blocks[node].flow {
            Flow::Call(_) => self.graph.callee[node].is_none(),
            Flow::IndirectCall => true,
            _ => false,
        }
    }

    /// Whether a node goes on in code outside of the region, other than by a return or a call.
    fn goes_out(&self, node: usize) -> bool {
        let (block, context) = (&self.blocks[node], self.graph.context[node]);
        match block.flow {
            Flow::Indirect | Flow::Stop => true,
            _ => block.successors().into_iter().flatten().any(|at| self.graph.node(context, at).is_none()),
        }
    }

    /// By context, whether the code of a node in it goes on outside of the region. There it is a host call, whose
    /// return is that of the context.
    fn contexts_left(&self) -> Vec<bool> {
        let mut left = vec![false; self.graph.contexts.len()];
        for node in 0..self.blocks.len() {
            let context = self.graph.context[node];
            left[context] |= self.goes_out(node) || self.calls_out(node) && self.resumed(node).is_none();
        }
        // Children first: what they return to may be outside.
        for context in (1..left.len()).rev() {
            left[self.graph.contexts[context].parent] |= self.graph.returned(context).is_none();
        }
        left
    }
}

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
        let successors: Vec<Vec<usize>> = (0..count).map(|node| region.successors(node)).collect();
        let is_left = region.contexts_left();
        let links = known_links::<F>(region, &effects, &successors);
        let returns_surely = sure_returns::<F>(region, &effects, &links);
        let leaves: Vec<bool> = (0..count)
            .map(|node| match region.blocks[node].flow {
                Flow::Return => !(returns_surely[node] && region.graph.returned(region.graph.context[node]).is_some()),
                _ => region.calls_out(node) || region.goes_out(node),
            })
            .collect();
        let mut predecessors = vec![0; count];
        let resumed = (0..count).filter(|&node| region.calls_out(node)).filter_map(|node| region.resumed(node));
        let outside = (0..is_left.len()).filter(|&c| is_left[c]).filter_map(|c| region.graph.returned(c));
        let resumed: Vec<usize> = resumed.chain(outside).collect();
        for &to in successors.iter().flatten().chain(&resumed) {
            predecessors[to] += 1;
        }
        let loops = shortest_loops(&successors);
        let calls_out: Vec<bool> = (0..count).map(|node| region.calls_out(node)).collect();
        let overwritten = overwritten(&effects, &successors, &calls_out, &loops);
        let holds = holding == Holding::Always || is_small(&effects);
        let ends = ends(&effects, &successors, &leaves, &overwritten, holds);
        let (steps, effects) = plan_all(&ends);
        let replayed = effects.iter().map(|e: &Effect| e.is_replayed).collect();
        let flags_from = flags_from(&effects, &successors, &resumed);
        let flags_known: Vec<bool> = flags_from.iter().map(|from| from.is_known).collect();
        let unwanted = unwanted_flags(&effects, &successors, &leaves);
        let flags_by_edge: Vec<bool> = (0..count)
            .map(|i| {
                let (e, from): (&Effect, _) = (&effects[i], flags_from[i]);
                let end_here = e.writes_flags || pass_unwanted(i, &successors, &leaves, &unwanted);
                // The entry's other way to it is from outside.
                let ways = predecessors[i] + usize::from(i == 0);
                from.is_set && !from.is_known && ways > 1 && e.wants_flags_first_only && end_here
            })
            .collect();

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
                // An exit stores what it knows, and so does a safepoint; flags that came in through memory are there
                // already.
                let wants_them = |to: usize| flags_in[to] || flags_by_edge[to] || is_back_edge(i, to);
                let leaves_with_them = leaves[i] || successors[i].iter().any(|&to| wants_them(to));
                let wants =
                    !flags_known[i] && !flags_by_edge[i] && (e.wants_flags || !e.kills_flags && leaves_with_them);
                changed |= wants != flags_in[i];
                flags_in[i] = wants;
            }
        }
        let holds_flags = (0..count).map(|i| flags_by_edge[i] && effects[i].is_held).collect();
        let logged = effects.iter().map(|e| e.logged).collect();
        let live_in = live_at_start(&effects, &successors, &leaves, &dirty_in);
        let loaded_in = loaded_at_start(&effects, &successors);
        let loads = effects.iter().zip(&loaded_in).map(|(e, &loaded)| e.reads.without(loaded)).collect();
        Self {
            dirty_in,
            holds_flags,
            logged,
            steps,
            replayed,
            flags_in,
            flags_known,
            flags_by_edge,
            live_in,
            loaded_in,
            loads,
            predecessors,
            returns_surely,
            is_left,
            holds,
        }
    }
}

/// By node, whether X30 is what the call of its context has put there when it starts.
fn known_links<F: Frontend>(region: &Region<F::Insn>, effects: &[Effect], successors: &[Vec<usize>]) -> Vec<bool> {
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
fn sure_returns<F: Frontend>(region: &Region<F::Insn>, effects: &[Effect], links: &[bool]) -> Vec<bool> {
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
fn unwanted_flags(effects: &[Effect], successors: &[Vec<usize>], leaves: &[bool]) -> Vec<bool> {
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
fn pass_unwanted(block: usize, successors: &[Vec<usize>], leaves: &[bool], unwanted: &[bool]) -> bool {
    !leaves[block] && successors[block].iter().all(|&to| unwanted[to] && !is_back_edge(block, to))
}

/// Where the flags come from when a block starts.
#[derive(Clone, Copy, Debug)]
struct FlagsFrom {
    /// From the same instruction of the region on all ways, and all these ways lead forward.
    is_known: bool,
    /// On some way from one instruction of the region.
    is_set: bool,
}

/// By block, where the flags come from. `resumed` are the blocks behind calls: what comes back from those has its flags
/// in memory.
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

/// A region that uses at most so many registers of a kind has host registers for all of them.
const FEW: u32 = 12;

/// Whether the host has registers for all that a region uses.
fn is_small(effects: &[Effect]) -> bool {
    let used = effects.iter().fold(RegSet::default(), |sum, e| sum.union(e.reads).union(e.writes));
    used.x.count_ones() <= FEW && used.v.count_ones() <= FEW
}

/// By block, the registers that are likely overwritten after its end before they are stored on a way out: code that is
/// not in the region is seldom run, and loops go on.
fn overwritten(effects: &[Effect], successors: &[Vec<usize>], calls_out: &[bool], loops: &[Vec<usize>]) -> Vec<RegSet> {
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
fn ends(
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
            let stored = dirty_in[i].intersection(e.stores_incoming.union(e.holds));
            let at_start = e.reads.union(at_end.without(e.writes)).union(stored);
            changed |= at_start != live[i];
            live[i] = at_start;
        }
    }
    live
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Words;

    const LIMITS: Limits = Limits { insns: 200, callee_insns: 40 };
    const FUNCTION: GuestAddr = GuestAddr(0x8000);

    fn block(start: u64, insns: usize, flow: Flow) -> Arc<Block<()>> {
        Arc::new(Block { start: GuestAddr(start), insns: vec![(); insns].into(), words: Words::new(), flow })
    }

    /// Discovers a loop that calls a function of so many instructions.
    fn loop_with_function(insns: usize, limits: Limits) -> Region<()> {
        let entry = GuestAddr(0x1000);
        let blocks = [
            block(entry.0, 1, Flow::Call(FUNCTION)),
            block(entry.0 + 4, 2, Flow::Branch(entry)),
            block(FUNCTION.0, insns, Flow::Return),
        ];
        let known = |at| blocks.iter().find(|block| block.start == at).cloned();
        Region::discover(entry, limits, known, |_| Vec::new()).expect("the entry is known")
    }

    fn has_function(region: &Region<()>) -> bool {
        region.blocks.iter().any(|block| block.start == FUNCTION)
    }

    #[test]
    fn a_region_is_cut_if_wider_limits_would_take_in_a_function() {
        for (insns, fits, is_cut) in [(40, true, false), (41, false, true), (80, false, true), (81, false, false)] {
            let region = loop_with_function(insns, LIMITS);
            assert_eq!((has_function(&region), region.is_cut), (fits, is_cut), "{insns}");
        }
        for (insns, fits) in [(80, true), (81, false)] {
            assert_eq!(has_function(&loop_with_function(insns, LIMITS.wider())), fits, "{insns}");
        }
    }

    #[test]
    fn a_region_is_cut_if_it_is_full() {
        // Ten blocks of ten instructions each.
        let blocks: Vec<_> = (0..10).map(|n| block(0x1000 + 40 * n, 10, Flow::Next)).collect();
        let known = |at| blocks.iter().find(|block| block.start == at).cloned();
        for (insns, taken) in [(95, 9), (100, 10)] {
            let limits = Limits { insns, ..LIMITS };
            let region =
                Region::discover(GuestAddr(0x1000), limits, known, |_| Vec::new()).expect("the entry is known");
            assert_eq!((region.blocks.len(), region.is_cut), (taken, taken < 10), "{insns}");
        }
    }
}
