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

/// Each lane through a function.
#[inline(always)]
pub(super) fn map1<T: Element>(a: u128, f: impl Fn(T) -> T) -> u128 {
    let mut lanes = T::unpack(a);
    for i in 0..T::COUNT {
        lanes[i] = f(lanes[i]);
    }
    T::pack(lanes)
}

/// Lanes of two operands through a function.
#[inline(always)]
pub(super) fn map2<T: Element>(a: u128, b: u128, f: impl Fn(T, T) -> T) -> u128 {
    let (mut lanes, b) = (T::unpack(a), T::unpack(b));
    for i in 0..T::COUNT {
        lanes[i] = f(lanes[i], b[i]);
    }
    T::pack(lanes)
}

/// Lanes of three operands through a function.
#[inline(always)]
pub(super) fn map3<T: Element>(a: u128, b: u128, c: u128, f: impl Fn(T, T, T) -> T) -> u128 {
    let (mut lanes, b, c) = (T::unpack(a), T::unpack(b), T::unpack(c));
    for i in 0..T::COUNT {
        lanes[i] = f(lanes[i], b[i], c[i]);
    }
    T::pack(lanes)
}

/// As [`map1`], of a function that also says whether it has saturated. Give it clipped operands, so that lanes outside
/// the arrangement (zeros) do not saturate.
#[inline(always)]
pub(super) fn saturating1<T: Element>(cpu: &mut CpuState, a: u128, f: impl Fn(T) -> (T, bool)) -> u128 {
    let mut lanes = T::unpack(a);
    let mut any = false;
    for i in 0..T::COUNT {
        let (value, saturated) = f(lanes[i]);
        lanes[i] = value;
        any |= saturated;
    }
    note_saturation(cpu, any);
    T::pack(lanes)
}

/// As [`map2`], of a function that also says whether it has saturated; operands clipped as for [`saturating1`].
#[inline(always)]
pub(super) fn saturating2<T: Element>(cpu: &mut CpuState, a: u128, b: u128, f: impl Fn(T, T) -> (T, bool)) -> u128 {
    let (mut lanes, b) = (T::unpack(a), T::unpack(b));
    let mut any = false;
    for i in 0..T::COUNT {
        let (value, saturated) = f(lanes[i], b[i]);
        lanes[i] = value;
        any |= saturated;
    }
    note_saturation(cpu, any);
    T::pack(lanes)
}

/// The low lanes of two operands through a function to lanes twice as wide.
#[inline(always)]
pub(super) fn widen2<T: Element, W: Element>(a: u128, b: u128, f: impl Fn(T, T) -> W) -> u128 {
    let (a, b) = (T::unpack(a), T::unpack(b));
    let mut lanes = W::unpack(0);
    for i in 0..W::COUNT {
        lanes[i] = f(a[i], b[i]);
    }
    W::pack(lanes)
}

/// The low lanes of an operand through a function to lanes twice as wide.
#[inline(always)]
pub(super) fn widen1<T: Element, W: Element>(a: u128, f: impl Fn(T) -> W) -> u128 {
    widen2::<T, W>(a, a, |x, _| f(x))
}

/// Lanes of two operands through a function to lanes half as wide, in the low half.
#[inline(always)]
pub(super) fn narrow2<T: Element, N: Element>(a: u128, b: u128, f: impl Fn(T, T) -> N) -> u128 {
    let (a, b) = (T::unpack(a), T::unpack(b));
    let mut lanes = N::unpack(0);
    for i in 0..T::COUNT {
        lanes[i] = f(a[i], b[i]);
    }
    N::pack(lanes)
}

/// Lanes of an operand through a function to lanes half as wide, in the low half.
#[inline(always)]
pub(super) fn narrow1<T: Element, N: Element>(a: u128, f: impl Fn(T) -> N) -> u128 {
    narrow2::<T, N>(a, a, |x, _| f(x))
}

/// Adjacent pairs of b:a (as many lanes of each as the arrangement has) through a function.
#[inline(always)]
pub(super) fn pairwise<T: Element>(arr: Arr, a: u128, b: u128, f: impl Fn(T, T) -> T) -> u128 {
    let count = usize::from(arr.count);
    let (a, b) = (T::unpack(a), T::unpack(b));
    let operand = |i: usize| if i < count { a[i] } else { b[i - count] };
    let mut lanes = T::unpack(0);
    for i in 0..count {
        lanes[i] = f(operand(2 * i), operand(2 * i + 1));
    }
    T::pack(lanes)
}

/// Folds the lanes of the arrangement, the lowest first.
#[inline(always)]
pub(super) fn reduce<T: Element>(arr: Arr, a: u128, f: impl Fn(T, T) -> T) -> T {
    let lanes = T::unpack(a);
    (1..usize::from(arr.count)).fold(lanes[0], |sum, i| f(sum, lanes[i]))
}
