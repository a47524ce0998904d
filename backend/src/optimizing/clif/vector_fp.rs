//! Lane-wise floating point in CLIF. As with scalars, the host gives Arm's results and flags but for NaNs and for
//! results at the edge of the denormals: one test covers all lanes, and the exact function computes all of them again
//! (`deferred.rs`).
//! Lanes outside an arrangement hold copies of lanes inside it, so that they raise nothing of their own.

use super::Builder;
use super::deferred::Pending;
use super::vector::lanes_type;
use crate::abi::helpers::{Helper, encode_arr, encode_fp_int};
use crate::abi::layout;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I32X4, I64, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use ir::{Arr, Fp1, FpInt, FpSize, Lane, Rounding, Vec1, Vec2, Vec3, Width};

/// The vector type of the format, which has as many lanes as fit; none for halves.
fn float_type(lane: Lane) -> Option<Type> {
    match lane {
        Lane::S => Some(F32X4),
        Lane::D => Some(F64X2),
        _ => None,
    }
}

fn fp_size(lane: Lane) -> FpSize {
    if lane == Lane::S { FpSize::S } else { FpSize::D }
}

/// Every lane of 128 bits holds `value`.
fn every(lane: Lane, value: u64) -> u128 {
    match lane {
        Lane::S => u128::from(value as u32) * 0x1_0000_0001_0000_0001_0000_0001,
        _ => u128::from(value) | u128::from(value) << 64,
    }
}

pub(super) const fn sign_bit(lane: Lane) -> u64 {
    1 << (lane.bits() - 1)
}

impl Builder<'_, '_> {
    /// What `slow` gives if `bad`, out of line; else what `fast` does. Both give a value of type `ty`.
    pub(super) fn unless(
        &mut self,
        bad: Value,
        ty: Type,
        fast: impl FnOnce(&mut Self) -> Value,
        slow: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let (cold, likely, done) = (self.cold_block(), self.fb.create_block(), self.fb.create_block());
        let value = self.fb.append_block_param(done, ty);
        self.fb.ins().brif(bad, cold, &[], likely, &[]);
        self.fb.seal_block(cold);
        self.fb.seal_block(likely);
        self.switch_to(cold);
        let slow = slow(self);
        self.fb.ins().jump(done, &[slow.into()]);
        self.switch_to(likely);
        let fast = fast(self);
        self.fb.ins().jump(done, &[fast.into()]);
        self.fb.seal_block(done);
        self.switch_to(done);
        value
    }

    /// The operand with lanes outside the arrangement replaced by lanes inside it.
    fn filled(&mut self, arr: Arr, a: Value) -> Value {
        let used = (arr.bits() / 8) as u8;
        if used == 16 {
            return a;
        }
        self.byte_shuffle(a, a, std::array::from_fn(|i| i as u8 % used))
    }

    fn floats(&mut self, arr: Arr, a: Value) -> Option<Value> {
        let ty = float_type(arr.lane)?;
        let filled = self.filled(arr, a);
        Some(self.cast(ty, filled))
    }

    /// Every lane of `value`, as integers of the lane's size.
    pub(super) fn every_lane(&mut self, lane: Lane, value: u64) -> Value {
        let constant = self.vconst(every(lane, value));
        self.cast(lanes_type(lane), constant)
    }

    /// A result, or what the helper makes of the same operands if it is doubtful. `selectors` are the operation and the
    /// arrangement.
    fn unless_doubtful(
        &mut self,
        arr: Arr,
        result: Value,
        tiny: bool,
        helper: Helper,
        selectors: [u64; 2],
        operands: &[Value],
    ) -> Value {
        let bytes = self.cast(I8X16, result);
        let value = self.clear_above(arr, bytes);
        self.defer(Pending {
            value,
            checked: result,
            arr,
            tiny,
            helper,
            selectors: selectors.to_vec(),
            operands: operands.to_vec(),
            is_covered: false,
        })
    }

    /// Keeps an operation that may only raise a flag: it must happen even if nobody uses its result.
    pub(super) fn keep(&mut self, result: Value) {
        self.store_state(result, layout::backend_word(layout::RESULT));
    }

    fn scalar_lane(&mut self, lane: Lane, a: Value) -> Value {
        if lane == Lane::S { self.vec_to_f32(a) } else { self.vec_to_f64(a) }
    }

    fn scalar_vector(&mut self, lane: Lane, a: Value) -> Value {
        if lane == Lane::S { self.f32_to_vec(a) } else { self.f64_to_vec(a) }
    }

    pub(super) fn build_vec2_fp(&mut self, op: Vec2, arr: Arr, a: Value, b: Value) -> Option<Value> {
        if self.mode.flushing {
            return None;
        }
        let ty = float_type(arr.lane)?;
        if arr.count == 1
            && let Some(op) = op.as_scalar()
        {
            let (a, b) = (self.scalar_lane(arr.lane, a), self.scalar_lane(arr.lane, b));
            let result = self.build_fp2(op, fp_size(arr.lane), a, b);
            return Some(self.scalar_vector(arr.lane, result));
        }
        let slow = |builder: &mut Self| builder.helper_vec2(op, arr, a, b);
        match op {
            Vec2::Faddp | Vec2::Fmaxp | Vec2::Fminp | Vec2::Fmaxnmp | Vec2::Fminnmp => {
                let even = self.permute(Vec2::Uzp1, arr, a, b);
                let odd = self.permute(Vec2::Uzp2, arr, a, b);
                let (x, y) = (self.floats(arr, even)?, self.floats(arr, odd)?);
                if op == Vec2::Faddp {
                    let sum = self.fb.ins().fadd(x, y);
                    return Some(self.unless_doubtful(
                        arr,
                        sum,
                        false,
                        Helper::Vec2,
                        [op as u64, encode_arr(arr)],
                        &[a, b],
                    ));
                }
                Some(self.extreme(arr, matches!(op, Vec2::Fmaxp | Vec2::Fmaxnmp), x, y, slow))
            }
            Vec2::Fadd | Vec2::Fsub | Vec2::Fmul | Vec2::Fnmul | Vec2::Fdiv | Vec2::Fabd => {
                let (x, y) = (self.floats(arr, a)?, self.floats(arr, b)?);
                let ins = self.fb.ins();
                let result = match op {
                    Vec2::Fadd => ins.fadd(x, y),
                    Vec2::Fsub | Vec2::Fabd => ins.fsub(x, y),
                    Vec2::Fdiv => ins.fdiv(x, y),
                    _ => ins.fmul(x, y),
                };
                let result = match op {
                    Vec2::Fnmul => self.fb.ins().fneg(result),
                    Vec2::Fabd => self.fb.ins().fabs(result),
                    _ => result,
                };
                let tiny = matches!(op, Vec2::Fmul | Vec2::Fnmul | Vec2::Fdiv);
                Some(self.unless_doubtful(arr, result, tiny, Helper::Vec2, [op as u64, encode_arr(arr)], &[a, b]))
            }
            Vec2::Fmax | Vec2::Fmin | Vec2::Fmaxnm | Vec2::Fminnm => {
                let (x, y) = (self.floats(arr, a)?, self.floats(arr, b)?);
                Some(self.extreme(arr, matches!(op, Vec2::Fmax | Vec2::Fmaxnm), x, y, slow))
            }
            Vec2::Fcmeq | Vec2::Fcmge | Vec2::Fcmgt | Vec2::Facge | Vec2::Facgt => {
                let (mut x, mut y) = (self.floats(arr, a)?, self.floats(arr, b)?);
                if matches!(op, Vec2::Facge | Vec2::Facgt) {
                    (x, y) = (self.fb.ins().fabs(x), self.fb.ins().fabs(y));
                }
                assert_eq!(self.fb.func.dfg.value_type(x), ty);
                let cc = match op {
                    Vec2::Fcmeq => FloatCC::Equal,
                    Vec2::Fcmge | Vec2::Facge => FloatCC::GreaterThanOrEqual,
                    _ => FloatCC::GreaterThan,
                };
                let unordered = self.fb.ins().fcmp(FloatCC::Unordered, x, y);
                let unordered = self.fb.ins().vany_true(unordered);
                Some(self.unless(
                    unordered,
                    I8X16,
                    |b| {
                        let truth = b.fb.ins().fcmp(cc, x, y);
                        let truth = b.cast(I8X16, truth);
                        b.clear_above(arr, truth)
                    },
                    slow,
                ))
            }
            _ => None,
        }
    }

    /// The greater or lesser lanes of numbers, -0 below +0, if no lane of either is a NaN.
    fn extreme(
        &mut self,
        arr: Arr,
        greatest: bool,
        x: Value,
        y: Value,
        slow: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let unordered = self.fb.ins().fcmp(FloatCC::Unordered, x, y);
        let unordered = self.fb.ins().vany_true(unordered);
        self.unless(
            unordered,
            I8X16,
            |b| {
                let result = b.pick_extreme(arr.lane, greatest, x, y);
                let result = b.cast(I8X16, result);
                b.clear_above(arr, result)
            },
            slow,
        )
    }

    /// The greater or lesser lanes, as integers: no comparison of floating point, which would raise flags for NaNs
    /// and does not tell zeros apart. Bits order as the numbers do, the other way round when both are negative.
    pub(super) fn pick_extreme(&mut self, lane: Lane, greatest: bool, x: Value, y: Value) -> Value {
        let ty = lanes_type(lane);
        let (x, y) = (self.cast(ty, x), self.cast(ty, y));
        let zero = self.vconst(0);
        let zero = self.cast(ty, zero);
        let both = self.fb.ins().band(x, y);
        let both_negative = self.fb.ins().icmp(IntCC::SignedGreaterThan, zero, both);
        let above = self.fb.ins().icmp(IntCC::SignedGreaterThan, x, y);
        let greater = self.fb.ins().bxor(above, both_negative);
        let (x, y) = if greatest { (x, y) } else { (y, x) };
        self.fb.ins().bitselect(greater, x, y)
    }

    pub(super) fn build_vec1_fp(&mut self, op: Vec1, arr: Arr, a: Value) -> Option<Value> {
        let ty = float_type(arr.lane)?;
        let slow = |builder: &mut Self| builder.helper_vec1(op, arr, a);
        match op {
            _ if self.mode.flushing && !matches!(op, Vec1::Fabs | Vec1::Fneg) => None,
            Vec1::Fabs | Vec1::Fneg => {
                let sign = self.every_lane(arr.lane, sign_bit(arr.lane));
                let lanes = self.cast(lanes_type(arr.lane), a);
                let result = if op == Vec1::Fabs {
                    self.fb.ins().band_not(lanes, sign)
                } else {
                    self.fb.ins().bxor(lanes, sign)
                };
                let result = self.cast(I8X16, result);
                Some(self.clear_above(arr, result))
            }
            Vec1::Fsqrt => {
                let x = self.floats(arr, a)?;
                let result = self.fb.ins().sqrt(x);
                Some(self.unless_doubtful(arr, result, false, Helper::Vec1, [op as u64, encode_arr(arr)], &[a]))
            }
            Vec1::Fcvtl if arr.lane == Lane::S && arr.count == 2 => {
                let x = self.cast(F32X4, a);
                let result = self.fb.ins().fvpromote_low(x);
                Some(self.unless_doubtful(arr.wider(), result, false, Helper::Vec1, [op as u64, encode_arr(arr)], &[a]))
            }
            Vec1::Fcvtn if arr.lane == Lane::D && arr.is_full() => {
                let x = self.cast(F64X2, a);
                let result = self.fb.ins().fvdemote(x);
                Some(self.unless_doubtful(
                    arr.narrower(),
                    result,
                    true,
                    Helper::Vec1,
                    [op as u64, encode_arr(arr)],
                    &[a],
                ))
            }
            Vec1::Fmaxv | Vec1::Fminv | Vec1::Fmaxnmv | Vec1::Fminnmv if arr.count > 1 => {
                let x = self.floats(arr, a)?;
                let greatest = matches!(op, Vec1::Fmaxv | Vec1::Fmaxnmv);
                let nan = self.fb.ins().fcmp(FloatCC::Unordered, x, x);
                let nan = self.fb.ins().vany_true(nan);
                Some(self.unless(
                    nan,
                    I8X16,
                    |b| b.across(arr, x, |b, x, y| b.pick_extreme(arr.lane, greatest, x, y)),
                    slow,
                ))
            }
            Vec1::Frintp | Vec1::Frintm | Vec1::Frintz | Vec1::Frinta | Vec1::Frintx => {
                let op = match op {
                    Vec1::Frintp => Fp1::Frintp,
                    Vec1::Frintm => Fp1::Frintm,
                    Vec1::Frintz => Fp1::Frintz,
                    Vec1::Frinta => Fp1::Frinta,
                    _ => Fp1::Frintx,
                };
                let lanes = self.cast(ty, a);
                let zero = self.vconst(0);
                let mut result = self.cast(ty, zero);
                for i in 0..arr.count {
                    let scalar = self.fb.ins().extractlane(lanes, i);
                    let rounded = self.build_fp1(op, fp_size(arr.lane), scalar);
                    result = self.fb.ins().insertlane(result, rounded, i);
                }
                Some(self.cast(I8X16, result))
            }
            _ => None,
        }
    }

    pub(super) fn build_vec_mul_add(&mut self, arr: Arr, addend: Value, a: Value, b: Value) -> Option<Value> {
        float_type(arr.lane)?;
        if !self.has_fma || self.mode.flushing {
            return None;
        }
        let (z, x, y) = (self.floats(arr, addend)?, self.floats(arr, a)?, self.floats(arr, b)?);
        let result = self.fb.ins().fma(x, y, z);
        Some(self.unless_doubtful(
            arr,
            result,
            true,
            Helper::Vec3,
            [Vec3::Fmla as u64, encode_arr(arr)],
            &[addend, a, b],
        ))
    }

    pub(super) fn build_vec_fp_to_int(&mut self, how: FpInt, arr: Arr, a: Value) -> Value {
        if arr.count == 1 && float_type(arr.lane).is_some() {
            let width = if arr.lane == Lane::S { Width::W } else { Width::X };
            let scalar = self.scalar_lane(arr.lane, a);
            let result = self.build_fp_to_int(how, fp_size(arr.lane), width, scalar);
            let zero = self.vconst(0);
            return self.build_set_lane(arr.lane, 0, zero, result);
        }
        let slow = |builder: &mut Self| {
            let (how, arr) = (builder.iconst(encode_fp_int(how)), builder.iconst(encode_arr(arr)));
            builder.call_helper(Helper::VecFpToInt, &[how, arr, a])
        };
        if how.rounding != Rounding::Z || how.fbits != 0 || self.mode.flushing {
            return slow(self);
        }
        match arr.lane {
            Lane::S => {
                // In range if the magnitude is below 2^31; unsigned ones need a clear sign too.
                let filled = self.filled(arr, a);
                let bits = self.cast(I32X4, filled);
                let limit = self.every_lane(Lane::S, 0x4eff_ffff);
                let outside = if how.signed {
                    let positive = self.every_lane(Lane::S, 0x7fff_ffff);
                    let magnitude = self.fb.ins().band(bits, positive);
                    self.fb.ins().icmp(IntCC::SignedGreaterThan, magnitude, limit)
                } else {
                    self.fb.ins().icmp(IntCC::UnsignedGreaterThan, bits, limit)
                };
                let outside = self.fb.ins().vany_true(outside);
                self.unless(
                    outside,
                    I8X16,
                    |b| {
                        let floats = b.cast(F32X4, filled);
                        let integers = b.fb.ins().x86_cvtt2dq(I32X4, floats);
                        b.keep(integers);
                        let integers = b.cast(I8X16, integers);
                        b.clear_above(arr, integers)
                    },
                    slow,
                )
            }
            Lane::D if how.signed => {
                let floats = self.cast(F64X2, a);
                let mut result = self.vconst(0);
                for i in 0..2 {
                    let scalar = self.fb.ins().extractlane(floats, i);
                    let integer = self.build_fp_to_int(how, FpSize::D, Width::X, scalar);
                    result = self.build_set_lane(Lane::D, i, result, integer);
                }
                result
            }
            _ => slow(self),
        }
    }

    pub(super) fn build_vec_int_to_fp(&mut self, how: FpInt, arr: Arr, a: Value) -> Value {
        if arr.count == 1 && float_type(arr.lane).is_some() {
            let width = if arr.lane == Lane::S { Width::W } else { Width::X };
            let integer = self.build_lane(arr.lane, 0, a);
            let result = self.build_int_to_fp(how, fp_size(arr.lane), width, integer);
            return self.scalar_vector(arr.lane, result);
        }
        match arr.lane {
            Lane::S if how.fbits == 0 => {
                let filled = self.filled(arr, a);
                let integers = self.cast(I32X4, filled);
                let floats = if how.signed {
                    self.fb.ins().fcvt_from_sint(F32X4, integers)
                } else {
                    self.fb.ins().fcvt_from_uint(F32X4, integers)
                };
                self.keep(floats);
                let bytes = self.cast(I8X16, floats);
                self.clear_above(arr, bytes)
            }
            Lane::D => {
                let integers = self.cast(I64X2, a);
                let zero = self.vconst(0);
                let mut result = self.cast(F64X2, zero);
                for i in 0..2 {
                    let integer = self.fb.ins().extractlane(integers, i);
                    let number = self.build_int_to_fp(how, FpSize::D, Width::X, integer);
                    result = self.fb.ins().insertlane(result, number, i);
                }
                self.cast(I8X16, result)
            }
            _ => {
                let (how, arr) = (self.iconst(encode_fp_int(how)), self.fb.ins().iconst(I64, encode_arr(arr) as i64));
                self.call_helper(Helper::VecIntToFp, &[how, arr, a])
            }
        }
    }
}
