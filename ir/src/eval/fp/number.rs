//! Numbers taken apart and put together: FPUnpack, FPRound and FPProcessNaNs of the Arm ARM's shared pseudocode
//! (J1.3), with every exception they raise. Knows formats; knows no operation, and nothing of the host's FP unit.

use super::control::{DZC, IDC, IOC, IXC, OFC, Round, UFC, ahp, dn, fz, raise};
use crate::{CpuState, FpSize};

/// What the pseudocode's FPType says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Zero,
    Finite,
    Infinity,
    QuietNan,
    SignalingNan,
}

/// An unpacked number. A finite one is `mantissa * 2^(exponent - POINT)` with the mantissa's leading one at bit
/// [`POINT`]; its lowest bit may stand for a nonzero remainder below ("sticky"), which changes no rounding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) kind: Kind,
    pub(super) sign: bool,
    pub(super) exponent: i32,
    pub(super) mantissa: u128,
}

/// Bit of the mantissa's leading one.
pub(super) const POINT: u32 = 126;

/// The layout of a format.
pub(super) trait Format {
    /// Bits of fraction stored.
    fn fraction_bits(self) -> u32;
    /// Exponent of the smallest normal number.
    fn min_exponent(self) -> i32;
    /// The sign bit.
    fn sign_bit(self) -> u64;
    /// All ones in the exponent field, zeros elsewhere: plus infinity.
    fn exponent_mask(self) -> u64;
    /// The bit that makes a NaN quiet.
    fn quiet_bit(self) -> u64;
    /// Plus zero or minus zero.
    fn zero(self, sign: bool) -> u64;
    /// An infinity.
    fn infinity(self, sign: bool) -> u64;
    /// The largest finite number.
    fn max_normal(self, sign: bool) -> u64;
    /// FPDefaultNaN.
    fn default_nan(self) -> u64;
    /// The smallest normal number, positive.
    fn min_normal(self) -> u64;
}

impl Format for FpSize {
    #[inline(always)]
    fn fraction_bits(self) -> u32 {
        match self {
            Self::H => 10,
            Self::S => 23,
            Self::D => 52,
        }
    }
    #[inline(always)]
    fn min_exponent(self) -> i32 {
        match self {
            Self::H => -14,
            Self::S => -126,
            Self::D => -1022,
        }
    }
    #[inline(always)]
    fn sign_bit(self) -> u64 {
        1 << (self.bits() - 1)
    }
    #[inline(always)]
    fn exponent_mask(self) -> u64 {
        self.sign_bit() - self.min_normal()
    }
    #[inline(always)]
    fn quiet_bit(self) -> u64 {
        1 << (self.fraction_bits() - 1)
    }
    #[inline(always)]
    fn zero(self, sign: bool) -> u64 {
        if sign { self.sign_bit() } else { 0 }
    }
    #[inline(always)]
    fn infinity(self, sign: bool) -> u64 {
        self.zero(sign) | self.exponent_mask()
    }
    #[inline(always)]
    fn max_normal(self, sign: bool) -> u64 {
        self.infinity(sign) - 1
    }
    #[inline(always)]
    fn default_nan(self) -> u64 {
        self.exponent_mask() | self.quiet_bit()
    }
    #[inline(always)]
    fn min_normal(self) -> u64 {
        1 << self.fraction_bits()
    }
}

impl Number {
    /// A zero.
    pub(super) const fn zero(sign: bool) -> Self {
        Self { kind: Kind::Zero, sign, exponent: 0, mantissa: 0 }
    }

    /// `mantissa * 2^(exponent - POINT)`, with a nonzero remainder below if `sticky`. Plus zero if nothing is left.
    pub(super) fn normalized(sign: bool, exponent: i32, mantissa: u128, sticky: bool) -> Self {
        if mantissa == 0 {
            return Self::zero(sign);
        }
        // Leading one to bit POINT: at most one place right (that bit becomes sticky), else left.
        let leading = mantissa.leading_zeros();
        let (mantissa, exponent) = if leading == 0 {
            (mantissa >> 1 | mantissa & 1, exponent + 1)
        } else {
            (mantissa << (leading - 1), exponent - (leading as i32 - 1))
        };
        Self { kind: Kind::Finite, sign, exponent, mantissa: mantissa | u128::from(sticky) }
    }

    pub(super) fn is_nan(&self) -> bool {
        matches!(self.kind, Kind::QuietNan | Kind::SignalingNan)
    }
    pub(super) fn is_zero(&self) -> bool {
        self.kind == Kind::Zero
    }
    pub(super) fn is_infinity(&self) -> bool {
        self.kind == Kind::Infinity
    }
    /// With the other sign.
    pub(super) fn negated(self) -> Self {
        Self { sign: !self.sign, ..self }
    }
    /// The mantissa's leading 64 bits: all of it, for a number fresh from [`unpack`].
    pub(super) fn leading_64(&self) -> u64 {
        (self.mantissa >> (POINT - 63)) as u64
    }
    /// Integer part of the magnitude times `2^fbits`, and how the rest compares with one half. None if the integer
    /// needs more than 100 bits.
    pub(super) fn split(&self, fbits: u32) -> Option<(u128, Rest)> {
        if self.kind == Kind::Zero {
            return Some((0, Rest::Nothing));
        }
        let below = POINT as i32 - self.exponent - fbits as i32;
        if below < 26 {
            return None;
        }
        Some(split_at(self.mantissa, below as u32))
    }
}

/// What was cut off, compared with one half of the last place kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Rest {
    Nothing,
    BelowHalf,
    Half,
    AboveHalf,
}

/// The bits of `value` from bit `below` up, and what is cut off.
fn split_at(value: u128, below: u32) -> (u128, Rest) {
    if below == 0 {
        return (value, Rest::Nothing);
    }
    if below > 128 {
        return (0, if value == 0 { Rest::Nothing } else { Rest::BelowHalf });
    }
    let (kept, half) = (value.checked_shr(below).unwrap_or(0), 1u128 << (below - 1));
    let rest = value & (half | (half - 1));
    let rest = match rest.cmp(&half) {
        _ if rest == 0 => Rest::Nothing,
        std::cmp::Ordering::Less => Rest::BelowHalf,
        std::cmp::Ordering::Equal => Rest::Half,
        std::cmp::Ordering::Greater => Rest::AboveHalf,
    };
    (kept, rest)
}

/// Whether a magnitude whose last place kept is `odd` grows by one.
pub(super) fn rounds_up(rounding: Round, sign: bool, odd: bool, rest: Rest) -> bool {
    match rounding {
        Round::TiesToEven => rest > Rest::Half || rest == Rest::Half && odd,
        Round::TiesAway => rest >= Rest::Half,
        Round::Up => !sign && rest != Rest::Nothing,
        Round::Down => sign && rest != Rest::Nothing,
        Round::ToZero | Round::ToOdd => false,
    }
}

/// FPUnpack: with FPCR.FZ, single and double denormals become zeros and raise IDC. (Half denormals obey FZ16, which
/// is not implemented.)
pub(super) fn unpack(cpu: &mut CpuState, size: FpSize, bits: u64) -> Number {
    let fraction_bits = size.fraction_bits();
    let sign = bits & size.sign_bit() != 0;
    let field = (bits & size.exponent_mask()) >> fraction_bits;
    let fraction = bits & (size.min_normal() - 1);
    let special = field == size.exponent_mask() >> fraction_bits && !(size == FpSize::H && ahp(cpu));
    if special {
        let kind = match fraction {
            0 => Kind::Infinity,
            _ if fraction & size.quiet_bit() != 0 => Kind::QuietNan,
            _ => Kind::SignalingNan,
        };
        return Number { kind, sign, exponent: 0, mantissa: 0 };
    }
    if field != 0 {
        let mantissa = u128::from(fraction | size.min_normal()) << (POINT - fraction_bits);
        return Number { kind: Kind::Finite, sign, exponent: field as i32 - 1 + size.min_exponent(), mantissa };
    }
    if fraction != 0 && fz(cpu) && size != FpSize::H {
        raise(cpu, IDC);
        return Number::zero(sign);
    }
    Number::normalized(sign, size.min_exponent(), u128::from(fraction) << (POINT - fraction_bits), false)
}

/// Raises what FPUnpack would, for operations that need no more of it.
pub(super) fn flush_input(cpu: &mut CpuState, size: FpSize, bits: u64) -> u64 {
    let magnitude = bits & !size.sign_bit();
    if magnitude != 0 && magnitude < size.min_normal() && fz(cpu) && size != FpSize::H {
        raise(cpu, IDC);
        return bits & size.sign_bit();
    }
    bits
}

/// FPRound with FPCR's rounding mode.
pub(super) fn round(cpu: &mut CpuState, size: FpSize, number: Number) -> u64 {
    let rounding = Round::current(cpu);
    round_with(cpu, size, number, rounding)
}

/// FPRound. Zeros and infinities pass; NaNs must have been dealt with.
pub(super) fn round_with(cpu: &mut CpuState, size: FpSize, number: Number, rounding: Round) -> u64 {
    let sign = number.sign;
    match number.kind {
        Kind::Zero => return size.zero(sign),
        Kind::Infinity => return size.infinity(sign),
        _ => {}
    }
    let fraction_bits = size.fraction_bits();
    let alternative = size == FpSize::H && ahp(cpu);
    let tiny = number.exponent < size.min_exponent();
    if tiny && fz(cpu) && size != FpSize::H {
        raise(cpu, UFC);
        return size.zero(sign);
    }
    let deficit = if tiny { size.min_exponent() - number.exponent } else { 0 };
    let (mut mantissa, rest) = split_at(number.mantissa, POINT - fraction_bits + deficit as u32);
    let inexact = rest != Rest::Nothing;
    if tiny && inexact {
        raise(cpu, UFC);
    }
    if rounds_up(rounding, sign, mantissa & 1 != 0, rest) {
        mantissa += 1;
    } else if rounding == Round::ToOdd && inexact {
        mantissa |= 1;
    }
    // The mantissa's leading one, when there, adds one to the exponent field; so does a carry out of the fraction.
    let field = if tiny { 0 } else { (number.exponent - size.min_exponent()) as u64 };
    let magnitude = (field << fraction_bits) + mantissa as u64;
    if alternative {
        if magnitude >= size.sign_bit() {
            raise(cpu, IOC);
            return size.zero(sign) | (size.sign_bit() - 1);
        }
    } else if magnitude >= size.exponent_mask() {
        raise(cpu, OFC | IXC);
        return overflowed(size, sign, rounding);
    }
    if inexact {
        raise(cpu, IXC);
    }
    size.zero(sign) | magnitude
}

/// What an overflow gives: infinity, or the largest finite number when rounding towards zero.
pub(super) fn overflowed(size: FpSize, sign: bool, rounding: Round) -> u64 {
    let to_infinity = match rounding {
        Round::TiesToEven | Round::TiesAway => true,
        Round::Up => !sign,
        Round::Down => sign,
        Round::ToZero | Round::ToOdd => false,
    };
    if to_infinity { size.infinity(sign) } else { size.max_normal(sign) }
}

/// FPDefaultNaN for an invalid operation.
pub(super) fn invalid(cpu: &mut CpuState, size: FpSize) -> u64 {
    raise(cpu, IOC);
    size.default_nan()
}

/// The infinity of a division by zero.
pub(super) fn divided_by_zero(cpu: &mut CpuState, size: FpSize, sign: bool) -> u64 {
    raise(cpu, DZC);
    size.infinity(sign)
}

/// FPProcessNaN.
pub(super) fn process_nan(cpu: &mut CpuState, size: FpSize, bits: u64) -> u64 {
    if bits & size.quiet_bit() == 0 {
        raise(cpu, IOC);
    }
    if dn(cpu) { size.default_nan() } else { bits | size.quiet_bit() }
}

/// FPProcessNaNs and FPProcessNaNs3: the first signalling NaN, else the first quiet one, made quiet.
pub(super) fn process_nans(cpu: &mut CpuState, size: FpSize, operands: &[(Number, u64)]) -> Option<u64> {
    let first = |kind| operands.iter().find(|(number, _)| number.kind == kind).map(|&(_, bits)| bits);
    let bits = first(Kind::SignalingNan).or_else(|| first(Kind::QuietNan))?;
    Some(process_nan(cpu, size, bits))
}
