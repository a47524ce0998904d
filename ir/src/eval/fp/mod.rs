//! Scalar floating point of [`crate::Eval`], bit-exact with the Arm ARM's pseudocode in results and cumulative flags.
//! Vector code calls these functions for every lane. Values are bit patterns in the low bits of a `u64`, zero-extended.
//!
//! Two paths. Add, multiply, divide, square root, fused multiply-add and the usual conversions run on the host under
//! the guest's MXCSR (see [`enter_guest_fp`]). Where host and guest differ, the software of `arith.rs` and
//! `convert.rs`, built on `number.rs`, computes the result anew from the operands:
//! - FPCR.FZ is set: all of it is software, for x86's FTZ and DAZ raise other flags;
//! - the result is a NaN: which one, and its sign, differ;
//! - the result is the smallest normal number: Arm judges tininess before rounding, x86 after.
//!
//! What the host has raised by then is a subset of what the software raises.

mod arith;
mod compare;
mod control;
mod convert;
mod estimate;
mod host;
mod number;

pub use compare::{acge, acgt, cmeq, cmge, cmgt, compare};
pub use control::{
    enter_guest_fp, leave_guest_fp, read_fpcr, read_fpsr, restore_saved, saved_fpsr, write_fpcr, write_fpsr,
};
pub use convert::{convert, convert_odd, from_int, to_int, to_int_js};
pub use estimate::{recip_estimate, recpe, recpx, rsqrt_estimate, rsqrte};

use crate::{CpuState, Fp1, Fp2, FpSize, Rounding};
use arith::Extreme;
use number::Format;

/// Whether a result of the host stands: no NaN, and not the smallest normal number.
#[inline(always)]
fn is_plain(size: FpSize, result: u64) -> bool {
    let magnitude = result & !size.sign_bit();
    magnitude <= size.exponent_mask() && magnitude != size.min_normal()
}

/// Whether the host may be asked at all.
#[inline(always)]
fn host_agrees(cpu: &CpuState, size: FpSize) -> bool {
    !control::fz(cpu) && size != FpSize::H
}

/// One operand.
pub fn fp1(cpu: &mut CpuState, op: Fp1, size: FpSize, a: u64) -> u64 {
    let mut to_integral = |rounding, exact| convert::round_integral(cpu, size, rounding, exact, a);
    match op {
        Fp1::Fabs => a & !size.sign_bit(),
        Fp1::Fneg => a ^ size.sign_bit(),
        Fp1::Frintn => to_integral(Rounding::N, false),
        Fp1::Frintp => to_integral(Rounding::P, false),
        Fp1::Frintm => to_integral(Rounding::M, false),
        Fp1::Frintz => to_integral(Rounding::Z, false),
        Fp1::Frinta => to_integral(Rounding::A, false),
        Fp1::Frintx => to_integral(Rounding::Current, true),
        Fp1::Frinti => to_integral(Rounding::Current, false),
        Fp1::Fsqrt => {
            if host_agrees(cpu, size) {
                let result = host::sqrt(size, a);
                if is_plain(size, result) {
                    return result;
                }
            }
            arith::sqrt(cpu, size, a)
        }
    }
}

/// Two operands.
pub fn fp2(cpu: &mut CpuState, op: Fp2, size: FpSize, a: u64, b: u64) -> u64 {
    if host_agrees(cpu, size) {
        let result = match op {
            Fp2::Fadd => host::add(size, a, b),
            Fp2::Fsub => host::sub(size, a, b),
            Fp2::Fmul | Fp2::Fnmul => host::mul(size, a, b),
            Fp2::Fdiv => host::div(size, a, b),
            Fp2::Fmax | Fp2::Fmin | Fp2::Fmaxnm | Fp2::Fminnm => return software_fp2(cpu, op, size, a, b),
        };
        if is_plain(size, result) {
            return if op == Fp2::Fnmul { result ^ size.sign_bit() } else { result };
        }
    }
    software_fp2(cpu, op, size, a, b)
}

fn software_fp2(cpu: &mut CpuState, op: Fp2, size: FpSize, a: u64, b: u64) -> u64 {
    match op {
        Fp2::Fadd => arith::add(cpu, size, a, b, false),
        Fp2::Fsub => arith::add(cpu, size, a, b, true),
        Fp2::Fmul => arith::mul(cpu, size, a, b, false),
        Fp2::Fnmul => arith::mul(cpu, size, a, b, false) ^ size.sign_bit(),
        Fp2::Fdiv => arith::div(cpu, size, a, b),
        Fp2::Fmax => arith::extreme(cpu, size, Extreme::Max, false, a, b),
        Fp2::Fmin => arith::extreme(cpu, size, Extreme::Min, false, a, b),
        Fp2::Fmaxnm => arith::extreme(cpu, size, Extreme::Max, true, a, b),
        Fp2::Fminnm => arith::extreme(cpu, size, Extreme::Min, true, a, b),
    }
}

/// FPMulAdd: addend + a * b, rounded once.
pub fn mul_add(cpu: &mut CpuState, size: FpSize, addend: u64, a: u64, b: u64) -> u64 {
    if host_agrees(cpu, size)
        && let Some(result) = host::mul_add(size, addend, a, b)
        && is_plain(size, result)
    {
        return result;
    }
    arith::mul_add(cpu, size, addend, a, b)
}

/// FPMulX (FMULX): infinity times zero is two.
pub fn mulx(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> u64 {
    arith::mul(cpu, size, a, b, true)
}

/// FABD: |a - b|.
pub fn abd(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> u64 {
    fp2(cpu, Fp2::Fsub, size, a, b) & !size.sign_bit()
}

/// FPRecipStepFused (FRECPS): 2 - a * b.
pub fn recps(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> u64 {
    arith::newton_step(cpu, size, a, b, false)
}

/// FPRSqrtStepFused (FRSQRTS): (3 - a * b) / 2.
pub fn rsqrts(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> u64 {
    arith::newton_step(cpu, size, a, b, true)
}
