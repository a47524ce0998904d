//! Arguments of Advanced SIMD instructions on registers. What differs between classes is mostly which arrangements
//! exist; a [`Shape`] says that, and the argument sets are the same structure with different shapes.

use crate::Word;
use ir::{Arr, Lane, VReg};
use std::{fmt::Debug, marker::PhantomData};

/// The arrangements that a class of instructions has, from the size, Q and scalar bits.
pub trait Shape: Copy + Debug {
    /// The arrangement of the operands (of the low-half operands for long instructions, of the wide ones for narrowing
    /// instructions), and whether the second half is meant ("2" forms). None if unallocated.
    fn shape(word: Word) -> Option<(Arr, bool)>;
}

/// Up to three vector registers.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct SimdRegs<S> {
    pub arr: Arr,
    /// A narrow operand or result is the second half of its register.
    pub second: bool,
    pub vd: VReg,
    pub vn: VReg,
    pub vm: VReg,
    shape: PhantomData<S>,
}

impl<S: Shape> SimdRegs<S> {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (arr, second) = S::shape(word)?;
        Some(Self { arr, second, vd: word.vd(), vn: word.vn(), vm: word.vm(), shape: PhantomData })
    }
}

/// Two vectors and an element of a third. Index and element's register depend on the size (H:L:M).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct SimdElem<S> {
    pub arr: Arr,
    /// The operands that are half as long as the result are second halves.
    pub second: bool,
    pub vd: VReg,
    pub vn: VReg,
    pub vm: VReg,
    pub index: u8,
    shape: PhantomData<S>,
}

impl<S: Shape> SimdElem<S> {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (arr, second) = S::shape(word)?;
        let (h, l, m) = (word.field(11, 11) as u8, word.field(21, 21) as u8, word.field(20, 20) as u8);
        let (index, vm) = match arr.lane {
            Lane::B | Lane::H => (h << 2 | l << 1 | m, VReg(word.field(19, 16) as u8)),
            Lane::S => (h << 1 | l, word.vm()),
            Lane::D | Lane::Q => (h, word.vm()),
        };
        if arr.lane == Lane::D && l != 0 {
            return None;
        }
        Some(Self { arr, second, vd: word.vd(), vn: word.vn(), vm, index, shape: PhantomData })
    }
}

/// Makes a shape and the argument set of that name.
macro_rules! shapes {
    ($set:ident; $($(#[$doc:meta])* $name:ident |$word:ident| $body:expr;)*) => { $(
        $(#[$doc])*
        pub type $name = $set<shape::$name>;
        impl Shape for shape::$name {
            fn shape($word: Word) -> Option<(Arr, bool)> {
                $body
            }
        }
    )* };
}

/// Makes the types that name shapes.
macro_rules! shape_names {
    ($($name:ident)*) => {
        /// The types that stand for shapes.
        pub mod shape { $(
            /// The shape of the argument set of this name.
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
        )* }
    };
}

shape_names! {
    VecBhsd VecBhs VecBh VecHs VecB VecS VecFp
    ScalarBhsd ScalarHs ScalarD ScalarFp
    LongBhs LongHs LongBd NarrowBhs NarrowScalar AcrossBhs FpLong FpNarrow FpNarrowScalar
    ElemHs ElemLong ElemScalar ElemFp ElemScalarFp ElemDot
}

/// Lanes of the sizes from `least` to `most`, as long as Q says; one D is no vector.
fn vector(word: Word, lane: Lane, least: Lane, most: Lane) -> Option<(Arr, bool)> {
    let fits = within(lane, least, most) && (lane != Lane::D || word.q());
    fits.then(|| (Arr::vector(lane, word.q()), false))
}

fn within(lane: Lane, least: Lane, most: Lane) -> bool {
    (least as u8..=most as u8).contains(&(lane as u8))
}

fn scalar(lane: Lane, least: Lane, most: Lane) -> Option<(Arr, bool)> {
    within(lane, least, most).then(|| (Arr::scalar(lane), false))
}

shapes! { SimdRegs;
    /// Vectors of any lane.
    VecBhsd |word| vector(word, word.lane(), Lane::B, Lane::D);
    /// Vectors of B, H, S.
    VecBhs |word| vector(word, word.lane(), Lane::B, Lane::S);
    /// Vectors of B, H.
    VecBh |word| vector(word, word.lane(), Lane::B, Lane::H);
    /// Vectors of H, S.
    VecHs |word| vector(word, word.lane(), Lane::H, Lane::S);
    /// Vectors of B, whatever the size bits.
    VecB |word| Some((Arr::vector(Lane::B, word.q()), false));
    /// Vectors of S, whatever the size bits.
    VecS |word| Some((Arr::vector(Lane::S, word.q()), false));
    /// Floating-point vectors.
    VecFp |word| vector(word, word.sz(), Lane::S, Lane::D);
    /// Scalars of any size.
    ScalarBhsd |word| scalar(word.lane(), Lane::B, Lane::D);
    /// Scalars H, S.
    ScalarHs |word| scalar(word.lane(), Lane::H, Lane::S);
    /// Scalars D.
    ScalarD |word| scalar(word.lane(), Lane::D, Lane::D);
    /// Floating-point scalars.
    ScalarFp |word| scalar(word.sz(), Lane::S, Lane::D);
    /// Long instructions of B, H, S.
    LongBhs |word| within(word.lane(), Lane::B, Lane::S).then(|| (Arr::vector(word.lane(), false), word.q()));
    /// Long instructions of H, S.
    LongHs |word| within(word.lane(), Lane::H, Lane::S).then(|| (Arr::vector(word.lane(), false), word.q()));
    /// PMULL: B and D.
    LongBd |word| {
        matches!(word.lane(), Lane::B | Lane::D).then(|| (Arr::vector(word.lane(), false), word.q()))
    };
    /// Narrowing instructions; `arr` is that of the wide operands.
    NarrowBhs |word| {
        within(word.lane(), Lane::B, Lane::S).then(|| (Arr::vector(word.lane().wider(), true), word.q()))
    };
    /// Narrowing instructions on scalars.
    NarrowScalar |word| within(word.lane(), Lane::B, Lane::S).then(|| (Arr::scalar(word.lane().wider()), false));
    /// Across lanes: two lanes are not enough.
    AcrossBhs |word| vector(word, word.lane(), Lane::B, Lane::S).filter(|(arr, _)| arr.count > 2);
    /// FCVTL: H or S.
    FpLong |word| Some((Arr::vector(word.sz().narrower(), false), word.q()));
    /// FCVTN: S or D.
    FpNarrow |word| Some((Arr::vector(word.sz(), true), word.q()));
    /// FCVTXN on scalars.
    FpNarrowScalar |word| Some((Arr::scalar(word.sz()), false));
}

shapes! { SimdElem;
    /// Vectors of H, S by element.
    ElemHs |word| vector(word, word.lane(), Lane::H, Lane::S);
    /// Long instructions of H, S by element.
    ElemLong |word| within(word.lane(), Lane::H, Lane::S).then(|| (Arr::vector(word.lane(), false), word.q()));
    /// Scalars H, S by element.
    ElemScalar |word| scalar(word.lane(), Lane::H, Lane::S);
    /// Floating-point vectors by element.
    ElemFp |word| vector(word, word.sz(), Lane::S, Lane::D);
    /// Floating-point scalars by element.
    ElemScalarFp |word| scalar(word.sz(), Lane::S, Lane::D);
    /// Dot products: the element is a word of four bytes.
    ElemDot |word| Some((Arr::vector(Lane::S, word.q()), false));
}
