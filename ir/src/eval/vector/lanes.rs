//! Lanes of a 128-bit value as arrays of integers, and the loops over them that every family of vector operations is
//! written with. Plain loops over arrays of fixed size: the compiler turns them into host vector instructions.

use crate::{Arr, CpuState};
use std::ops::IndexMut;

/// QC in FPSR: a saturating operation has saturated.
const FPSR_QC: u32 = 1 << 27;

/// An integer that can be a lane.
pub(super) trait Element: Copy {
    /// As many as fill 128 bits, the least significant first.
    type Lanes: Copy + IndexMut<usize, Output = Self>;
    /// How many those are.
    const COUNT: usize;
    /// Splits 128 bits.
    fn unpack(v: u128) -> Self::Lanes;
    /// Joins them again.
    fn pack(lanes: Self::Lanes) -> u128;
}

macro_rules! elements {
    ($($T:ident $bytes:literal $count:literal),*) => { $(
        impl Element for $T {
            type Lanes = [$T; $count];
            const COUNT: usize = $count;
            #[inline(always)]
            fn unpack(v: u128) -> [$T; $count] {
                let bytes = v.to_le_bytes();
                std::array::from_fn(|i| $T::from_le_bytes(std::array::from_fn(|j| bytes[i * $bytes + j])))
            }
            #[inline(always)]
            fn pack(lanes: [$T; $count]) -> u128 {
                let mut bytes = [0; 16];
                for i in 0..$count {
                    bytes[i * $bytes..(i + 1) * $bytes].copy_from_slice(&lanes[i].to_le_bytes());
                }
                u128::from_le_bytes(bytes)
            }
        }
    )* };
}
elements!(u8 1 16, i8 1 16, u16 2 8, i16 2 8, u32 4 4, i32 4 4, u64 8 2, i64 8 2, u128 16 1, i128 16 1);

/// Evaluates an expression with types that fit the lane: `I` and `U` of the lane's size, `WideI` and `WideU` of twice
/// that size.
macro_rules! by_lane {
    ($lane:expr, $body:expr) => {
        match $lane {
            $crate::Lane::B => $crate::eval::vector::lanes::by_lane!(@types i8 u8 i16 u16 $body),
            $crate::Lane::H => $crate::eval::vector::lanes::by_lane!(@types i16 u16 i32 u32 $body),
            $crate::Lane::S => $crate::eval::vector::lanes::by_lane!(@types i32 u32 i64 u64 $body),
            $crate::Lane::D | $crate::Lane::Q => $crate::eval::vector::lanes::by_lane!(@types i64 u64 i128 u128 $body),
        }
    };
    (@types $i:ident $u:ident $wi:ident $wu:ident $body:expr) => {{
        #[allow(unused)]
        type I = $i;
        #[allow(unused)]
        type U = $u;
        #[allow(unused)]
        type WideI = $wi;
        #[allow(unused)]
        type WideU = $wu;
        $body
    }};
}
pub(super) use by_lane;

/// Evaluates an expression with types for narrowing: `I` and `U` of the lane's size (H to D), `NarrowI` and `NarrowU`
/// of half that size.
macro_rules! by_wide_lane {
    ($lane:expr, $body:expr) => {
        match $lane {
            $crate::Lane::B | $crate::Lane::H => {
                $crate::eval::vector::lanes::by_wide_lane!(@types i16 u16 i8 u8 $body)
            }
            $crate::Lane::S => $crate::eval::vector::lanes::by_wide_lane!(@types i32 u32 i16 u16 $body),
            $crate::Lane::D | $crate::Lane::Q => {
                $crate::eval::vector::lanes::by_wide_lane!(@types i64 u64 i32 u32 $body)
            }
        }
    };
    (@types $i:ident $u:ident $ni:ident $nu:ident $body:expr) => {{
        #[allow(unused)]
        type I = $i;
        #[allow(unused)]
        type U = $u;
        #[allow(unused)]
        type NarrowI = $ni;
        #[allow(unused)]
        type NarrowU = $nu;
        $body
    }};
}
pub(super) use by_wide_lane;

/// The bits that the arrangement covers; the rest zero.
#[inline(always)]
pub(super) fn clip(arr: Arr, v: u128) -> u128 {
    if arr.is_full() { v } else { v & ((1u128 << arr.bits()) - 1) }
}

/// Sets QC if `saturated`.
#[inline(always)]
pub(super) fn note_saturation(cpu: &mut CpuState, saturated: bool) {
    if saturated {
        cpu.fpsr |= FPSR_QC;
    }
}

// Loops over many lanes take their operands by reference and are not inlined: lanes in memory become host vectors,
// whereas lanes that were parts of a 128-bit integer a moment ago stay that, and are shifted and masked out of it one
// by one. For few lanes that is faster (measured, comparisons: 16 lanes 24 ns against 14, 4 lanes 8 against 14).
const FEW_LANES: usize = 4;

#[inline(never)]
fn combine_in_memory<T: Element, R: Element>(a: &T::Lanes, b: &T::Lanes, f: impl Fn(T, T) -> R) -> R::Lanes {
    combine_lanes(a, b, f)
}

#[inline(always)]
fn combine_lanes<T: Element, R: Element>(a: &T::Lanes, b: &T::Lanes, f: impl Fn(T, T) -> R) -> R::Lanes {
    let mut result = R::unpack(0);
    for i in 0..T::COUNT.min(R::COUNT) {
        result[i] = f(a[i], b[i]);
    }
    result
}

/// The low lanes of two operands through a function, as many as operands and result both have: to lanes of the same
/// size, twice as wide, or half as wide (in the low half).
#[inline(always)]
pub(super) fn combine<T: Element, R: Element>(a: u128, b: u128, f: impl Fn(T, T) -> R) -> u128 {
    let (a, b) = (T::unpack(a), T::unpack(b));
    let few = T::COUNT.max(R::COUNT) <= FEW_LANES;
    R::pack(if few { combine_lanes::<T, R>(&a, &b, f) } else { combine_in_memory::<T, R>(&a, &b, f) })
}

/// As [`combine`], of one operand.
#[inline(always)]
pub(super) fn convert<T: Element, R: Element>(a: u128, f: impl Fn(T) -> R) -> u128 {
    combine::<T, R>(a, a, |x, _| f(x))
}

#[inline(never)]
fn combine3_in_memory<T: Element>(a: &T::Lanes, b: &T::Lanes, c: &T::Lanes, f: impl Fn(T, T, T) -> T) -> T::Lanes {
    combine3_lanes(a, b, c, f)
}

#[inline(always)]
fn combine3_lanes<T: Element>(a: &T::Lanes, b: &T::Lanes, c: &T::Lanes, f: impl Fn(T, T, T) -> T) -> T::Lanes {
    let mut result = T::unpack(0);
    for i in 0..T::COUNT {
        result[i] = f(a[i], b[i], c[i]);
    }
    result
}

/// Lanes of three operands through a function.
#[inline(always)]
pub(super) fn combine3<T: Element>(a: u128, b: u128, c: u128, f: impl Fn(T, T, T) -> T) -> u128 {
    let (a, b, c) = (T::unpack(a), T::unpack(b), T::unpack(c));
    let few = T::COUNT <= FEW_LANES;
    T::pack(if few { combine3_lanes(&a, &b, &c, f) } else { combine3_in_memory(&a, &b, &c, f) })
}

#[inline(never)]
fn saturating_in_memory<T: Element>(a: &T::Lanes, b: &T::Lanes, f: impl Fn(T, T) -> (T, bool)) -> (T::Lanes, bool) {
    saturating_lanes(a, b, f)
}

#[inline(always)]
fn saturating_lanes<T: Element>(a: &T::Lanes, b: &T::Lanes, f: impl Fn(T, T) -> (T, bool)) -> (T::Lanes, bool) {
    let mut result = T::unpack(0);
    let mut any = false;
    for i in 0..T::COUNT {
        let (value, saturated) = f(a[i], b[i]);
        result[i] = value;
        any |= saturated;
    }
    (result, any)
}

/// Lanes of two operands through a function that also says whether it has saturated. Give it clipped operands, so that
/// lanes outside the arrangement (zeros) do not saturate.
#[inline(always)]
pub(super) fn saturating<T: Element>(cpu: &mut CpuState, a: u128, b: u128, f: impl Fn(T, T) -> (T, bool)) -> u128 {
    let (a, b) = (T::unpack(a), T::unpack(b));
    let few = T::COUNT <= FEW_LANES;
    let (result, any) = if few { saturating_lanes(&a, &b, f) } else { saturating_in_memory(&a, &b, f) };
    note_saturation(cpu, any);
    T::pack(result)
}

#[inline(never)]
fn pairs_in_memory<T: Element, R: Element>(a: &T::Lanes, b: &T::Lanes, f: impl Fn(T, T) -> R) -> R::Lanes {
    pairs_of_lanes(a, b, f)
}

#[inline(always)]
fn pairs_of_lanes<T: Element, R: Element>(a: &T::Lanes, b: &T::Lanes, f: impl Fn(T, T) -> R) -> R::Lanes {
    let mut result = R::unpack(0);
    let half = T::COUNT / 2;
    for i in 0..half {
        result[i] = f(a[2 * i], a[2 * i + 1]);
    }
    for i in half..R::COUNT {
        result[i] = f(b[2 * (i - half)], b[2 * (i - half) + 1]);
    }
    result
}

#[inline(always)]
fn pairs<T: Element, R: Element>(a: u128, b: u128, f: impl Fn(T, T) -> R) -> u128 {
    let (a, b) = (T::unpack(a), T::unpack(b));
    let few = T::COUNT <= FEW_LANES;
    R::pack(if few { pairs_of_lanes::<T, R>(&a, &b, f) } else { pairs_in_memory::<T, R>(&a, &b, f) })
}

/// Adjacent pairs of b:a (of each the bits that the arrangement covers) through a function.
#[inline(always)]
pub(super) fn pairwise<T: Element>(arr: Arr, a: u128, b: u128, f: impl Fn(T, T) -> T) -> u128 {
    if arr.is_full() {
        return pairs::<T, T>(a, b, f);
    }
    let joined = clip(arr, a) | b << arr.bits();
    clip(arr, pairs::<T, T>(joined, joined, f))
}

/// Adjacent pairs of lanes through a function to lanes twice as wide.
#[inline(always)]
pub(super) fn pairwise_long<T: Element, W: Element>(a: u128, f: impl Fn(T, T) -> W) -> u128 {
    pairs::<T, W>(a, a, f)
}

/// Folds the lanes of the arrangement, the lowest first.
#[inline(always)]
pub(super) fn reduce<T: Element>(arr: Arr, a: u128, f: impl Fn(T, T) -> T) -> T {
    let lanes = T::unpack(a);
    (1..usize::from(arr.count)).fold(lanes[0], |sum, i| f(sum, lanes[i]))
}
