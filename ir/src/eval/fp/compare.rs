//! Comparisons: on the bits themselves, whose order is that of the numbers but for sign and NaNs.

use super::arith::ordering_key;
use super::control::{IOC, raise};
use super::number::{Format, flush_input};
use crate::{CpuState, FpSize, Nzcv};
use std::cmp::Ordering;

/// The order of two numbers, none if one is a NaN. Raises IDC for flushed operands, and IOC for a signalling NaN or,
/// with `signal_quiet`, any NaN.
fn order(cpu: &mut CpuState, size: FpSize, signal_quiet: bool, a: u64, b: u64) -> Option<Ordering> {
    let (a, b) = (flush_input(cpu, size, a), flush_input(cpu, size, b));
    let is_nan = |bits: u64| bits & !size.sign_bit() > size.exponent_mask();
    if is_nan(a) || is_nan(b) {
        let signals = |bits: u64| is_nan(bits) && (signal_quiet || bits & size.quiet_bit() == 0);
        if signals(a) || signals(b) {
            raise(cpu, IOC);
        }
        return None;
    }
    if (a | b) & !size.sign_bit() == 0 {
        return Some(Ordering::Equal);
    }
    Some(ordering_key(size, a).cmp(&ordering_key(size, b)))
}

/// FPCompare.
pub fn compare(cpu: &mut CpuState, size: FpSize, signal_quiet: bool, a: u64, b: u64) -> Nzcv {
    match order(cpu, size, signal_quiet, a, b) {
        None => Nzcv::new(false, false, true, true),
        Some(Ordering::Less) => Nzcv::new(true, false, false, false),
        Some(Ordering::Equal) => Nzcv::new(false, true, true, false),
        Some(Ordering::Greater) => Nzcv::new(false, false, true, false),
    }
}

/// FPCompareEQ (FCMEQ).
pub fn cmeq(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> bool {
    order(cpu, size, false, a, b) == Some(Ordering::Equal)
}
/// FPCompareGE (FCMGE).
pub fn cmge(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> bool {
    order(cpu, size, true, a, b).is_some_and(Ordering::is_ge)
}
/// FPCompareGT (FCMGT).
pub fn cmgt(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> bool {
    order(cpu, size, true, a, b) == Some(Ordering::Greater)
}
/// FACGE: |a| >= |b|.
pub fn acge(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> bool {
    cmge(cpu, size, a & !size.sign_bit(), b & !size.sign_bit())
}
/// FACGT: |a| > |b|.
pub fn acgt(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> bool {
    cmgt(cpu, size, a & !size.sign_bit(), b & !size.sign_bit())
}
