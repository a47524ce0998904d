//! Shifts: by a register's lanes, by a constant, narrowing.

use super::lanes::{by_lane, by_wide_lane, clip, combine, convert, note_saturation};
use crate::{Arr, CpuState, VecShift};

/// How [`by_register`] treats what does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterShift {
    /// Whether lanes are signed.
    pub signed: bool,
    /// Whether right shifts round.
    pub rounding: bool,
    /// Whether left shifts saturate.
    pub saturating: bool,
}

/// `x` shifted left by `amount` (right if negative), in unbounded precision as far as any lane can tell: what does not
/// fit 127 bits keeps its sign and zeros in the low 64 bits.
fn shift_exactly(x: i128, amount: i32, rounding: bool) -> i128 {
    match amount {
        64.. => x.signum() << 126,
        0..64 => x << amount,
        _ => {
            // Beyond 100 all that is left of a lane is its sign, and nothing when rounded.
            let n = amount.unsigned_abs().min(100);
            let round = if rounding { 1 << (n - 1) } else { 0 };
            (x + round) >> n
        }
    }
}

/// A lane, extended.
fn extended(arr: Arr, index: u8, v: u128, signed: bool) -> i128 {
    let value = super::lane(arr.lane, index, v);
    let unused = 64 - arr.lane.bits();
    if signed { i128::from((value << unused) as i64 >> unused) } else { i128::from(value) }
}

/// SignedSat or UnsignedSat to a number of bits.
fn saturate(value: i128, bits: u32, signed: bool) -> (i128, bool) {
    let (low, high) = if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
    let result = value.clamp(low, high);
    (result, result != value)
}

/// SSHL, USHL and their rounding and saturating forms: a shifted left by the signed low byte of each lane of b.
pub fn by_register(cpu: &mut CpuState, how: RegisterShift, arr: Arr, a: u128, b: u128) -> u128 {
    let mut result = 0;
    for i in 0..arr.count {
        let amount = i32::from(super::lane(arr.lane, i, b) as i8);
        let exact = shift_exactly(extended(arr, i, a, how.signed), amount, how.rounding);
        let (value, saturated) =
            if how.saturating { saturate(exact, arr.lane.bits(), how.signed) } else { (exact, false) };
        note_saturation(cpu, saturated);
        result = super::set_lane(arr.lane, i, result, value as u64);
    }
    result
}

/// SSHL.
#[must_use]
#[allow(clippy::unnecessary_cast, reason = "the type depends on the lane")]
pub fn sshl(arr: Arr, a: u128, b: u128) -> u128 {
    clip(
        arr,
        by_lane!(
            arr.lane,
            combine::<I, I>(a, b, |x, y| {
                let amount = i32::from(y as i8);
                if amount >= 0 {
                    x.checked_shl(amount as u32).unwrap_or(0)
                } else {
                    x >> (-amount).min(I::BITS as i32 - 1)
                }
            })
        ),
    )
}

/// USHL.
#[must_use]
pub fn ushl(arr: Arr, a: u128, b: u128) -> u128 {
    clip(
        arr,
        by_lane!(
            arr.lane,
            combine::<U, U>(a, b, |x, y| {
                let amount = i32::from(y as i8);
                if amount >= 0 {
                    x.checked_shl(amount as u32).unwrap_or(0)
                } else {
                    x.checked_shr(amount.unsigned_abs()).unwrap_or(0)
                }
            })
        ),
    )
}

/// Shifts every lane by a constant.
pub fn by_constant(cpu: &mut CpuState, op: VecShift, arr: Arr, amount: u8, a: u128) -> u128 {
    use VecShift as V;
    let n = u32::from(amount);
    match op {
        V::Shl => clip(arr, by_lane!(arr.lane, convert::<U, U>(a, |x| x << (n & (U::BITS - 1))))),
        V::Sshr => clip(arr, by_lane!(arr.lane, convert::<I, I>(a, |x| x >> n.min(I::BITS - 1)))),
        V::Ushr => clip(arr, by_lane!(arr.lane, convert::<U, U>(a, |x| x.checked_shr(n).unwrap_or(0)))),
        V::Srshr => {
            clip(arr, by_lane!(arr.lane, convert::<I, I>(a, |x| ((WideI::from(x) + (1 << (n.max(1) - 1))) >> n) as I)))
        }
        V::Urshr => {
            clip(arr, by_lane!(arr.lane, convert::<U, U>(a, |x| ((WideU::from(x) + (1 << (n.max(1) - 1))) >> n) as U)))
        }
        V::Sqshl => saturating_left(cpu, true, true, arr, n, a),
        V::Uqshl => saturating_left(cpu, false, false, arr, n, a),
        V::Sqshlu => saturating_left(cpu, true, false, arr, n, a),
        V::Shrn => by_wide_lane!(arr.lane, convert::<U, NarrowU>(clip(arr, a), |x| (x >> n) as NarrowU)),
        V::Rshrn => by_wide_lane!(
            arr.lane,
            convert::<U, NarrowU>(clip(arr, a), |x| (x.wrapping_add(1 << (n.max(1) - 1)) >> n) as NarrowU)
        ),
        V::Sqshrn => narrow_saturating(cpu, (true, true), false, arr, n, a),
        V::Uqshrn => narrow_saturating(cpu, (false, false), false, arr, n, a),
        V::Sqshrun => narrow_saturating(cpu, (true, false), false, arr, n, a),
        V::Sqrshrn => narrow_saturating(cpu, (true, true), true, arr, n, a),
        V::Uqrshrn => narrow_saturating(cpu, (false, false), true, arr, n, a),
        V::Sqrshrun => narrow_saturating(cpu, (true, false), true, arr, n, a),
    }
}

fn saturating_left(cpu: &mut CpuState, from_signed: bool, to_signed: bool, arr: Arr, n: u32, a: u128) -> u128 {
    let mut result = 0;
    for i in 0..arr.count {
        let exact = extended(arr, i, a, from_signed) << n;
        let (value, saturated) = saturate(exact, arr.lane.bits(), to_signed);
        note_saturation(cpu, saturated);
        result = super::set_lane(arr.lane, i, result, value as u64);
    }
    result
}

/// Lanes shifted right by `n` (0 for none), saturated to half the size. `signs` are those of operand and result.
pub fn narrow_saturating(cpu: &mut CpuState, signs: (bool, bool), rounding: bool, arr: Arr, n: u32, a: u128) -> u128 {
    let narrow = arr.lane.narrower();
    let round = if rounding && n > 0 { 1 << (n - 1) } else { 0 };
    let mut result = 0;
    for i in 0..arr.count {
        let exact = (extended(arr, i, a, signs.0) + round) >> n;
        let (value, saturated) = saturate(exact, narrow.bits(), signs.1);
        note_saturation(cpu, saturated);
        result = super::set_lane(narrow, i, result, value as u64);
    }
    result
}
