//! Lifters of data processing on registers (Arm ARM C4.1.95).

use super::data_imm::{clip, shift};
use crate::args::{
    CondCompareImm, CondCompareReg, CondSelect, ExtendedReg, MoveReg, OneSource, RotateIntoFlags, ShiftedReg,
    ThreeSource, TwoSource,
};
use ir::{Compare, Extend, FlagOp, Int1, Int2, IntHelper, Lifted, Ops, Reg, Width};

const ZR: Reg = Reg(31);

#[inline]
fn shifted<O: Ops>(ops: &mut O, a: &ShiftedReg) -> O::Val {
    let value = ops.x(a.rm);
    if a.amount == 0 { value } else { shift(ops, a.shift, a.width, value, a.amount) }
}

#[inline]
fn extended<O: Ops>(ops: &mut O, a: &ExtendedReg) -> O::Val {
    let value = ops.x(a.rm);
    let value = ops.extend(a.extend, value);
    if a.amount == 0 { value } else { shift(ops, Int2::Lsl, Width::X, value, a.amount) }
}

/// MOV (register), which is ORR with the zero register.
#[inline]
pub fn mov_reg<O: Ops>(ops: &mut O, a: &MoveReg) -> Lifted<O> {
    let value = ops.x(a.rm);
    let value = clip(ops, a.width, value);
    ops.set_x(a.rd, value);
    Ok(())
}

/// AND, BIC, ORR, ORN, EOR, EON, ADD, SUB (shifted register).
#[inline]
pub fn shifted_reg<O: Ops>(ops: &mut O, a: &ShiftedReg, op: Int2) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), shifted(ops, a));
    let result = ops.int2(op, a.width, left, right);
    ops.set_x(a.rd, result);
    Ok(())
}

/// ANDS, BICS (shifted register).
#[inline]
pub fn logical_reg_flags<O: Ops>(ops: &mut O, a: &ShiftedReg, op: Int2) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), shifted(ops, a));
    let result = ops.int2(op, a.width, left, right);
    ops.set_flags(FlagOp::Logic, a.width, result, result);
    ops.set_x(a.rd, result);
    Ok(())
}

/// ADDS, SUBS (shifted register).
#[inline]
pub fn add_sub_reg_flags<O: Ops>(ops: &mut O, a: &ShiftedReg, op: Int2, flags: FlagOp) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), shifted(ops, a));
    let result = ops.int2(op, a.width, left, right);
    ops.set_flags(flags, a.width, left, right);
    ops.set_x(a.rd, result);
    Ok(())
}

/// ADD, SUB (extended register).
#[inline]
pub fn add_sub_ext<O: Ops>(ops: &mut O, a: &ExtendedReg, op: Int2) -> Lifted<O> {
    let (left, right) = (ops.x_or_sp(a.rn), extended(ops, a));
    let result = ops.int2(op, a.width, left, right);
    ops.set_x_or_sp(a.rd, result);
    Ok(())
}

/// ADDS, SUBS (extended register).
#[inline]
pub fn add_sub_ext_flags<O: Ops>(ops: &mut O, a: &ExtendedReg, op: Int2, flags: FlagOp) -> Lifted<O> {
    let (left, right) = (ops.x_or_sp(a.rn), extended(ops, a));
    let result = ops.int2(op, a.width, left, right);
    ops.set_flags(flags, a.width, left, right);
    ops.set_x(a.rd, result);
    Ok(())
}

/// ADC, SBC.
#[inline]
pub fn add_sub_carry<O: Ops>(ops: &mut O, a: &TwoSource, subtract: bool) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), ops.x(a.rm));
    let result = ops.add_with_carry(a.width, left, right, subtract);
    ops.set_x(a.rd, result);
    Ok(())
}

/// ADCS, SBCS.
#[inline]
pub fn add_sub_carry_flags<O: Ops>(ops: &mut O, a: &TwoSource, subtract: bool) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), ops.x(a.rm));
    // Before the flags: the carry in is the old one.
    let result = ops.add_with_carry(a.width, left, right, subtract);
    ops.set_flags(if subtract { FlagOp::Sbc } else { FlagOp::Adc }, a.width, left, right);
    ops.set_x(a.rd, result);
    Ok(())
}

/// CCMP, CCMN (register).
#[inline]
pub fn cond_compare_reg<O: Ops>(ops: &mut O, a: &CondCompareReg, op: FlagOp) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), ops.x(a.rm));
    ops.set_flags_if(a.cond, op, a.width, left, right, a.nzcv);
    Ok(())
}

/// CCMP, CCMN (immediate).
#[inline]
pub fn cond_compare_imm<O: Ops>(ops: &mut O, a: &CondCompareImm, op: FlagOp) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), ops.imm(u64::from(a.imm)));
    ops.set_flags_if(a.cond, op, a.width, left, right, a.nzcv);
    Ok(())
}

#[inline]
fn select<O: Ops>(ops: &mut O, a: &CondSelect, otherwise: O::Val) -> Lifted<O> {
    let (holds, value) = (ops.cond(a.cond), ops.x(a.rn));
    let value = clip(ops, a.width, value);
    let result = ops.select(holds, value, otherwise);
    ops.set_x(a.rd, result);
    Ok(())
}

/// CSEL.
#[inline]
pub fn csel<O: Ops>(ops: &mut O, a: &CondSelect) -> Lifted<O> {
    let otherwise = ops.x(a.rm);
    let otherwise = clip(ops, a.width, otherwise);
    select(ops, a, otherwise)
}

/// CSINC.
#[inline]
pub fn csinc<O: Ops>(ops: &mut O, a: &CondSelect) -> Lifted<O> {
    let (otherwise, one) = (ops.x(a.rm), ops.imm(1));
    let otherwise = if a.rm == ZR { one } else { ops.int2(Int2::Add, a.width, otherwise, one) };
    select(ops, a, otherwise)
}

/// CSINV, CSNEG.
#[inline]
pub fn csinv_csneg<O: Ops>(ops: &mut O, a: &CondSelect, op: Int1) -> Lifted<O> {
    let otherwise = ops.x(a.rm);
    let otherwise = ops.int1(op, a.width, otherwise);
    select(ops, a, otherwise)
}

/// RBIT, REV16, REV, REV32, CLZ, CLS.
#[inline]
pub fn one_source<O: Ops>(ops: &mut O, a: &OneSource, op: Int1) -> Lifted<O> {
    let value = ops.x(a.rn);
    let result = ops.int1(op, a.width, value);
    ops.set_x(a.rd, result);
    Ok(())
}

/// UDIV, SDIV, LSLV, LSRV, ASRV, RORV, SMULH, UMULH.
#[inline]
pub fn two_source<O: Ops>(ops: &mut O, a: &TwoSource, op: Int2) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), ops.x(a.rm));
    let result = ops.int2(op, a.width, left, right);
    ops.set_x(a.rd, result);
    Ok(())
}

/// CRC32, CRC32C.
#[inline]
pub fn crc32<O: Ops>(ops: &mut O, a: &TwoSource, op: IntHelper) -> Lifted<O> {
    let (accumulator, data) = (ops.x(a.rn), ops.x(a.rm));
    let result = ops.int_helper(op, accumulator, data);
    ops.set_x(a.rd, result);
    Ok(())
}

#[inline]
fn accumulate<O: Ops>(ops: &mut O, a: &ThreeSource, op: Int2, product: O::Val) -> Lifted<O> {
    let result = if a.ra == ZR && op == Int2::Add {
        product
    } else {
        let addend = ops.x(a.ra);
        ops.int2(op, a.width, addend, product)
    };
    ops.set_x(a.rd, result);
    Ok(())
}

/// MADD, MSUB.
#[inline]
pub fn multiply_add<O: Ops>(ops: &mut O, a: &ThreeSource, op: Int2) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), ops.x(a.rm));
    let product = ops.int2(Int2::Mul, a.width, left, right);
    accumulate(ops, a, op, product)
}

/// SMADDL, SMSUBL, UMADDL, UMSUBL.
#[inline]
pub fn multiply_add_long<O: Ops>(ops: &mut O, a: &ThreeSource, extend: Extend, op: Int2) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), ops.x(a.rm));
    let (left, right) = (ops.extend(extend, left), ops.extend(extend, right));
    let product = ops.int2(Int2::Mul, Width::X, left, right);
    accumulate(ops, a, op, product)
}

/// RMIF.
#[inline]
pub fn rmif<O: Ops>(ops: &mut O, a: &RotateIntoFlags) -> Lifted<O> {
    let mask = u64::from(a.mask) << 28;
    let (old, value) = (ops.nzcv(), ops.x(a.rn));
    // The low four bits go to 31..28.
    let at_place = shift(ops, Int2::Ror, Width::X, value, (a.rotation + 36) % 64);
    let (take, keep) = (ops.imm(mask), ops.imm(!mask));
    let taken = ops.int2(Int2::And, Width::X, at_place, take);
    let kept = ops.int2(Int2::And, Width::X, old, keep);
    let result = ops.int2(Int2::Orr, Width::X, kept, taken);
    ops.set_nzcv(result);
    Ok(())
}

/// SETF8, SETF16: flags of the low `bits` bits; C stays.
#[inline]
pub fn setf<O: Ops>(ops: &mut O, a: &OneSource, bits: u8) -> Lifted<O> {
    let (old, value, zero) = (ops.nzcv(), ops.x(a.rn), ops.imm(0));
    let low = ops.extract(value, 0, bits);
    let is_zero = ops.compare(Compare::Eq, Width::X, low, zero);
    let (z_set, c_bit) = (ops.imm(1 << 30), ops.imm(1 << 29));
    let z = ops.select(is_zero, z_set, zero);
    let c = ops.int2(Int2::And, Width::X, old, c_bit);
    let sign = ops.extract(value, bits - 1, 1);
    let above = ops.extract(value, bits, 1);
    let differ = ops.int2(Int2::Eor, Width::X, sign, above);
    let n = shift(ops, Int2::Lsl, Width::X, sign, 31);
    let v = shift(ops, Int2::Lsl, Width::X, differ, 28);
    let result = [z, c, v].into_iter().fold(n, |all, flag| ops.int2(Int2::Orr, Width::X, all, flag));
    ops.set_nzcv(result);
    Ok(())
}
