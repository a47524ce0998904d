//! The guest's state in CLIF: what is in variables and what in memory, checkpoints, and the values of which states are made.

use super::conditions::Tested;
use super::flags::{Cost, Flags};
use super::{Builder, FlagsAt, is_fixed, trusted};
use crate::abi::layout;
use crate::optimizing::checkpoint::Unneeded;
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::immediates::V128Imm;
use cranelift_codegen::ir::types::{I8X16, I64};
use cranelift_codegen::ir::{InstructionData, MemFlagsData, Opcode, Type, Value};
use ir::{FpSize, GuestAddr, RegSet};

/// The scalars that vector registers hold, as far as known.
type FpCache = [Option<(FpSize, Value)>; 32];

/// What is known at some point.
#[derive(Clone, Copy)]
pub(super) struct Known {
    flags: Flags,
    fp_cache: FpCache,
    x_now: [Option<Value>; 32],
}

impl Known {
    pub const NOTHING: Self = Self { flags: Flags::InMemory, fp_cache: [None; 32], x_now: [None; 32] };

    /// What is known where two ways meet on which the flags are those of the same operation.
    pub fn merged(self, other: Self) -> Self {
        let x_now = std::array::from_fn(|n| self.x_now[n].filter(|_| self.x_now[n] == other.x_now[n]));
        Self { flags: self.flags.merged(other.flags), fp_cache: [None; 32], x_now }
    }
}

/// What is known of the guest's state where code is being built.
pub(super) struct Now {
    /// Registers that are newer than memory.
    pub dirty: RegSet,
    /// Registers that have a value in their variable; memory alone has the others.
    pub loaded: RegSet,
    pub flags: Flags,
    /// A condition that has been tested, which may be tested again.
    pub tested: Option<Tested>,
    pub fp_cache: FpCache,
    /// Values of general registers, as far as the block has used them.
    pub x_now: [Option<Value>; 32],
}

impl Default for Now {
    fn default() -> Self {
        let Known { flags, fp_cache, x_now } = Known::NOTHING;
        Self { dirty: RegSet::default(), loaded: RegSet::default(), flags, tested: None, fp_cache, x_now }
    }
}

impl Now {
    /// What is handed on to a block.
    pub fn known(&self) -> Known {
        Known { flags: self.flags, fp_cache: self.fp_cache, x_now: self.x_now }
    }

    pub fn set_known(&mut self, known: Known) {
        Known { flags: self.flags, fp_cache: self.fp_cache, x_now: self.x_now } = known;
    }
}

impl Builder<'_, '_> {
    /// The pinned register: address of `CpuState`.
    pub(super) fn cpu(&mut self) -> Value {
        if let Some(cpu) = self.cpu {
            return cpu;
        }
        let cpu = self.fb.ins().get_pinned_reg(I64);
        self.cpu = Some(cpu);
        cpu
    }

    pub(super) fn load_state(&mut self, ty: Type, offset: i32) -> Value {
        let cpu = self.cpu();
        self.fb.ins().load(ty, trusted(), cpu, offset)
    }

    pub(super) fn store_state(&mut self, value: Value, offset: i32) {
        let cpu = self.cpu();
        self.fb.ins().store(trusted(), value, cpu, offset);
    }

    /// Stores everything that is newer than memory; what is known stays as it is.
    pub(super) fn store_dirty(&mut self) {
        self.store_registers(self.now.dirty);
        self.store_flags(Cost::Stores);
    }

    pub(super) fn store_registers(&mut self, registers: RegSet) {
        self.flush_checks();
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
    pub(super) fn checkpoint(&mut self, unneeded: Unneeded, may_hold: RegSet) {
        self.flush_checks();
        let wanted = self.now.dirty.without(unneeded.registers);
        let held = wanted.intersection(may_hold);
        self.begin_segment(held);
        self.store_registers(wanted.without(held));
        // When flags are wanted, what is held has been put into memory.
        self.now.dirty = self.now.dirty.intersection(unneeded.registers);
        let source = if unneeded.flags { None } else { self.source_of_flags() };
        self.now.dirty = self.now.dirty.union(held);
        self.deopt.flags = match source {
            Some(source) => FlagsAt::Source(self.deopt.number_of(source)),
            // Only the checkpoint at the block's start finds them in memory, for then they are overwritten.
            None if self.plan.flags_by_edge[self.current] && matches!(self.now.flags, Flags::InMemory) => FlagsAt::Edge,
            None => FlagsAt::Memory,
        };
    }

    /// On the way to a block of `Plan::flags_by_edge`: says where the flags are. Gives that as a value for a block that
    /// holds it.
    pub(super) fn say_flags(&mut self, index: usize) -> Option<Value> {
        let steps = &self.plan.steps[index];
        let unneeded = steps[0].checkpoint.expect("the checkpoint wants the flags").registers;
        let covered = steps.iter().filter(|step| step.covered_by == Some(0));
        let redone = covered.fold(RegSet::default(), |all, step| all.union(step.redone));
        // The checkpoint stores or holds all that is dirty then but these.
        let left = self.plan.dirty_in[index].intersection(unneeded).union(redone);
        let dirty = std::mem::replace(&mut self.now.dirty, left);
        let number = self.source_of_flags().map_or(0, |source| self.deopt.number_of(source) + 1);
        self.now.dirty = dirty;
        let number = self.iconst(u64::from(number));
        if self.plan.holds_flags[index] {
            return Some(number);
        }
        self.store_state(number, layout::backend_word(layout::FLAGS_BY_EDGE));
        None
    }

    /// Before what may fault or look at the state: makes memory exact, unless a checkpoint does instead.
    pub(super) fn write_back(&mut self) {
        if !self.deopt.is_covered {
            self.store_registers(self.now.dirty);
            self.now.dirty = RegSet::default();
            self.store_flags(Cost::Instructions);
            self.now.flags.set_clean();
        }
    }

    /// A guest address: a constant where the guest's code is fixed, else computed from the entry's.
    pub(super) fn pc_value(&mut self, addr: GuestAddr) -> Value {
        if is_fixed(self.entry) {
            return self.iconst(addr.0);
        }
        let delta = addr.0.wrapping_sub(self.entry.0) as i64;
        if delta == 0 { self.entry_pc } else { self.fb.ins().iadd_imm_s(self.entry_pc, delta) }
    }

    /// The guest address that a value is, if `pc_value` made it or it is a constant.
    pub(super) fn known_pc(&self, value: Value) -> Option<GuestAddr> {
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
    pub(super) fn operands_of(&self, opcode: Opcode, value: Value) -> Option<[Value; 2]> {
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(value).inst()?;
        let operands = dfg.inst_args(inst).try_into().ok()?;
        (dfg.insts[inst].opcode() == opcode).then_some(operands)
    }

    pub(super) fn iconst(&mut self, value: u64) -> Value {
        self.fb.ins().iconst(I64, value as i64)
    }

    /// The value, if it is an `iconst`.
    pub(super) fn constant(&self, value: Value) -> Option<u64> {
        let inst = self.fb.func.dfg.value_def(value).inst()?;
        match self.fb.func.dfg.insts[inst] {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits() as u64),
            _ => None,
        }
    }

    pub(super) fn vconst(&mut self, value: u128) -> Value {
        let constant = V128Imm(value.to_le_bytes());
        let handle = self.fb.func.dfg.constants.insert(constant.into());
        self.fb.ins().vconst(I8X16, handle)
    }

    /// The same bits as another vector type.
    pub(super) fn cast(&mut self, ty: Type, value: Value) -> Value {
        if self.fb.func.dfg.value_type(value) == ty {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(cranelift_codegen::ir::Endianness::Little);
        self.fb.ins().bitcast(ty, flags, value)
    }

    /// Adds to a counter of the thread's, if counting.
    pub(super) fn count(&mut self, counter: usize, n: u64) {
        if self.mode.count {
            let counters = self.load_state(I64, layout::backend_word(layout::COUNTS));
            let before = self.fb.ins().load(I64, trusted(), counters, 8 * counter as i32);
            let after = self.fb.ins().iadd_imm_s(before, n as i64);
            self.fb.ins().store(trusted(), after, counters, 8 * counter as i32);
        }
    }
}
