//! Rounding to integral values in CLIF. The host's ROUNDSD, as Cranelift emits it, raises Inexact, which only FRINTX
//! does on Arm: the others cut the fraction off as bits and correct by one, which is exact.

use super::Builder;
use super::fp::fp_type;
use crate::lower::callee;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value};
use ir::{Fp1, FpSize};

/// Fraction bits, and the exponent field of 1.
const fn format(size: FpSize) -> (u32, u64) {
    if matches!(size, FpSize::D) { (52, 1023) } else { (23, 127) }
}

impl Builder<'_, '_> {
    fn fp_const(&mut self, size: FpSize, value: f32) -> Value {
        if size == FpSize::D { self.fb.ins().f64const(f64::from(value)) } else { self.fb.ins().f32const(value) }
    }

    /// FRINTZ, FRINTM, FRINTP, FRINTA and FRINTX of singles and doubles; none for others.
    pub(super) fn build_round_integral(&mut self, op: Fp1, size: FpSize, a: Value) -> Option<Value> {
        if size == FpSize::H || !matches!(op, Fp1::Frintz | Fp1::Frintm | Fp1::Frintp | Fp1::Frinta | Fp1::Frintx) {
            return None;
        }
        let (fraction_bits, one) = format(size);
        let bits = self.number_bits(size, a);
        let positive = self.iconst(u64::MAX >> (65 - size.bits()));
        let magnitude = self.fb.ins().band(bits, positive);
        // From here on numbers have no fraction; NaNs and infinities are above too.
        let limit = self.iconst((one + u64::from(fraction_bits)) << fraction_bits);
        let above = self.fb.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, magnitude, limit);
        Some(self.unless(
            above,
            fp_type(size),
            |b| {
                if op == Fp1::Frintx { b.round_exactly(size, a) } else { b.round_quietly(op, size, a, bits, magnitude) }
            },
            |b| b.fp_helper(size, callee::fp1(op, size), &[a]),
        ))
    }

    /// Adding and subtracting what pushes the fraction out rounds as FPCR says and raises Inexact.
    fn round_exactly(&mut self, size: FpSize, a: Value) -> Value {
        let large = if size == FpSize::D {
            self.fb.ins().f64const((1u64 << 52) as f64)
        } else {
            self.fb.ins().f32const((1u32 << 23) as f32)
        };
        let large = self.fb.ins().fcopysign(large, a);
        let sum = self.fb.ins().fadd(a, large);
        self.keep(sum);
        let integral = self.fb.ins().fsub(sum, large);
        self.fb.ins().fcopysign(integral, a)
    }

    fn round_quietly(&mut self, op: Fp1, size: FpSize, a: Value, bits: Value, magnitude: Value) -> Value {
        let (fraction_bits, one) = format(size);
        let exponent = self.fb.ins().ushr_imm_s(magnitude, i64::from(fraction_bits));
        let whole = self.iconst(one + u64::from(fraction_bits));
        let cut = self.fb.ins().isub(whole, exponent);
        // Below one only the sign stays.
        let all_but_sign = self.iconst(u64::from(size.bits()) - 1);
        let small = self.fb.ins().icmp_imm_s(IntCC::UnsignedLessThan, exponent, one as i64);
        let cut = self.fb.ins().select(small, all_but_sign, cut);
        let ones = self.iconst(u64::MAX);
        let mask = self.fb.ins().ishl(ones, cut);
        let kept = self.fb.ins().band(bits, mask);
        let truncated = self.number_from_bits(size, kept);
        let unit = self.fp_const(size, 1.0);
        let (away, step) = match op {
            Fp1::Frintm => {
                let below = self.fb.ins().fcmp(FloatCC::LessThan, a, truncated);
                (below, self.fb.ins().fneg(unit))
            }
            Fp1::Frintp => (self.fb.ins().fcmp(FloatCC::GreaterThan, a, truncated), unit),
            Fp1::Frinta => {
                let fraction = self.fb.ins().fsub(a, truncated);
                let fraction = self.fb.ins().fabs(fraction);
                let half = self.fp_const(size, 0.5);
                let away = self.fb.ins().fcmp(FloatCC::GreaterThanOrEqual, fraction, half);
                (away, self.fb.ins().fcopysign(unit, a))
            }
            _ => return truncated,
        };
        let stepped = self.fb.ins().fadd(truncated, step);
        self.fb.ins().select(away, stepped, truncated)
    }
}
