//! The second implementation of `Ops`: builds CLIF. This file owns the state of a region under construction: guest
//! registers as SSA variables, which of them are newer than memory, what is known of the flags, and how control
//! leaves. Its children say how each operation is compiled.
//!
//! Invariants: at every instruction that can stop or fault, `write_back` has stored what is dirty before, or a
//! checkpoint of the plan covers it; a dirty register at a block's start is in the plan's `dirty_in` of that block.
//! Flags are in memory at a block's start only if the plan's `flags_in` says so.

mod calls;
mod conditions;
mod convert;
mod deferred;
mod exits;
mod extensions;
mod facts;
mod flag_source;
mod flags;
mod folds;
mod fp;
mod held;
mod int;
mod labels;
mod memory;
mod ops;
mod round;
mod scalarize_phis;
mod state;
mod upper_zeroing;
mod vector;
mod vector_fp;
mod vector_int;

pub(crate) use labels::Labels;

use crate::abi::counts;
use crate::abi::helpers::Kind;
use crate::abi::layout;
use crate::abi::mode::Mode;
use crate::abi::slot::Slot;
use crate::block::Block as GuestBlock;
use crate::codecache::memory::CodeMemory;
use crate::deopt::source::FlagSource;
use crate::optimizing::region::{Graph, Plan, Region};
use calls::Signatures;
use cranelift_codegen::ir::types::{I8X16, I64};
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, Function, InstBuilder, MemFlagsData, Signature, SourceLoc, Type, Value,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, Variable};
use exits::Edges;
use facts::Facts;
use held::Deopt;
use ir::{Flow, Frontend, GuestAddr, RegSet};
use state::{Known, Now};
use std::collections::HashSet;
pub(crate) use upper_zeroing::drop_redundant_upper_zeroing;

/// Where the flags of a checkpoint are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FlagsAt {
    /// In memory.
    Memory,
    /// They follow from registers, as this flag source of the region says.
    Source(u32),
    /// As the way to the block has said.
    Edge,
}

/// A region under construction.
pub(crate) struct Builder<'f, 'r> {
    fb: FunctionBuilder<'f>,
    graph: &'r Graph,
    plan: &'r Plan,
    memory: &'r CodeMemory,
    mode: Mode,
    has_fma: bool,
    /// The guest address of the region's entry, and the value that it has where the code runs.
    entry: GuestAddr,
    entry_pc: Value,
    x: [Variable; 32],
    v: [Variable; 32],
    signatures: Signatures,
    edges: Edges,
    facts: Facts,
    deopt: Deopt,
    /// Floating-point results that wait for being checked.
    checks: deferred::Checks,
    now: Now,
    /// The state's address, if this CLIF block has it already.
    cpu: Option<Value>,
    /// Whether this CLIF block is an unlikely way.
    is_cold: bool,
    /// The node of the region that is being built.
    current: usize,
    /// The guest instruction that is being built.
    pc: GuestAddr,
    /// Its block has been left.
    ended: bool,
}

/// A computed branch that has been seen to go to this many targets at most compares with each.
const MOST_COMPARED: usize = 2;

/// Tells the targets of a computed branch apart: by some bits of their distance from an address, as few as make all
/// different, or as many as there may be.
#[derive(Clone, Copy, Debug)]
struct TargetHash {
    from: GuestAddr,
    shift: u32,
    bits: u32,
}

impl TargetHash {
    fn new(from: GuestAddr, targets: impl Iterator<Item = GuestAddr> + Clone) -> Self {
        const MOST_BITS: u32 = 8;
        let count = targets.clone().count();
        let distinct = |hash: Self| targets.clone().map(|t| hash.index(t)).collect::<HashSet<_>>().len();
        let all = (1..=MOST_BITS).flat_map(|bits| (2..12).map(move |shift| Self { from, shift, bits }));
        let fits = all.clone().find(|&hash| distinct(hash) == count);
        // What shares an entry with another is found through the lookup table.
        fits.unwrap_or(Self { from, shift: 2, bits: MOST_BITS })
    }

    fn entries(self) -> usize {
        1 << self.bits
    }

    fn index(self, target: GuestAddr) -> usize {
        (target.0.wrapping_sub(self.from.0) >> self.shift) as usize & (self.entries() - 1)
    }
}

/// What a fault means.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    /// Where tier 0 takes over.
    pub pc: GuestAddr,
    /// Where the flags are there.
    pub flags: FlagsAt,
    /// What is held: a number in `Built::held`, and how many of the loads there came before.
    pub held: Option<(usize, usize)>,
    /// What is not needed of that.
    pub redone: RegSet,
    /// As many instructions from there have been performed, and their loads are held, as far as need be.
    pub performed: usize,
}

/// What building gives beside the CLIF.
pub(crate) struct Built {
    /// Link slots and their targets.
    pub exits: Vec<(Slot, GuestAddr)>,
    /// By source location number, what a fault means.
    pub locations: Vec<Location>,
    /// What checkpoints hold, each for its segment.
    pub held: Vec<held::Segment>,
    /// The values that this speaks of.
    pub labels: Labels,
    /// Where the flags of checkpoints are.
    pub flag_sources: Vec<FlagSource>,
    /// See `Compiled`.
    pub would_hold: bool,
}

impl Built {
    /// Whether checkpoints hold anything.
    pub fn holds(&self) -> bool {
        self.held.iter().any(|segment| !segment.registers.is_empty() || !segment.loads.is_empty())
    }
}

/// What can be simplified only when a region's CLIF is complete.
pub(crate) fn simplify(func: &mut Function) {
    scalarize_phis::scalarize_vector_phis(func);
    extensions::drop_needless(func);
}

/// Signature of regions: guest PC in; out comes the guest address that a guest return went to. Every other way out
/// drops the host frames (`trampoline`). The convention is that of the CLIF; `compile` exchanges it for another.
pub(crate) fn region_signature() -> Signature {
    let mut sig = Signature::new(CallConv::Tail);
    sig.params = vec![AbiParam::new(I64)];
    sig.returns = vec![AbiParam::new(I64)];
    sig
}

/// Whether the code around a guest address is there in every process: the kernel puts nothing so low by itself, but
/// programs that are linked to a fixed address lie there. Such an address is part of a host instruction.
fn is_fixed(addr: GuestAddr) -> bool {
    addr.0 < 1 << 30
}

fn kind_type(kind: Kind) -> Type {
    match kind {
        Kind::Integer => I64,
        Kind::Vector => I8X16,
    }
}

/// Flags of accesses to emu's own structures: aligned, mapped.
fn trusted() -> MemFlagsData {
    MemFlagsData::trusted()
}

impl<'f, 'r> Builder<'f, 'r> {
    /// Builds the CLIF of `region` into `fb`'s function, with link slots from `memory`; None if those have run out.
    pub fn build<F: Frontend>(
        fb: FunctionBuilder<'f>,
        region: &'r Region<F::Insn>,
        plan: &'r Plan,
        mode: Mode,
        memory: &'r CodeMemory,
        target: TargetFrontendConfig,
    ) -> Option<Built> {
        let mut builder = Self::new(fb, &region.graph, plan, region.entry(), mode, memory);
        builder.declare_outside();
        builder.prologue();
        let mut locations = Vec::with_capacity(region.insn_count());
        for (index, block) in region.blocks.iter().enumerate() {
            builder.begin_block(index);
            builder.count(counts::REGION_INSNS, block.insns.len() as u64);
            builder.build_block::<F>(index, block, &mut locations);
            if let Some(context) = region.graph.callee[index] {
                builder.go_outside(context);
            }
        }
        builder.finish(locations, target)
    }

    /// The prologue's block, empty, is current.
    fn new(
        mut fb: FunctionBuilder<'f>,
        graph: &'r Graph,
        plan: &'r Plan,
        entry: GuestAddr,
        mode: Mode,
        memory: &'r CodeMemory,
    ) -> Self {
        let prologue = fb.create_block();
        fb.append_block_params_for_function_params(prologue);
        fb.switch_to_block(prologue);
        fb.seal_block(prologue);
        let entry_pc = fb.block_params(prologue)[0];
        let signatures = Signatures::new(&mut fb);
        let x = std::array::from_fn(|_| fb.declare_var(I64));
        let v = std::array::from_fn(|_| fb.declare_var(I8X16));
        Self {
            edges: Edges::new(&mut fb, graph, plan),
            signatures,
            fb,
            graph,
            plan,
            memory,
            mode,
            has_fma: std::arch::is_x86_feature_detected!("fma"),
            entry,
            entry_pc,
            x,
            v,
            facts: Facts::default(),
            deopt: Deopt::new(Labels::new((entry_pc, entry.0))),
            checks: deferred::Checks::default(),
            now: Now::default(),
            cpu: None,
            is_cold: false,
            current: 0,
            pc: entry,
            ended: false,
        }
    }

    /// The instructions of a node, whose block is current. Adds what a fault of each means.
    fn build_block<F: Frontend>(&mut self, index: usize, block: &GuestBlock<F::Insn>, locations: &mut Vec<Location>) {
        let plan = self.plan;
        for (i, insn) in block.insns.iter().enumerate() {
            self.pc = block.start.offset(4 * i as i64);
            self.fb.set_srcloc(SourceLoc::new(locations.len() as u32));
            let step = plan.steps[index][i];
            if let Some(unneeded) = step.checkpoint {
                self.checkpoint(unneeded, step.held);
                if i == 0 && plan.holds_flags[index] {
                    self.hold_flags_by_edge();
                }
            }
            self.deopt.is_covered = step.covered_by.is_some();
            self.deopt.is_logged = i < plan.logged[index];
            let flags = if self.deopt.is_covered { self.deopt.flags } else { FlagsAt::Memory };
            let held = if self.deopt.is_covered { self.deopt.held_here() } else { None };
            let pc = block.start.offset(4 * step.covered_by.unwrap_or(i) as i64);
            let performed = if plan.logged[index] != 0 { i } else { 0 };
            let redone = self.deopt.redone(&step);
            locations.push(Location { pc, flags, held, redone, performed });
            let Ok(()) = F::lift(insn, self);
            if step.covered_by.is_some() {
                self.passed_access(redone);
            }
            if let Some(used) = step.ends {
                self.end_segment(used);
            }
        }
        if !self.ended {
            match block.flow {
                Flow::Next => self.leave_to(block.next()),
                // It might have stopped but goes on. The plan has no edge there, even if the next block is in the
                // region by another way.
                _ => self.exit_to(block.next()),
            }
        }
    }

    fn finish(mut self, locations: Vec<Location>, target: TargetFrontendConfig) -> Option<Built> {
        assert!(self.edges.unsealed.iter().all(|&left| left == 0), "every planned edge was built");
        self.fb.seal_all_blocks();
        self.fb.finalize(target);
        let Deopt { flag_sources, segments: held, labels, .. } = self.deopt;
        Some(Built { exits: self.edges.exits?, locations, flag_sources, held, labels, would_hold: !self.plan.holds })
    }

    /// Looks at the safepoint word, and loads what the first block does not load itself.
    fn prologue(&mut self) {
        self.entry_check();
        self.load_for(0);
        let first = self.edges.blocks[0];
        let number = self.plan.flags_by_edge[0].then(|| self.say_flags(0)).flatten();
        let number: Vec<BlockArg> = number.into_iter().map(BlockArg::from).collect();
        self.fb.ins().jump(first, &number);
        self.seal_one(0);
    }

    /// Loads what a block expects to be loaded, before going to it.
    fn load_for(&mut self, index: usize) {
        let wanted = self.plan.loaded_in[index].intersection(self.plan.live_in[index]);
        self.load_registers(wanted.without(self.now.loaded));
    }

    /// Takes registers from memory.
    fn load_registers(&mut self, live: RegSet) {
        for n in 0..32 {
            if live.x >> n & 1 != 0 {
                let value = self.load_state(I64, layout::x(n));
                self.fb.def_var(self.x[n], value);
            }
            if live.v >> n & 1 != 0 {
                let value = self.load_state(I8X16, layout::v(n));
                self.fb.def_var(self.v[n], value);
            }
        }
    }

    fn begin_block(&mut self, index: usize) {
        self.current = index;
        self.forget_checks();
        self.switch_to(self.edges.blocks[index]);
        self.now.dirty = self.plan.dirty_in[index];
        self.load_registers(self.plan.loads[index]);
        self.now.loaded = self.plan.loaded_in[index].union(self.plan.loads[index]);
        self.now.set_known(self.edges.known_at[index].unwrap_or(Known::NOTHING));
        self.deopt.begin_block();
        self.ended = false;
    }

    /// Makes `block` current.
    fn switch_to(&mut self, block: Block) {
        self.fb.switch_to_block(block);
        self.cpu = None;
        self.is_cold = self.edges.cold.contains(&block);
    }

    /// One more edge to a guest block has been built.
    fn seal_one(&mut self, index: usize) {
        self.edges.unsealed[index] -= 1;
        if self.edges.unsealed[index] == 0 {
            self.fb.seal_block(self.edges.blocks[index]);
        }
    }

    /// A new block for the unlikely way.
    fn cold_block(&mut self) -> Block {
        let block = self.fb.create_block();
        self.fb.set_cold_block(block);
        self.edges.cold.insert(block);
        block
    }

    /// Runs `body` in a cold block taken if `condition`; `body` must end it. State known here is as before.
    fn side_exit(&mut self, condition: Value, body: impl FnOnce(&mut Self)) {
        self.flush_checks();
        let cold = self.cold_block();
        let next = if self.is_cold { self.cold_block() } else { self.fb.create_block() };
        self.fb.ins().brif(condition, cold, &[], next, &[]);
        self.fb.seal_block(cold);
        self.fb.seal_block(next);
        self.switch_to(cold);
        body(self);
        self.switch_to(next);
    }
}
