//! Integer operations in CLIF. Values are I64; operations of width W work on I32 and extend, which the host does for
//! nothing.

use super::Builder;
use super::extensions::bits_computed;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I8X16, I16, I32, I64, I64X2};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value};
use ir::{Compare, Extend, Int1, Int2, Width};

pub(super) fn int_type(width: Width) -> Type {
    match width {
        Width::W => I32,
        Width::X => I64,
    }
}

impl Builder<'_, '_> {
    /// The low bits as the width's type.
    pub(super) fn narrow(&mut self, width: Width, value: Value) -> Value {
        match width {
            Width::W => self.fb.ins().ireduce(I32, value),
            Width::X => value,
        }
    }

    /// Zero-extended to 64 bits.
    pub(super) fn widen(&mut self, value: Value) -> Value {
        if self.fb.func.dfg.value_type(value) == I64 {
            return value;
        }
        if let Some((Opcode::Ireduce, whole)) = self.defining(value)
            && self.fb.func.dfg.value_type(whole) == I64
            && self.significant_bits(whole) <= self.fb.func.dfg.value_type(value).bits()
        {
            return whole;
        }
        self.fb.ins().uextend(I64, value)
    }

    /// The operation that made a value, and its first operand.
    fn defining(&self, value: Value) -> Option<(Opcode, Value)> {
        let dfg = &self.fb.func.dfg;
        let inst = dfg.value_def(value).inst()?;
        Some((dfg.insts[inst].opcode(), *dfg.inst_args(inst).first()?))
    }

    /// From which bit on an integer is known to be zero.
    pub(super) fn significant_bits(&self, value: Value) -> u32 {
        const DEPTH: u32 = 6;
        self.significant_bits_within(value, DEPTH)
    }

    fn significant_bits_within(&self, value: Value, depth: u32) -> u32 {
        let dfg = &self.fb.func.dfg;
        let all = dfg.value_type(value).bits();
        let Some(inst) = dfg.value_def(value).inst() else { return all };
        if depth == 0 {
            return all;
        }
        let args = dfg.inst_args(inst);
        let of = |n: usize| self.significant_bits_within(args[n], depth - 1);
        let shift = || self.shift_of(args[1], all);
        bits_computed(dfg.insts[inst].opcode(), all, self.constant(value), of, shift)
    }

    /// The amount of a shift in `bits` bits, if it is constant.
    pub(super) fn shift_of(&self, amount: Value, bits: u32) -> Option<u32> {
        let whole = match self.defining(amount) {
            Some((Opcode::Ireduce, whole)) => whole,
            _ => amount,
        };
        Some(self.constant(whole)? as u32 & (bits - 1))
    }

    pub(super) fn build_int1(&mut self, op: Int1, width: Width, a: Value) -> Value {
        if op == Int1::Clz
            && let Some(straight) = self.reversed(width, a)
        {
            let zeros = self.fb.ins().ctz(straight);
            return self.widen(zeros);
        }
        let a = self.narrow(width, a);
        if op == Int1::Rbit {
            let result = self.reverse_bits(a);
            self.facts.reversals.insert(result, a);
            return result;
        }
        let ins = self.fb.ins();
        let result = match op {
            Int1::Not => ins.bnot(a),
            Int1::Neg => ins.ineg(a),
            Int1::Clz => ins.clz(a),
            Int1::Cls => ins.cls(a),
            Int1::Rbit => unreachable!("built above"),
            Int1::Rev => ins.bswap(a),
            Int1::Rev16 => {
                const MASK: i64 = 0x00ff_00ff_00ff_00ff;
                let mask = ins.iconst(int_type(width), if width == Width::W { MASK & 0xffff_ffff } else { MASK });
                let low = self.fb.ins().band(a, mask);
                let low = self.fb.ins().ishl_imm_s(low, 8);
                let high = self.fb.ins().ushr_imm_s(a, 8);
                let high = self.fb.ins().band(high, mask);
                self.fb.ins().bor(low, high)
            }
            Int1::Rev32 => {
                let swapped = ins.bswap(a);
                match width {
                    Width::W => swapped,
                    Width::X => self.fb.ins().rotl_imm_s(swapped, 32),
                }
            }
        };
        self.widen(result)
    }

    /// The bits of an integer in reverse, zero-extended to 64 bits: its bytes in reverse, and each half of a byte
    /// looked up in a table of sixteen.
    fn reverse_bits(&mut self, a: Value) -> Value {
        const REVERSED: [u8; 16] = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
        let swapped = self.fb.ins().bswap(a);
        let bytes = self.vector_of_low_lane(swapped);
        let low_half = self.vconst(0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f);
        let low = self.fb.ins().band(bytes, low_half);
        let lanes = self.cast(I64X2, bytes);
        let shifted = self.fb.ins().ushr_imm_s(lanes, 4);
        let shifted = self.cast(I8X16, shifted);
        let high = self.fb.ins().band(shifted, low_half);
        let of_low = self.vconst(u128::from_le_bytes(REVERSED.map(|half| half << 4)));
        let of_high = self.vconst(u128::from_le_bytes(REVERSED));
        let (low, high) = (self.fb.ins().x86_pshufb(of_low, low), self.fb.ins().x86_pshufb(of_high, high));
        let reversed = self.fb.ins().bor(low, high);
        let result = self.low_lane(self.fb.func.dfg.value_type(a), reversed);
        self.widen(result)
    }

    /// What RBIT of the same width has made `value` of, if it has.
    fn reversed(&self, width: Width, value: Value) -> Option<Value> {
        let straight = *self.facts.reversals.get(&value)?;
        (self.fb.func.dfg.value_type(straight) == int_type(width)).then_some(straight)
    }

    pub(super) fn build_int2(&mut self, op: Int2, width: Width, a: Value, b: Value) -> Value {
        if let Some(constant) = self.constant(b)
            && let Some(result) = self.build_with_constant(op, width, a, constant)
        {
            return result;
        }
        let (a, b) = (self.narrow(width, a), self.narrow(width, b));
        let ins = self.fb.ins();
        let result = match op {
            Int2::Add => ins.iadd(a, b),
            Int2::Sub => ins.isub(a, b),
            Int2::And => ins.band(a, b),
            Int2::Orr => ins.bor(a, b),
            Int2::Eor => ins.bxor(a, b),
            Int2::Bic => ins.band_not(a, b),
            Int2::Orn => ins.bor_not(a, b),
            Int2::Eon => ins.bxor_not(a, b),
            Int2::Lsl => ins.ishl(a, b),
            Int2::Lsr => ins.ushr(a, b),
            Int2::Asr => ins.sshr(a, b),
            Int2::Ror => ins.rotr(a, b),
            Int2::Mul => ins.imul(a, b),
            Int2::Smulh => ins.smulhi(a, b),
            Int2::Umulh => ins.umulhi(a, b),
            Int2::Udiv => self.divide(width, a, b, false),
            Int2::Sdiv => self.divide(width, a, b, true),
        };
        self.widen(result)
    }

    /// Masks and fields that the host moves and extends in one instruction.
    fn build_with_constant(&mut self, op: Int2, width: Width, a: Value, constant: u64) -> Option<Value> {
        match op {
            Int2::And => {
                let mask = constant & width.mask();
                let ones = mask.trailing_ones();
                if mask != 0 && mask.checked_shr(ones).unwrap_or(0) == 0 {
                    return self.low_bits_of(a, ones, false);
                }
                None
            }
            Int2::Lsr | Int2::Asr => self.shifted_back(op == Int2::Asr, width, a, constant as u32 & (width.bits() - 1)),
            _ => None,
        }
    }

    /// The low bits of a value, extended, if that is one instruction or none.
    fn low_bits_of(&mut self, a: Value, bits: u32, signed: bool) -> Option<Value> {
        if self.significant_bits(a) <= bits - u32::from(signed) {
            return Some(a);
        }
        let ty = match bits {
            8 => I8,
            16 => I16,
            32 => I32,
            _ => return None,
        };
        let low = self.fb.ins().ireduce(ty, a);
        Some(if signed { self.fb.ins().sextend(I64, low) } else { self.widen(low) })
    }

    /// The low byte or halfword of a value, extended, as the value and a mask, which the host tests in one instruction.
    pub(super) fn masked(&mut self, a: Value) -> Value {
        let Some((Opcode::Uextend, low)) = self.defining(a) else { return a };
        let Some((Opcode::Ireduce, whole)) = self.defining(low) else { return a };
        match self.fb.func.dfg.value_type(low) {
            I8 => self.fb.ins().band_imm_s(whole, 0xff),
            I16 => self.fb.ins().band_imm_s(whole, 0xffff),
            _ => a,
        }
    }

    /// A shift right of a shift left that is not smaller (UBFIZ, SBFIZ): a field that is extended, then shifted to its
    /// place, which may become part of an address.
    fn shifted_back(&mut self, signed: bool, width: Width, a: Value, right: u32) -> Option<Value> {
        let (ty, whole) = match (width, self.defining(a)?) {
            (Width::W, (Opcode::Uextend, low)) => (I32, low),
            (Width::W, _) => return None,
            (Width::X, _) => (I64, a),
        };
        let inst = self.fb.func.dfg.value_def(whole).inst()?;
        if self.fb.func.dfg.insts[inst].opcode() != Opcode::Ishl || self.fb.func.dfg.value_type(whole) != ty {
            return None;
        }
        let (value, amount) = (self.fb.func.dfg.inst_args(inst)[0], self.fb.func.dfg.inst_args(inst)[1]);
        let left = self.shift_of(amount, ty.bits())?;
        if right > left || left == 0 {
            return None;
        }
        let value = match self.defining(value) {
            Some((Opcode::Ireduce, whole)) if ty == I32 => whole,
            _ if ty == I32 => return None,
            _ => value,
        };
        let field = self.low_bits_of(value, ty.bits() - left, signed)?;
        let placed = self.fb.ins().ishl_imm_s(field, i64::from(left - right));
        let result = self.narrow(width, placed);
        Some(self.widen(result))
    }

    /// Arm's division: no traps. The host's traps are kept away by dividing by one instead.
    fn divide(&mut self, width: Width, a: Value, b: Value, signed: bool) -> Value {
        let ty = int_type(width);
        let zero = self.fb.ins().iconst(ty, 0);
        let one = self.fb.ins().iconst(ty, 1);
        let by_zero = self.fb.ins().icmp_imm_s(IntCC::Equal, b, 0);
        if !signed {
            let safe = self.fb.ins().select(by_zero, one, b);
            let quotient = self.fb.ins().udiv(a, safe);
            return self.fb.ins().select(by_zero, zero, quotient);
        }
        // b is 0 or -1: then the quotient is 0 or -a, which wraps as Arm says.
        let next = self.fb.ins().iadd_imm_s(b, 1);
        let special = self.fb.ins().icmp_imm_s(IntCC::UnsignedLessThanOrEqual, next, 1);
        let safe = self.fb.ins().select(special, one, b);
        let quotient = self.fb.ins().sdiv(a, safe);
        let negated = self.fb.ins().ineg(a);
        let special_quotient = self.fb.ins().select(by_zero, zero, negated);
        self.fb.ins().select(special, special_quotient, quotient)
    }

    pub(super) fn build_extend(&mut self, op: Extend, a: Value) -> Value {
        let ty = match op {
            Extend::Uxtx | Extend::Sxtx => return a,
            Extend::Uxtb | Extend::Sxtb => I8,
            Extend::Uxth | Extend::Sxth => I16,
            Extend::Uxtw | Extend::Sxtw => I32,
        };
        let signed = matches!(op, Extend::Sxtb | Extend::Sxth | Extend::Sxtw);
        self.low_bits_of(a, ty.bits(), signed).expect("a register's width")
    }

    pub(super) fn build_extract_pair(&mut self, width: Width, high: Value, low: Value, lsb: u8) -> Value {
        if lsb == 0 {
            let low = self.narrow(width, low);
            return self.widen(low);
        }
        let (high, low) = (self.narrow(width, high), self.narrow(width, low));
        let result = if high == low {
            self.fb.ins().rotr_imm_s(low, i64::from(lsb))
        } else {
            let low = self.fb.ins().ushr_imm_s(low, i64::from(lsb));
            let high = self.fb.ins().ishl_imm_s(high, i64::from(width.bits()) - i64::from(lsb));
            self.fb.ins().bor(high, low)
        };
        self.widen(result)
    }

    pub(super) fn build_compare(&mut self, op: Compare, width: Width, a: Value, b: Value) -> Value {
        if matches!(op, Compare::Eq | Compare::Ne)
            && self.constant(b) == Some(0)
            && let Some(is_zero) = self.is_zero_fold(width, a)
        {
            return if op == Compare::Eq { is_zero } else { self.not(is_zero) };
        }
        let (a, b) = (self.narrow(width, a), self.narrow(width, b));
        let cc = match op {
            Compare::Eq => IntCC::Equal,
            Compare::Ne => IntCC::NotEqual,
            Compare::Ult => IntCC::UnsignedLessThan,
            Compare::Ule => IntCC::UnsignedLessThanOrEqual,
            Compare::Slt => IntCC::SignedLessThan,
            Compare::Sle => IntCC::SignedLessThanOrEqual,
        };
        self.fb.ins().icmp(cc, a, b)
    }

    /// The carry flag as 0 or 1 in an I64.
    fn carry(&mut self) -> Value {
        let carry = self.condition(ir::Cond::Cs);
        self.fb.ins().uextend(I64, carry)
    }

    /// a + b + C, or a + !b + C; and the flags it sets, packed, if wanted.
    pub(super) fn build_adc(
        &mut self,
        width: Width,
        a: Value,
        b: Value,
        subtract: bool,
        want_flags: bool,
    ) -> (Value, Option<Value>) {
        let carry = self.carry();
        let b = if subtract { self.fb.ins().bnot(b) } else { b };
        let (a, b) = (self.narrow(width, a), self.narrow(width, b));
        let carry_in = self.narrow(width, carry);
        let partial = self.fb.ins().iadd(a, b);
        let sum = self.fb.ins().iadd(partial, carry_in);
        let result = self.widen(sum);
        if !want_flags {
            return (result, None);
        }
        let first = self.fb.ins().icmp(IntCC::UnsignedLessThan, partial, a);
        let second = self.fb.ins().icmp(IntCC::UnsignedLessThan, sum, partial);
        let c = self.fb.ins().bor(first, second);
        let n = self.fb.ins().icmp_imm_s(IntCC::SignedLessThan, sum, 0);
        let z = self.fb.ins().icmp_imm_s(IntCC::Equal, sum, 0);
        let (one, other) = (self.fb.ins().bxor(a, sum), self.fb.ins().bxor(b, sum));
        let both = self.fb.ins().band(one, other);
        let v = self.fb.ins().icmp_imm_s(IntCC::SignedLessThan, both, 0);
        let packed = self.pack([n, z, c, v]);
        (result, Some(packed))
    }

    /// Four I8 truth values as a packed NZCV.
    pub(super) fn pack(&mut self, nzcv: [Value; 4]) -> Value {
        let mut packed = self.iconst(0);
        for (flag, bit) in nzcv.into_iter().zip([31, 30, 29, 28]) {
            let wide = self.fb.ins().uextend(I64, flag);
            let placed = self.fb.ins().ishl_imm_s(wide, bit);
            packed = self.fb.ins().bor(packed, placed);
        }
        packed
    }
}
