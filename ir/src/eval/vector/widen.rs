//! Integer operations whose result lanes are wider or narrower than their operands', and sums across lanes.

use super::integer::{carryless_product, carryless_product_of_bytes};
use super::lanes::{Element, by_lane, by_wide_lane, clip, combine, convert, note_saturation, pairwise_long, reduce};
use crate::{Arr, CpuState, Lane};

/// Makes functions of the operands' low lanes to wider ones.
macro_rules! long {
    ($($(#[$doc:meta])* $name:ident($x:ident, $y:ident: $T:ident -> $W:ident) = $body:expr;)*) => { $(
        $(#[$doc])*
        #[must_use]
        pub fn $name(arr: Arr, a: u128, b: u128) -> u128 {
            clip(arr.wider(), by_lane!(arr.lane, combine::<$T, $W>(a, b, |$x, $y| $body)))
        }
    )* };
}

long! {
    /// SMULL.
    smull(x, y: I -> WideI) = WideI::from(x) * WideI::from(y);
    /// UMULL.
    umull(x, y: U -> WideU) = WideU::from(x) * WideU::from(y);
    /// SABDL.
    sabdl(x, y: I -> WideU) = WideU::from(x.abs_diff(y));
    /// UABDL.
    uabdl(x, y: U -> WideU) = WideU::from(x.abs_diff(y));
}

/// SXTL.
#[must_use]
pub fn sxtl(arr: Arr, a: u128) -> u128 {
    clip(arr.wider(), by_lane!(arr.lane, convert::<I, WideI>(a, WideI::from)))
}

/// UXTL.
#[must_use]
pub fn uxtl(arr: Arr, a: u128) -> u128 {
    clip(arr.wider(), by_lane!(arr.lane, convert::<U, WideU>(a, WideU::from)))
}

/// SQDMULL.
pub fn sqdmull(cpu: &mut CpuState, arr: Arr, a: u128, b: u128) -> u128 {
    let (a, b) = (clip(arr, a), clip(arr, b));
    let mut any = false;
    let result = by_lane!(arr.lane, {
        let (a, b) = (I::unpack(a), I::unpack(b));
        let mut lanes = WideI::unpack(0);
        for i in 0..WideI::COUNT {
            let product = WideI::from(a[i]) * WideI::from(b[i]);
            lanes[i] = product.saturating_add(product);
            any |= product.checked_add(product).is_none();
        }
        WideI::pack(lanes)
    });
    note_saturation(cpu, any);
    result
}

/// PMULL: polynomial products, of bytes to halfwords or of doublewords to 128 bits.
#[must_use]
pub fn pmull(arr: Arr, a: u128, b: u128) -> u128 {
    if arr.lane == Lane::D {
        return carryless_product(a as u64, b as u64);
    }
    clip(arr.wider(), combine::<u8, u16>(a, b, carryless_product_of_bytes))
}

/// XTN.
#[must_use]
pub fn xtn(arr: Arr, a: u128) -> u128 {
    by_wide_lane!(arr.lane, convert::<U, NarrowU>(clip(arr, a), |x| x as NarrowU))
}

/// ADDHN and (`round` set) RADDHN.
#[must_use]
pub fn addhn(round: bool, arr: Arr, a: u128, b: u128) -> u128 {
    clip(
        arr.narrower(),
        by_wide_lane!(
            arr.lane,
            combine::<U, NarrowU>(a, b, |x, y| {
                let sum = x.wrapping_add(y).wrapping_add(U::from(round) << (NarrowU::BITS - 1));
                (sum >> NarrowU::BITS) as NarrowU
            })
        ),
    )
}

/// SUBHN and (`round` set) RSUBHN.
#[must_use]
pub fn subhn(round: bool, arr: Arr, a: u128, b: u128) -> u128 {
    clip(
        arr.narrower(),
        by_wide_lane!(
            arr.lane,
            combine::<U, NarrowU>(a, b, |x, y| {
                let difference = x.wrapping_sub(y).wrapping_add(U::from(round) << (NarrowU::BITS - 1));
                (difference >> NarrowU::BITS) as NarrowU
            })
        ),
    )
}

/// SADDLP.
#[must_use]
pub fn saddlp(arr: Arr, a: u128) -> u128 {
    clip(arr, by_lane!(arr.lane, pairwise_long::<I, WideI>(a, |x, y| WideI::from(x) + WideI::from(y))))
}

/// UADDLP.
#[must_use]
pub fn uaddlp(arr: Arr, a: u128) -> u128 {
    clip(arr, by_lane!(arr.lane, pairwise_long::<U, WideU>(a, |x, y| WideU::from(x) + WideU::from(y))))
}

/// Makes functions that fold all lanes into one.
macro_rules! across {
    ($($(#[$doc:meta])* $name:ident($x:ident, $y:ident: $T:ident) = $body:expr;)*) => { $(
        $(#[$doc])*
        #[must_use]
        pub fn $name(arr: Arr, a: u128) -> u128 {
            by_lane!(arr.lane, u128::from(reduce::<$T>(arr, a, |$x, $y| $body) as U))
        }
    )* };
}

across! {
    /// ADDV.
    addv(x, y: U) = x.wrapping_add(y);
    /// SMAXV.
    smaxv(x, y: I) = x.max(y);
    /// UMAXV.
    umaxv(x, y: U) = x.max(y);
    /// SMINV.
    sminv(x, y: I) = x.min(y);
    /// UMINV.
    uminv(x, y: U) = x.min(y);
}

/// SADDLV.
#[must_use]
#[allow(clippy::useless_conversion, reason = "the type depends on the lane")]
pub fn saddlv(arr: Arr, a: u128) -> u128 {
    by_lane!(arr.lane, {
        let lanes = I::unpack(a);
        let sum = (0..usize::from(arr.count)).fold(0, |sum: WideI, i| sum + WideI::from(lanes[i]));
        (sum as WideU).into()
    })
}

/// UADDLV.
#[must_use]
#[allow(clippy::useless_conversion, reason = "the type depends on the lane")]
pub fn uaddlv(arr: Arr, a: u128) -> u128 {
    by_lane!(arr.lane, {
        let lanes = U::unpack(a);
        (0..usize::from(arr.count)).fold(0, |sum: WideU, i| sum + WideU::from(lanes[i])).into()
    })
}

/// Dot products of four bytes each, added to the words of a.
#[must_use]
pub fn dot(signed: bool, arr: Arr, a: u128, b: u128, c: u128) -> u128 {
    let (mut sums, b, c) = (u32::unpack(a), b.to_le_bytes(), c.to_le_bytes());
    for i in 0..16 {
        let product =
            if signed { i32::from(b[i] as i8) * i32::from(c[i] as i8) } else { i32::from(b[i]) * i32::from(c[i]) };
        sums[i / 4] = sums[i / 4].wrapping_add(product as u32);
    }
    clip(arr, u32::pack(sums))
}
