//! System registers as Linux shows them to EL0: the ID registers' visible fields say what emu implements, the hidden
//! ones hold the kernel's safe values (Linux, cpu-feature-registers.rst). HWCAP is derived from the constants here.
//!
//! Unsafe for one call of `clock_gettime`, which has no safe name for the raw clock.
#![allow(unsafe_code)]

use super::fp;
use crate::{CpuState, Nzcv, SysReg};

/// Places a value in a 4-bit field.
const fn field(lsb: u32, value: u64) -> u64 {
    value << lsb
}

/// ID_AA64ISAR0_EL1. Absent: SHA512, SHA3, SM3, SM4, FHM, RNDR.
pub const ID_AA64ISAR0: u64 = field(4, 2) // AES: with PMULL
    | field(8, 1) // SHA1
    | field(12, 1) // SHA2: SHA256
    | field(16, 1) // CRC32
    | field(20, 2) // Atomic: LSE
    | field(28, 1) // RDM
    | field(44, 1) // DP
    | field(52, 2); // TS: FlagM, FlagM2

/// ID_AA64ISAR1_EL1. Absent: pointer authentication, FCMA, FRINTTS, SPECRES, BF16, I8MM, XS, LS64.
pub const ID_AA64ISAR1: u64 = field(0, 2) // DPB: DC CVAP, DC CVADP
    | field(12, 1) // JSCVT
    | field(20, 2) // LRCPC: with the immediate forms
    | field(36, 1) // SB
    | field(48, 1); // DGH

/// ID_AA64ISAR2_EL1. Absent: WFxT, RPRES, MOPS, BC, CSSC.
pub const ID_AA64ISAR2: u64 = 0;

/// ID_AA64PFR0_EL1: EL0 and EL1 are AArch64 only (hidden fields' safe values); FP and AdvSIMD are present, without
/// half precision (0); no SVE, no DIT.
pub const ID_AA64PFR0: u64 = field(0, 1) | field(4, 1);

/// ID_AA64PFR1_EL1. Absent: BTI (its instruction is a hint), SSBS, MTE, SME.
pub const ID_AA64PFR1: u64 = 0;

/// ID_AA64DFR0_EL1: DebugVer's safe value.
pub const ID_AA64DFR0: u64 = field(0, 6);

/// ID_AA64MMFR0_EL1: ECV (CNTVCTSS_EL0), and the safe values of the granule sizes: none to be seen.
pub const ID_AA64MMFR0: u64 = field(60, 1) | field(24, 0xf) | field(28, 0xf);

/// ID_AA64MMFR1_EL1. Absent: AFP.
pub const ID_AA64MMFR1: u64 = 0;

/// ID_AA64MMFR2_EL1. Absent: AT, atomicity of misaligned accesses within 16 bytes.
pub const ID_AA64MMFR2: u64 = 0;

/// MIDR_EL1 of a Neoverse N1, revision r3p1. Programs find out by the ID registers and AT_HWCAP what there is; by this
/// one, libraries choose between functions that do the same. Those for this core copy by vector registers where others
/// copy by general ones. Source: Arm Neoverse N1 Technical Reference Manual.
pub const MIDR: u64 = 0x413f_d0c1;

/// MPIDR_EL1: the kernel's safe value, bit 31 alone.
pub const MPIDR: u64 = 1 << 31;

/// CTR_EL0: lines, reservation granule and write-back granule of 64 bytes (16 words, 2^4), PIPT. IDC is set, for data
/// need no cleaning; DIC is clear, so that programs name the code they change with IC IVAU.
pub const CTR: u64 = 1 << 31 | 1 << 28 | 4 << 24 | 4 << 20 | 4 << 16 | 3 << 14 | 4;

/// DCZID_EL0: DC ZVA may be used and zeroes 64 bytes (16 words, 2^4).
pub const DCZID: u64 = 4;

/// CNTFRQ_EL0 in Hz. As Armv8.6 wants it, the counter counts nanoseconds.
pub const CNTFRQ: u64 = 1_000_000_000;

/// CNTVCT_EL0: nanoseconds of CLOCK_MONOTONIC, which all threads and processes see alike.
fn counter() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the structure it is given; it cannot fail with this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    (now.tv_sec as u64).wrapping_mul(CNTFRQ).wrapping_add(now.tv_nsec as u64)
}

/// MRS.
pub fn read(cpu: &mut CpuState, reg: SysReg) -> u64 {
    match reg {
        SysReg::Nzcv => u64::from(cpu.nzcv().0),
        SysReg::Fpcr => fp::read_fpcr(cpu),
        SysReg::Fpsr => fp::read_fpsr(cpu),
        SysReg::TpidrEl0 => cpu.tpidr_el0,
        SysReg::CtrEl0 => CTR,
        SysReg::DczidEl0 => DCZID,
        SysReg::CntvctEl0 | SysReg::CntvctssEl0 => counter(),
        SysReg::CntfrqEl0 => CNTFRQ,
        SysReg::MidrEl1 => MIDR,
        SysReg::MpidrEl1 => MPIDR,
        SysReg::IdAa64isar0El1 => ID_AA64ISAR0,
        SysReg::IdAa64isar1El1 => ID_AA64ISAR1,
        SysReg::IdAa64isar2El1 => ID_AA64ISAR2,
        SysReg::IdAa64pfr0El1 => ID_AA64PFR0,
        SysReg::IdAa64pfr1El1 => ID_AA64PFR1,
        SysReg::IdAa64dfr0El1 => ID_AA64DFR0,
        SysReg::IdAa64mmfr0El1 => ID_AA64MMFR0,
        SysReg::IdAa64mmfr1El1 => ID_AA64MMFR1,
        SysReg::IdAa64mmfr2El1 => ID_AA64MMFR2,
        SysReg::TpidrroEl0 | SysReg::RevidrEl1 | SysReg::IdAa64zfr0El1 | SysReg::IdZero => 0,
    }
}

/// MSR. Registers that EL0 may not write are left alone: the instruction table has no row that writes them.
pub fn write(cpu: &mut CpuState, reg: SysReg, value: u64) {
    match reg {
        SysReg::Nzcv => cpu.set_nzcv(Nzcv(value as u32)),
        SysReg::Fpcr => fp::write_fpcr(cpu, value),
        SysReg::Fpsr => fp::write_fpsr(cpu, value),
        SysReg::TpidrEl0 => cpu.tpidr_el0 = value,
        _ => {}
    }
}
