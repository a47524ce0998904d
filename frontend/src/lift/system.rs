//! Lifters of system instructions, hints, barriers and exceptions.

use super::data_imm::shift;
use crate::args::{DataBarrier, ExceptionImm, NoArguments, SystemReg, Undefined};
use ir::{Barrier, Int2, Lifted, Ops, Stop, SysReg, Width};

/// UDF and unallocated encodings.
#[inline]
pub fn undefined<O: Ops>(ops: &mut O, a: &Undefined) -> Lifted<O> {
    ops.stop(Stop::Undefined, a.word as i32)
}

/// SVC, BRK.
#[inline]
pub fn exception<O: Ops>(ops: &mut O, a: &ExceptionImm, stop: Stop) -> Lifted<O> {
    ops.stop(stop, i32::from(a.imm))
}

/// Hints that do nothing here.
#[inline]
pub fn nop<O: Ops>(_ops: &mut O, _: &NoArguments) -> Lifted<O> {
    Ok(())
}

/// YIELD, WFE, WFI.
#[inline]
pub fn spin_hint<O: Ops>(ops: &mut O, _: &NoArguments) -> Lifted<O> {
    ops.spin_hint();
    Ok(())
}

/// DSB, SSBB, PSSBB, ISB, SB.
#[inline]
pub fn full_barrier<O: Ops>(ops: &mut O, _: &NoArguments) -> Lifted<O> {
    ops.barrier(Barrier::Full);
    Ok(())
}

/// DMB.
#[inline]
pub fn dmb<O: Ops>(ops: &mut O, a: &DataBarrier) -> Lifted<O> {
    ops.barrier(a.kind);
    Ok(())
}

/// CLREX.
#[inline]
pub fn clrex<O: Ops>(ops: &mut O, _: &NoArguments) -> Lifted<O> {
    ops.clear_exclusive();
    Ok(())
}

/// CFINV.
#[inline]
pub fn cfinv<O: Ops>(ops: &mut O, _: &NoArguments) -> Lifted<O> {
    let (flags, c) = (ops.nzcv(), ops.imm(1 << 29));
    let result = ops.int2(Int2::Eor, Width::X, flags, c);
    ops.set_nzcv(result);
    Ok(())
}

/// The flags as single bits: Z, C and V.
#[inline]
fn zcv<O: Ops>(ops: &mut O) -> [O::Val; 3] {
    let flags = ops.nzcv();
    [ops.extract(flags, 30, 1), ops.extract(flags, 29, 1), ops.extract(flags, 28, 1)]
}

#[inline]
fn set_nzcv_bits<O: Ops>(ops: &mut O, bits: [O::Val; 4]) {
    let [n, z, c, v] = bits;
    let mut packed = n;
    for flag in [z, c, v] {
        packed = shift(ops, Int2::Lsl, Width::X, packed, 1);
        packed = ops.int2(Int2::Orr, Width::X, packed, flag);
    }
    packed = shift(ops, Int2::Lsl, Width::X, packed, 28);
    ops.set_nzcv(packed);
}

/// AXFLAG: Z |= V, C &= !V, N and V clear.
#[inline]
pub fn axflag<O: Ops>(ops: &mut O, _: &NoArguments) -> Lifted<O> {
    let [z, c, v] = zcv(ops);
    let zero = ops.imm(0);
    let new_z = ops.int2(Int2::Orr, Width::X, z, v);
    let new_c = ops.int2(Int2::Bic, Width::X, c, v);
    set_nzcv_bits(ops, [zero, new_z, new_c, zero]);
    Ok(())
}

/// XAFLAG: N = !C & !Z, Z &= C, C |= Z, V = !C & Z.
#[inline]
pub fn xaflag<O: Ops>(ops: &mut O, _: &NoArguments) -> Lifted<O> {
    let [z, c, _] = zcv(ops);
    let one = ops.imm(1);
    let new_c = ops.int2(Int2::Orr, Width::X, c, z);
    let new_n = ops.int2(Int2::Eor, Width::X, new_c, one);
    let new_z = ops.int2(Int2::And, Width::X, z, c);
    let new_v = ops.int2(Int2::Bic, Width::X, z, c);
    set_nzcv_bits(ops, [new_n, new_z, new_c, new_v]);
    Ok(())
}

/// MRS.
#[inline]
pub fn mrs<O: Ops>(ops: &mut O, a: &SystemReg, reg: SysReg) -> Lifted<O> {
    let value = if reg == SysReg::Nzcv { ops.nzcv() } else { ops.read_sysreg(reg) };
    ops.set_x(a.rt, value);
    Ok(())
}

/// MSR.
#[inline]
pub fn msr<O: Ops>(ops: &mut O, a: &SystemReg, reg: SysReg) -> Lifted<O> {
    let value = ops.x(a.rt);
    if reg == SysReg::Nzcv {
        ops.set_nzcv(value)
    } else {
        ops.write_sysreg(reg, value)
    }
    Ok(())
}

/// DC ZVA.
#[inline]
pub fn dc_zva<O: Ops>(ops: &mut O, a: &SystemReg) -> Lifted<O> {
    let addr = ops.x(a.rt);
    ops.zero_block(addr)
}

/// DC CVAU and the other data cache operations: the caches are coherent, but the address must be readable.
#[inline]
pub fn dc_clean<O: Ops>(ops: &mut O, a: &SystemReg) -> Lifted<O> {
    let addr = ops.x(a.rt);
    ops.probe(addr)
}

/// IC IVAU.
#[inline]
pub fn ic_ivau<O: Ops>(ops: &mut O, a: &SystemReg) -> Lifted<O> {
    let addr = ops.x(a.rt);
    ops.code_changed(addr)
}
