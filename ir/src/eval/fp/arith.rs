//! Arithmetic in software, for any FPCR: what the host's instructions cannot be trusted with (NaNs, flush-to-zero,
//! results at the edge of the denormals) and what they do not have. Each function is the pseudocode function of the
//! same name.

use super::control::{Round, fz};
use super::number::{Format, Kind, Number, POINT, divided_by_zero, invalid, process_nan, process_nans, round, unpack};
use crate::{CpuState, FpSize};

type Pair = ((Number, u64), (Number, u64));

/// Unpacks both operands and deals with NaNs: the numbers, or the NaN that is the result.
fn operands(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> Result<Pair, u64> {
    let (na, nb) = (unpack(cpu, size, a), unpack(cpu, size, b));
    match process_nans(cpu, size, &[(na, a), (nb, b)]) {
        Some(nan) => Err(nan),
        None => Ok(((na, a), (nb, b))),
    }
}

/// The sign of an exact zero sum of operands that are not both zeros of one sign.
fn cancelled(cpu: &CpuState) -> Number {
    Number::zero(Round::current(cpu) == Round::Down)
}

/// a + b of finite numbers or zeros, exact but for the sticky bit.
fn sum(cpu: &CpuState, a: Number, b: Number) -> Number {
    match (a.kind, b.kind) {
        (Kind::Zero, Kind::Zero) if a.sign == b.sign => return a,
        (Kind::Zero, Kind::Zero) => return cancelled(cpu),
        (Kind::Zero, _) => return b,
        (_, Kind::Zero) => return a,
        _ => {}
    }
    let (large, small) = if (a.exponent, a.mantissa) >= (b.exponent, b.mantissa) { (a, b) } else { (b, a) };
    let distance = (large.exponent - small.exponent) as u32;
    // The larger mantissa's low bits are zero (see `product`), so a sticky bit in the smaller one survives both
    // addition and subtraction as a sticky bit.
    let aligned = match distance {
        0..=127 => small.mantissa >> distance | u128::from(small.mantissa & ((1 << distance) - 1) != 0),
        _ => 1,
    };
    let mantissa = if large.sign == small.sign { large.mantissa + aligned } else { large.mantissa - aligned };
    if mantissa == 0 {
        return cancelled(cpu);
    }
    Number::normalized(large.sign, large.exponent, mantissa, false)
}

/// a * b of finite numbers or zeros, exact: 106 bits at most.
fn product(a: Number, b: Number) -> Number {
    let sign = a.sign != b.sign;
    if a.is_zero() || b.is_zero() {
        return Number::zero(sign);
    }
    let mantissa = u128::from(a.leading_64()) * u128::from(b.leading_64());
    Number::normalized(sign, a.exponent + b.exponent, mantissa, false)
}

/// FPAdd, and FPSub with `subtract`.
pub(super) fn add(cpu: &mut CpuState, size: FpSize, a: u64, b: u64, subtract: bool) -> u64 {
    let ((a, _), (b, _)) = match operands(cpu, size, a, b) {
        Ok(pair) => pair,
        Err(nan) => return nan,
    };
    let b = if subtract { b.negated() } else { b };
    if a.is_infinity() || b.is_infinity() {
        if a.is_infinity() && b.is_infinity() && a.sign != b.sign {
            return invalid(cpu, size);
        }
        return size.infinity(if a.is_infinity() { a.sign } else { b.sign });
    }
    let result = sum(cpu, a, b);
    round(cpu, size, result)
}

/// FPMul; FPMulX with `extended`, where infinity times zero is two.
pub(super) fn mul(cpu: &mut CpuState, size: FpSize, a: u64, b: u64, extended: bool) -> u64 {
    let ((a, _), (b, _)) = match operands(cpu, size, a, b) {
        Ok(pair) => pair,
        Err(nan) => return nan,
    };
    let sign = a.sign != b.sign;
    if a.is_infinity() || b.is_infinity() {
        return match (a.is_zero() || b.is_zero(), extended) {
            (true, true) => round(cpu, size, small_integer(2, sign)),
            (true, false) => invalid(cpu, size),
            _ => size.infinity(sign),
        };
    }
    round(cpu, size, product(a, b))
}

/// FPDiv.
pub(super) fn div(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> u64 {
    let ((a, _), (b, _)) = match operands(cpu, size, a, b) {
        Ok(pair) => pair,
        Err(nan) => return nan,
    };
    let sign = a.sign != b.sign;
    match (a.kind, b.kind) {
        (Kind::Infinity, Kind::Infinity) | (Kind::Zero, Kind::Zero) => invalid(cpu, size),
        (Kind::Infinity, _) => size.infinity(sign),
        (_, Kind::Zero) => divided_by_zero(cpu, size, sign),
        (Kind::Zero, _) | (_, Kind::Infinity) => size.zero(sign),
        _ => {
            let (dividend, divisor) = (u128::from(a.leading_64()) << 63, u128::from(b.leading_64()));
            let (quotient, remainder) = (dividend / divisor, dividend % divisor);
            let result = Number::normalized(sign, a.exponent - b.exponent, quotient << (POINT - 63), remainder != 0);
            round(cpu, size, result)
        }
    }
}

/// FPSqrt.
pub(super) fn sqrt(cpu: &mut CpuState, size: FpSize, a: u64) -> u64 {
    let number = unpack(cpu, size, a);
    match number.kind {
        Kind::QuietNan | Kind::SignalingNan => process_nan(cpu, size, a),
        Kind::Zero => size.zero(number.sign),
        _ if number.sign => invalid(cpu, size),
        Kind::Infinity => size.infinity(false),
        Kind::Finite => {
            // An even exponent, and a root whose leading one is at bit 63.
            let odd = number.exponent & 1;
            let square = number.mantissa << odd;
            let root = square.isqrt();
            let exact = root * root == square;
            let result = Number::normalized(false, (number.exponent - odd) / 2, root << (POINT - 63), !exact);
            round(cpu, size, result)
        }
    }
}

/// FPMulAdd: addend + a * b, rounded once.
pub(super) fn mul_add(cpu: &mut CpuState, size: FpSize, addend: u64, a: u64, b: u64) -> u64 {
    let (nc, na, nb) = (unpack(cpu, size, addend), unpack(cpu, size, a), unpack(cpu, size, b));
    let indefinite = na.is_infinity() && nb.is_zero() || na.is_zero() && nb.is_infinity();
    if let Some(nan) = process_nans(cpu, size, &[(nc, addend), (na, a), (nb, b)]) {
        return if nc.kind == Kind::QuietNan && indefinite { invalid(cpu, size) } else { nan };
    }
    let sign = na.sign != nb.sign;
    let infinite = na.is_infinity() || nb.is_infinity();
    if indefinite || nc.is_infinity() && infinite && nc.sign != sign {
        return invalid(cpu, size);
    }
    if nc.is_infinity() {
        return size.infinity(nc.sign);
    }
    if infinite {
        return size.infinity(sign);
    }
    let result = sum(cpu, nc, product(na, nb));
    round(cpu, size, result)
}

/// FPRecipStepFused, 2 - a * b; FPRSqrtStepFused, (3 - a * b) / 2, with `root`.
pub(super) fn newton_step(cpu: &mut CpuState, size: FpSize, a: u64, b: u64, root: bool) -> u64 {
    let ((a, _), (b, _)) = match operands(cpu, size, a ^ size.sign_bit(), b) {
        Ok(pair) => pair,
        Err(nan) => return nan,
    };
    let indefinite = a.is_infinity() && b.is_zero() || a.is_zero() && b.is_infinity();
    let infinite = a.is_infinity() || b.is_infinity();
    if infinite && !indefinite {
        return size.infinity(a.sign != b.sign);
    }
    let constant = small_integer(if root { 3 } else { 2 }, false);
    let mut result = if indefinite { constant } else { sum(cpu, constant, product(a, b)) };
    if root && result.kind == Kind::Finite {
        result.exponent -= 1;
    }
    round(cpu, size, result)
}

/// 2 or 3.
fn small_integer(value: u128, sign: bool) -> Number {
    Number::normalized(sign, POINT as i32, value, false)
}

/// Which of two operands [`extreme`] gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extreme {
    Max,
    Min,
}

/// FPMax and FPMin; FPMaxNum and FPMinNum with `number`, where a quiet NaN loses against a number.
pub(super) fn extreme(cpu: &mut CpuState, size: FpSize, which: Extreme, number: bool, a: u64, b: u64) -> u64 {
    let plain = |bits: u64| bits & !size.sign_bit() <= size.exponent_mask();
    if !fz(cpu) && plain(a) && plain(b) {
        return pick(size, which, a, b);
    }
    let (na, nb) = (unpack(cpu, size, a), unpack(cpu, size, b));
    if number && (na.kind == Kind::QuietNan) != (nb.kind == Kind::QuietNan) {
        // The quiet NaN counts as the infinity that never wins, so the other is the result, unless it signals.
        let (other, bits) = if na.kind == Kind::QuietNan { (nb, b) } else { (na, a) };
        return match other.kind {
            Kind::SignalingNan => process_nan(cpu, size, bits),
            Kind::Zero => size.zero(other.sign),
            _ => bits,
        };
    }
    if let Some(nan) = process_nans(cpu, size, &[(na, a), (nb, b)]) {
        return nan;
    }
    // Flushed operands are zeros from here on.
    let flushed = |number: Number, bits| if number.is_zero() { size.zero(number.sign) } else { bits };
    pick(size, which, flushed(na, a), flushed(nb, b))
}

/// The greater or the lesser of two numbers that are no NaNs.
fn pick(size: FpSize, which: Extreme, a: u64, b: u64) -> u64 {
    let a_is_greater = ordering_key(size, a) > ordering_key(size, b);
    if a_is_greater == (which == Extreme::Max) { a } else { b }
}

/// A signed integer in the order of the numbers, with -0 below +0. Not for NaNs.
pub(super) fn ordering_key(size: FpSize, bits: u64) -> i64 {
    let magnitude = (bits & !size.sign_bit()) as i64;
    if bits & size.sign_bit() != 0 { !magnitude } else { magnitude }
}
