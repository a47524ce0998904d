//! NZCV while a block is built: kept as the operation that set it, computed only where it is read, so that a compare
//! and the branch that reads it become one host compare and branch.

use super::Builder;
use crate::deopt::source::low;
use cranelift_codegen::ir::condcodes::{CondCode, FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, I8, I32, I64};
use cranelift_codegen::ir::{Block, InstBuilder, InstructionData, Opcode, Value};
use ir::eval::int::cond_holds;
use ir::{Cond, CpuState, FlagKind, GuestAddr, LazyFlags, Nzcv, Width};
use std::mem::offset_of;

/// What is known of the flags.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flags {
    /// Only that memory holds them.
    InMemory,
    /// The operation that set them (operands as `LazyFlags` has them), and their packed value if a branch has told it.
    Lazy { kind: FlagKind, a: Value, b: Value, stored: Stored, known: Option<u32> },
    /// Those of an operation if `holds`, else `nzcv` (a packed constant).
    Conditional { holds: Value, before: Option<Before>, kind: FlagKind, a: Value, b: Value, nzcv: u32, dirty: bool },
    /// A floating-point comparison.
    Fp { a: Value, b: Value, dirty: bool },
}

/// What memory has of flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    /// `LazyFlags::a` is the first operand.
    pub a: bool,
    /// `LazyFlags::b` is the second operand.
    pub b: bool,
    /// `LazyFlags` are the flags, in whatever form.
    pub all: bool,
}

impl Stored {
    const NOTHING: Self = Self { a: false, b: false, all: false };
    const ALL: Self = Self { a: false, b: false, all: true };
}

/// A condition that has been evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tested {
    value: Value,
    cond: Cond,
    /// Where.
    pc: GuestAddr,
}

/// A condition, and the operation whose flags it was a condition of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub cond: Cond,
    pub kind: FlagKind,
    pub a: Value,
    pub b: Value,
}

/// Whether the flags depend on the second operand.
pub(super) fn b_matters(kind: FlagKind) -> bool {
    matches!(kind, FlagKind::Add32 | FlagKind::Add64 | FlagKind::Sub32 | FlagKind::Sub64)
}

/// The flags of an operation that has set Z, packed, if that tells the others.
fn flags_if_equal(kind: FlagKind) -> Option<u32> {
    match kind {
        FlagKind::Sub32 | FlagKind::Sub64 => Some(0b0110 << 28),
        FlagKind::Logic32 | FlagKind::Logic64 => Some(0b0100 << 28),
        _ => None,
    }
}

/// Whether the first operand is one of 32 bits, zero-extended.
fn is_of_32_bits(kind: FlagKind) -> bool {
    matches!(kind, FlagKind::Add32 | FlagKind::Sub32 | FlagKind::Logic32)
}

/// What there should be few of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cost {
    /// In a region: loops have more instructions than the host takes at once.
    Instructions,
    /// On ways out of it, where guest registers are stored too, more than the host can store at once.
    Stores,
}

/// A condition of two: whether any holds, or both do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compound {
    any: bool,
    parts: [Value; 2],
}

impl Flags {
    /// Memory now holds them too.
    pub(super) fn set_clean(&mut self) {
        match self {
            Self::InMemory => {}
            Self::Lazy { stored, .. } => stored.all = true,
            Self::Conditional { dirty, .. } | Self::Fp { dirty, .. } => *dirty = false,
        }
    }

    /// What is known where two ways meet that come from the same operation.
    pub(super) fn merged(self, other: Self) -> Self {
        match (self, other) {
            (Self::Lazy { kind, a, b, stored, known }, Self::Lazy { a: c, stored: also, known: or, .. }) => {
                assert_eq!(a, c, "the flags are those of one operation");
                let both = Stored { a: stored.a && also.a, b: stored.b && also.b, all: stored.all && also.all };
                Self::Lazy { kind, a, b, stored: both, known: known.filter(|_| known == or) }
            }
            // On one of the ways it is known which of the two they are.
            (Self::Lazy { stored, .. }, mut flags @ Self::Conditional { .. })
            | (mut flags @ Self::Conditional { .. }, Self::Lazy { stored, .. }) => {
                if let Self::Conditional { dirty, .. } = &mut flags {
                    *dirty |= !stored.all;
                }
                flags
            }
            (mut flags, Self::Conditional { dirty: more, .. } | Self::Fp { dirty: more, .. }) => {
                if let Self::Conditional { dirty, .. } | Self::Fp { dirty, .. } = &mut flags {
                    *dirty |= more;
                }
                flags
            }
            (flags, _) => flags,
        }
    }
}

const A: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, a)) as i32;
const B: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, b)) as i32;
const WORD: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, word)) as i32;
const ABOVE: i32 = (offset_of!(CpuState, flags) + offset_of!(LazyFlags, above)) as i32;

impl Builder<'_, '_> {
    /// Stores the flags if they are newer than memory.
    pub(super) fn store_flags(&mut self, cost: Cost) {
        match self.flags {
            Flags::Lazy { stored, known: Some(packed), .. } if !stored.all => {
                self.store_word(LazyFlags::word_of(Nzcv(packed)));
            }
            Flags::Lazy { kind, a, b, stored, .. } if !stored.all => {
                let word = self.word_and_b(kind, b, stored.b);
                if stored.a {
                    self.store_word(word);
                } else if let Some(both) = self.word_below(kind, a, word, cost) {
                    self.store_state(both, WORD);
                } else {
                    let where_a_is = self.store_a(kind, a);
                    self.store_word(word | where_a_is);
                }
            }
            Flags::Conditional { holds, kind, a, b, nzcv, dirty: true, .. } => {
                let word = self.word_and_b(kind, b, false);
                let otherwise = LazyFlags::word_of(Nzcv(nzcv));
                let (ty, word) = match self.word_below(kind, a, word, cost) {
                    Some(both) => (I64, both),
                    None => {
                        let where_a_is = self.store_a(kind, a);
                        (I32, self.fb.ins().iconst(I32, i64::from(word | where_a_is)))
                    }
                };
                let otherwise = self.fb.ins().iconst(ty, i64::from(otherwise));
                let word = self.fb.ins().select(holds, word, otherwise);
                self.store_state(word, WORD);
            }
            Flags::Fp { a, b, dirty: true } => {
                let is_single = self.fb.func.dfg.value_type(a) == F32;
                let kind = if is_single { FlagKind::Fp32 } else { FlagKind::Fp64 };
                self.store_state(a, A);
                let word = match self.constant_number(b).and_then(|b| LazyFlags::word_with(kind, b)) {
                    Some(word) => word,
                    None => {
                        self.store_state(b, B);
                        kind as u32
                    }
                };
                self.store_word(word);
            }
            _ => {}
        }
    }

    fn store_word(&mut self, word: u32) {
        let word = self.fb.ins().iconst(I32, i64::from(word));
        self.store_state(word, WORD);
    }

    /// What `LazyFlags::word` is for an operation. Stores the second operand unless that is in it, or stored.
    fn word_and_b(&mut self, kind: FlagKind, b: Value, is_stored: bool) -> u32 {
        if !b_matters(kind) {
            return kind as u32;
        }
        let (base, bits) = self.bits_kept(b);
        let constant = self.constant(base).map(|constant| low(bits, constant));
        if let Some(word) = constant.and_then(|b| LazyFlags::word_with(kind, b)) {
            return word;
        }
        if !is_stored {
            self.store_state(b, B);
        }
        kind as u32
    }

    /// Stores the first operand. Gives what the word says of that.
    fn store_a(&mut self, kind: FlagKind, a: Value) -> u32 {
        if is_of_32_bits(kind) {
            let low = self.fb.ins().ireduce(I32, a);
            self.store_state(low, ABOVE);
            return LazyFlags::A_ABOVE;
        }
        self.store_state(a, A);
        0
    }

    /// `LazyFlags::word` with the first operand above it, for one store of both; None if the operand is too large, or
    /// two stores cost less.
    fn word_below(&mut self, kind: FlagKind, a: Value, word: u32, cost: Cost) -> Option<Value> {
        let word = word | LazyFlags::A_ABOVE;
        let (base, bits) = self.bits_kept(a);
        if let Some(constant) = self.constant(base) {
            let above = u32::try_from(low(bits, constant)).ok()?;
            return Some(self.iconst(u64::from(above) << 32 | u64::from(word)));
        }
        // Host instructions extend the sign of what they have in them.
        let is_low = is_of_32_bits(kind) || self.significant_bits(a) <= 32;
        if !is_low || (word as i32) < 0 || cost == Cost::Instructions {
            return None;
        }
        let above = self.fb.ins().rotl_imm_s(a, 32);
        Some(self.fb.ins().bor_imm_s(above, i64::from(word)))
    }

    /// Stores operands of flags.
    pub(super) fn store_operands(&mut self, a: Option<Value>, b: Option<Value>) {
        for (value, offset) in [(a, A), (b, B)] {
            if let Some(value) = value {
                self.store_state(value, offset);
            }
        }
    }

    /// From now on the flags are those of an operation.
    pub(super) fn set_lazy_flags(&mut self, kind: FlagKind, a: Value, b: Value) {
        self.flags = Flags::Lazy { kind, a, b, stored: Stored::NOTHING, known: None };
    }

    /// From now on the flags are `packed`.
    pub(super) fn set_packed_flags(&mut self, packed: Value) {
        self.set_lazy_flags(FlagKind::Packed, packed, packed);
    }

    /// From now on the flags are those of an operation if `cond` holds, else `nzcv` (four bits).
    pub(super) fn set_flags_of_compare_if(&mut self, cond: Cond, kind: FlagKind, a: Value, b: Value, nzcv: u8) {
        let holds = self.condition(cond);
        let before = match self.flags {
            Flags::Lazy { kind, a, b, .. } => Some(Before { cond, kind, a, b }),
            _ => None,
        };
        self.flags = Flags::Conditional { holds, before, kind, a, b, nzcv: u32::from(nzcv) << 28, dirty: true };
    }

    /// From now on the flags are those of comparing two numbers.
    pub(super) fn set_fp_flags(&mut self, a: Value, b: Value) {
        self.flags = Flags::Fp { a, b, dirty: true };
    }

    /// The flags in memory, whatever their kind, packed. Does not change what is known.
    fn packed_from_memory(&mut self) -> Value {
        // A small switch on the kind would be many blocks; memory flags are read rarely (a region that begins
        // between a comparison and its use), so the arithmetic is left to the helper behind MRS NZCV.
        let reg = self.iconst(ir::SysReg::Nzcv as u64);
        self.call_helper(crate::abi::helpers::Helper::ReadSysreg, &[reg])
    }

    /// NZCV, packed.
    pub(super) fn packed_flags(&mut self) -> Value {
        match self.flags {
            Flags::InMemory => {
                let packed = self.packed_from_memory();
                self.flags =
                    Flags::Lazy { kind: FlagKind::Packed, a: packed, b: packed, stored: Stored::ALL, known: None };
                packed
            }
            Flags::Lazy { kind: FlagKind::Packed, a, .. } => a,
            Flags::Fp { a, b, .. } => self.packed_of_numbers(a, b),
            Flags::Conditional { holds, kind, a, b, nzcv, .. } => {
                let packed = self.packed_of(kind, a, b);
                let otherwise = self.iconst(u64::from(nzcv));
                self.fb.ins().select(holds, packed, otherwise)
            }
            Flags::Lazy { kind, a, b, .. } => self.packed_of(kind, a, b),
        }
    }

    /// NZCV of comparing two numbers, packed.
    pub(super) fn packed_of_numbers(&mut self, a: Value, b: Value) -> Value {
        let [less, equal, greater, unordered] = [0b1000, 0b0110, 0b0010, 0b0011].map(|f| self.iconst(f << 28));
        let above = self.fb.ins().fcmp(FloatCC::GreaterThan, a, b);
        let packed = self.fb.ins().select(above, greater, less);
        let level = self.fb.ins().fcmp(FloatCC::UnorderedOrEqual, a, b);
        let packed = self.fb.ins().select(level, equal, packed);
        let nan = self.fb.ins().fcmp(FloatCC::Unordered, a, b);
        self.fb.ins().select(nan, unordered, packed)
    }

    /// NZCV of an operation, packed.
    fn packed_of(&mut self, kind: FlagKind, a: Value, b: Value) -> Value {
        let flags = [Cond::Mi, Cond::Eq, Cond::Cs, Cond::Vs].map(|cond| self.condition_of(kind, a, b, cond));
        self.pack(flags)
    }

    fn bool_const(&mut self, value: bool) -> Value {
        self.fb.ins().iconst(I8, i64::from(value))
    }

    /// The opposite of a condition. Of a comparison it is a comparison again, which a branch can take in.
    pub(super) fn not(&mut self, value: Value) -> Value {
        if let Some(opposite) = self.opposite(value) {
            return opposite;
        }
        if let Some(&Compound { any, parts: [one, other] }) = self.compounds.get(&value) {
            let (one, other) = (self.not(one), self.not(other));
            return self.compound(!any, one, other);
        }
        let comparison = self.fb.func.dfg.value_def(value).inst().map(|inst| self.fb.func.dfg.insts[inst]);
        match comparison {
            Some(InstructionData::IntCompare { opcode: Opcode::Icmp, args: [a, b], cond }) => {
                self.fb.ins().icmp(cond.complement(), a, b)
            }
            Some(InstructionData::FloatCompare { opcode: Opcode::Fcmp, args: [a, b], cond }) => {
                self.fb.ins().fcmp(cond.complement(), a, b)
            }
            _ => self.fb.ins().bxor_imm_s(value, 1),
        }
    }

    /// The condition that another is the opposite of, if it has been made so.
    fn opposite(&self, condition: Value) -> Option<Value> {
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(condition).inst()?;
        match dfg.insts[inst] {
            InstructionData::Binary { opcode: Opcode::Bxor, args: [other, one] } => {
                (self.constant(one) == Some(1)).then_some(other)
            }
            _ => None,
        }
    }

    /// Whether the opposite of a condition costs nothing.
    pub(super) fn can_be_negated(&self, value: Value) -> bool {
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(value).inst();
        self.compounds.contains_key(&value)
            || self.opposite(value).is_some()
            || inst.is_some_and(|inst| matches!(dfg.insts[inst].opcode(), Opcode::Icmp | Opcode::Fcmp))
    }

    /// Whether both conditions hold, or any does.
    fn compound(&mut self, any: bool, one: Value, other: Value) -> Value {
        let ins = self.fb.ins();
        let value = if any { ins.bor(one, other) } else { ins.band(one, other) };
        self.compounds.insert(value, Compound { any, parts: [one, other] });
        value
    }

    /// Ends the block: goes to `yes` if a condition holds, else to `no`. Each part of a compound gets a branch of its
    /// own, with its comparison in it.
    pub(super) fn branch(&mut self, condition: Value, yes: Block, no: Block) {
        if let Some(opposite) = self.opposite(condition) {
            return self.branch(opposite, no, yes);
        }
        let Some(&Compound { any, parts: [one, other] }) = self.compounds.get(&condition) else {
            self.fb.ins().brif(condition, yes, &[], no, &[]);
            return;
        };
        let next = self.fb.create_block();
        if any {
            self.branch(one, yes, next)
        } else {
            self.branch(one, next, no)
        }
        self.fb.seal_block(next);
        self.switch_to(next);
        self.branch(other, yes, no);
    }

    /// `yes` if a condition holds, else `no`.
    pub(super) fn choose(&mut self, condition: Value, yes: Value, no: Value) -> Value {
        let Some(&Compound { any, parts: [one, other] }) = self.compounds.get(&condition) else {
            return self.fb.ins().select(condition, yes, no);
        };
        let inner = self.choose(other, yes, no);
        if any { self.choose(one, yes, inner) } else { self.choose(one, inner, no) }
    }

    /// Whether the condition holds: an I8 of 0 or 1.
    pub(super) fn condition(&mut self, cond: Cond) -> Value {
        if matches!(cond, Cond::Al | Cond::Nv) {
            return self.bool_const(true);
        }
        let value = self.condition_on_flags(cond);
        self.tested = Some(Tested { value, cond, pc: self.pc });
        value
    }

    /// The flags after a branch of the current instruction's on a condition, where it holds or where it does not.
    pub(super) fn flags_after_branch(&self, condition: Value, holds: bool) -> Flags {
        let Some(Tested { value, cond, pc }) = self.tested else { return self.flags };
        if value != condition || pc != self.pc {
            return self.flags;
        }
        let is_equal = cond == if holds { Cond::Eq } else { Cond::Ne };
        match self.flags {
            Flags::Lazy { kind, a, b, stored, .. } if is_equal => {
                Flags::Lazy { kind, a, b, stored, known: flags_if_equal(kind) }
            }
            // The constant would have led the other way: they are the operation's.
            Flags::Conditional { kind, a, b, nzcv, dirty, .. } if cond_holds(cond, Nzcv(nzcv)) != holds => {
                let stored = Stored { all: !dirty, ..Stored::NOTHING };
                Flags::Lazy { kind, a, b, stored, known: flags_if_equal(kind).filter(|_| is_equal) }
            }
            other => other,
        }
    }

    fn condition_on_flags(&mut self, cond: Cond) -> Value {
        match self.flags {
            Flags::InMemory => {
                let packed = self.packed_flags();
                self.packed_condition(cond, packed)
            }
            Flags::Lazy { known: Some(packed), .. } => self.bool_const(cond_holds(cond, Nzcv(packed))),
            Flags::Lazy { kind, a, b, .. } => self.condition_of(kind, a, b, cond),
            Flags::Conditional { holds, kind, a, b, nzcv, .. } => {
                let inner = self.condition_of(kind, a, b, cond);
                if cond_holds(cond, Nzcv(nzcv)) {
                    let fails = self.not(holds);
                    self.compound(true, fails, inner)
                } else {
                    self.compound(false, holds, inner)
                }
            }
            Flags::Fp { a, b, .. } => {
                let cc = match cond {
                    Cond::Eq => FloatCC::Equal,
                    Cond::Ne => FloatCC::NotEqual,
                    Cond::Cs => FloatCC::UnorderedOrGreaterThanOrEqual,
                    Cond::Cc | Cond::Mi => FloatCC::LessThan,
                    Cond::Pl => FloatCC::UnorderedOrGreaterThanOrEqual,
                    Cond::Vs => FloatCC::Unordered,
                    Cond::Vc => FloatCC::Ordered,
                    Cond::Hi => FloatCC::UnorderedOrGreaterThan,
                    Cond::Ls | Cond::Al | Cond::Nv => FloatCC::LessThanOrEqual,
                    Cond::Ge => FloatCC::GreaterThanOrEqual,
                    Cond::Lt => FloatCC::UnorderedOrLessThan,
                    Cond::Gt => FloatCC::GreaterThan,
                    Cond::Le => FloatCC::UnorderedOrLessThanOrEqual,
                };
                self.fb.ins().fcmp(cc, a, b)
            }
        }
    }

    fn condition_of(&mut self, kind: FlagKind, a: Value, b: Value, cond: Cond) -> Value {
        match kind {
            FlagKind::Packed => self.packed_condition(cond, a),
            FlagKind::Sub32 => self.sub_condition(cond, Width::W, a, b),
            FlagKind::Sub64 => self.sub_condition(cond, Width::X, a, b),
            FlagKind::Add32 => self.add_condition(cond, Width::W, a, b),
            FlagKind::Add64 => self.add_condition(cond, Width::X, a, b),
            FlagKind::Logic32 => self.logic_condition(cond, Width::W, a),
            FlagKind::Logic64 => self.logic_condition(cond, Width::X, a),
            FlagKind::Fp32 | FlagKind::Fp64 => unreachable!("comparisons of numbers are kept as Flags::Fp"),
        }
    }

    /// Operand of an operation of `width`.
    fn narrowed(&mut self, width: Width, value: Value) -> Value {
        self.narrow(width, value)
    }

    /// Whether a result is zero, or is not, if it is the low part of a fold.
    fn fold_condition(&mut self, cond: Cond, width: Width, result: Value) -> Option<Value> {
        match cond {
            Cond::Eq => self.is_zero_fold(width, result),
            Cond::Ne => self.is_zero_fold(width, result).map(|is_zero| self.not(is_zero)),
            _ => None,
        }
    }

    fn sub_condition(&mut self, cond: Cond, width: Width, a: Value, b: Value) -> Value {
        if self.constant(b) == Some(0)
            && let Some(holds) = self.fold_condition(cond, width, a)
        {
            return holds;
        }
        let (a, b) = (self.narrowed(width, a), self.narrowed(width, b));
        let cc = match cond {
            Cond::Eq => IntCC::Equal,
            Cond::Ne => IntCC::NotEqual,
            Cond::Cs => IntCC::UnsignedGreaterThanOrEqual,
            Cond::Cc => IntCC::UnsignedLessThan,
            Cond::Hi => IntCC::UnsignedGreaterThan,
            Cond::Ls => IntCC::UnsignedLessThanOrEqual,
            Cond::Ge => IntCC::SignedGreaterThanOrEqual,
            Cond::Lt => IntCC::SignedLessThan,
            Cond::Gt => IntCC::SignedGreaterThan,
            Cond::Le => IntCC::SignedLessThanOrEqual,
            Cond::Mi | Cond::Pl => {
                let difference = self.fb.ins().isub(a, b);
                let cc = if cond == Cond::Mi { IntCC::SignedLessThan } else { IntCC::SignedGreaterThanOrEqual };
                return self.fb.ins().icmp_imm_s(cc, difference, 0);
            }
            Cond::Vs | Cond::Vc | Cond::Al | Cond::Nv => {
                let difference = self.fb.ins().isub(a, b);
                let differ = self.fb.ins().bxor(a, b);
                let changed = self.fb.ins().bxor(a, difference);
                return self.overflow(cond, differ, changed);
            }
        };
        self.fb.ins().icmp(cc, a, b)
    }

    fn overflow(&mut self, cond: Cond, one: Value, other: Value) -> Value {
        let both = self.fb.ins().band(one, other);
        let cc = if cond == Cond::Vs { IntCC::SignedLessThan } else { IntCC::SignedGreaterThanOrEqual };
        self.fb.ins().icmp_imm_s(cc, both, 0)
    }

    fn add_condition(&mut self, cond: Cond, width: Width, a: Value, b: Value) -> Value {
        let (a, b) = (self.narrowed(width, a), self.narrowed(width, b));
        let sum = self.fb.ins().iadd(a, b);
        match cond {
            Cond::Eq => self.fb.ins().icmp_imm_s(IntCC::Equal, sum, 0),
            Cond::Ne => self.fb.ins().icmp_imm_s(IntCC::NotEqual, sum, 0),
            Cond::Cs => self.fb.ins().icmp(IntCC::UnsignedLessThan, sum, a),
            Cond::Cc => self.fb.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, sum, a),
            Cond::Mi => self.fb.ins().icmp_imm_s(IntCC::SignedLessThan, sum, 0),
            Cond::Pl => self.fb.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, sum, 0),
            Cond::Vs | Cond::Vc | Cond::Al | Cond::Nv => {
                let (one, other) = (self.fb.ins().bxor(a, sum), self.fb.ins().bxor(b, sum));
                self.overflow(cond, one, other)
            }
            Cond::Hi | Cond::Ls => {
                let carry = self.fb.ins().icmp(IntCC::UnsignedLessThan, sum, a);
                let nonzero = self.fb.ins().icmp_imm_s(IntCC::NotEqual, sum, 0);
                let higher = self.fb.ins().band(carry, nonzero);
                if cond == Cond::Hi { higher } else { self.not(higher) }
            }
            Cond::Ge | Cond::Lt | Cond::Gt | Cond::Le => {
                let (one, other) = (self.fb.ins().bxor(a, sum), self.fb.ins().bxor(b, sum));
                let overflow = self.fb.ins().band(one, other);
                // N != V is the sign of the exact sum.
                let exact_sign = self.fb.ins().bxor(overflow, sum);
                let less = self.fb.ins().icmp_imm_s(IntCC::SignedLessThan, exact_sign, 0);
                match cond {
                    Cond::Lt => less,
                    Cond::Ge => self.not(less),
                    _ => {
                        let zero = self.fb.ins().icmp_imm_s(IntCC::Equal, sum, 0);
                        let less_or_equal = self.fb.ins().bor(less, zero);
                        if cond == Cond::Le { less_or_equal } else { self.not(less_or_equal) }
                    }
                }
            }
        }
    }

    fn logic_condition(&mut self, cond: Cond, width: Width, result: Value) -> Value {
        if let Some(holds) = self.fold_condition(cond, width, result) {
            return holds;
        }
        let result = self.narrowed(width, result);
        let cc = match cond {
            Cond::Eq => IntCC::Equal,
            Cond::Ne => IntCC::NotEqual,
            Cond::Mi | Cond::Lt => IntCC::SignedLessThan,
            Cond::Pl | Cond::Ge => IntCC::SignedGreaterThanOrEqual,
            Cond::Gt => IntCC::SignedGreaterThan,
            Cond::Le => IntCC::SignedLessThanOrEqual,
            Cond::Cs | Cond::Vs | Cond::Hi => return self.bool_const(false),
            Cond::Cc | Cond::Vc | Cond::Ls | Cond::Al | Cond::Nv => return self.bool_const(true),
        };
        self.fb.ins().icmp_imm_s(cc, result, 0)
    }

    fn packed_condition(&mut self, cond: Cond, packed: Value) -> Value {
        let n = |b: &mut Self, bit: i64| {
            let masked = b.fb.ins().band_imm_s(packed, 1 << bit);
            b.fb.ins().icmp_imm_s(IntCC::NotEqual, masked, 0)
        };
        let value = match cond {
            Cond::Eq | Cond::Ne => n(self, 30),
            Cond::Cs | Cond::Cc => n(self, 29),
            Cond::Mi | Cond::Pl => n(self, 31),
            Cond::Vs | Cond::Vc => n(self, 28),
            Cond::Hi | Cond::Ls => {
                let masked = self.fb.ins().band_imm_s(packed, 3 << 29);
                self.fb.ins().icmp_imm_s(IntCC::Equal, masked, 1 << 29)
            }
            Cond::Ge | Cond::Lt | Cond::Gt | Cond::Le | Cond::Al | Cond::Nv => {
                let (negative, overflow) = (n(self, 31), n(self, 28));
                let same = self.fb.ins().icmp(IntCC::Equal, negative, overflow);
                if matches!(cond, Cond::Ge | Cond::Lt) {
                    same
                } else {
                    let zero = n(self, 30);
                    let nonzero = self.not(zero);
                    self.fb.ins().band(same, nonzero)
                }
            }
        };
        let inverted = matches!(cond, Cond::Ne | Cond::Cc | Cond::Pl | Cond::Vc | Cond::Ls | Cond::Lt | Cond::Le);
        if inverted { self.not(value) } else { value }
    }
}
