//! Reciprocal and reciprocal square root estimates. The 8-bit results are computed, not tabled: the pseudocode defines
//! them by integer arithmetic.

use super::control::{IXC, OFC, Round, UFC, fz, raise};
use super::number::{Format, Kind, Number, divided_by_zero, invalid, overflowed, process_nan, unpack};
use crate::{CpuState, FpSize};

/// RecipEstimate of the pseudocode: `a` is 256 to 511, in units of 1/512 (URECPE and FRECPE). The result is 256 to 511,
/// in units of 1/256.
#[must_use]
pub fn recip_estimate(a: u32) -> u32 {
    let b = (1u32 << 19) / (2 * a + 1);
    b.div_ceil(2)
}

/// RecipSqrtEstimate of the pseudocode: `a` is 128 to 511, in units of 1/512 (URSQRTE and FRSQRTE). The result is 256
/// to 511, in units of 1/256.
#[must_use]
pub fn rsqrt_estimate(a: u32) -> u32 {
    let a = if a < 256 { 2 * a + 1 } else { 2 * ((a & !1) + 1) };
    // The largest b with a * b^2 < 2^28.
    let below = (1u32 << 28) - 1;
    let b = (below / a).isqrt();
    b.div_ceil(2)
}

/// Exponent field and the eight bits after the leading one, of a finite number; the field of a denormal is what it
/// would be with a wider exponent (0, -1, ...).
fn field_and_top(size: FpSize, number: &Number) -> (i32, u32) {
    let field = number.exponent - size.min_exponent() + 1;
    (field, (number.leading_64() >> 55) as u32 & 0xff)
}

/// FPRecipEstimate (FRECPE).
pub fn recpe(cpu: &mut CpuState, size: FpSize, a: u64) -> u64 {
    let number = unpack(cpu, size, a);
    match number.kind {
        Kind::QuietNan | Kind::SignalingNan => return process_nan(cpu, size, a),
        Kind::Infinity => return size.zero(number.sign),
        Kind::Zero => return divided_by_zero(cpu, size, number.sign),
        Kind::Finite => {}
    }
    // Below 2^(min - 2) the reciprocal is out of range.
    if number.exponent < size.min_exponent() - 2 {
        raise(cpu, OFC | IXC);
        let rounding = Round::current(cpu);
        return overflowed(size, number.sign, rounding);
    }
    if fz(cpu) && size != FpSize::H && number.exponent >= -size.min_exponent() {
        raise(cpu, UFC);
        return size.zero(number.sign);
    }
    let (field, top) = field_and_top(size, &number);
    // 253, 2045: the field of 2^-1 relative to that of the operand.
    let result_field = -2 * size.min_exponent() + 1 - field;
    let estimate = u64::from(recip_estimate(256 | top) & 0xff);
    let fraction = estimate << (size.fraction_bits() - 8);
    // The result may be a denormal with one or two leading zeros.
    let fraction = match result_field {
        0 => size.quiet_bit() | fraction >> 1,
        -1 => size.quiet_bit() >> 1 | fraction >> 2,
        _ => fraction,
    };
    size.zero(number.sign) | (result_field.max(0) as u64) << size.fraction_bits() | fraction
}

/// FPRSqrtEstimate (FRSQRTE).
pub fn rsqrte(cpu: &mut CpuState, size: FpSize, a: u64) -> u64 {
    let number = unpack(cpu, size, a);
    match number.kind {
        Kind::QuietNan | Kind::SignalingNan => return process_nan(cpu, size, a),
        Kind::Zero => return divided_by_zero(cpu, size, number.sign),
        _ if number.sign => return invalid(cpu, size),
        Kind::Infinity => return size.zero(false),
        Kind::Finite => {}
    }
    let (field, top) = field_and_top(size, &number);
    let scaled = if field & 1 == 0 { 256 | top } else { 128 | top >> 1 };
    // 380, 3068: three times the bias, less one.
    let result_field = (3 * (1 - size.min_exponent()) - 1 - field) / 2;
    let estimate = u64::from(rsqrt_estimate(scaled) & 0xff);
    (result_field as u64) << size.fraction_bits() | estimate << (size.fraction_bits() - 8)
}

/// FPRecpX (FRECPX).
pub fn recpx(cpu: &mut CpuState, size: FpSize, a: u64) -> u64 {
    let number = unpack(cpu, size, a);
    if number.is_nan() {
        return process_nan(cpu, size, a);
    }
    let field = a & size.exponent_mask();
    let inverse = if field == 0 { size.exponent_mask() - size.min_normal() } else { field ^ size.exponent_mask() };
    size.zero(number.sign) | inverse
}
