//! Vectors of [`crate::Eval`]: functions of 128-bit values, lane by lane.

use crate::{Arr, CpuState, FpInt, Lane, Vec1, Vec2, Vec3, VecShift};

/// One lane, zero-extended.
#[inline(always)]
#[must_use]
pub fn lane(lane: Lane, index: u8, a: u128) -> u64 {
    let bits = lane.bits();
    (a >> (u32::from(index) * bits)) as u64 & (u64::MAX >> (64 - bits.min(64)))
}

/// `a` with one lane replaced by the low bits of `value`.
#[inline(always)]
#[must_use]
pub fn set_lane(lane: Lane, index: u8, a: u128, value: u64) -> u128 {
    let shift = u32::from(index) * lane.bits();
    let mask = u128::from(u64::MAX >> (64 - lane.bits().min(64))) << shift;
    a & !mask | u128::from(value) << shift & mask
}

/// One operand.
pub fn vec1(_cpu: &mut CpuState, _op: Vec1, _arr: Arr, _a: u128) -> u128 {
    todo!()
}
/// Two operands.
pub fn vec2(_cpu: &mut CpuState, _op: Vec2, _arr: Arr, _a: u128, _b: u128) -> u128 {
    todo!()
}
/// Three operands.
pub fn vec3(_cpu: &mut CpuState, _op: Vec3, _arr: Arr, _a: u128, _b: u128, _c: u128) -> u128 {
    todo!()
}
/// Shift by a constant.
pub fn shift(_cpu: &mut CpuState, _op: VecShift, _arr: Arr, _amount: u8, _a: u128) -> u128 {
    todo!()
}
/// EXT.
#[must_use]
pub fn ext(_arr: Arr, _index: u8, _a: u128, _b: u128) -> u128 {
    todo!()
}
/// TBL and TBX.
#[must_use]
pub fn table(_arr: Arr, _table: &[u128], _index: u128, _fallback: u128) -> u128 {
    todo!()
}
/// FPToFixed on every lane.
pub fn fp_to_int(_cpu: &mut CpuState, _how: FpInt, _arr: Arr, _a: u128) -> u128 {
    todo!()
}
/// FixedToFP on every lane.
pub fn int_to_fp(_cpu: &mut CpuState, _how: FpInt, _arr: Arr, _a: u128) -> u128 {
    todo!()
}
