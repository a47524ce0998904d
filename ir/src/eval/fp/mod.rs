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
/// FPRecipEstimate (FRECPE).
pub fn recpe(_cpu: &mut CpuState, _size: FpSize, _a: u64) -> u64 {
    todo!()
}
/// FPRSqrtEstimate (FRSQRTE).
pub fn rsqrte(_cpu: &mut CpuState, _size: FpSize, _a: u64) -> u64 {
    todo!()
}
/// FPRecpX (FRECPX).
pub fn recpx(_cpu: &mut CpuState, _size: FpSize, _a: u64) -> u64 {
    todo!()
}
/// FPRecipStepFused (FRECPS): 2 - a * b.
pub fn recps(_cpu: &mut CpuState, _size: FpSize, _a: u64, _b: u64) -> u64 {
    todo!()
}
/// FPRSqrtStepFused (FRSQRTS): (3 - a * b) / 2.
pub fn rsqrts(_cpu: &mut CpuState, _size: FpSize, _a: u64, _b: u64) -> u64 {
    todo!()
}
/// FPMulX (FMULX).
pub fn mulx(_cpu: &mut CpuState, _size: FpSize, _a: u64, _b: u64) -> u64 {
    todo!()
}
/// FABD: |a - b|.
pub fn abd(_cpu: &mut CpuState, _size: FpSize, _a: u64, _b: u64) -> u64 {
    todo!()
}
/// FPCompareEQ (FCMEQ).
pub fn cmeq(_cpu: &mut CpuState, _size: FpSize, _a: u64, _b: u64) -> bool {
    todo!()
}
/// FPCompareGE (FCMGE).
pub fn cmge(_cpu: &mut CpuState, _size: FpSize, _a: u64, _b: u64) -> bool {
    todo!()
}
/// FPCompareGT (FCMGT).
pub fn cmgt(_cpu: &mut CpuState, _size: FpSize, _a: u64, _b: u64) -> bool {
    todo!()
}
/// FACGE: |a| >= |b|.
pub fn acge(_cpu: &mut CpuState, _size: FpSize, _a: u64, _b: u64) -> bool {
    todo!()
}
/// FACGT: |a| > |b|.
pub fn acgt(_cpu: &mut CpuState, _size: FpSize, _a: u64, _b: u64) -> bool {
    todo!()
}
/// FPConvert from D to S, rounding to odd (FCVTXN).
pub fn convert_odd(_cpu: &mut CpuState, _a: u64) -> u64 {
    todo!()
}
/// RecipEstimate of the pseudocode: `a` is 256 to 511, in units of 1/512 (URECPE and FRECPE).
#[must_use]
pub fn recip_estimate(a: u32) -> u32 {
    let b = (1 << 19) / (2 * a + 1);
    b.div_ceil(2)
}
/// RecipSqrtEstimate of the pseudocode: `a` is 128 to 511, in units of 1/512 (URSQRTE and FRSQRTE).
#[must_use]
pub fn rsqrt_estimate(_a: u32) -> u32 {
    todo!()
}
/// FPCR.
#[must_use]
pub fn read_fpcr(_cpu: &CpuState) -> u64 {
    todo!()
}
/// Writes FPCR and the live MXCSR.
pub fn write_fpcr(_cpu: &mut CpuState, _value: u64) {
    todo!()
}
/// FPSR, from the live MXCSR too.
#[must_use]
pub fn read_fpsr(_cpu: &CpuState) -> u64 {
    todo!()
}
/// Writes FPSR, and the live MXCSR's sticky flags.
pub fn write_fpsr(_cpu: &mut CpuState, _value: u64) {
    todo!()
}
/// Loads the guest's floating-point environment into MXCSR: guest code runs from here.
pub fn enter_guest_fp(_cpu: &CpuState) {
    todo!()
}
/// Saves the guest's floating-point environment from MXCSR and restores the host's.
pub fn leave_guest_fp(_cpu: &mut CpuState) {
    todo!()
}
