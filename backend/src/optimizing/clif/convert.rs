//! Scalar conversions in CLIF: between formats, to and from integers. The host's instructions raise what Arm's do while
//! the value is in range, and the exact function takes the rest.

use super::Builder;
use super::fp::fp_type;
use super::int::int_type;
use crate::lower::callee;
use crate::lower::facts::power_of_two;
use crate::lower::host::Host;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F64, I64};
use cranelift_codegen::ir::{InstBuilder, Value};
use ir::{FpInt, FpSize, Rounding, Width};

impl Builder<'_, '_> {
    pub(super) fn build_convert(&mut self, from: FpSize, to: FpSize, a: Value) -> Value {
        let result = match (from, to) {
            _ if self.mode.flushing => return self.convert_helper(from, to, a),
            (FpSize::S, FpSize::D) => self.fb.ins().fpromote(F64, a),
            (FpSize::D, FpSize::S) => self.fb.ins().fdemote(F32, a),
            _ => return self.convert_helper(from, to, a),
        };
        self.unless_doubtful_scalar(to, result, to == FpSize::S, callee::fp_convert(from, to), &[a])
    }

    fn convert_helper(&mut self, from: FpSize, to: FpSize, a: Value) -> Value {
        let operand = self.helper_operand(from, a);
        self.call_for_number(to, callee::fp_convert(from, to), &[operand])
    }

    fn fp_to_int_helper(&mut self, how: FpInt, size: FpSize, width: Width, a: Value) -> Value {
        let operand = self.helper_operand(size, a);
        self.call(callee::fp_to_int(how, size, width), &[operand])
    }

    pub(super) fn build_fp_to_int(&mut self, how: FpInt, size: FpSize, width: Width, a: Value) -> Value {
        let slow = |builder: &mut Self| builder.fp_to_int_helper(how, size, width, a);
        let rounds = matches!(how.rounding, Rounding::N | Rounding::P | Rounding::M | Rounding::Z);
        if size == FpSize::H || how.fbits != 0 || !rounds || self.mode.flushing {
            return slow(self);
        }
        if how.rounding == Rounding::Z && how.signed {
            // Saturates as Arm does, and raises the same flags.
            let ty = int_type(width);
            let integer = self.fb.ins().fcvt_to_sint_sat(ty, a);
            self.keep(integer);
            return self.widen(integer);
        }
        // What is in range whatever the rounding: magnitudes below 2^31 or 2^63, no sign if unsigned. (The few between
        // these and the real limits go the slow way. Unsigned 32 bits have room for one more.)
        let bits = self.number_bits(size, a);
        let limit = match (width, how.signed) {
            (Width::X, _) => 63,
            (Width::W, true) => 31,
            (Width::W, false) => 32,
        };
        // Rounding may carry up to the limit itself; only zero rounds from below without reaching it.
        let exact_limit = if how.rounding == Rounding::Z { limit } else { limit - 1 };
        let tested = if how.signed {
            let sign = 1u64 << (size.bits() - 1);
            let magnitude = self.iconst(!sign);
            self.fb.ins().band(bits, magnitude)
        } else {
            bits
        };
        let limit = self.iconst(power_of_two(size, exact_limit));
        let outside = self.fb.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, tested, limit);
        self.unless(
            outside,
            I64,
            |b| {
                let ins = b.fb.ins();
                let integral = match how.rounding {
                    Rounding::N => ins.nearest(a),
                    Rounding::P => ins.ceil(a),
                    Rounding::M => ins.floor(a),
                    _ => a,
                };
                let ty = if how.signed { int_type(width) } else { I64 };
                let integer = b.fb.ins().fcvt_to_sint_sat(ty, integral);
                b.keep(integer);
                b.widen(integer)
            },
            slow,
        )
    }

    pub(super) fn build_int_to_fp(&mut self, how: FpInt, size: FpSize, width: Width, a: Value) -> Value {
        let slow = |builder: &mut Self| builder.call_for_number(size, callee::int_to_fp(how, size, width), &[a]);
        if size == FpSize::H {
            return slow(self);
        }
        // Exact conversions raise nothing.
        let exact = size == FpSize::D && width == Width::W;
        let convert = |b: &mut Self, integer| {
            let mut number = b.fb.ins().fcvt_from_sint(fp_type(size), integer);
            if how.fbits != 0 {
                // A power of two: exact.
                let scale = b.iconst(power_of_two(size, -i32::from(how.fbits)));
                let scale = b.number_from_bits(size, scale);
                number = b.fb.ins().fmul(number, scale);
            }
            if !exact {
                b.keep(number);
            }
            number
        };
        match (how.signed, width) {
            (true, _) => {
                let low = self.narrow(width, a);
                convert(self, low)
            }
            (false, Width::W) => {
                let low = self.narrow(width, a);
                let wide = self.fb.ins().uextend(I64, low);
                convert(self, wide)
            }
            (false, Width::X) => {
                let large = self.fb.ins().icmp_imm_s(IntCC::SignedLessThan, a, 0);
                self.unless(large, fp_type(size), |b| convert(b, a), slow)
            }
        }
    }
}
