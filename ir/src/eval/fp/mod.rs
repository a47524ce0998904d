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

/// Whether the host may compute from these operands without an exception that infinities cause there only.
#[inline(always)]
fn host_agrees_on(cpu: &CpuState, size: FpSize, operands: [u64; 2]) -> bool {
    let finite = |bits: u64| bits & size.exponent_mask() != size.exponent_mask();
    host_agrees(cpu, size) && operands.into_iter().all(finite)
}

/// FPMulX (FMULX): infinity times zero is two.
pub fn mulx(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> u64 {
    if host_agrees_on(cpu, size, [a, b]) {
        let result = host::mul(size, a, b);
        if is_plain(size, result) {
            return result;
        }
    }
    arith::mul(cpu, size, a, b, true)
}

/// FABD: |a - b|.
pub fn abd(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> u64 {
    fp2(cpu, Fp2::Fsub, size, a, b) & !size.sign_bit()
}

/// FPRecipStepFused (FRECPS): 2 - a * b.
pub fn recps(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> u64 {
    // A sum with 2 is no denormal.
    let two = 1 << (size.bits() - 2);
    if host_agrees_on(cpu, size, [a, b])
        && let Some(result) = host::mul_add(size, two, a ^ size.sign_bit(), b)
    {
        return result;
    }
    arith::newton_step(cpu, size, a, b, false)
}

/// FPRSqrtStepFused (FRSQRTS): (3 - a * b) / 2.
pub fn rsqrts(cpu: &mut CpuState, size: FpSize, a: u64, b: u64) -> u64 {
    // Computed as 3/2 - (a/2) * b, so that the one rounding comes last; a/2 must be exact.
    let halved = (a ^ size.sign_bit()).wrapping_sub(size.min_normal());
    let three_halves = size.exponent_mask() >> 1;
    if a & size.exponent_mask() > size.min_normal()
        && host_agrees_on(cpu, size, [a, b])
        && let Some(result) = host::mul_add(size, three_halves, halved, b)
    {
        return result;
    }
    arith::newton_step(cpu, size, a, b, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random operands of every magnitude, and some that meet at the edge of the denormals.
    fn operands(size: FpSize, count: usize) -> impl Iterator<Item = [u64; 3]> {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 32 | state.rotate_left(17) & 0xffff_ffff_0000_0000
        };
        let mask = u64::MAX >> (64 - size.bits());
        (0..count).map(move |i| {
            let [a, b, c] = [(); 3].map(|()| random() & mask);
            let one = size.exponent_mask() >> 1 & size.exponent_mask();
            let near_one = |bits: u64| bits & !size.exponent_mask() | one;
            match i % 3 {
                0 => [a, b, c],
                1 => [near_one(a), near_one(b), near_one(c)],
                _ => {
                    // The product is about the smallest normal number.
                    let field = a & size.exponent_mask();
                    [a, b & !size.exponent_mask() | one.saturating_sub(field), c & !size.exponent_mask()]
                }
            }
        })
    }

    /// The software, which the host's instructions shadow while FZ is clear, gives the same results and flags.
    #[test]
    fn software_agrees_with_the_host() {
        type Operation = fn(&mut CpuState, FpSize, [u64; 3], bool) -> u64;
        let operations: &[Operation] = &[
            |cpu, s, [a, b, _], host| if host { fp2(cpu, Fp2::Fadd, s, a, b) } else { arith::add(cpu, s, a, b, false) },
            |cpu, s, [a, b, _], host| if host { fp2(cpu, Fp2::Fsub, s, a, b) } else { arith::add(cpu, s, a, b, true) },
            |cpu, s, [a, b, _], host| if host { fp2(cpu, Fp2::Fmul, s, a, b) } else { arith::mul(cpu, s, a, b, false) },
            |cpu, s, [a, b, _], host| if host { mulx(cpu, s, a, b) } else { arith::mul(cpu, s, a, b, true) },
            |cpu, s, [a, b, _], host| if host { fp2(cpu, Fp2::Fdiv, s, a, b) } else { arith::div(cpu, s, a, b) },
            |cpu, s, [a, _, _], host| if host { fp1(cpu, Fp1::Fsqrt, s, a) } else { arith::sqrt(cpu, s, a) },
            |cpu, s, [a, b, c], host| if host { mul_add(cpu, s, c, a, b) } else { arith::mul_add(cpu, s, c, a, b) },
            |cpu, s, [a, b, _], host| if host { recps(cpu, s, a, b) } else { arith::newton_step(cpu, s, a, b, false) },
            |cpu, s, [a, b, _], host| if host { rsqrts(cpu, s, a, b) } else { arith::newton_step(cpu, s, a, b, true) },
        ];
        for (index, operation) in operations.iter().enumerate() {
            for size in [FpSize::S, FpSize::D] {
                for (i, operands) in operands(size, 30_000).enumerate() {
                    let outcome = |host| {
                        let mut cpu = CpuState::new();
                        restore_saved(&mut cpu, (i as u64 & 3) << 22, 0);
                        enter_guest_fp(&cpu);
                        let result = operation(&mut cpu, size, operands, host);
                        leave_guest_fp(&mut cpu);
                        (result, saved_fpsr(&cpu))
                    };
                    let (host, software) = (outcome(true), outcome(false));
                    assert_eq!(host, software, "operation {index} {size:?} {operands:x?} rounding {}", i & 3);
                }
            }
        }
    }
}
