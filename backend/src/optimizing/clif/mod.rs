//! The second implementation of `Ops`: builds CLIF. This file owns the state of a region under construction: guest
//! registers as SSA variables, which of them are newer than memory, what is known of the flags, and how control
//! leaves. Its children say how each operation is compiled.
//!
//! Invariants: at every instruction that can stop or fault, `write_back` has stored what is dirty before, or a
//! checkpoint of the plan covers it; a dirty register at a block's start is in the plan's `dirty_in` of that block.
//! Flags are in memory at a block's start only if the plan's `flags_in` says so.

mod calls;
mod convert;
mod exits;
mod extensions;
mod flag_source;
mod flags;
mod folds;
mod fp;
mod held;
mod int;
mod labels;
mod lanes;
mod memory;
mod merges;
mod ops;
mod pending;
mod round;
mod state;
mod vector;
mod vector_fp;
mod vector_int;

pub(crate) use labels::Labels;

use crate::abi::counts;
use crate::abi::helpers::{Helper, Kind};
use crate::abi::layout;
use crate::abi::mode::Mode;
use crate::abi::slot::Slot;
use crate::codecache::memory::CodeMemory;
use crate::deopt::source::FlagSource;
use crate::optimizing::region::{Graph, Plan, Region};
use cranelift_codegen::ir::types::{I8X16, I64};
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, Inst, InstBuilder, MemFlagsData, SigRef, Signature, SourceLoc, Type, Value,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, Variable};
use flags::{Compound, Flags, Tested};
use folds::Fold;
use ir::{Flow, FpSize, Frontend, GuestAddr, RegSet};
pub(crate) use merges::drop_needless_merges;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The scalars that vector registers hold, as far as known.
type FpCache = [Option<(FpSize, Value)>; 32];

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

/// What is known at some point.
#[derive(Clone, Copy)]
struct Known {
    flags: Flags,
    fp_cache: FpCache,
    x_now: [Option<Value>; 32],
}

impl Known {
    const NOTHING: Self = Self { flags: Flags::InMemory, fp_cache: [None; 32], x_now: [None; 32] };

    /// What is known where two ways meet on which the flags are those of the same operation.
    fn merged(self, other: Self) -> Self {
        let x_now = std::array::from_fn(|n| self.x_now[n].filter(|_| self.x_now[n] == other.x_now[n]));
        Self { flags: self.flags.merged(other.flags), fp_cache: [None; 32], x_now }
    }
}

/// A region under construction.
pub(crate) struct Builder<'f, 'r> {
    fb: FunctionBuilder<'f>,
    graph: &'r Graph,
    plan: &'r Plan,
    blocks: Vec<Block>,
    /// By context, where its code goes on outside of the region, if it does: with code and guest address as parameters.
    outside: Vec<Option<Block>>,
    unsealed: Vec<usize>,
    entry: GuestAddr,
    entry_pc: Value,
    exit_sig: SigRef,
    helper_sigs: HashMap<Helper, SigRef>,
    cold_sig: SigRef,
    prefetch_sig: Option<SigRef>,
    cold: HashSet<Block>,
    memory: &'r CodeMemory,
    /// Link slots and their targets; None once there were no more slots.
    exits: Option<Vec<(Slot, GuestAddr)>>,
    mode: Mode,
    has_fma: bool,
    x: [Variable; 32],
    v: [Variable; 32],
    /// Vectors that are zero from some bit on.
    low_bits: HashMap<Value, u32>,
    /// Numbers that vectors have been made of.
    scalars: HashMap<Value, Value>,
    /// Vectors that others have been folded into.
    folds: HashMap<Value, Fold>,
    /// Integers whose bits have been reversed, by the result.
    reversals: HashMap<Value, Value>,
    /// Floating-point results that wait for being checked.
    checks: pending::Checks,
    /// Whether values are constants, as far as asked.
    constants: HashMap<Value, bool>,
    /// Conditions made of two.
    compounds: HashMap<Value, Compound>,
    /// What is known at the end of a block's only predecessor, once that has been built.
    known_at: Vec<Option<Known>>,
    // Per CLIF block.
    cpu: Option<Value>,
    is_cold: bool,
    // Per guest block.
    current: usize,
    dirty: RegSet,
    /// Registers that have a value in their variable; memory alone has the others.
    loaded: RegSet,
    flags: Flags,
    tested: Option<Tested>,
    fp_cache: FpCache,
    /// Values of general registers, as far as the block has used them.
    x_now: [Option<Value>; 32],
    /// Where the flags of the last checkpoint are.
    checkpoint_flags: FlagsAt,
    flag_sources: Vec<FlagSource>,
    /// All that is held; the last is that of the last checkpoint.
    held: Vec<held::Segment>,
    /// What the last checkpoint may have to store.
    undecided: Option<held::Undecided>,
    /// The block has had a checkpoint.
    has_segment: bool,
    labels: Labels,
    /// Accesses of the segment: registers not needed there, and where what is kept until then is used.
    accesses: Vec<(RegSet, Inst)>,
    /// What is kept in the segment, until which of its accesses.
    kept: BTreeMap<Value, usize>,
    // Per instruction.
    /// What it loads is held.
    is_logged: bool,
    /// The checkpoint before covers its accesses.
    is_covered: bool,
    pc: GuestAddr,
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
        mut fb: FunctionBuilder<'f>,
        region: &'r Region<F::Insn>,
        plan: &'r Plan,
        mode: Mode,
        memory: &'r CodeMemory,
        target: TargetFrontendConfig,
    ) -> Option<Built> {
        let prologue = fb.create_block();
        fb.append_block_params_for_function_params(prologue);
        fb.switch_to_block(prologue);
        fb.seal_block(prologue);
        let entry_pc = fb.block_params(prologue)[0];
        let exit_sig = fb.import_signature(region_signature());
        let cold_sig = fb.import_signature(Signature::new(CallConv::PreserveAll));
        let x = std::array::from_fn(|_| fb.declare_var(I64));
        let v = std::array::from_fn(|_| fb.declare_var(I8X16));
        let blocks: Vec<Block> = region.blocks.iter().map(|_| fb.create_block()).collect();
        let mut unsealed = plan.predecessors.clone();
        unsealed[0] += 1;
        let mut builder = Builder {
            fb,
            graph: &region.graph,
            plan,
            blocks,
            outside: vec![None; region.graph.contexts.len()],
            unsealed,
            entry: region.entry(),
            entry_pc,
            exit_sig,
            helper_sigs: HashMap::new(),
            cold_sig,
            prefetch_sig: None,
            cold: HashSet::new(),
            memory,
            exits: Some(Vec::new()),
            mode,
            has_fma: std::arch::is_x86_feature_detected!("fma"),
            x,
            v,
            low_bits: HashMap::new(),
            scalars: HashMap::new(),
            folds: HashMap::new(),
            reversals: HashMap::new(),
            checks: pending::Checks::default(),
            constants: HashMap::new(),
            compounds: HashMap::new(),
            known_at: vec![None; region.blocks.len()],
            cpu: None,
            is_cold: false,
            current: 0,
            dirty: RegSet::default(),
            loaded: RegSet::default(),
            flags: Flags::InMemory,
            tested: None,
            fp_cache: [None; 32],
            x_now: [None; 32],
            checkpoint_flags: FlagsAt::Memory,
            flag_sources: Vec::new(),
            held: Vec::new(),
            undecided: None,
            has_segment: false,
            labels: Labels::new((entry_pc, region.entry().0)),
            accesses: Vec::new(),
            kept: BTreeMap::new(),
            is_logged: false,
            is_covered: false,
            pc: region.entry(),
            ended: false,
        };
        builder.declare_outside();
        for (&block, &holds_flags) in builder.blocks.iter().zip(&plan.holds_flags) {
            if holds_flags {
                builder.fb.append_block_param(block, I64);
            }
        }
        builder.prologue();
        let mut locations = Vec::with_capacity(region.insn_count());
        for (index, block) in region.blocks.iter().enumerate() {
            builder.begin_block(index);
            builder.count(counts::REGION_INSNS, block.insns.len() as u64);
            for (i, insn) in block.insns.iter().enumerate() {
                builder.pc = block.start.offset(4 * i as i64);
                builder.fb.set_srcloc(SourceLoc::new(locations.len() as u32));
                let step = plan.steps[index][i];
                if let Some(unneeded) = step.checkpoint {
                    builder.checkpoint(unneeded, step.held);
                    if i == 0 && plan.holds_flags[index] {
                        builder.hold_flags_by_edge();
                    }
                }
                builder.is_covered = step.covered_by.is_some();
                builder.is_logged = i < plan.logged[index];
                let flags = if builder.is_covered { builder.checkpoint_flags } else { FlagsAt::Memory };
                let held = if builder.is_covered { builder.held_here() } else { None };
                let pc = block.start.offset(4 * step.covered_by.unwrap_or(i) as i64);
                let performed = if plan.logged[index] != 0 { i } else { 0 };
                let redone = builder.redone(&step);
                locations.push(Location { pc, flags, held, redone, performed });
                let Ok(()) = F::lift(insn, &mut builder);
                if step.covered_by.is_some() {
                    builder.passed_access(redone);
                }
                if let Some(used) = step.ends {
                    builder.end_segment(used);
                }
            }
            if !builder.ended {
                match block.flow {
                    Flow::Next => builder.leave_to(block.next()),
                    // It might have stopped but goes on. The plan has no edge there, even if the next block is in the
                    // region by another way.
                    _ => builder.exit_to(block.next()),
                }
            }
            if let Some(context) = region.graph.callee[index] {
                builder.go_outside(context);
            }
        }
        assert!(builder.unsealed.iter().all(|&left| left == 0), "every planned edge was built");
        builder.fb.seal_all_blocks();
        lanes::keep_integers(builder.fb.func);
        extensions::drop_needless(builder.fb.func);
        builder.fb.finalize(target);
        let (exits, flag_sources) = (builder.exits?, builder.flag_sources);
        let (held, labels) = (builder.held, builder.labels);
        Some(Built { exits, locations, flag_sources, held, labels, would_hold: !plan.holds })
    }

    /// Looks at the safepoint word, and loads what the first block does not load itself.
    fn prologue(&mut self) {
        self.entry_check();
        self.load_for(0);
        let first = self.blocks[0];
        let number = self.plan.flags_by_edge[0].then(|| self.say_flags(0)).flatten();
        let number: Vec<BlockArg> = number.into_iter().map(BlockArg::from).collect();
        self.fb.ins().jump(first, &number);
        self.seal_one(0);
    }

    /// Loads what a block expects to be loaded, before going to it.
    fn load_for(&mut self, index: usize) {
        let wanted = self.plan.loaded_in[index].intersection(self.plan.live_in[index]);
        self.load_registers(wanted.without(self.loaded));
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
        self.switch_to(self.blocks[index]);
        self.dirty = self.plan.dirty_in[index];
        self.load_registers(self.plan.loads[index]);
        self.loaded = self.plan.loaded_in[index].union(self.plan.loads[index]);
        let known = self.known_at[index].unwrap_or(Known::NOTHING);
        (self.flags, self.fp_cache, self.x_now) = (known.flags, known.fp_cache, known.x_now);
        self.checkpoint_flags = FlagsAt::Memory;
        self.has_segment = false;
        self.ended = false;
    }

    /// Makes `block` current.
    fn switch_to(&mut self, block: Block) {
        self.fb.switch_to_block(block);
        self.cpu = None;
        self.is_cold = self.cold.contains(&block);
    }

    /// One more edge to a guest block has been built.
    fn seal_one(&mut self, index: usize) {
        self.unsealed[index] -= 1;
        if self.unsealed[index] == 0 {
            self.fb.seal_block(self.blocks[index]);
        }
    }

    /// A new block for the unlikely way.
    fn cold_block(&mut self) -> Block {
        let block = self.fb.create_block();
        self.fb.set_cold_block(block);
        self.cold.insert(block);
        block
    }

    /// Runs `body` in a cold block taken if `condition`; `body` must end it. State known here is as before.
    fn side_exit(&mut self, condition: Value, body: impl FnOnce(&mut Self)) {
        self.settle();
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
