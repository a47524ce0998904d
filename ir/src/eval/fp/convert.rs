//! Conversions: between formats, to integral values, to and from integers and fixed point.

use super::control::{IOC, IXC, Round, ahp, dn, fz, raise};
use super::host;
use super::number::{Format, Kind, Number, POINT, Rest, process_nan, round, round_with, rounds_up, unpack};
use crate::{CpuState, FpInt, FpSize, Rounding};

fn rounding_of(cpu: &CpuState, rounding: Rounding) -> Round {
    match rounding {
        Rounding::N => Round::TiesToEven,
        Rounding::P => Round::Up,
        Rounding::M => Round::Down,
        Rounding::Z => Round::ToZero,
        Rounding::A => Round::TiesAway,
        Rounding::Current => Round::current(cpu),
    }
}

/// FPConvert.
pub fn convert(cpu: &mut CpuState, from: FpSize, to: FpSize, a: u64) -> u64 {
    if !fz(cpu) {
        let result = match (from, to) {
            (FpSize::S, FpSize::D) => host::single_to_double(a),
            (FpSize::D, FpSize::S) => host::double_to_single(a),
            _ => return convert_with(cpu, from, to, a, None),
        };
        if super::is_plain(to, result) {
            return result;
        }
    }
    convert_with(cpu, from, to, a, None)
}

/// FPConvert from D to S, rounding to odd (FCVTXN).
pub fn convert_odd(cpu: &mut CpuState, a: u64) -> u64 {
    convert_with(cpu, FpSize::D, FpSize::S, a, Some(Round::ToOdd))
}

fn convert_with(cpu: &mut CpuState, from: FpSize, to: FpSize, a: u64, rounding: Option<Round>) -> u64 {
    let number = unpack(cpu, from, a);
    let alternative = to == FpSize::H && ahp(cpu);
    match number.kind {
        Kind::QuietNan | Kind::SignalingNan => {
            if number.kind == Kind::SignalingNan || alternative {
                raise(cpu, IOC);
            }
            match (alternative, dn(cpu)) {
                (true, _) => to.zero(number.sign),
                (false, true) => to.default_nan(),
                (false, false) => convert_nan(from, to, a, number.sign),
            }
        }
        Kind::Infinity if alternative => {
            raise(cpu, IOC);
            to.zero(number.sign) | (to.sign_bit() - 1)
        }
        _ => match rounding {
            Some(rounding) => round_with(cpu, to, number, rounding),
            None => round(cpu, to, number),
        },
    }
}

/// FPConvertNaN: the fraction's leading bits are kept, and the NaN made quiet.
fn convert_nan(from: FpSize, to: FpSize, a: u64, sign: bool) -> u64 {
    let left = a << (64 - from.fraction_bits());
    to.zero(sign) | to.default_nan() | left >> (64 - to.fraction_bits())
}

/// FPRoundInt on the host; none where only software will do.
#[inline]
fn round_on_host(cpu: &CpuState, size: FpSize, rounding: Rounding, exact: bool, a: u64) -> Option<u64> {
    if fz(cpu) || size == FpSize::H || a & !size.sign_bit() > size.exponent_mask() {
        return None;
    }
    match (rounding, exact) {
        (Rounding::N, _) => host::round_integral::<8>(size, a),
        (Rounding::M, _) => host::round_integral::<9>(size, a),
        (Rounding::P, _) => host::round_integral::<10>(size, a),
        (Rounding::Z, _) => host::round_integral::<11>(size, a),
        (Rounding::Current, false) => host::round_integral::<12>(size, a),
        (Rounding::Current, true) => host::round_integral::<4>(size, a),
        (Rounding::A, _) => None,
    }
}

/// FPRoundInt: to an integral value, raising inexact only if `exact` asks for it.
pub(super) fn round_integral(cpu: &mut CpuState, size: FpSize, rounding: Rounding, exact: bool, a: u64) -> u64 {
    if let Some(result) = round_on_host(cpu, size, rounding, exact, a) {
        return result;
    }
    let number = unpack(cpu, size, a);
    if number.is_nan() {
        return process_nan(cpu, size, a);
    }
    if number.is_zero() {
        return size.zero(number.sign);
    }
    // Infinities, and what has no fraction, pass.
    if number.is_infinity() || number.exponent >= size.fraction_bits() as i32 {
        return a;
    }
    let rounding = rounding_of(cpu, rounding);
    let Some((integer, rest)) = number.split(0) else { return a };
    if rest != Rest::Nothing && exact {
        raise(cpu, IXC);
    }
    let up = rounds_up(rounding, number.sign, integer & 1 != 0, rest);
    let result = Number::normalized(number.sign, POINT as i32, integer + u128::from(up), false);
    // Zero keeps the sign, and the rest is exact.
    round(cpu, size, result)
}

/// FPToFixed: `bits` is the size of the integer (16, 32 or 64); zero-extended.
pub fn to_int(cpu: &mut CpuState, how: FpInt, size: FpSize, bits: u32, a: u64) -> u64 {
    if let Some(result) = truncate_on_host(cpu, how, size, bits, a) {
        return result;
    }
    let number = unpack(cpu, size, a);
    if number.is_nan() {
        raise(cpu, IOC);
        return 0;
    }
    let rounding = rounding_of(cpu, how.rounding);
    // None: too large for any integer.
    let rounded =
        if number.is_infinity() { None } else { number.split(u32::from(how.fbits)) }.map(|(integer, rest)| {
            let up = rounds_up(rounding, number.sign, integer & 1 != 0, rest);
            (integer + u128::from(up), rest != Rest::Nothing)
        });
    let mask = u64::MAX >> (64 - bits);
    let (most, least) = match how.signed {
        true => (mask >> 1, (mask >> 1) + 1),
        false => (mask, 0),
    };
    // `least` is the magnitude of the lowest integer.
    let limit = if number.sign { least } else { most };
    match rounded {
        Some((magnitude, inexact)) if magnitude <= u128::from(limit) => {
            if inexact {
                raise(cpu, IXC);
            }
            let magnitude = magnitude as u64;
            (if number.sign { magnitude.wrapping_neg() } else { magnitude }) & mask
        }
        _ => {
            raise(cpu, IOC);
            if number.sign { least & mask } else { most }
        }
    }
}

/// The common case, C's conversion of a number that is in range.
#[inline]
fn truncate_on_host(cpu: &CpuState, how: FpInt, size: FpSize, bits: u32, a: u64) -> Option<u64> {
    if how.rounding != Rounding::Z || how.fbits != 0 || fz(cpu) || size == FpSize::H {
        return None;
    }
    let below = 1023 + bits as i32 - i32::from(how.signed || bits == 64);
    let a = match size {
        FpSize::D => a,
        // A NaN or denormal would raise flags of its own; the exponent tells whether it is one.
        _ if a & size.exponent_mask() == 0 || a & size.exponent_mask() == size.exponent_mask() => return None,
        _ => host::single_to_double(a),
    };
    let exponent = (a >> 52 & 0x7ff) as i32;
    if exponent >= below || (!how.signed && a >> 63 != 0) {
        return None;
    }
    Some(host::double_to_i64(a) as u64 & (u64::MAX >> (64 - bits)))
}

/// FixedToFP.
pub fn from_int(cpu: &mut CpuState, how: FpInt, size: FpSize, bits: u32, a: u64) -> u64 {
    let unused = 64 - bits;
    let value = a << unused;
    let (sign, magnitude) = if how.signed {
        let value = value as i64 >> unused;
        if how.fbits == 0 && size != FpSize::H {
            return host::from_i64(size, value);
        }
        (value < 0, value.unsigned_abs())
    } else {
        (false, value >> unused)
    };
    if how.fbits == 0 && size != FpSize::H && magnitude >> 63 == 0 {
        return host::from_i64(size, magnitude as i64);
    }
    let number = Number::normalized(sign, POINT as i32 - i32::from(how.fbits), u128::from(magnitude), false);
    round(cpu, size, number)
}

/// FPToFixedJS: the value modulo 2^32, and whether it is exact and no minus zero.
pub fn to_int_js(cpu: &mut CpuState, a: u64) -> (u64, bool) {
    let number = unpack(cpu, FpSize::D, a);
    if number.is_nan() || number.is_infinity() {
        raise(cpu, IOC);
        return (0, false);
    }
    if number.is_zero() {
        return (0, a == 0);
    }
    let (low, in_range, inexact) = match number.split(0) {
        Some((integer, rest)) => {
            let limit = if number.sign { 1 << 31 } else { (1 << 31) - 1 };
            (integer as u32, integer <= limit, rest != Rest::Nothing)
        }
        // No bit of so large an integer is below 2^32 unless its exponent is small enough for `split`.
        None => (0, false, false),
    };
    let value = if number.sign { low.wrapping_neg() } else { low };
    if !in_range {
        raise(cpu, IOC);
    } else if inexact {
        raise(cpu, IXC);
    }
    (u64::from(value), in_range && !inexact)
}
