//! Arguments of Advanced SIMD shifts by an immediate, conversions with fraction bits, and modified immediates.

use crate::Word;
use ir::{Arr, Lane, VReg};
use std::{fmt::Debug, marker::PhantomData};

/// What immh:immb means.
pub trait ShiftShape: Copy + Debug {
    /// The arrangement of the operand, and the amount; `lane` is the one that immh names and `imm` the seven bits.
    /// None if unallocated.
    fn shape(word: Word, lane: Lane, imm: u32) -> Option<(Arr, u32)>;
}

/// Two vectors and an amount.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct SimdShift<S> {
    pub arr: Arr,
    /// A narrow operand or result is the second half of its register.
    pub second: bool,
    pub amount: u8,
    pub vd: VReg,
    pub vn: VReg,
    shape: PhantomData<S>,
}

impl<S: ShiftShape> SimdShift<S> {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let lane = match word.field(22, 19) {
            0 => return None,
            1 => Lane::B,
            2..4 => Lane::H,
            4..8 => Lane::S,
            _ => Lane::D,
        };
        let (arr, amount) = S::shape(word, lane, word.field(22, 16))?;
        let second = word.q();
        Some(Self { arr, second, amount: amount as u8, vd: word.vd(), vn: word.vn(), shape: PhantomData })
    }
}

/// Makes shapes and the argument sets of that name.
macro_rules! shift_shapes {
    ($($(#[$doc:meta])* $name:ident |$word:ident, $lane:ident, $imm:ident| $body:expr;)*) => {
        /// The types that stand for shapes.
        pub mod shift_shape { $(
            /// The shape of the argument set of this name.
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
        )* }
        $(
            $(#[$doc])*
            pub type $name = SimdShift<shift_shape::$name>;
            impl ShiftShape for shift_shape::$name {
                fn shape($word: Word, $lane: Lane, $imm: u32) -> Option<(Arr, u32)> {
                    $body
                }
            }
        )*
    };
}

fn left(lane: Lane, imm: u32) -> u32 {
    imm - lane.bits()
}

fn right(lane: Lane, imm: u32) -> u32 {
    2 * lane.bits() - imm
}

fn vector(word: Word, lane: Lane) -> Option<Arr> {
    (lane != Lane::D || word.q()).then(|| Arr::vector(lane, word.q()))
}

shift_shapes! {
    /// Left shifts of vectors.
    LeftVec |word, lane, imm| Some((vector(word, lane)?, left(lane, imm)));
    /// Right shifts of vectors.
    RightVec |word, lane, imm| Some((vector(word, lane)?, right(lane, imm)));
    /// Left shifts of scalars of any size.
    LeftScalar |_word, lane, imm| Some((Arr::scalar(lane), left(lane, imm)));
    /// Left shifts of scalars D.
    LeftScalarD |_word, lane, imm| (lane == Lane::D).then(|| (Arr::scalar(lane), left(lane, imm)));
    /// Right shifts of scalars D.
    RightScalarD |_word, lane, imm| (lane == Lane::D).then(|| (Arr::scalar(lane), right(lane, imm)));
    /// Left shifts to lanes twice as wide; the arrangement is the narrow one.
    LeftLong |_word, lane, imm| (lane != Lane::D).then(|| (Arr::vector(lane, false), left(lane, imm)));
    /// Right shifts to lanes half as wide; the arrangement is the wide one.
    RightNarrow |_word, lane, imm| (lane != Lane::D).then(|| (Arr::vector(lane.wider(), true), right(lane, imm)));
    /// Right shifts of scalars to half the size.
    RightNarrowScalar |_word, lane, imm| (lane != Lane::D).then(|| (Arr::scalar(lane.wider()), right(lane, imm)));
    /// Fraction bits of vectors; halves are FEAT_FP16.
    FixedVec |word, lane, imm| {
        matches!(lane, Lane::S | Lane::D).then_some((vector(word, lane)?, right(lane, imm)))
    };
    /// Fraction bits of scalars.
    FixedScalar |_word, lane, imm| matches!(lane, Lane::S | Lane::D).then(|| (Arr::scalar(lane), right(lane, imm)));
}

/// MOVI and its kin: the immediate arrives expanded (AdvSIMDExpandImm), as each half of the vector.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct SimdImm {
    pub q: bool,
    pub vd: VReg,
    pub imm: u64,
}

impl SimdImm {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let imm8 = u64::from(word.field(18, 16) << 5 | word.field(9, 5));
        let (op, cmode) = (word.bit(29), word.field(15, 12));
        let imm = match (cmode, op) {
            (0..8, _) => (imm8 << (8 * (cmode >> 1))) * 0x1_0000_0001,
            (8..12, _) => (imm8 << (8 * (cmode >> 1 & 1))) * 0x0001_0001_0001_0001,
            (12, _) => (imm8 << 8 | 0xff) * 0x1_0000_0001,
            (13, _) => (imm8 << 16 | 0xffff) * 0x1_0000_0001,
            (14, false) => imm8 * 0x0101_0101_0101_0101,
            (14, true) => (0..8).fold(0, |imm, i| if imm8 >> i & 1 != 0 { imm | 0xff << (8 * i) } else { imm }),
            (_, false) => u64::from(single(imm8 as u32)) * 0x1_0000_0001,
            (_, true) => double(imm8),
        };
        Some(Self { q: word.q(), vd: word.vd(), imm })
    }
}

/// VFPExpandImm for singles: sign, exponent NOT(b):bbbbb:cd, fraction efgh.
fn single(imm8: u32) -> u32 {
    let exponent = if imm8 & 0x40 != 0 { 0x7c } else { 0x80 } | imm8 >> 4 & 3;
    (imm8 >> 7) << 31 | exponent << 23 | (imm8 & 15) << 19
}

/// VFPExpandImm for doubles.
fn double(imm8: u64) -> u64 {
    let exponent = if imm8 & 0x40 != 0 { 0x3fc } else { 0x400 } | imm8 >> 4 & 3;
    (imm8 >> 7) << 63 | exponent << 52 | (imm8 & 15) << 48
}
