//! Conditions: what they are computed from, and branches and choices by them. It must not know how flags are stored.

use super::Builder;
use super::flags::Flags;
use cranelift_codegen::ir::condcodes::{CondCode, FloatCC, IntCC};
use cranelift_codegen::ir::types::I8;
use cranelift_codegen::ir::{Block, InstBuilder, InstructionData, Opcode, Value};
use ir::eval::int::cond_holds;
use ir::{Cond, FlagKind, GuestAddr, Nzcv, Width};

/// A condition that has been evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tested {
    pub value: Value,
    pub cond: Cond,
    /// Where.
    pub pc: GuestAddr,
}

/// A condition of two: whether any holds, or both do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compound {
    any: bool,
    parts: [Value; 2],
}

impl Builder<'_, '_> {
    fn bool_const(&mut self, value: bool) -> Value {
        self.fb.ins().iconst(I8, i64::from(value))
    }

    /// The opposite of a condition. Of a comparison it is a comparison again, which a branch can take in.
    pub(super) fn not(&mut self, value: Value) -> Value {
        if let Some(opposite) = self.opposite(value) {
            return opposite;
        }
        if let Some(&Compound { any, parts: [one, other] }) = self.facts.compounds.get(&value) {
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
        self.facts.compounds.contains_key(&value)
            || self.opposite(value).is_some()
            || inst.is_some_and(|inst| matches!(dfg.insts[inst].opcode(), Opcode::Icmp | Opcode::Fcmp))
    }

    /// Whether both conditions hold, or any does.
    fn compound(&mut self, any: bool, one: Value, other: Value) -> Value {
        let ins = self.fb.ins();
        let value = if any { ins.bor(one, other) } else { ins.band(one, other) };
        self.facts.compounds.insert(value, Compound { any, parts: [one, other] });
        value
    }

    /// Ends the block: goes to `yes` if a condition holds, else to `no`. Each part of a compound gets a branch of its
    /// own, with its comparison in it.
    pub(super) fn branch(&mut self, condition: Value, yes: Block, no: Block) {
        if let Some(opposite) = self.opposite(condition) {
            return self.branch(opposite, no, yes);
        }
        let Some(&Compound { any, parts: [one, other] }) = self.facts.compounds.get(&condition) else {
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
        let Some(&Compound { any, parts: [one, other] }) = self.facts.compounds.get(&condition) else {
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
        self.now.tested = Some(Tested { value, cond, pc: self.pc });
        value
    }

    fn condition_on_flags(&mut self, cond: Cond) -> Value {
        match self.now.flags {
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

    pub(super) fn condition_of(&mut self, kind: FlagKind, a: Value, b: Value, cond: Cond) -> Value {
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
