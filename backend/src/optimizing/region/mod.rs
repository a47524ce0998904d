//! Regions: what tier 1 compiles. A hot entry, and the basic blocks that direct branches reach from it; plus the plan
//! that dataflow over it gives: which registers may be newer than memory at each block's start, and where the flags
//! must be in memory.

mod dataflow;
mod plan;

pub use dataflow::is_back_edge;
pub use plan::Plan;

use crate::block::Block;
use ir::{Flow, GuestAddr};
use std::collections::{HashMap, HashSet};
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
