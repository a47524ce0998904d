//! The host's FP instructions, executed under the MXCSR that is loaded: Rust's own operators assume the default
//! environment and may be folded or moved by the compiler. Unsafe because of the inline assembly; knows no Arm rule.
//!
//! Operands and results are bit patterns.
#![allow(unsafe_code)]

use crate::FpSize;
use std::arch::asm;

/// The MXCSR register.
pub(super) fn store_mxcsr() -> u32 {
    let mut value = 0u32;
    // SAFETY: stmxcsr writes the four bytes it is pointed at.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags)) };
    value
}

/// Loads the MXCSR register. Exceptions must be masked in `value`.
pub(super) fn load_mxcsr(value: u32) {
    debug_assert!(value & 0x1f80 == 0x1f80 && value >> 16 == 0, "MXCSR with unmasked exceptions or reserved bits");
    // SAFETY: `value` has no reserved bit set and masks every exception, so neither this nor a later instruction
    // traps. Rust code that runs under a rounding mode other than the default uses no floating point.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, preserves_flags)) };
}

/// Inline assembly that only computes in registers.
macro_rules! compute {
    ($($tokens:tt)*) => { asm!($($tokens)*, options(nomem, nostack, preserves_flags)) };
}

/// Two-operand instructions, in single and double form.
macro_rules! binary {
    ($($name:ident $single:literal $double:literal;)*) => {$(
        #[inline(always)]
        pub(super) fn $name(size: FpSize, a: u64, b: u64) -> u64 {
            let (mut result, b) = (f64::from_bits(a), f64::from_bits(b));
            // SAFETY: register arithmetic only. It depends on MXCSR and changes its sticky bits, so it is not `pure`.
            unsafe {
                if size == FpSize::D {
                    compute!(concat!($double, " {}, {}"), inout(xmm_reg) result, in(xmm_reg) b);
                } else {
                    compute!(concat!($single, " {}, {}"), inout(xmm_reg) result, in(xmm_reg) b);
                }
            }
            narrow(size, result.to_bits())
        }
    )*};
}

binary! {
    add "addss" "addsd";
    sub "subss" "subsd";
    mul "mulss" "mulsd";
    div "divss" "divsd";
}

/// Single instructions leave the upper half of the register as it was.
#[inline(always)]
fn narrow(size: FpSize, bits: u64) -> u64 {
    if size == FpSize::D { bits } else { bits & 0xffff_ffff }
}

/// Square root.
#[inline(always)]
pub(super) fn sqrt(size: FpSize, a: u64) -> u64 {
    let mut result = f64::from_bits(a);
    // SAFETY: as in `binary!`.
    unsafe {
        if size == FpSize::D {
            compute!("sqrtsd {0}, {0}", inout(xmm_reg) result);
        } else {
            compute!("sqrtss {0}, {0}", inout(xmm_reg) result);
        }
    }
    narrow(size, result.to_bits())
}

/// a * b + addend, rounded once; none if the host has no FMA.
#[inline(always)]
pub(super) fn mul_add(size: FpSize, addend: u64, a: u64, b: u64) -> Option<u64> {
    if !std::arch::is_x86_feature_detected!("fma") {
        return None;
    }
    let (mut result, a, b) = (f64::from_bits(addend), f64::from_bits(a), f64::from_bits(b));
    // SAFETY: as in `binary!`; the host has the instruction.
    unsafe {
        if size == FpSize::D {
            compute!("vfmadd231sd {}, {}, {}", inout(xmm_reg) result, in(xmm_reg) a, in(xmm_reg) b);
        } else {
            compute!("vfmadd231ss {}, {}, {}", inout(xmm_reg) result, in(xmm_reg) a, in(xmm_reg) b);
        }
    }
    Some(narrow(size, result.to_bits()))
}

/// Rounds to an integral value as `ROUNDSD`'s immediate says (bit 3: inexact is not raised); none if the host has no
/// SSE4.1.
#[inline(always)]
pub(super) fn round_integral<const MODE: u8>(size: FpSize, a: u64) -> Option<u64> {
    if !std::arch::is_x86_feature_detected!("sse4.1") {
        return None;
    }
    let mut result = f64::from_bits(a);
    // SAFETY: as in `binary!`; the host has the instruction.
    unsafe {
        if size == FpSize::D {
            compute!("roundsd {0}, {0}, {1}", inout(xmm_reg) result, const MODE);
        } else {
            compute!("roundss {0}, {0}, {1}", inout(xmm_reg) result, const MODE);
        }
    }
    Some(narrow(size, result.to_bits()))
}

/// Double to single.
#[inline(always)]
pub(super) fn double_to_single(a: u64) -> u64 {
    let mut result = f64::from_bits(a);
    // SAFETY: as in `binary!`.
    unsafe { compute!("cvtsd2ss {0}, {0}", inout(xmm_reg) result) };
    result.to_bits() & 0xffff_ffff
}

/// Single to double.
#[inline(always)]
pub(super) fn single_to_double(a: u64) -> u64 {
    let mut result = f64::from_bits(a);
    // SAFETY: as in `binary!`.
    unsafe { compute!("cvtss2sd {0}, {0}", inout(xmm_reg) result) };
    result.to_bits()
}

/// Signed 64-bit integer to single or double.
#[inline(always)]
pub(super) fn from_i64(size: FpSize, a: i64) -> u64 {
    let mut result = 0f64;
    // SAFETY: as in `binary!`.
    unsafe {
        if size == FpSize::D {
            compute!("cvtsi2sd {}, {}", inout(xmm_reg) result, in(reg) a);
        } else {
            compute!("cvtsi2ss {}, {}", inout(xmm_reg) result, in(reg) a);
        }
    }
    narrow(size, result.to_bits())
}

/// Double to a signed 64-bit integer towards zero; `i64::MIN` (and invalid raised) where there is none.
#[inline(always)]
pub(super) fn double_to_i64(a: u64) -> i64 {
    let result: i64;
    // SAFETY: as in `binary!`.
    unsafe { compute!("cvttsd2si {}, {}", lateout(reg) result, in(xmm_reg) f64::from_bits(a)) };
    result
}
