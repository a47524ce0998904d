//! Lifters of Advanced SIMD shifts by an immediate, conversions with fraction bits, and modified immediates.

use super::simd::{half, set_half};
use crate::args::{SimdImm, SimdShift};
use ir::{Arr, FpInt, Lane, Lifted, Ops, Rounding, Vec1, Vec2, VecShift};

/// Vd = Vn shifted.
#[inline]
pub fn shift<O: Ops, S>(ops: &mut O, a: &SimdShift<S>, op: VecShift) -> Lifted<O> {
    let n = ops.v(a.vn);
    let result = ops.vec_shift(op, a.arr, a.amount, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = Vd + Vn shifted: SSRA and the like.
#[inline]
pub fn shift_accumulate<O: Ops, S>(ops: &mut O, a: &SimdShift<S>, op: VecShift) -> Lifted<O> {
    let (n, d) = (ops.v(a.vn), ops.v(a.vd));
    let term = ops.vec_shift(op, a.arr, a.amount, n);
    let result = ops.vec2(Vec2::Add, a.arr, d, term);
    ops.set_v(a.vd, result);
    Ok(())
}

/// SLI (`Shl`) and SRI (`Ushr`): Vd keeps the bits that the shift leaves free.
#[inline]
pub fn shift_insert<O: Ops, S>(ops: &mut O, a: &SimdShift<S>, op: VecShift) -> Lifted<O> {
    let ones = u64::MAX >> (64 - a.arr.lane.bits());
    let amount = u32::from(a.amount);
    let moved = if op == VecShift::Shl { ones << amount & ones } else { ones.checked_shr(amount).unwrap_or(0) };
    let kept = (0..a.arr.count).fold(0, |v, i| v | u128::from(ones & !moved) << (u32::from(i) * a.arr.lane.bits()));
    let (n, d) = (ops.v(a.vn), ops.v(a.vd));
    let shifted = ops.vec_shift(op, a.arr, a.amount, n);
    let kept = ops.vec_imm(kept);
    let old = ops.vec2(Vec2::And, Arr::vector(Lane::B, true), d, kept);
    let result = ops.vec2(Vec2::Orr, Arr::vector(Lane::B, true), old, shifted);
    ops.set_v(a.vd, result);
    Ok(())
}

/// SSHLL, USHLL.
#[inline]
pub fn shift_long<O: Ops, S>(ops: &mut O, a: &SimdShift<S>, extend: Vec1) -> Lifted<O> {
    let n = half(ops, a.vn, a.second);
    let mut result = ops.vec1(extend, a.arr, n);
    if a.amount != 0 {
        result = ops.vec_shift(VecShift::Shl, a.arr.wider(), a.amount, result);
    }
    ops.set_v(a.vd, result);
    Ok(())
}

/// Half of Vd = Vn shifted right, lanes half as wide.
#[inline]
pub fn shift_narrow<O: Ops, S>(ops: &mut O, a: &SimdShift<S>, op: VecShift) -> Lifted<O> {
    let n = ops.v(a.vn);
    let result = ops.vec_shift(op, a.arr, a.amount, n);
    set_half(ops, a.vd, a.second && a.arr.count > 1, result);
    Ok(())
}

/// FCVTZS, FCVTZU with fraction bits.
#[inline]
pub fn fp_to_fixed<O: Ops, S>(ops: &mut O, a: &SimdShift<S>, signed: bool) -> Lifted<O> {
    let n = ops.v(a.vn);
    let result = ops.vec_fp_to_int(FpInt { rounding: Rounding::Z, signed, fbits: a.amount }, a.arr, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// SCVTF, UCVTF with fraction bits.
#[inline]
pub fn fixed_to_fp<O: Ops, S>(ops: &mut O, a: &SimdShift<S>, signed: bool) -> Lifted<O> {
    let n = ops.v(a.vn);
    let result = ops.vec_int_to_fp(FpInt { rounding: Rounding::Current, signed, fbits: a.amount }, a.arr, n);
    ops.set_v(a.vd, result);
    Ok(())
}

fn expanded(a: &SimdImm, imm: u64) -> u128 {
    u128::from(imm) | if a.q { u128::from(imm) << 64 } else { 0 }
}

/// MOVI, FMOV (vector, immediate); MVNI with `invert`.
#[inline]
pub fn movi<O: Ops>(ops: &mut O, a: &SimdImm, invert: bool) -> Lifted<O> {
    let value = ops.vec_imm(expanded(a, if invert { !a.imm } else { a.imm }));
    ops.set_v(a.vd, value);
    Ok(())
}

/// ORR, BIC (vector, immediate).
#[inline]
pub fn logic_imm<O: Ops>(ops: &mut O, a: &SimdImm, op: Vec2) -> Lifted<O> {
    let (d, imm) = (ops.v(a.vd), ops.vec_imm(expanded(a, a.imm)));
    let result = ops.vec2(op, Arr::vector(Lane::B, a.q), d, imm);
    ops.set_v(a.vd, result);
    Ok(())
}
