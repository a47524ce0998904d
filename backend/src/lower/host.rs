//! The vector operations of the host that expansions are made of. A compiler implements them, each by one instruction
//! or by the few that it knows best; the expansions use them and nothing else.

use super::callee::Callee;
use super::shuffles::Byte;
use ir::{Arr, Fp1, Fp2, FpInt, FpSize, Lane, Vec1, Vec2};

/// Operations on two vectors, lane by lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Binary {
    And,
    Or,
    Xor,
    /// a and not b
    AndNot,
    /// Wrapping, of any lanes.
    Add,
    Sub,
    /// The low half of the product. Lanes H and S.
    Mul,
    /// The greater or lesser. Lanes B to S.
    Smax,
    Umax,
    Smin,
    Umin,
    /// Saturating. Lanes B and H.
    AddSigned,
    AddUnsigned,
    SubSigned,
    SubUnsigned,
    /// (a + b + 1) / 2, unsigned. Lanes B and H.
    Average,
    /// (a * b * 2 + 2^15) / 2^16, wrapping. Lanes H.
    MulHighRound,
    /// All ones where it holds, else zeros, of any lanes: equal.
    Eq,
    Ne,
    /// Signed.
    Gt,
    Ge,
    /// Unsigned.
    Hi,
    Hs,
}

/// Shifts of all lanes by a constant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shift {
    Left,
    Right,
    SignedRight,
}

/// Arithmetic of numbers: lanes S and D.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Float {
    Add,
    Sub,
    Mul,
    Div,
}

/// Comparisons of numbers: lanes S and D, all ones where they hold, else zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FloatCompare {
    Eq,
    Ge,
    Gt,
    /// One of them is a NaN.
    Unordered,
}

/// Which lanes of a vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Half {
    Low,
    High,
}

/// See the module's header. Vectors are 128 bits. Unless said otherwise an operation is performed on all of them,
/// whatever the arrangement; what is above it is cleared at the end, unless it is known to be zero.
pub(crate) trait Host {
    /// A vector.
    type V: Copy + PartialEq;

    fn constant(&mut self, value: u128) -> Self::V;
    /// The constant that a vector is, if it is known to be one.
    fn constant_of(&self, a: Self::V) -> Option<u128>;

    // --- what is above the arrangement --------------------------------------------------------------------------

    /// From which bit on a vector is known to be zero.
    fn significant_bits(&self, a: Self::V) -> u32;
    /// Notes that a vector is zero from bit `bits` on.
    fn note_zero_above(&mut self, bits: u32, a: Self::V) -> Self::V;
    /// Clears what `arr` does not cover, unless it is known to be zero.
    fn clear_above(&mut self, arr: Arr, a: Self::V) -> Self::V;

    // --- integers -------------------------------------------------------------------------------------------------

    fn binary(&mut self, op: Binary, lane: Lane, a: Self::V, b: Self::V) -> Self::V;
    /// `amount` is less than the lane's bits.
    fn shift(&mut self, op: Shift, lane: Lane, amount: u8, a: Self::V) -> Self::V;
    /// Bits of `yes` where `mask` has ones, of `no` where it has zeros.
    fn select(&mut self, mask: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// The magnitude, wrapping, of any lanes.
    fn abs(&mut self, lane: Lane, a: Self::V) -> Self::V;
    /// How many bits of each byte are set.
    fn count_bits(&mut self, a: Self::V) -> Self::V;
    /// The sum of adjacent lanes, a's in the low half and b's in the high half. Lanes H and S.
    fn add_pairs(&mut self, lane: Lane, a: Self::V, b: Self::V) -> Self::V;
    /// The sum of adjacent lanes, twice as wide. Lanes B and H, and S if they are signed.
    fn add_pairs_long(&mut self, lane: Lane, signed: bool, a: Self::V) -> Self::V;
    /// The sum of each half's bytes, unsigned, in that half, if the host has an instruction for it.
    fn sum_bytes(&mut self, _a: Self::V) -> Option<Self::V> {
        None
    }

    // --- moves and widths -----------------------------------------------------------------------------------------

    /// The bytes that `bytes` names.
    fn shuffle(&mut self, a: Self::V, b: Self::V, bytes: [Byte; 16]) -> Self::V;
    /// For each byte of `index` that byte of `a`, or zero if there is no such byte.
    fn look_up(&mut self, a: Self::V, index: Self::V) -> Self::V;
    /// The vector of which another, 64 bits wide, is known to be a half, and which. Any is the low half of itself.
    fn whole(&mut self, a: Self::V) -> (Self::V, Half) {
        (a, Half::Low)
    }
    /// Lanes of a half, twice as wide. Lanes B to S.
    fn widen(&mut self, lane: Lane, signed: bool, half: Half, a: Self::V) -> Self::V;
    /// The products of the low lanes of two vectors, twice as wide. Lanes B to S.
    fn multiply_long(&mut self, lane: Lane, signed: bool, a: Self::V, b: Self::V) -> Self::V;
    /// Signed lanes, saturated to half the width, signed or unsigned, in the low half; zeros above. Lanes H and S.
    fn pack_saturating(&mut self, lane: Lane, to_signed: bool, a: Self::V) -> Self::V;

    // --- floating point: lanes S and D, as the host computes it ---------------------------------------------------

    /// Whether the host's results and flags are Arm's, as far as `checked` cannot tell.
    fn computes_floats(&self) -> bool;
    /// Whether it has `mul_add`.
    fn fuses(&self) -> bool;
    fn float(&mut self, op: Float, lane: Lane, a: Self::V, b: Self::V) -> Self::V;
    fn float_compare(&mut self, op: FloatCompare, lane: Lane, a: Self::V, b: Self::V) -> Self::V;
    /// The greater or lesser of numbers that are no NaNs, -0 below +0. Raises nothing.
    fn float_extreme(&mut self, greatest: bool, lane: Lane, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(&mut self, lane: Lane, a: Self::V) -> Self::V;
    /// addend + a * b, rounded once.
    fn mul_add(&mut self, lane: Lane, addend: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// The low two singles as doubles.
    fn promote(&mut self, a: Self::V) -> Self::V;
    /// Both doubles as singles in the low half, zeros above.
    fn demote(&mut self, a: Self::V) -> Self::V;
    /// Rounded to integral values, raising what Arm raises but for NaNs, if the host has an instruction for it.
    fn round(&mut self, op: Fp1, lane: Lane, a: Self::V) -> Option<Self::V>;
    /// Singles, of magnitudes below 2^31, as signed integers.
    fn truncate(&mut self, a: Self::V) -> Self::V;
    /// Integers of 32 bits as singles, if the host has a sequence for it.
    fn int_to_float(&mut self, signed: bool, a: Self::V) -> Option<Self::V>;

    // --- the same one number after the other, exact: as the scalar instructions are compiled ---------------------

    /// The operation on the lowest lanes, zeros above.
    fn number2(&mut self, op: Fp2, size: FpSize, a: Self::V, b: Self::V) -> Self::V;
    /// None if that is no better than a helper.
    fn round_numbers(&mut self, _op: Fp1, _arr: Arr, _a: Self::V) -> Option<Self::V> {
        None
    }
    /// None if that is no better than a helper; never for a single number.
    fn numbers_to_int(&mut self, how: FpInt, arr: Arr, a: Self::V) -> Option<Self::V>;
    fn ints_to_numbers(&mut self, how: FpInt, arr: Arr, a: Self::V) -> Self::V;

    // --- what is doubtful -----------------------------------------------------------------------------------------

    /// A result cleared above `arr`; or what the helper gives for the operands, if a lane of it is a NaN or, as it may
    /// be `tiny`, the smallest normal number.
    fn checked(&mut self, arr: Arr, result: Self::V, tiny: bool, callee: Callee, operands: &[Self::V]) -> Self::V;
    /// What the helper gives for the operands if a lane of `bad`, whose lanes of at least 32 bits are ones or zeros, is
    /// ones; else what `fast` does. It is the last thing that an expansion does.
    fn unless_any(
        &mut self,
        bad: Self::V,
        callee: Callee,
        operands: &[Self::V],
        fast: impl FnOnce(&mut Self) -> Self::V,
    ) -> Self::V;

    // --- effects --------------------------------------------------------------------------------------------------

    /// Sets FPSR.QC if any bit of a vector is set.
    fn saturated_if_any(&mut self, a: Self::V);
    /// What the helper gives for the operands, which are operands of the guest's operation.
    fn call(&mut self, callee: Callee, operands: &[Self::V]) -> Self::V;

    // --- what a compiler may like to know. Each gives the result to go on with ------------------------------------

    /// `result` has been made by an operation; above `arr` it may hold anything.
    fn note_vec2(&mut self, _op: Vec2, _arr: Arr, _operands: [Self::V; 2], result: Self::V) -> Self::V {
        result
    }
    /// `result` is one lane that has been made of all of a vector's, zeros above.
    fn note_across(&mut self, _op: Vec1, _arr: Arr, _a: Self::V, result: Self::V) -> Self::V {
        result
    }
    /// `result` has been made by taking from each halfword of a full vector the byte at bit `amount`.
    fn note_narrowed(&mut self, _amount: u8, _a: Self::V, result: Self::V) -> Self::V {
        result
    }
}
