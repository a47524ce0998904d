//! Scalar floating point of [`crate::Eval`].

use crate::{CpuState, Fp1, Fp2, FpInt, FpSize, Nzcv};

/// One operand.
pub fn fp1(_cpu: &mut CpuState, _op: Fp1, _size: FpSize, _a: u64) -> u64 {
    todo!()
}
/// Two operands.
pub fn fp2(_cpu: &mut CpuState, _op: Fp2, _size: FpSize, _a: u64, _b: u64) -> u64 {
    todo!()
}
/// FPMulAdd.
pub fn mul_add(_cpu: &mut CpuState, _size: FpSize, _addend: u64, _a: u64, _b: u64) -> u64 {
    todo!()
}
/// FPConvert.
pub fn convert(_cpu: &mut CpuState, _from: FpSize, _to: FpSize, _a: u64) -> u64 {
    todo!()
}
/// FPToFixed: `bits` is the size of the integer (16, 32 or 64); zero-extended.
pub fn to_int(_cpu: &mut CpuState, _how: FpInt, _size: FpSize, _bits: u32, _a: u64) -> u64 {
    todo!()
}
/// FixedToFP.
pub fn from_int(_cpu: &mut CpuState, _how: FpInt, _size: FpSize, _bits: u32, _a: u64) -> u64 {
    todo!()
}
/// FPCompare.
pub fn compare(_cpu: &mut CpuState, _size: FpSize, _signal_quiet: bool, _a: u64, _b: u64) -> Nzcv {
    todo!()
}
/// FPToFixedJS: the value, and whether it is exact.
pub fn to_int_js(_cpu: &mut CpuState, _a: u64) -> (u64, bool) {
    todo!()
}

/// FPCR.
#[must_use]
pub fn read_fpcr(cpu: &CpuState) -> u64 {
    u64::from(cpu.fpcr)
}
/// Writes FPCR: AHP, DN, FZ and RMode.
pub fn write_fpcr(cpu: &mut CpuState, value: u64) {
    cpu.fpcr = value as u32 & 0x07c0_0000;
}
/// FPSR.
#[must_use]
pub fn read_fpsr(cpu: &CpuState) -> u64 {
    u64::from(cpu.fpsr)
}
/// Writes FPSR: QC, IDC, IXC, UFC, OFC, DZC and IOC.
pub fn write_fpsr(cpu: &mut CpuState, value: u64) {
    cpu.fpsr = value as u32 & 0x0800_009f;
}
