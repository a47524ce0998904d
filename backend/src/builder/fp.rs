//! Scalar floating point in CLIF. The host's arithmetic gives Arm's results except for NaNs: when a result is one,
//! the exact function that `Eval` uses computes it again, out of line. Numbers are F32 or F64; halves are I16.

use super::Builder;
use crate::helpers::{Helper, encode_fp_int};
use crate::layout;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32, F64, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};
use ir::{Fp1, Fp2, FpInt, FpSize, Lane, VReg, Width};

fn fp_type(size: FpSize) -> Type {
    match size {
        FpSize::H => I16,
        FpSize::S => F32,
        FpSize::D => F64,
    }
}

fn int_bits(size: FpSize) -> Type {
    match size {
        FpSize::H => I16,
        FpSize::S => I32,
        FpSize::D => I64,
    }
}

impl Builder<'_, '_> {
    pub(super) fn read_fp(&mut self, size: FpSize, r: VReg) -> Value {
        if let Some((cached, value)) = self.fp_cache[usize::from(r.0)]
            && cached == size
        {
            return value;
        }
        let vector = self.fb.use_var(self.v[usize::from(r.0)]);
        match size {
            FpSize::D => self.vec_to_f64(vector),
            FpSize::S => self.vec_to_f32(vector),
            FpSize::H => {
                let bits = self.build_lane(Lane::H, 0, vector);
                self.fb.ins().ireduce(I16, bits)
            }
        }
    }

    pub(super) fn write_fp(&mut self, size: FpSize, r: VReg, value: Value) {
        let vector = match size {
            FpSize::D => self.f64_to_vec(value),
            FpSize::S => self.f32_to_vec(value),
            FpSize::H => {
                let zero = self.vconst(0);
                let bits = self.fb.ins().uextend(I64, value);
                self.build_set_lane(Lane::H, 0, zero, bits)
            }
        };
        self.write_v(r, vector);
        self.fp_cache[usize::from(r.0)] = Some((size, value));
    }

    pub(super) fn write_v(&mut self, r: VReg, value: Value) {
        self.fb.def_var(self.v[usize::from(r.0)], value);
        self.dirty.v |= 1 << r.0;
        self.fp_cache[usize::from(r.0)] = None;
    }

    /// From the low bits of an I64.
    pub(super) fn number_from_bits(&mut self, size: FpSize, bits: Value) -> Value {
        let low = self.reduced(int_bits(size), bits);
        if size == FpSize::H { low } else { self.fb.ins().bitcast(fp_type(size), MemFlagsData::new(), low) }
    }

    /// To an I64, zero-extended.
    pub(super) fn number_bits(&mut self, size: FpSize, value: Value) -> Value {
        let low =
            if size == FpSize::H { value } else { self.fb.ins().bitcast(int_bits(size), MemFlagsData::new(), value) };
        self.widen(low)
    }

    /// `result`, or if it is a NaN, what the helper makes of the same operands.
    fn unless_nan(
        &mut self,
        size: FpSize,
        result: Value,
        helper: Helper,
        selectors: &[u64],
        operands: &[Value],
    ) -> Value {
        let nan = self.fb.ins().fcmp(FloatCC::Unordered, result, result);
        let (fix, done) = (self.cold_block(), self.fb.create_block());
        let value = self.fb.append_block_param(done, fp_type(size));
        self.fb.ins().brif(nan, fix, &[], done, &[result.into()]);
        self.fb.seal_block(fix);
        self.switch_to(fix);
        let fixed = self.fp_helper(size, helper, selectors, operands);
        self.fb.ins().jump(done, &[fixed.into()]);
        self.fb.seal_block(done);
        self.switch_to(done);
        value
    }

    fn fp_helper(&mut self, size: FpSize, helper: Helper, selectors: &[u64], operands: &[Value]) -> Value {
        let mut args: Vec<Value> = selectors.iter().map(|&s| self.iconst(s)).collect();
        for &operand in operands {
            let bits = self.number_bits(size, operand);
            args.push(bits);
        }
        let bits = self.call_helper(helper, &args);
        self.number_from_bits(size, bits)
    }

    pub(super) fn build_fp1(&mut self, op: Fp1, size: FpSize, a: Value) -> Value {
        let selectors = [op as u64, size as u64];
        if size == FpSize::H {
            return self.fp_helper(size, Helper::Fp1, &selectors, &[a]);
        }
        match op {
            Fp1::Fabs => self.fb.ins().fabs(a),
            Fp1::Fneg => self.fb.ins().fneg(a),
            Fp1::Fsqrt => {
                let result = self.fb.ins().sqrt(a);
                self.unless_nan(size, result, Helper::Fp1, &selectors, &[a])
            }
            _ => self.fp_helper(size, Helper::Fp1, &selectors, &[a]),
        }
    }

    pub(super) fn build_fp2(&mut self, op: Fp2, size: FpSize, a: Value, b: Value) -> Value {
        let selectors = [op as u64, size as u64];
        if size == FpSize::H {
            return self.fp_helper(size, Helper::Fp2, &selectors, &[a, b]);
        }
        let ins = self.fb.ins();
        let result = match op {
            Fp2::Fadd => ins.fadd(a, b),
            Fp2::Fsub => ins.fsub(a, b),
            Fp2::Fmul => ins.fmul(a, b),
            Fp2::Fdiv => ins.fdiv(a, b),
            Fp2::Fnmul => {
                let product = ins.fmul(a, b);
                self.fb.ins().fneg(product)
            }
            _ => return self.fp_helper(size, Helper::Fp2, &selectors, &[a, b]),
        };
        self.unless_nan(size, result, Helper::Fp2, &selectors, &[a, b])
    }

    pub(super) fn build_mul_add(&mut self, size: FpSize, addend: Value, a: Value, b: Value) -> Value {
        let selectors = [size as u64];
        if size == FpSize::H || !self.has_fma {
            return self.fp_helper(size, Helper::FpMulAdd, &selectors, &[addend, a, b]);
        }
        let result = self.fb.ins().fma(a, b, addend);
        self.unless_nan(size, result, Helper::FpMulAdd, &selectors, &[addend, a, b])
    }

    pub(super) fn build_convert(&mut self, from: FpSize, to: FpSize, a: Value) -> Value {
        let result = match (from, to) {
            (FpSize::S, FpSize::D) => self.fb.ins().fpromote(F64, a),
            (FpSize::D, FpSize::S) => self.fb.ins().fdemote(F32, a),
            _ => return self.convert_helper(from, to, a),
        };
        let nan = self.fb.ins().fcmp(FloatCC::Unordered, result, result);
        let (fix, done) = (self.cold_block(), self.fb.create_block());
        let value = self.fb.append_block_param(done, fp_type(to));
        self.fb.ins().brif(nan, fix, &[], done, &[result.into()]);
        self.fb.seal_block(fix);
        self.switch_to(fix);
        let fixed = self.convert_helper(from, to, a);
        self.fb.ins().jump(done, &[fixed.into()]);
        self.fb.seal_block(done);
        self.switch_to(done);
        value
    }

    fn convert_helper(&mut self, from: FpSize, to: FpSize, a: Value) -> Value {
        let bits = self.number_bits(from, a);
        let (from, to_code) = (self.iconst(from as u64), self.iconst(to as u64));
        let result = self.call_helper(Helper::FpConvert, &[from, to_code, bits]);
        self.number_from_bits(to, result)
    }

    pub(super) fn build_fp_to_int(&mut self, how: FpInt, size: FpSize, width: Width, a: Value) -> Value {
        let bits = self.number_bits(size, a);
        let args = [encode_fp_int(how), size as u64, width as u64].map(|s| self.iconst(s));
        self.call_helper(Helper::FpToInt, &[args[0], args[1], args[2], bits])
    }

    pub(super) fn build_int_to_fp(&mut self, how: FpInt, size: FpSize, width: Width, a: Value) -> Value {
        if how.signed && how.fbits == 0 && size != FpSize::H {
            let low = self.narrow(width, a);
            let number = self.fb.ins().fcvt_from_sint(fp_type(size), low);
            if size == FpSize::S || width == Width::X {
                // It may raise Inexact, so it must happen even if nobody uses it: a store keeps it.
                self.store_state(number, layout::backend_word(layout::RESULT));
            }
            return number;
        }
        let args = [encode_fp_int(how), size as u64, width as u64].map(|s| self.iconst(s));
        let bits = self.call_helper(Helper::IntToFp, &[args[0], args[1], args[2], a]);
        self.number_from_bits(size, bits)
    }

    /// Sets the flags.
    pub(super) fn build_fp_compare(&mut self, size: FpSize, signal_quiet: bool, a: Value, b: Value) {
        if size == FpSize::H {
            let packed = self.compare_helper(size, signal_quiet, a, b);
            return self.set_packed_flags(packed);
        }
        // A NaN may raise Invalid, and the comparisons below may be dropped or repeated: the helper settles it, once.
        let unordered = self.fb.ins().fcmp(FloatCC::Unordered, a, b);
        let (raise, done) = (self.cold_block(), self.fb.create_block());
        self.fb.ins().brif(unordered, raise, &[], done, &[]);
        self.fb.seal_block(raise);
        self.switch_to(raise);
        self.compare_helper(size, signal_quiet, a, b);
        self.fb.ins().jump(done, &[]);
        self.fb.seal_block(done);
        self.switch_to(done);
        self.set_fp_flags(a, b);
    }

    pub(super) fn compare_helper(&mut self, size: FpSize, signal_quiet: bool, a: Value, b: Value) -> Value {
        let (a, b) = (self.number_bits(size, a), self.number_bits(size, b));
        let (size, signal) = (self.iconst(size as u64), self.iconst(u64::from(signal_quiet)));
        self.call_helper(Helper::FpCompare, &[size, signal, a, b])
    }
}
