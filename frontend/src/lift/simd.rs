//! Lifters of Advanced SIMD instructions on two and three registers, and by element.

use crate::args::{SimdElem, SimdRegs};
use ir::{Arr, FpInt, Lifted, Ops, Rounding, VReg, Vec1, Vec2, Vec3, VecShift};

/// The half of a register that a long instruction reads.
#[inline]
pub(super) fn half<O: Ops>(ops: &mut O, r: VReg, second: bool) -> O::Vec {
    let v = ops.v(r);
    if second { ops.high_half(v) } else { ops.low_half(v) }
}

/// Writes the half of a register that a narrowing instruction writes: the first clears the second, the second keeps
/// the first.
#[inline]
pub(super) fn set_half<O: Ops>(ops: &mut O, r: VReg, second: bool, narrow: O::Vec) {
    let value = if second {
        let old = ops.v(r);
        ops.join_halves(old, narrow)
    } else {
        narrow
    };
    ops.set_v(r, value);
}

/// Vd = op(Vn).
#[inline]
pub fn unary<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec1) -> Lifted<O> {
    let n = ops.v(a.vn);
    let result = ops.vec1(op, a.arr, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vn, Vm).
#[inline]
pub fn binary<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2) -> Lifted<O> {
    let (n, m) = (ops.v(a.vn), ops.v(a.vm));
    let result = ops.vec2(op, a.arr, n, m);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vd, Vn).
#[inline]
pub fn binary_onto<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2) -> Lifted<O> {
    let (d, n) = (ops.v(a.vd), ops.v(a.vn));
    let result = ops.vec2(op, a.arr, d, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vn, Vd): SUQADD, USQADD.
#[inline]
pub fn binary_with_old<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2) -> Lifted<O> {
    let (n, d) = (ops.v(a.vn), ops.v(a.vd));
    let result = ops.vec2(op, a.arr, n, d);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = Vd + op(Vn, Vm): SABA, UABA.
#[inline]
pub fn binary_accumulate<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2) -> Lifted<O> {
    let (n, m, d) = (ops.v(a.vn), ops.v(a.vm), ops.v(a.vd));
    let term = ops.vec2(op, a.arr, n, m);
    let result = ops.vec2(Vec2::Add, a.arr, d, term);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vd, Vn, Vm).
#[inline]
pub fn ternary<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec3) -> Lifted<O> {
    let (d, n, m) = (ops.v(a.vd), ops.v(a.vn), ops.v(a.vm));
    let result = ops.vec3(op, a.arr, d, n, m);
    ops.set_v(a.vd, result);
    Ok(())
}

/// BIT: Vn's bits into Vd where Vm's are set.
#[inline]
pub fn bit<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>) -> Lifted<O> {
    let (d, n, m) = (ops.v(a.vd), ops.v(a.vn), ops.v(a.vm));
    let result = ops.vec3(Vec3::Bsl, a.arr, m, n, d);
    ops.set_v(a.vd, result);
    Ok(())
}

/// BIF: Vn's bits into Vd where Vm's are clear.
#[inline]
pub fn bif<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>) -> Lifted<O> {
    let (d, n, m) = (ops.v(a.vd), ops.v(a.vn), ops.v(a.vm));
    let result = ops.vec3(Vec3::Bsl, a.arr, m, d, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// FMLS: Vd - Vn * Vm, fused.
#[inline]
pub fn fmls<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>) -> Lifted<O> {
    let (d, n, m) = (ops.v(a.vd), ops.v(a.vn), ops.v(a.vm));
    let negated = ops.vec1(Vec1::Fneg, a.arr, n);
    let result = ops.vec3(Vec3::Fmla, a.arr, d, negated, m);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vn, 0).
#[inline]
pub fn compare_with_zero<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2) -> Lifted<O> {
    let (n, zero) = (ops.v(a.vn), ops.vec_imm(0));
    let result = ops.vec2(op, a.arr, n, zero);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(0, Vn).
#[inline]
pub fn compare_zero_with<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2) -> Lifted<O> {
    let (n, zero) = (ops.v(a.vn), ops.vec_imm(0));
    let result = ops.vec2(op, a.arr, zero, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(half of Vn, half of Vm), lanes twice as wide.
#[inline]
pub fn long<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2) -> Lifted<O> {
    let (n, m) = (half(ops, a.vn, a.second), half(ops, a.vm, a.second));
    let result = ops.vec2(op, a.arr, n, m);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = accumulate(Vd, op(half of Vn, half of Vm)), lanes twice as wide.
#[inline]
pub fn long_accumulate<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2, accumulate: Vec2) -> Lifted<O> {
    let (n, m) = (half(ops, a.vn, a.second), half(ops, a.vm, a.second));
    let term = ops.vec2(op, a.arr, n, m);
    let d = ops.v(a.vd);
    let result = ops.vec2(accumulate, a.arr.wider(), d, term);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(extended half of Vn, extended half of Vm).
#[inline]
pub fn extend_both<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, extend: Vec1, op: Vec2) -> Lifted<O> {
    let (n, m) = (half(ops, a.vn, a.second), half(ops, a.vm, a.second));
    let (n, m) = (ops.vec1(extend, a.arr, n), ops.vec1(extend, a.arr, m));
    let result = ops.vec2(op, a.arr.wider(), n, m);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vn, extended half of Vm).
#[inline]
pub fn extend_second<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, extend: Vec1, op: Vec2) -> Lifted<O> {
    let (n, m) = (ops.v(a.vn), half(ops, a.vm, a.second));
    let m = ops.vec1(extend, a.arr, m);
    let result = ops.vec2(op, a.arr.wider(), n, m);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(half of Vn), lanes twice as wide.
#[inline]
pub fn widen<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec1) -> Lifted<O> {
    let n = half(ops, a.vn, a.second);
    let result = ops.vec1(op, a.arr, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Half of Vd = op(Vn), lanes half as wide.
#[inline]
pub fn narrow<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec1) -> Lifted<O> {
    let n = ops.v(a.vn);
    let result = ops.vec1(op, a.arr, n);
    set_half(ops, a.vd, a.second, result);
    Ok(())
}

/// Half of Vd = op(Vn, Vm), lanes half as wide.
#[inline]
pub fn narrow_binary<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2) -> Lifted<O> {
    let (n, m) = (ops.v(a.vn), ops.v(a.vm));
    let result = ops.vec2(op, a.arr, n, m);
    set_half(ops, a.vd, a.second, result);
    Ok(())
}

/// SADALP, UADALP: Vd plus sums of pairs.
#[inline]
pub fn pairs_accumulate<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec1) -> Lifted<O> {
    let (n, d) = (ops.v(a.vn), ops.v(a.vd));
    let sums = ops.vec1(op, a.arr, n);
    let arr = Arr { lane: a.arr.lane.wider(), count: a.arr.count / 2 };
    let result = ops.vec2(Vec2::Add, arr, d, sums);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vn\[0\], Vn\[1\]).
#[inline]
pub fn scalar_pair<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, op: Vec2) -> Lifted<O> {
    let n = ops.v(a.vn);
    let second = ops.splat_lane(a.arr, 1, n);
    let result = ops.vec2(op, a.arr, n, second);
    ops.set_v(a.vd, result);
    Ok(())
}

/// FCVTNS and the other conversions to integers.
#[inline]
pub fn fp_to_int<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, rounding: Rounding, signed: bool) -> Lifted<O> {
    let n = ops.v(a.vn);
    let result = ops.vec_fp_to_int(FpInt { rounding, signed, fbits: 0 }, a.arr, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// SCVTF, UCVTF.
#[inline]
pub fn int_to_fp<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>, signed: bool) -> Lifted<O> {
    let n = ops.v(a.vn);
    let result = ops.vec_int_to_fp(FpInt { rounding: Rounding::Current, signed, fbits: 0 }, a.arr, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vn, element).
#[inline]
pub fn elem_binary<O: Ops, S>(ops: &mut O, a: &SimdElem<S>, op: Vec2) -> Lifted<O> {
    let (n, m) = (ops.v(a.vn), ops.v(a.vm));
    let element = ops.splat_lane(a.arr, a.index, m);
    let result = ops.vec2(op, a.arr, n, element);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vd, Vn, element).
#[inline]
pub fn elem_ternary<O: Ops, S>(ops: &mut O, a: &SimdElem<S>, op: Vec3) -> Lifted<O> {
    let (d, n, m) = (ops.v(a.vd), ops.v(a.vn), ops.v(a.vm));
    let element = ops.splat_lane(a.arr, a.index, m);
    let result = ops.vec3(op, a.arr, d, n, element);
    ops.set_v(a.vd, result);
    Ok(())
}

/// FMLS by element.
#[inline]
pub fn elem_fmls<O: Ops, S>(ops: &mut O, a: &SimdElem<S>) -> Lifted<O> {
    let (d, n, m) = (ops.v(a.vd), ops.v(a.vn), ops.v(a.vm));
    let element = ops.splat_lane(a.arr, a.index, m);
    let negated = ops.vec1(Vec1::Fneg, a.arr, n);
    let result = ops.vec3(Vec3::Fmla, a.arr, d, negated, element);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(half of Vn, element), lanes twice as wide.
#[inline]
pub fn elem_long<O: Ops, S>(ops: &mut O, a: &SimdElem<S>, op: Vec2) -> Lifted<O> {
    let (n, m) = (half(ops, a.vn, a.second), ops.v(a.vm));
    let element = ops.splat_lane(a.arr, a.index, m);
    let result = ops.vec2(op, a.arr, n, element);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = accumulate(Vd, op(half of Vn, element)), lanes twice as wide.
#[inline]
pub fn elem_long_accumulate<O: Ops, S>(ops: &mut O, a: &SimdElem<S>, op: Vec2, accumulate: Vec2) -> Lifted<O> {
    let (n, m) = (half(ops, a.vn, a.second), ops.v(a.vm));
    let element = ops.splat_lane(a.arr, a.index, m);
    let term = ops.vec2(op, a.arr, n, element);
    let d = ops.v(a.vd);
    let result = ops.vec2(accumulate, a.arr.wider(), d, term);
    ops.set_v(a.vd, result);
    Ok(())
}

/// SHLL: the half's lanes shifted left by their own size.
#[inline]
pub fn shll<O: Ops, S>(ops: &mut O, a: &SimdRegs<S>) -> Lifted<O> {
    let n = half(ops, a.vn, a.second);
    let wide = ops.vec1(Vec1::Uxtl, a.arr, n);
    let result = ops.vec_shift(VecShift::Shl, a.arr.wider(), a.arr.lane.bits() as u8, wide);
    ops.set_v(a.vd, result);
    Ok(())
}
