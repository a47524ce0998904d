//! Lane-wise integer arithmetic, comparisons and bit operations that keep the size of the lanes.

use super::lanes::{Element, by_lane, clip, combine, combine3, convert, note_saturation, pairwise, saturating};
use crate::{
    Arr, CpuState,
    eval::fp::{recip_estimate, rsqrt_estimate},
};

/// Makes functions of operands lane by lane. The type after the operands is that of the lanes: `I` signed, `U`
/// unsigned; `WideI` and `WideU` are twice as wide.
macro_rules! lane_wise {
    ($($(#[$doc:meta])* $name:ident($x:ident $(, $y:ident $(, $z:ident)?)?: $T:ident) = $body:expr;)*) => {
        $(lane_wise! { @one $(#[$doc])* $name($x $(, $y $(, $z)?)?: $T) = $body; })*
    };
    (@one $(#[$doc:meta])* $name:ident($x:ident: $T:ident) = $body:expr;) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(arr: Arr, a: u128) -> u128 {
            clip(arr, by_lane!(arr.lane, convert::<$T, $T>(a, |$x| $body)))
        }
    };
    (@one $(#[$doc:meta])* $name:ident($x:ident, $y:ident: $T:ident) = $body:expr;) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(arr: Arr, a: u128, b: u128) -> u128 {
            clip(arr, by_lane!(arr.lane, combine::<$T, $T>(a, b, |$x, $y| $body)))
        }
    };
    (@one $(#[$doc:meta])* $name:ident($x:ident, $y:ident, $z:ident: $T:ident) = $body:expr;) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(arr: Arr, a: u128, b: u128, c: u128) -> u128 {
            clip(arr, by_lane!(arr.lane, combine3::<$T>(a, b, c, |$x, $y, $z| $body)))
        }
    };
}

/// Makes functions that saturate: the body gives the result and whether it has saturated.
macro_rules! saturating_lane_wise {
    ($($(#[$doc:meta])* $name:ident($x:ident $(, $y:ident)?: $T:ident) = $body:expr;)*) => {
        $(saturating_lane_wise! { @one $(#[$doc])* $name($x $(, $y)?: $T) = $body; })*
    };
    (@one $(#[$doc:meta])* $name:ident($x:ident: $T:ident) = $body:expr;) => {
        $(#[$doc])*
        pub fn $name(cpu: &mut CpuState, arr: Arr, a: u128) -> u128 {
            by_lane!(arr.lane, saturating::<$T>(cpu, clip(arr, a), 0, |$x, _| $body))
        }
    };
    (@one $(#[$doc:meta])* $name:ident($x:ident, $y:ident: $T:ident) = $body:expr;) => {
        $(#[$doc])*
        pub fn $name(cpu: &mut CpuState, arr: Arr, a: u128, b: u128) -> u128 {
            by_lane!(arr.lane, saturating::<$T>(cpu, clip(arr, a), clip(arr, b), |$x, $y| $body))
        }
    };
}

/// Makes functions of adjacent pairs.
macro_rules! pairs {
    ($($(#[$doc:meta])* $name:ident($x:ident, $y:ident: $T:ident) = $body:expr;)*) => { $(
        $(#[$doc])*
        #[must_use]
        pub fn $name(arr: Arr, a: u128, b: u128) -> u128 {
            by_lane!(arr.lane, pairwise::<$T>(arr, a, b, |$x, $y| $body))
        }
    )* };
}

lane_wise! {
    /// NEG.
    neg(x: I) = x.wrapping_neg();
    /// ABS: the least value stays.
    abs(x: I) = x.wrapping_abs();
    /// Count leading zeros.
    clz(x: U) = x.leading_zeros() as U;
    /// Count leading sign bits, the sign itself not counted.
    cls(x: I) = (((x ^ (x >> 1)) as U) << 1 | 1).leading_zeros() as I;
    /// CNT: population count (of bytes).
    cnt(x: U) = x.count_ones() as U;
    /// RBIT (of bytes).
    rbit(x: U) = x.reverse_bits();

    /// ADD.
    add(x, y: U) = x.wrapping_add(y);
    /// SUB.
    sub(x, y: U) = x.wrapping_sub(y);
    /// MUL.
    mul(x, y: U) = x.wrapping_mul(y);
    /// SMAX.
    smax(x, y: I) = x.max(y);
    /// UMAX.
    umax(x, y: U) = x.max(y);
    /// SMIN.
    smin(x, y: I) = x.min(y);
    /// UMIN.
    umin(x, y: U) = x.min(y);
    /// SABD.
    sabd(x, y: I) = x.abs_diff(y) as I;
    /// UABD.
    uabd(x, y: U) = x.abs_diff(y);
    /// SHADD.
    shadd(x, y: I) = (x & y).wrapping_add((x ^ y) >> 1);
    /// UHADD.
    uhadd(x, y: U) = (x & y) + ((x ^ y) >> 1);
    /// SRHADD.
    srhadd(x, y: I) = (x | y).wrapping_sub((x ^ y) >> 1);
    /// URHADD.
    urhadd(x, y: U) = (x | y) - ((x ^ y) >> 1);
    /// SHSUB.
    shsub(x, y: I) = ((WideI::from(x) - WideI::from(y)) >> 1) as I;
    /// UHSUB.
    uhsub(x, y: U) = (WideU::from(x).wrapping_sub(WideU::from(y)) >> 1) as U;
    /// CMEQ.
    cmeq(x, y: U) = ones(x == y) as U;
    /// CMGE.
    cmge(x, y: I) = ones(x >= y) as I;
    /// CMGT.
    cmgt(x, y: I) = ones(x > y) as I;
    /// CMHS.
    cmhs(x, y: U) = ones(x >= y) as U;
    /// CMHI.
    cmhi(x, y: U) = ones(x > y) as U;
    /// CMTST.
    cmtst(x, y: U) = ones(x & y != 0) as U;

    /// MLA: a + b * c.
    mla(x, y, z: U) = x.wrapping_add(y.wrapping_mul(z));
    /// MLS: a - b * c.
    mls(x, y, z: U) = x.wrapping_sub(y.wrapping_mul(z));
}

saturating_lane_wise! {
    /// SQNEG.
    sqneg(x: I) = match x.checked_neg() { Some(r) => (r, false), None => (I::MAX, true) };
    /// SQABS.
    sqabs(x: I) = match x.checked_abs() { Some(r) => (r, false), None => (I::MAX, true) };
    /// SQADD.
    sqadd(x, y: I) = (x.saturating_add(y), x.saturating_add(y) != x.wrapping_add(y));
    /// UQADD.
    uqadd(x, y: U) = (x.saturating_add(y), x.saturating_add(y) != x.wrapping_add(y));
    /// SQSUB.
    sqsub(x, y: I) = (x.saturating_sub(y), x.saturating_sub(y) != x.wrapping_sub(y));
    /// UQSUB.
    uqsub(x, y: U) = (x.saturating_sub(y), x.saturating_sub(y) != x.wrapping_sub(y));
    /// SUQADD: a unsigned, b signed.
    suqadd(x, y: I) = (y.saturating_add_unsigned(x as U), y.saturating_add_unsigned(x as U) != y.wrapping_add(x));
    /// USQADD: a signed, b unsigned.
    usqadd(x, y: U) = (y.saturating_add_signed(x as I), y.saturating_add_signed(x as I) != y.wrapping_add(x));
    /// SQDMULH.
    sqdmulh(x, y: I) = {
        let high = (WideI::from(x) * WideI::from(y)) >> (I::BITS - 1);
        (high.min(WideI::from(I::MAX)) as I, high > WideI::from(I::MAX))
    };
    /// SQRDMULH.
    sqrdmulh(x, y: I) = {
        let high = (WideI::from(x) * WideI::from(y) + (1 << (I::BITS - 2))) >> (I::BITS - 1);
        (high.min(WideI::from(I::MAX)) as I, high > WideI::from(I::MAX))
    };
}

/// SQRDMLAH and (`subtract`) SQRDMLSH: a plus or minus the doubled product of b and c, high half, rounded.
pub fn sqrdmlah(cpu: &mut CpuState, subtract: bool, arr: Arr, a: u128, b: u128, c: u128) -> u128 {
    let (a, b, c) = (clip(arr, a), clip(arr, b), clip(arr, c));
    let mut any = false;
    let result = by_lane!(arr.lane, {
        let (mut lanes, b, c) = (I::unpack(a), I::unpack(b), I::unpack(c));
        for i in 0..I::COUNT {
            let product = WideI::from(b[i]) * WideI::from(c[i]);
            let product = if subtract { -product } else { product };
            // Halves of everything: the doubled product might not fit.
            let sum = (WideI::from(lanes[i]) << (I::BITS - 1)) + product + (1 << (I::BITS - 2));
            let high = sum >> (I::BITS - 1);
            let clamped = high.clamp(WideI::from(I::MIN), WideI::from(I::MAX));
            lanes[i] = clamped as I;
            any |= clamped != high;
        }
        I::pack(lanes)
    });
    note_saturation(cpu, any);
    result
}

pairs! {
    /// ADDP.
    addp(x, y: U) = x.wrapping_add(y);
    /// SMAXP.
    smaxp(x, y: I) = x.max(y);
    /// UMAXP.
    umaxp(x, y: U) = x.max(y);
    /// SMINP.
    sminp(x, y: I) = x.min(y);
    /// UMINP.
    uminp(x, y: U) = x.min(y);
}

/// All ones where true, to be cut to the lane.
#[inline(always)]
fn ones(c: bool) -> i64 {
    -i64::from(c)
}

/// PMUL: polynomial product over {0, 1} of bytes, low byte.
#[must_use]
pub fn pmul(arr: Arr, a: u128, b: u128) -> u128 {
    clip(arr, combine::<u8, u8>(a, b, |x, y| carryless_product_of_bytes(x, y) as u8))
}

/// Polynomial product over {0, 1} of bytes.
#[inline(always)]
pub fn carryless_product_of_bytes(x: u8, y: u8) -> u16 {
    (0..8).fold(0, |sum, i| sum ^ u16::from(x) << i & u16::from(y >> i & 1).wrapping_neg())
}

/// Polynomial product over {0, 1}.
#[must_use]
pub fn carryless_product(x: u64, y: u64) -> u128 {
    (0..64).fold(0, |sum, i| sum ^ u128::from(x) << i & u128::from(y >> i & 1).wrapping_neg())
}

/// URECPE (Arm ARM, UnsignedRecipEstimate) of words.
#[must_use]
pub fn urecpe(arr: Arr, a: u128) -> u128 {
    clip(arr, convert::<u32, u32>(a, |x| if x >> 31 == 0 { u32::MAX } else { recip_estimate(x >> 23) << 23 }))
}

/// URSQRTE (Arm ARM, UnsignedRSqrtEstimate) of words.
#[must_use]
pub fn ursqrte(arr: Arr, a: u128) -> u128 {
    clip(arr, convert::<u32, u32>(a, |x| if x >> 30 == 0 { u32::MAX } else { rsqrt_estimate(x >> 23) << 23 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lane;

    #[test]
    fn lanes_outside_the_arrangement_neither_count_nor_saturate() {
        let mut cpu = CpuState::new();
        let low = Arr::vector(Lane::B, false);
        let a = u128::from_le_bytes([0x7f; 16]);
        assert_eq!(add(low, a, a), 0xfefe_fefe_fefe_fefe);
        let half = u128::from(u64::MAX) << 64;
        assert_eq!(sqadd(&mut cpu, low, a & half, a & half), 0);
        assert_eq!(cpu.fpsr, 0);
        assert_eq!(sqadd(&mut cpu, Arr::scalar(Lane::B), a, a), 0x7f);
        assert_eq!(cpu.fpsr, 1 << 27);
    }
}
