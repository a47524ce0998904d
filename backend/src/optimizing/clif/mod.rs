//! The second implementation of `Ops`: builds CLIF. This file owns the state of a region under construction: guest
//! registers as SSA variables, which of them are newer than memory, what is known of the flags, and how control
//! leaves. Its children say how each operation is compiled.
//!
//! Invariants: at every instruction that can stop or fault, `write_back` has stored what is dirty before, or a
//! checkpoint of the plan covers it; a dirty register at a block's start is in the plan's `dirty_in` of that block.
//! Flags are in memory at a block's start only if the plan's `flags_in` says so.

mod convert;
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
mod vector;
mod vector_fp;
mod vector_int;

pub(crate) use labels::Labels;

use crate::abi::counts;
use crate::abi::helpers::{COUNT, Helper, Kind, SIGNATURES};
use crate::abi::layout;
use crate::abi::mode::Mode;
use crate::abi::slot::Slot;
use crate::codecache::memory::CodeMemory;
use crate::deopt::source::FlagSource;
use crate::optimizing::checkpoint::{Step, Unneeded};
use crate::optimizing::region::{Context, Graph, MOST_CALLED, Plan, Region, is_back_edge};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::V128Imm;
use cranelift_codegen::ir::types::{F32, F64, I8X16, I32, I64};
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, BlockCall, Inst, InstBuilder, InstructionData, JumpTableData, MemFlagsData, Opcode,
    SigRef, Signature, SourceLoc, Type, Value,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, Variable};
use flags::{Compound, Cost, Flags, Tested};
use folds::Fold;
use ir::{CpuState, Flow, FpSize, Frontend, GuestAddr, RegSet, Stop};
pub(crate) use merges::drop_needless_merges;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::offset_of;

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

    // --- state ----------------------------------------------------------------------------------------------

    /// The pinned register: address of `CpuState`.
    fn cpu(&mut self) -> Value {
        if let Some(cpu) = self.cpu {
            return cpu;
        }
        let cpu = self.fb.ins().get_pinned_reg(I64);
        self.cpu = Some(cpu);
        cpu
    }

    fn load_state(&mut self, ty: Type, offset: i32) -> Value {
        let cpu = self.cpu();
        self.fb.ins().load(ty, trusted(), cpu, offset)
    }

    fn store_state(&mut self, value: Value, offset: i32) {
        let cpu = self.cpu();
        self.fb.ins().store(trusted(), value, cpu, offset);
    }

    /// Stores everything that is newer than memory; what is known stays as it is.
    fn store_dirty(&mut self) {
        self.store_registers(self.dirty);
        self.store_flags(Cost::Stores);
    }

    fn store_registers(&mut self, registers: RegSet) {
        self.settle();
        for n in 0..32 {
            if registers.x >> n & 1 != 0 {
                let value = self.fb.use_var(self.x[n]);
                self.store_state(value, layout::x(n));
            }
            if registers.v >> n & 1 != 0 {
                let value = self.fb.use_var(self.v[n]);
                self.store_state(value, layout::v(n));
            }
        }
    }

    /// Makes memory exact but for what is held, what is not needed, and for flags that follow from registers.
    fn checkpoint(&mut self, unneeded: Unneeded, may_hold: RegSet) {
        self.settle();
        let wanted = self.dirty.without(unneeded.registers);
        let held = wanted.intersection(may_hold);
        self.begin_segment(held);
        self.store_registers(wanted.without(held));
        // When flags are wanted, what is held has been put into memory.
        self.dirty = self.dirty.intersection(unneeded.registers);
        let source = if unneeded.flags { None } else { self.source_of_flags() };
        self.dirty = self.dirty.union(held);
        self.checkpoint_flags = match source {
            Some(source) => FlagsAt::Source(self.number_of(source)),
            // Only the checkpoint at the block's start finds them in memory, for then they are overwritten.
            None if self.plan.flags_by_edge[self.current] && matches!(self.flags, Flags::InMemory) => FlagsAt::Edge,
            None => FlagsAt::Memory,
        };
    }

    /// Registers of the checkpoint that are not needed at an access: nor do its flags follow from them.
    fn redone(&self, step: &Step) -> RegSet {
        match self.checkpoint_flags {
            FlagsAt::Source(number) => step.redone.without(self.flag_sources[number as usize].registers()),
            FlagsAt::Memory | FlagsAt::Edge => step.redone,
        }
    }

    /// A new flag source.
    fn number_of(&mut self, source: FlagSource) -> u32 {
        self.flag_sources.push(source);
        self.flag_sources.len() as u32 - 1
    }

    /// On the way to a block of `Plan::flags_by_edge`: says where the flags are. Gives that as a value for a block that
    /// holds it.
    fn say_flags(&mut self, index: usize) -> Option<Value> {
        let steps = &self.plan.steps[index];
        let unneeded = steps[0].checkpoint.expect("the checkpoint wants the flags").registers;
        let covered = steps.iter().filter(|step| step.covered_by == Some(0));
        let redone = covered.fold(RegSet::default(), |all, step| all.union(step.redone));
        // The checkpoint stores or holds all that is dirty then but these.
        let left = self.plan.dirty_in[index].intersection(unneeded).union(redone);
        let dirty = std::mem::replace(&mut self.dirty, left);
        let number = self.source_of_flags().map_or(0, |source| self.number_of(source) + 1);
        self.dirty = dirty;
        let number = self.iconst(u64::from(number));
        if self.plan.holds_flags[index] {
            return Some(number);
        }
        self.store_state(number, layout::backend_word(layout::FLAGS_BY_EDGE));
        None
    }

    /// Before what may fault or look at the state: makes memory exact, unless a checkpoint does instead.
    fn write_back(&mut self) {
        if !self.is_covered {
            self.store_registers(self.dirty);
            self.dirty = RegSet::default();
            self.store_flags(Cost::Instructions);
            self.flags.set_clean();
        }
    }

    /// A guest address: a constant where the guest's code is fixed, else computed from the entry's.
    fn pc_value(&mut self, addr: GuestAddr) -> Value {
        if is_fixed(self.entry) {
            return self.iconst(addr.0);
        }
        let delta = addr.0.wrapping_sub(self.entry.0) as i64;
        if delta == 0 { self.entry_pc } else { self.fb.ins().iadd_imm_s(self.entry_pc, delta) }
    }

    /// The guest address that a value is, if `pc_value` made it or it is a constant.
    fn known_pc(&self, value: Value) -> Option<GuestAddr> {
        let distance = if value == self.entry_pc {
            0
        } else if let Some(constant) = self.constant(value) {
            return Some(GuestAddr(constant));
        } else {
            let [base, distance] = self.operands_of(Opcode::Iadd, value)?;
            if base != self.entry_pc {
                return None;
            }
            self.constant(distance)?
        };
        Some(GuestAddr(self.entry.0.wrapping_add(distance)))
    }

    /// The operands of the operation that made a value, if that is `opcode`, which has two.
    fn operands_of(&self, opcode: Opcode, value: Value) -> Option<[Value; 2]> {
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(value).inst()?;
        let operands = dfg.inst_args(inst).try_into().ok()?;
        (dfg.insts[inst].opcode() == opcode).then_some(operands)
    }

    fn iconst(&mut self, value: u64) -> Value {
        self.fb.ins().iconst(I64, value as i64)
    }

    /// The value, if it is an `iconst`.
    fn constant(&self, value: Value) -> Option<u64> {
        let inst = self.fb.func.dfg.value_def(value).inst()?;
        match self.fb.func.dfg.insts[inst] {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits() as u64),
            _ => None,
        }
    }

    fn vconst(&mut self, value: u128) -> Value {
        let constant = V128Imm(value.to_le_bytes());
        let handle = self.fb.func.dfg.constants.insert(constant.into());
        self.fb.ins().vconst(I8X16, handle)
    }

    /// The same bits as another vector type.
    fn cast(&mut self, ty: Type, value: Value) -> Value {
        if self.fb.func.dfg.value_type(value) == ty {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(cranelift_codegen::ir::Endianness::Little);
        self.fb.ins().bitcast(ty, flags, value)
    }

    /// Adds to a counter of the thread's, if counting.
    fn count(&mut self, counter: usize, n: u64) {
        if self.mode.count {
            let counters = self.load_state(I64, layout::backend_word(layout::COUNTS));
            let before = self.fb.ins().load(I64, trusted(), counters, 8 * counter as i32);
            let after = self.fb.ins().iadd_imm_s(before, n as i64);
            self.fb.ins().store(trusted(), after, counters, 8 * counter as i32);
        }
    }

    // --- helpers ----------------------------------------------------------------------------------------------

    /// Calls a helper; parameters after the `CpuState` as its signature says, numbers for their bits. Gives the result
    /// as `ty`: I64, I8X16 or a number's type.
    fn call_helper_as(&mut self, ty: Type, helper: Helper, args: &[Value]) -> Value {
        let signature = &SIGNATURES[helper as usize];
        assert_eq!(args.len(), signature.params.len(), "{}", signature.name);
        let op = args.first().and_then(|&op| self.constant(op)).map_or(0, |op| op as usize % counts::OPS);
        self.count(counts::FIRST_HELPER + counts::OPS * helper as usize + op, 1);
        if self.is_cold {
            return self.call_helper_cold(ty, helper, args);
        }
        let sig = match self.helper_sigs.get(&helper) {
            Some(&sig) => sig,
            None => {
                let ty = |kind| AbiParam::new(kind_type(kind));
                let mut sig = Signature::new(CallConv::SystemV);
                sig.params.push(AbiParam::new(I64));
                sig.params.extend(signature.params.iter().map(|&kind| ty(kind)));
                sig.returns.push(ty(signature.result));
                let sig = self.fb.import_signature(sig);
                self.helper_sigs.insert(helper, sig);
                sig
            }
        };
        let mut all = vec![self.cpu()];
        assert!(!args.contains(&all[0]), "the CpuState is the first argument only, as `peephole` knows");
        for &arg in args {
            let arg = match self.fb.func.dfg.value_type(arg) {
                F64 => self.number_bits(FpSize::D, arg),
                F32 => self.number_bits(FpSize::S, arg),
                _ => arg,
            };
            all.push(arg);
        }
        let callee = self.helper_address(helper as usize);
        let call = self.fb.ins().call_indirect(sig, callee, &all);
        let result = self.fb.inst_results(call)[0];
        match ty {
            F64 => self.number_from_bits(FpSize::D, result),
            F32 => self.number_from_bits(FpSize::S, result),
            _ => result,
        }
    }

    /// From a cold block: the call preserves all registers, and operands and result are in memory, so that the likely
    /// way need neither save nor move anything.
    fn call_helper_cold(&mut self, ty: Type, helper: Helper, args: &[Value]) -> Value {
        for (n, &arg) in args.iter().enumerate() {
            let offset = layout::operand(n);
            if self.fb.func.dfg.value_type(arg) == F32 {
                let zero = self.iconst(0);
                self.store_state(zero, offset);
            }
            self.store_state(arg, offset);
        }
        let sig = self.cold_sig;
        let callee = self.helper_address(helper as usize + COUNT);
        self.fb.ins().call_indirect(sig, callee, &[]);
        self.load_state(ty, layout::operand(0))
    }

    fn helper_address(&mut self, index: usize) -> Value {
        let table = self.load_state(I64, layout::backend_word(layout::HELPERS));
        self.fb.ins().load(I64, trusted(), table, 8 * index as i32)
    }

    fn call_helper(&mut self, helper: Helper, args: &[Value]) -> Value {
        self.call_helper_as(kind_type(SIGNATURES[helper as usize].result), helper, args)
    }

    // --- exits ------------------------------------------------------------------------------------------------

    /// The context of the current node.
    fn context(&self) -> usize {
        self.graph.context[self.current]
    }

    /// Goes to a guest address, inside the region or out of it. Ends the block.
    fn leave_to(&mut self, target: GuestAddr) {
        self.leave_in(self.context(), target);
    }

    /// Goes to a guest address in a context, inside the region or out of it. Ends the block.
    fn leave_in(&mut self, context: usize, target: GuestAddr) {
        self.ended = true;
        self.settle();
        let Some(index) = self.graph.node(context, target) else { return self.exit_in(context, target) };
        // The turns of a replayed loop leave memory as it was when the loop began: that must be exact.
        let begins_replay = self.plan.replayed[index] && index != self.current;
        let taken = if begins_replay { RegSet::default() } else { self.plan.dirty_in[index] };
        self.store_registers(self.dirty.without(taken));
        self.dirty = self.dirty.intersection(taken);
        let known = Known { flags: self.flags, fp_cache: self.fp_cache, x_now: self.x_now };
        let mut number = None;
        if index > self.current && self.plan.predecessors[index] == 1 {
            self.known_at[index] = Some(known);
        } else if self.plan.flags_known[index] {
            let merged = self.known_at[index].map_or(known, |before| before.merged(known));
            self.known_at[index] = Some(merged);
        } else if self.plan.flags_by_edge[index] {
            number = self.say_flags(index);
        } else if self.plan.flags_in[index] && !(index == self.current && self.plan.replayed[index]) {
            self.store_flags(Cost::Instructions);
            // The safepoint need not store them again.
            self.flags.set_clean();
        }
        if is_back_edge(self.current, index) {
            self.safepoint(target);
        }
        self.load_for(index);
        let block = self.blocks[index];
        let number: Vec<BlockArg> = number.into_iter().map(BlockArg::from).collect();
        self.fb.ins().jump(block, &number);
        self.seal_one(index);
    }

    /// Whether the first of two ways leads to what should stand nearer by: back to the start of a loop rather than
    /// out of it, and in the order of the region's blocks.
    fn is_nearer(&self, one: GuestAddr, other: GuestAddr) -> bool {
        let node = |target| self.graph.node(self.context(), target).unwrap_or(usize::MAX);
        node(one) < node(other)
    }

    /// Leaves the region for a known address, through a link slot. Ends the block.
    fn exit_to(&mut self, target: GuestAddr) {
        self.exit_in(self.context(), target);
    }

    /// Leaves the region for a known address in a context. Ends the block.
    fn exit_in(&mut self, context: usize, target: GuestAddr) {
        self.settle();
        self.store_dirty();
        let (code, pc) = self.linked(target);
        self.exit_through(context, code, pc);
    }

    /// Goes on in code outside of the region. The code is that of a function that the context's call has entered: it
    /// returns to the region, if that contains the call. Ends the block.
    fn exit_through(&mut self, context: usize, code: Value, pc: Value) {
        if context == 0 {
            self.fb.ins().return_call_indirect(self.exit_sig, code, &[pc]);
            return;
        }
        let outside = self.outside[context].expect("the plan knows the contexts that are left");
        self.fb.ins().jump(outside, &[code.into(), pc.into()]);
    }

    /// Makes the blocks in which contexts go on outside of the region.
    fn declare_outside(&mut self) {
        for context in (1..self.outside.len()).filter(|&context| self.plan.is_left[context]) {
            let block = self.cold_block();
            self.fb.append_block_param(block, I64);
            self.fb.append_block_param(block, I64);
            self.outside[context] = Some(block);
        }
    }

    /// Builds the call by which a context, that of a call of the current node, goes on outside.
    fn go_outside(&mut self, context: usize) {
        let Some(block) = self.outside[context] else { return };
        self.switch_to(block);
        let &[code, pc] = self.fb.block_params(block) else { unreachable!("it was made with two") };
        self.call_code(code, pc, self.graph.contexts[context].back);
    }

    /// Goes to a computed address: to the blocks of the region that it has been seen to be by a jump table, elsewhere
    /// by the lookup table. Ends the block.
    fn jump_computed(&mut self, target: Value) {
        let (plan, graph, context) = (self.plan, self.graph, self.context());
        let seen = graph.computed[self.current].iter();
        let cases: Vec<(usize, GuestAddr)> = seen.filter_map(|&at| Some((graph.node(context, at)?, at))).collect();
        if cases.is_empty() {
            return self.exit_indirect(target);
        }
        if cases.iter().any(|&(index, _)| plan.flags_in[index]) {
            self.store_flags(Cost::Instructions);
            self.flags.set_clean();
        }
        if cases.len() <= MOST_COMPARED {
            return self.jump_compared(target, &cases);
        }
        let elsewhere = self.fb.create_block();
        let ways: Vec<Block> = cases.iter().map(|_| self.fb.create_block()).collect();
        let starts: Vec<GuestAddr> = cases.iter().map(|&(_, start)| start).collect();
        let by_offset = self.offset_of_target(target, &starts);
        let is_exact = by_offset.is_some();
        let (index, indices, entries) = by_offset.unwrap_or_else(|| self.hash_of_target(target, &starts));
        let mut table = vec![elsewhere; entries];
        for (&index, &way) in indices.iter().zip(&ways) {
            table[index] = way;
        }
        let pool = &mut self.fb.func.dfg.value_lists;
        let default = BlockCall::new(elsewhere, [], pool);
        let calls: Vec<BlockCall> = table.iter().map(|&block| BlockCall::new(block, [], pool)).collect();
        let jump_table = self.fb.create_jump_table(JumpTableData::new(default, &calls));
        self.fb.ins().br_table(index, jump_table);
        let (dirty, flags) = (self.dirty, self.flags);
        for (&start, &way) in starts.iter().zip(&ways) {
            self.fb.seal_block(way);
            self.switch_to(way);
            if !is_exact {
                let go = self.fb.create_block();
                let expected = self.pc_value(start);
                let same = self.fb.ins().icmp(IntCC::Equal, target, expected);
                self.fb.ins().brif(same, go, &[], elsewhere, &[]);
                self.fb.seal_block(go);
                self.switch_to(go);
            }
            (self.dirty, self.flags) = (dirty, flags);
            self.leave_to(start);
        }
        self.fb.seal_block(elsewhere);
        self.switch_to(elsewhere);
        (self.dirty, self.flags) = (dirty, flags);
        self.exit_indirect(target);
    }

    /// For a jump table: an index computed from a hash of the target, those of the targets that have been seen, and the
    /// number of entries. Others may have the same index.
    fn hash_of_target(&mut self, target: Value, seen: &[GuestAddr]) -> (Value, Vec<usize>, usize) {
        let from = if is_fixed(self.entry) { GuestAddr(0) } else { self.entry };
        let hash = TargetHash::new(from, seen.iter().copied());
        let distance = if from == self.entry { self.fb.ins().isub(target, self.entry_pc) } else { target };
        let shifted = self.fb.ins().ushr_imm_s(distance, i64::from(hash.shift));
        let masked = self.fb.ins().band_imm_s(shifted, hash.entries() as i64 - 1);
        let index = self.fb.ins().ireduce(I32, masked);
        (index, seen.iter().map(|&start| hash.index(start)).collect(), hash.entries())
    }

    /// The same without any hash, for a target that is a known address and a scaled offset out of the guest's own jump
    /// table of bytes or halfwords: the offset is the index, so that no other target has it.
    fn offset_of_target(&mut self, target: Value, seen: &[GuestAddr]) -> Option<(Value, Vec<usize>, usize)> {
        const MOST_ENTRIES: i64 = 512;
        let [one, other] = self.operands_of(Opcode::Iadd, target)?;
        let (from, scaled) = match self.known_pc(one) {
            Some(from) => (from, other),
            None => (self.known_pc(other)?, one),
        };
        let [offset, amount] = self.operands_of(Opcode::Ishl, scaled)?;
        let shift = self.shift_of(amount, 64)?;
        if !self.fits_in_16_bits(offset) || shift > 4 {
            return None;
        }
        // Offsets are within 32 bits, and so is what they are scaled to: different offsets are different targets.
        let offsets = seen.iter().map(|start| {
            let distance = start.0.wrapping_sub(from.0) as i64;
            (distance == distance >> shift << shift).then_some(distance >> shift)
        });
        let offsets: Vec<i64> = offsets.collect::<Option<_>>()?;
        let (least, most) = (*offsets.iter().min()?, *offsets.iter().max()?);
        // What is below the least becomes a large unsigned number, which is not in the table either.
        let first = if (0..16).contains(&least) { 0 } else { least };
        if least < -0x8000 || most > 0xffff || most - first >= MOST_ENTRIES {
            return None;
        }
        let low = self.fb.ins().ireduce(I32, offset);
        let index = if first == 0 { low } else { self.fb.ins().iadd_imm_s(low, -first) };
        let indices = offsets.iter().map(|offset| (offset - first) as usize).collect();
        Some((index, indices, (most - first) as usize + 1))
    }

    /// Whether a value is an extended byte or halfword.
    fn fits_in_16_bits(&self, value: Value) -> bool {
        let dfg = &self.fb.func.dfg;
        let extends_few = dfg.value_def(value).inst().is_some_and(|inst| match dfg.insts[inst].opcode() {
            Opcode::Sextend => dfg.value_type(dfg.inst_args(inst)[0]).bits() <= 16,
            Opcode::Sload8 | Opcode::Sload16 => true,
            _ => false,
        });
        extends_few || self.significant_bits(value) <= 16
    }

    /// Goes to a computed address: compared with a few that it has been seen to be, then looked up. Ends the block.
    fn jump_compared(&mut self, target: Value, cases: &[(usize, GuestAddr)]) {
        for &(_, start) in cases {
            self.leave_if_same(target, self.context(), start);
        }
        self.exit_indirect(target);
    }

    /// Leaves the region for a computed address, through the lookup table. Ends the block.
    fn exit_indirect(&mut self, target: Value) {
        self.ended = true;
        self.store_dirty();
        let code = self.looked_up(target);
        self.exit_through(self.context(), code, target);
    }

    /// Calls a guest function at a known address: one that is in the region, or as `call_code` does. Ends the block.
    fn call_to(&mut self, target: GuestAddr, back: GuestAddr) {
        self.ended = true;
        if let Some(context) = self.graph.callee[self.current] {
            return self.leave_in(context, target);
        }
        self.store_dirty();
        let (code, pc) = self.linked(target);
        self.call_code(code, pc, back);
    }

    /// Calls a guest function at a computed address: one that is in the region, or as `call_code` does. Ends the block.
    fn call_indirect_to(&mut self, target: Value, back: GuestAddr) {
        self.ended = true;
        let graph = self.graph;
        for (context, function) in graph.callees(self.current) {
            self.leave_if_same(target, context, function);
        }
        self.store_dirty();
        let code = self.called_code(target);
        self.call_code(code, target, back);
    }

    /// Goes to a guest address in a context if that is the computed one, and on here if not.
    fn leave_if_same(&mut self, computed: Value, context: usize, target: GuestAddr) {
        let (go, other) = self.compare_target(computed, target);
        let (dirty, flags) = (self.dirty, self.flags);
        self.switch_to(go);
        self.leave_in(context, target);
        (self.dirty, self.flags) = (dirty, flags);
        self.switch_to(other);
    }

    /// Ends the block by comparing a computed guest address with a known one: new blocks for the same and for another.
    fn compare_target(&mut self, computed: Value, known: GuestAddr) -> (Block, Block) {
        let (same, other) = (self.fb.create_block(), self.fb.create_block());
        let expected = self.pc_value(known);
        let is_same = self.fb.ins().icmp(IntCC::Equal, computed, expected);
        self.fb.ins().brif(is_same, same, &[], other, &[]);
        self.fb.seal_block(same);
        self.fb.seal_block(other);
        (same, other)
    }

    /// The code for a computed function: compared with those that this call has been seen to call, if they are few,
    /// then looked up.
    fn called_code(&mut self, target: Value) -> Value {
        let graph = self.graph;
        let seen = &graph.called[self.current];
        if seen.len() > MOST_CALLED {
            return self.looked_up(target);
        }
        let inside: Vec<GuestAddr> = graph.callees(self.current).map(|(_, function)| function).collect();
        let seen: Vec<GuestAddr> = seen.iter().copied().filter(|function| !inside.contains(function)).collect();
        if seen.is_empty() {
            return self.looked_up(target);
        }
        let done = self.fb.create_block();
        let code = self.fb.append_block_param(done, I64);
        for function in seen {
            let (hit, miss) = self.compare_target(target, function);
            self.switch_to(hit);
            let (linked, _) = self.linked(function);
            self.fb.ins().jump(done, &[linked.into()]);
            self.switch_to(miss);
        }
        let found = self.looked_up(target);
        self.fb.ins().jump(done, &[found.into()]);
        self.fb.seal_block(done);
        self.switch_to(done);
        code
    }

    /// A guest return: to behind the call if that is in the region, else to the host frame of the guest's caller, which
    /// looks whether it is meant. Ends the block.
    fn return_to(&mut self, target: Value) {
        self.ended = true;
        let context = self.context();
        if context != 0 {
            let Context { back, parent, .. } = self.graph.contexts[context];
            if self.plan.returns_surely[self.current] {
                return self.leave_in(parent, back);
            }
            self.leave_if_same(target, parent, back);
        }
        self.store_dirty();
        self.fb.ins().return_(&[target]);
    }

    /// Code and guest address of a direct exit; the code comes from a new link slot.
    fn linked(&mut self, target: GuestAddr) -> (Value, Value) {
        let slot = self.memory.take_slot();
        match (&mut self.exits, slot) {
            (Some(exits), Some(slot)) => exits.push((slot, target)),
            (exits, _) => *exits = None,
        }
        let slot_offset = 8 * slot.map_or(0, |slot| slot.0 as i32);
        let pc = self.pc_value(target);
        let base = self.load_state(I64, layout::backend_word(layout::SLOTS));
        (self.fb.ins().load(I64, trusted(), base, slot_offset), pc)
    }

    /// The code for a computed address. What is not in the lookup table leaves.
    fn looked_up(&mut self, target: Value) -> Value {
        let table = self.load_state(I64, layout::backend_word(layout::LOOKUP));
        // Entries are 16 bytes and instructions 4: bits 2 and up of the address select the entry. Shifted last, so that
        // it is part of addresses.
        let selected = self.fb.ins().band_imm_s(target, (layout::LOOKUP_ENTRIES as i64 - 1) << 2);
        let offset = self.fb.ins().ishl_imm_s(selected, 2);
        let entry = self.fb.ins().iadd(table, offset);
        let tag = self.fb.ins().load(I64, trusted(), entry, 0);
        let miss = self.fb.ins().icmp(IntCC::NotEqual, tag, target);
        self.side_exit(miss, |b| {
            b.store_state(target, offset_of!(CpuState, pc) as i32);
            b.exit_with(layout::EXIT_LOOKUP);
        });
        self.fb.ins().load(I64, trusted(), entry, 8)
    }

    /// A guest call as a host call. Registers are in memory. The callee comes back with the guest address it returned
    /// to. If that is `back`, the guest goes on there with registers from memory; if not (longjmp, a switch of stacks),
    /// the address is handed on to our own caller.
    fn call_code(&mut self, code: Value, pc: Value, back: GuestAddr) {
        let call = self.fb.ins().call_indirect(self.exit_sig, code, &[pc]);
        let returned = self.fb.inst_results(call)[0];
        let elsewhere = if is_fixed(self.entry) {
            let expected = self.pc_value(back);
            self.fb.ins().icmp(IntCC::NotEqual, returned, expected)
        } else {
            // Compared so, only the region's entry is kept across the call.
            let distance = back.0.wrapping_sub(self.entry.0) as i64;
            let entry = self.fb.ins().iadd_imm_s(returned, distance.wrapping_neg());
            self.fb.ins().icmp(IntCC::NotEqual, entry, self.entry_pc)
        };
        self.side_exit(elsewhere, |b| {
            b.fb.ins().return_(&[returned]);
        });
        (self.dirty, self.loaded) = (RegSet::default(), RegSet::default());
        (self.flags, self.fp_cache, self.x_now) = (Flags::InMemory, [None; 32], [None; 32]);
        self.leave_to(back);
    }

    /// Stops at the current instruction. Ends the block; state must have been written back or is stored here.
    fn exit_stop(&mut self, stop: Stop) {
        self.store_dirty();
        let pc = self.pc_value(self.pc);
        self.store_state(pc, offset_of!(CpuState, pc) as i32);
        self.exit_with(layout::EXIT_STOP | stop as u64);
    }

    /// Leaves generated code. Ends the block.
    fn exit_with(&mut self, code: u64) {
        let code = self.iconst(code);
        self.exit_with_value(code);
    }

    fn exit_with_value(&mut self, code: Value) {
        let exit = self.load_state(I64, layout::backend_word(layout::EXIT));
        self.fb.ins().return_call_indirect(self.exit_sig, exit, &[code]);
    }

    /// At the entry: leaves if a safepoint is wanted, and when guest calls have used up the host stack. Leaving drops
    /// all host frames, which hold nothing that is not in guest registers too.
    fn entry_check(&mut self) {
        self.fb.ins().sequence_point();
        let sp = self.fb.ins().get_stack_pointer(I64);
        let guard = self.load_state(I64, layout::STACK_GUARD);
        let leave = self.fb.ins().icmp(IntCC::UnsignedLessThan, sp, guard);
        self.side_exit(leave, |b| {
            b.store_state(b.entry_pc, offset_of!(CpuState, pc) as i32);
            b.exit_with(layout::EXIT_SAFEPOINT);
        });
    }

    /// Leaves if a safepoint is wanted, for then the word is above all addresses; the guest goes on at `target`.
    fn safepoint(&mut self, target: GuestAddr) {
        // Other threads write it: the alias analysis must not take an earlier look for this one.
        self.fb.ins().sequence_point();
        let word = self.load_state(I64, layout::SAFEPOINT);
        let cpu = self.cpu();
        let leave = self.fb.ins().icmp(IntCC::UnsignedLessThan, cpu, word);
        self.side_exit(leave, |b| {
            b.store_dirty();
            let pc = b.pc_value(target);
            b.store_state(pc, offset_of!(CpuState, pc) as i32);
            b.exit_with(layout::EXIT_SAFEPOINT);
        });
    }

    /// After a write of FPCR: this code is for one value of FZ.
    fn leave_if_mode_changed(&mut self) {
        let fpcr = self.load_state(I32, offset_of!(CpuState, fpcr) as i32);
        let flushing = self.fb.ins().band_imm_s(fpcr, i64::from(CpuState::FPCR_FZ));
        let wrong = if self.mode.flushing { IntCC::Equal } else { IntCC::NotEqual };
        let changed = self.fb.ins().icmp_imm_s(wrong, flushing, 0);
        self.side_exit(changed, |b| {
            b.store_dirty();
            let next = b.pc_value(b.pc.offset(4));
            b.store_state(next, offset_of!(CpuState, pc) as i32);
            b.exit_with(layout::EXIT_LOOKUP);
        });
    }
}
