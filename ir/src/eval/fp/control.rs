//! FPCR, FPSR and their home while guest code runs: the host's MXCSR. Owns which bit means what in each; the
//! arithmetic only asks for a rounding mode or raises an exception.
//!
//! The cumulative flags live in two places whose union is FPSR: MXCSR's sticky bits, which host instructions set, and
//! [`CpuState::fpsr`], where software sets what the host does not know (QC, IDC) or did not compute.

use super::host;
use crate::CpuState;

/// Exception flags of FPSR.
pub(super) const IOC: u32 = 1 << 0;
pub(super) const DZC: u32 = 1 << 1;
pub(super) const OFC: u32 = 1 << 2;
pub(super) const UFC: u32 = 1 << 3;
pub(super) const IXC: u32 = 1 << 4;
pub(super) const IDC: u32 = 1 << 7;
const QC: u32 = 1 << 27;
const FPSR_BITS: u32 = QC | IDC | IXC | UFC | OFC | DZC | IOC;

const AHP: u32 = 1 << 26;
const DN: u32 = 1 << 25;
const FZ: u32 = 1 << 24;
const RMODE: u32 = 3 << 22;
const FPCR_BITS: u32 = AHP | DN | FZ | RMODE;

/// MXCSR: sticky flags. The denormal-operand flag (bit 1) means something else than IDC and is not shown.
const MX_IE: u32 = 1 << 0;
const MX_ZE: u32 = 1 << 2;
const MX_OE: u32 = 1 << 3;
const MX_UE: u32 = 1 << 4;
const MX_PE: u32 = 1 << 5;
const MX_STICKY: u32 = 0x3f;
/// MXCSR: rounding control, flush to zero, denormals are zero.
const MX_RC: u32 = 3 << 13;
const MX_FTZ: u32 = 1 << 15;
const MX_DAZ: u32 = 1 << 6;

/// How a result that is not representable is rounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Round {
    TiesToEven,
    Up,
    Down,
    ToZero,
    /// The inexact result's last bit is set (FCVTXN).
    ToOdd,
    TiesAway,
}

impl Round {
    /// As FPCR says.
    pub(super) fn current(cpu: &CpuState) -> Self {
        match cpu.fpcr >> 22 & 3 {
            0 => Self::TiesToEven,
            1 => Self::Up,
            2 => Self::Down,
            _ => Self::ToZero,
        }
    }
}

/// Alternative half precision.
pub(super) fn ahp(cpu: &CpuState) -> bool {
    cpu.fpcr & AHP != 0
}
/// Every NaN result is the default NaN.
pub(super) fn dn(cpu: &CpuState) -> bool {
    cpu.fpcr & DN != 0
}
/// Single and double denormals are flushed to zero.
pub(super) fn fz(cpu: &CpuState) -> bool {
    cpu.fpcr & FZ != 0
}
/// FPProcessException; no trap is implemented.
pub(super) fn raise(cpu: &mut CpuState, flags: u32) {
    cpu.fpsr |= flags;
}

/// MXCSR with the rounding and flush bits that FPCR asks for and the sticky bits given.
///
/// FTZ and DAZ come close to FPCR.FZ but are not it (no IDC; tininess is judged after rounding, and inexact is raised
/// too), so the functions of this module never compute on the host while FZ is set. The bits are there for code that
/// accepts the difference in flags.
fn mxcsr_for(fpcr: u32, sticky: u32) -> u32 {
    let rounding = match fpcr >> 22 & 3 {
        0 => 0,
        1 => 2 << 13,
        2 => 1 << 13,
        _ => 3 << 13,
    };
    let flush = if fpcr & FZ != 0 { MX_FTZ | MX_DAZ } else { 0 };
    CpuState::MXCSR_RESET & !(MX_RC | MX_STICKY) | rounding | flush | sticky & MX_STICKY
}

fn fpsr_from(cpu: &CpuState, mxcsr: u32) -> u64 {
    let moved = [(MX_IE, IOC), (MX_ZE, DZC), (MX_OE, OFC), (MX_UE, UFC), (MX_PE, IXC)];
    let host: u32 = moved.iter().filter(|(from, _)| mxcsr & from != 0).map(|(_, to)| to).sum();
    u64::from((cpu.fpsr | host) & FPSR_BITS)
}

/// MRS of FPCR.
#[must_use]
pub fn read_fpcr(cpu: &CpuState) -> u64 {
    u64::from(cpu.fpcr)
}

/// MSR to FPCR while guest code runs: the live MXCSR follows.
pub fn write_fpcr(cpu: &mut CpuState, value: u64) {
    cpu.fpcr = value as u32 & FPCR_BITS;
    host::load_mxcsr(mxcsr_for(cpu.fpcr, host::store_mxcsr()));
}

/// MRS of FPSR while guest code runs.
#[must_use]
pub fn read_fpsr(cpu: &CpuState) -> u64 {
    fpsr_from(cpu, host::store_mxcsr())
}

/// MSR to FPSR while guest code runs.
pub fn write_fpsr(cpu: &mut CpuState, value: u64) {
    cpu.fpsr = value as u32 & FPSR_BITS;
    host::load_mxcsr(mxcsr_for(cpu.fpcr, 0));
}

/// FPSR of a guest that is not running (signal frames, core files).
#[must_use]
pub fn saved_fpsr(cpu: &CpuState) -> u64 {
    fpsr_from(cpu, cpu.mxcsr)
}

/// Sets FPCR and FPSR of a guest that is not running (signal return).
pub fn restore_saved(cpu: &mut CpuState, fpcr: u64, fpsr: u64) {
    cpu.fpcr = fpcr as u32 & FPCR_BITS;
    cpu.fpsr = fpsr as u32 & FPSR_BITS;
    cpu.mxcsr = mxcsr_for(cpu.fpcr, 0);
}

/// Loads the guest's floating-point environment into MXCSR: guest code runs from here, and no Rust code that uses
/// `f32` or `f64` may, until [`leave_guest_fp`].
pub fn enter_guest_fp(cpu: &CpuState) {
    host::load_mxcsr(mxcsr_for(cpu.fpcr, cpu.mxcsr));
}

/// Saves the guest's floating-point environment from MXCSR and restores the host's default.
pub fn leave_guest_fp(cpu: &mut CpuState) {
    cpu.mxcsr = host::store_mxcsr();
    host::load_mxcsr(CpuState::MXCSR_RESET);
}
