//! The host's vector operations in CLIF, for the expansions of `lower`. Vectors have the type that what made them gives:
//! Cranelift knows comparisons and widened operands only if no cast is between. The guest's are I8X16.

use super::Builder;
use super::deferred::Pending;
use super::vector::{lanes_type, numbers_type};
use crate::lower::callee::Callee;
use crate::lower::facts::FPSR_QC;
use crate::lower::host::{Binary, Float, FloatCompare, Half, Host, Shift};
use crate::lower::shuffles::Byte;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I32, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value};
use ir::{Arr, CpuState, Fp1, Fp2, FpInt, FpSize, Lane, Vec1, Vec2, Width};
use std::mem::offset_of;

fn condition(op: Binary) -> Option<IntCC> {
    Some(match op {
        Binary::Eq => IntCC::Equal,
        Binary::Ne => IntCC::NotEqual,
        Binary::Gt => IntCC::SignedGreaterThan,
        Binary::Ge => IntCC::SignedGreaterThanOrEqual,
        Binary::Hi => IntCC::UnsignedGreaterThan,
        Binary::Hs => IntCC::UnsignedGreaterThanOrEqual,
        _ => return None,
    })
}

impl Builder<'_, '_> {
    /// The I8X16 that a vector is another view of, so that both halves of a vector begin with the same value.
    fn uncast(&self, vector: Value) -> Value {
        let dfg = &self.fb.func.dfg;
        match dfg.value_def(vector).inst().map(|inst| dfg.insts[inst]) {
            Some(InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. })
                if dfg.value_type(arg) == I8X16 =>
            {
                arg
            }
            _ => vector,
        }
    }
}

impl Host for Builder<'_, '_> {
    type V = Value;

    fn constant(&mut self, value: u128) -> Value {
        self.vconst(value)
    }
    fn constant_of(&self, a: Value) -> Option<u128> {
        Builder::constant_of(self, a)
    }

    fn significant_bits(&self, a: Value) -> u32 {
        self.low_bits(a)
    }
    fn note_zero_above(&mut self, bits: u32, a: Value) -> Value {
        self.zero_above(bits, a)
    }
    fn clear_above(&mut self, arr: Arr, a: Value) -> Value {
        let a = self.cast(I8X16, a);
        Builder::clear_above(self, arr, a)
    }

    fn binary(&mut self, op: Binary, lane: Lane, a: Value, b: Value) -> Value {
        let ty = lanes_type(lane);
        let (a, b) = (self.cast(ty, a), self.cast(ty, b));
        let ins = self.fb.ins();
        if let Some(cc) = condition(op) {
            return ins.icmp(cc, a, b);
        }
        match op {
            Binary::And => ins.band(a, b),
            Binary::Or => ins.bor(a, b),
            Binary::Xor => ins.bxor(a, b),
            Binary::AndNot => ins.band_not(a, b),
            Binary::Add => ins.iadd(a, b),
            Binary::Sub => ins.isub(a, b),
            Binary::Mul => ins.imul(a, b),
            Binary::Smax => ins.smax(a, b),
            Binary::Umax => ins.umax(a, b),
            Binary::Smin => ins.smin(a, b),
            Binary::Umin => ins.umin(a, b),
            Binary::AddSigned => ins.sadd_sat(a, b),
            Binary::AddUnsigned => ins.uadd_sat(a, b),
            Binary::SubSigned => ins.ssub_sat(a, b),
            Binary::SubUnsigned => ins.usub_sat(a, b),
            Binary::Average => ins.avg_round(a, b),
            Binary::MulHighRound => ins.x86_pmulhrsw(a, b),
            _ => unreachable!("the comparisons"),
        }
    }
    fn shift(&mut self, op: Shift, lane: Lane, amount: u8, a: Value) -> Value {
        let lanes = self.cast(lanes_type(lane), a);
        let amount = i64::from(amount);
        match op {
            Shift::Left => self.fb.ins().ishl_imm_s(lanes, amount),
            Shift::Right => self.fb.ins().ushr_imm_s(lanes, amount),
            Shift::SignedRight => self.fb.ins().sshr_imm_s(lanes, amount),
        }
    }
    fn select(&mut self, mask: Value, yes: Value, no: Value) -> Value {
        let ty = self.fb.func.dfg.value_type(mask);
        let (yes, no) = (self.cast(ty, yes), self.cast(ty, no));
        self.fb.ins().bitselect(mask, yes, no)
    }
    fn abs(&mut self, lane: Lane, a: Value) -> Value {
        let lanes = self.cast(lanes_type(lane), a);
        self.fb.ins().iabs(lanes)
    }
    fn count_bits(&mut self, a: Value) -> Value {
        let bytes = self.cast(I8X16, a);
        self.fb.ins().popcnt(bytes)
    }
    fn add_pairs(&mut self, lane: Lane, a: Value, b: Value) -> Value {
        let ty = lanes_type(lane);
        let (a, b) = (self.cast(ty, a), self.cast(ty, b));
        self.fb.ins().iadd_pairwise(a, b)
    }
    fn add_pairs_long(&mut self, lane: Lane, signed: bool, a: Value) -> Value {
        if lane == Lane::S {
            // With AVX-512 the host has this shift.
            let odd = self.shift(Shift::SignedRight, Lane::D, 32, a);
            let even = self.shift(Shift::Left, Lane::D, 32, a);
            let even = self.shift(Shift::SignedRight, Lane::D, 32, even);
            return self.fb.ins().iadd(even, odd);
        }
        let [low, high] = [Half::Low, Half::High].map(|half| Host::widen(self, lane, signed, half, a));
        self.fb.ins().iadd_pairwise(low, high)
    }

    fn shuffle(&mut self, a: Value, b: Value, bytes: [Byte; 16]) -> Value {
        const NONE: u8 = 0x80;
        let (a, b) = (self.cast(I8X16, a), self.cast(I8X16, b));
        let of_a = bytes.map(|byte| if let Byte::A(at) = byte { at } else { NONE });
        let of_b = bytes.map(|byte| if let Byte::B(at) = byte { at } else { NONE });
        let uses_b = of_b.iter().any(|&at| at != NONE);
        if !bytes.contains(&Byte::Zero) {
            let other = if uses_b { b } else { a };
            return self.byte_shuffle(a, other, std::array::from_fn(|i| of_a[i].min(of_b[i].saturating_add(16))));
        }
        let [of_a, of_b] = [of_a, of_b].map(|mask| self.vconst(u128::from_le_bytes(mask)));
        let from_a = self.fb.ins().x86_pshufb(a, of_a);
        if !uses_b {
            return from_a;
        }
        let from_b = self.fb.ins().x86_pshufb(b, of_b);
        self.fb.ins().bor(from_a, from_b)
    }
    fn look_up(&mut self, a: Value, index: Value) -> Value {
        let (a, index) = (self.cast(I8X16, a), self.cast(I8X16, index));
        self.fb.ins().swizzle(a, index)
    }
    fn whole(&mut self, a: Value) -> (Value, Half) {
        let (whole, half) = match self.source_of_high_half(a) {
            Some(source) => (source, Half::High),
            None => (self.source_of_low_half(a).unwrap_or(a), Half::Low),
        };
        (self.uncast(whole), half)
    }
    fn widen(&mut self, lane: Lane, signed: bool, half: Half, a: Value) -> Value {
        let lanes = self.cast(lanes_type(lane), a);
        let ins = self.fb.ins();
        match (signed, half) {
            (true, Half::Low) => ins.swiden_low(lanes),
            (true, Half::High) => ins.swiden_high(lanes),
            (false, Half::Low) => ins.uwiden_low(lanes),
            (false, Half::High) => ins.uwiden_high(lanes),
        }
    }
    fn multiply_long(&mut self, lane: Lane, signed: bool, a: Value, b: Value) -> Value {
        let [a, b] = [a, b].map(|operand| {
            let (whole, half) = self.whole(operand);
            Host::widen(self, lane, signed, half, whole)
        });
        self.fb.ins().imul(a, b)
    }
    fn pack_saturating(&mut self, lane: Lane, to_signed: bool, a: Value) -> Value {
        let zero = self.vconst(0);
        let [lanes, zero] = [a, zero].map(|vector| self.cast(lanes_type(lane), vector));
        let packed = if to_signed { self.fb.ins().snarrow(lanes, zero) } else { self.fb.ins().unarrow(lanes, zero) };
        self.zero_above(64, packed)
    }

    fn computes_floats(&self) -> bool {
        !self.mode.flushing
    }
    fn fuses(&self) -> bool {
        self.has_fma
    }
    fn float(&mut self, op: Float, lane: Lane, a: Value, b: Value) -> Value {
        let ty = numbers_type(lane);
        let (a, b) = (self.cast(ty, a), self.cast(ty, b));
        match op {
            Float::Add => self.fb.ins().fadd(a, b),
            Float::Sub => self.fb.ins().fsub(a, b),
            Float::Mul => self.fb.ins().fmul(a, b),
            Float::Div => self.fb.ins().fdiv(a, b),
        }
    }
    fn float_compare(&mut self, op: FloatCompare, lane: Lane, a: Value, b: Value) -> Value {
        let ty = numbers_type(lane);
        let (a, b) = (self.cast(ty, a), self.cast(ty, b));
        let cc = match op {
            FloatCompare::Eq => FloatCC::Equal,
            FloatCompare::Ge => FloatCC::GreaterThanOrEqual,
            FloatCompare::Gt => FloatCC::GreaterThan,
            FloatCompare::Unordered => FloatCC::Unordered,
        };
        self.fb.ins().fcmp(cc, a, b)
    }
    fn float_extreme(&mut self, greatest: bool, lane: Lane, a: Value, b: Value) -> Value {
        self.pick_extreme(lane, greatest, a, b)
    }
    fn sqrt(&mut self, lane: Lane, a: Value) -> Value {
        let numbers = self.cast(numbers_type(lane), a);
        self.fb.ins().sqrt(numbers)
    }
    fn mul_add(&mut self, lane: Lane, addend: Value, a: Value, b: Value) -> Value {
        let [addend, a, b] = [addend, a, b].map(|operand| self.cast(numbers_type(lane), operand));
        self.fb.ins().fma(a, b, addend)
    }
    fn promote(&mut self, a: Value) -> Value {
        let numbers = self.cast(F32X4, a);
        self.fb.ins().fvpromote_low(numbers)
    }
    fn demote(&mut self, a: Value) -> Value {
        let numbers = self.cast(F64X2, a);
        self.fb.ins().fvdemote(numbers)
    }
    /// Cranelift's roundings raise Inexact.
    fn round(&mut self, _op: Fp1, _lane: Lane, _a: Value) -> Option<Value> {
        None
    }
    fn truncate(&mut self, a: Value) -> Value {
        let numbers = self.cast(F32X4, a);
        let integers = self.fb.ins().x86_cvtt2dq(I32X4, numbers);
        self.keep(integers);
        integers
    }
    fn int_to_float(&mut self, signed: bool, a: Value) -> Option<Value> {
        let integers = self.cast(I32X4, a);
        let numbers = if signed {
            self.fb.ins().fcvt_from_sint(F32X4, integers)
        } else {
            self.fb.ins().fcvt_from_uint(F32X4, integers)
        };
        self.keep(numbers);
        Some(numbers)
    }

    fn number2(&mut self, op: Fp2, size: FpSize, a: Value, b: Value) -> Value {
        let (a, b) = (self.number_in_vector(size, a), self.number_in_vector(size, b));
        let result = self.build_fp2(op, size, a, b);
        self.vector_of_number(size, result)
    }
    fn round_numbers(&mut self, op: Fp1, arr: Arr, a: Value) -> Option<Value> {
        if matches!(op, Fp1::Frintn | Fp1::Frinti) {
            return None;
        }
        let (ty, size) = (numbers_type(arr.lane), if arr.lane == Lane::S { FpSize::S } else { FpSize::D });
        let lanes = self.cast(ty, a);
        let zero = self.vconst(0);
        let mut result = self.cast(ty, zero);
        for i in 0..arr.count {
            let number = self.fb.ins().extractlane(lanes, i);
            let rounded = self.build_fp1(op, size, number);
            result = self.fb.ins().insertlane(result, rounded, i);
        }
        Some(result)
    }
    fn numbers_to_int(&mut self, how: FpInt, arr: Arr, a: Value) -> Option<Value> {
        let (size, width) = if arr.lane == Lane::S { (FpSize::S, Width::W) } else { (FpSize::D, Width::X) };
        let mut result = self.vconst(0);
        if arr.count == 1 {
            let number = self.number_in_vector(size, a);
            let integer = self.build_fp_to_int(how, size, width, number);
            return Some(self.build_set_lane(arr.lane, 0, result, integer));
        }
        let numbers = self.cast(numbers_type(arr.lane), a);
        for i in 0..arr.count {
            let number = self.fb.ins().extractlane(numbers, i);
            let integer = self.build_fp_to_int(how, size, width, number);
            result = self.build_set_lane(arr.lane, i, result, integer);
        }
        Some(result)
    }
    fn ints_to_numbers(&mut self, how: FpInt, arr: Arr, a: Value) -> Value {
        let (size, width) = if arr.lane == Lane::S { (FpSize::S, Width::W) } else { (FpSize::D, Width::X) };
        if arr.count == 1 {
            let integer = self.build_lane(arr.lane, 0, a);
            let result = self.build_int_to_fp(how, size, width, integer);
            return self.vector_of_number(size, result);
        }
        let integers = self.cast(I64X2, a);
        let zero = self.vconst(0);
        let mut result = self.cast(F64X2, zero);
        for i in 0..arr.count {
            let integer = self.fb.ins().extractlane(integers, i);
            let number = self.build_int_to_fp(how, size, width, integer);
            result = self.fb.ins().insertlane(result, number, i);
        }
        result
    }

    fn checked(&mut self, arr: Arr, result: Value, tiny: bool, callee: Callee, operands: &[Value]) -> Value {
        let checked = self.cast(numbers_type(arr.lane), result);
        let value = Host::clear_above(self, arr, result);
        let operands = operands.to_vec();
        self.defer(Pending { value, checked, arr, tiny, callee, operands, is_covered: false })
    }
    fn unless_any(
        &mut self,
        bad: Value,
        callee: Callee,
        operands: &[Value],
        fast: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let any = self.fb.ins().vany_true(bad);
        self.unless(
            any,
            I8X16,
            |builder| {
                let result = fast(builder);
                builder.cast(I8X16, result)
            },
            |builder| builder.call(callee, operands),
        )
    }

    fn saturated_if_any(&mut self, lanes: Value) {
        let any = self.fb.ins().vany_true(lanes);
        let (cold, next) = (self.cold_block(), self.fb.create_block());
        self.fb.ins().brif(any, cold, &[], next, &[]);
        self.fb.seal_block(cold);
        self.switch_to(cold);
        let offset = offset_of!(CpuState, fpsr) as i32;
        let fpsr = self.load_state(I32, offset);
        let fpsr = self.fb.ins().bor_imm_s(fpsr, i64::from(FPSR_QC));
        self.store_state(fpsr, offset);
        self.fb.ins().jump(next, &[]);
        self.fb.seal_block(next);
        self.switch_to(next);
    }
    fn call(&mut self, callee: Callee, operands: &[Value]) -> Value {
        let args = self.args(callee, operands);
        self.call_helper(callee.helper, &args)
    }

    fn note_vec2(&mut self, op: Vec2, arr: Arr, operands: [Value; 2], result: Value) -> Value {
        let result = self.cast(I8X16, result);
        self.note_fold(op, arr, operands, result);
        result
    }
    fn note_across(&mut self, op: Vec1, arr: Arr, a: Value, result: Value) -> Value {
        self.note_fold_across(op, arr, a, result);
        result
    }
    fn note_narrowed(&mut self, amount: u8, a: Value, result: Value) -> Value {
        self.note_fold_narrowed(amount, a, result);
        result
    }
}
