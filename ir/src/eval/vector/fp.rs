//! Lane-wise floating point: the scalar functions of `eval::fp` on every lane.

use super::{lane, set_lane};
use crate::{
    Arr, CpuState, Fp1, Fp2, FpInt, FpSize, Lane,
    eval::fp::{self as scalar},
};

fn size(lane: Lane) -> FpSize {
    match lane {
        Lane::B | Lane::H => FpSize::H,
        Lane::S => FpSize::S,
        Lane::D | Lane::Q => FpSize::D,
    }
}

/// A scalar function on every lane; `f` gets the format too.
#[inline]
pub(super) fn map1(cpu: &mut CpuState, arr: Arr, a: u128, f: impl Fn(&mut CpuState, FpSize, u64) -> u64) -> u128 {
    let size = size(arr.lane);
    (0..arr.count).fold(0, |result, i| set_lane(arr.lane, i, result, f(cpu, size, lane(arr.lane, i, a))))
}

/// A scalar function on every lane of two operands.
#[inline]
pub(super) fn map2(
    cpu: &mut CpuState,
    arr: Arr,
    a: u128,
    b: u128,
    f: impl Fn(&mut CpuState, FpSize, u64, u64) -> u64,
) -> u128 {
    let size = size(arr.lane);
    (0..arr.count)
        .fold(0, |result, i| set_lane(arr.lane, i, result, f(cpu, size, lane(arr.lane, i, a), lane(arr.lane, i, b))))
}

/// A comparison on every lane: all ones where true.
#[inline]
pub(super) fn compare(
    cpu: &mut CpuState,
    arr: Arr,
    a: u128,
    b: u128,
    f: impl Fn(&mut CpuState, FpSize, u64, u64) -> bool,
) -> u128 {
    map2(cpu, arr, a, b, |cpu, size, x, y| if f(cpu, size, x, y) { u64::MAX } else { 0 })
}

/// One operand.
pub fn fp1(cpu: &mut CpuState, op: Fp1, arr: Arr, a: u128) -> u128 {
    map1(cpu, arr, a, |cpu, size, x| scalar::fp1(cpu, op, size, x))
}

/// Two operands.
pub fn fp2(cpu: &mut CpuState, op: Fp2, arr: Arr, a: u128, b: u128) -> u128 {
    map2(cpu, arr, a, b, |cpu, size, x, y| scalar::fp2(cpu, op, size, x, y))
}

/// Adjacent pairs of b:a.
pub fn pairwise(cpu: &mut CpuState, op: Fp2, arr: Arr, a: u128, b: u128) -> u128 {
    use super::permute::uzp;
    let (even, odd) = (uzp(0, arr, a, b), uzp(1, arr, a, b));
    fp2(cpu, op, arr, even, odd)
}

/// Across lanes, halves first (Arm ARM, Reduce).
pub fn reduce(cpu: &mut CpuState, op: Fp2, arr: Arr, a: u128) -> u128 {
    let size = size(arr.lane);
    u128::from(reduce_range(cpu, op, size, a, 0, arr.count))
}

fn reduce_range(cpu: &mut CpuState, op: Fp2, size: FpSize, a: u128, first: u8, count: u8) -> u64 {
    if count == 1 {
        return lane(size.lane(), first, a);
    }
    let low = reduce_range(cpu, op, size, a, first, count / 2);
    let high = reduce_range(cpu, op, size, a, first + count / 2, count / 2);
    scalar::fp2(cpu, op, size, low, high)
}

/// addend + a * b, fused.
pub fn mul_add(cpu: &mut CpuState, arr: Arr, addend: u128, a: u128, b: u128) -> u128 {
    let size = size(arr.lane);
    (0..arr.count).fold(0, |result, i| {
        let at = |v| lane(arr.lane, i, v);
        set_lane(arr.lane, i, result, scalar::mul_add(cpu, size, at(addend), at(a), at(b)))
    })
}

/// FCVTL: the low lanes to lanes twice as wide.
pub fn widen(cpu: &mut CpuState, arr: Arr, a: u128) -> u128 {
    let wide = arr.wider().lane;
    (0..arr.count).fold(0, |result, i| {
        set_lane(wide, i, result, scalar::convert(cpu, size(arr.lane), size(wide), lane(arr.lane, i, a)))
    })
}

/// FCVTN: to lanes half as wide.
pub fn narrow(cpu: &mut CpuState, arr: Arr, a: u128) -> u128 {
    let narrow = arr.narrower().lane;
    (0..arr.count).fold(0, |result, i| {
        set_lane(narrow, i, result, scalar::convert(cpu, size(arr.lane), size(narrow), lane(arr.lane, i, a)))
    })
}

/// FCVTXN: doubles to singles, rounding to odd.
pub fn narrow_odd(cpu: &mut CpuState, arr: Arr, a: u128) -> u128 {
    (0..arr.count).fold(0, |result, i| set_lane(Lane::S, i, result, scalar::convert_odd(cpu, lane(Lane::D, i, a))))
}

/// FPToFixed on every lane.
pub fn to_int(cpu: &mut CpuState, how: FpInt, arr: Arr, a: u128) -> u128 {
    map1(cpu, arr, a, |cpu, size, x| scalar::to_int(cpu, how, size, arr.lane.bits(), x))
}

/// FixedToFP on every lane.
pub fn from_int(cpu: &mut CpuState, how: FpInt, arr: Arr, a: u128) -> u128 {
    map1(cpu, arr, a, |cpu, size, x| scalar::from_int(cpu, how, size, arr.lane.bits(), x))
}
