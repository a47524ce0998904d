//! Lifters of data processing with immediates (Arm ARM C4.1.92).

use crate::args::{AddSubImm, BitfieldInsert, BitfieldMove, ExtractPair, LogicalImm, MoveImm, MoveKeep, PcRelative};
use ir::{FlagOp, Int2, Lifted, Ops, Width};

/// ADD, SUB (immediate).
#[inline]
pub fn add_sub_imm<O: Ops>(ops: &mut O, a: &AddSubImm, op: Int2) -> Lifted<O> {
    let (left, right) = (ops.x_or_sp(a.rn), ops.imm(u64::from(a.imm)));
    let result = ops.int2(op, a.width, left, right);
    ops.set_x_or_sp(a.rd, result);
    Ok(())
}

/// ADDS, SUBS (immediate).
#[inline]
pub fn add_sub_imm_flags<O: Ops>(ops: &mut O, a: &AddSubImm, op: Int2, flags: FlagOp) -> Lifted<O> {
    let (left, right) = (ops.x_or_sp(a.rn), ops.imm(u64::from(a.imm)));
    let result = ops.int2(op, a.width, left, right);
    ops.set_flags(flags, a.width, left, right);
    ops.set_x(a.rd, result);
    Ok(())
}

/// AND, ORR, EOR (immediate).
#[inline]
pub fn logical_imm<O: Ops>(ops: &mut O, a: &LogicalImm, op: Int2) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), ops.imm(a.imm));
    let result = ops.int2(op, a.width, left, right);
    ops.set_x_or_sp(a.rd, result);
    Ok(())
}

/// ANDS (immediate).
#[inline]
pub fn ands_imm<O: Ops>(ops: &mut O, a: &LogicalImm) -> Lifted<O> {
    let (left, right) = (ops.x(a.rn), ops.imm(a.imm));
    let result = ops.int2(Int2::And, a.width, left, right);
    ops.set_flags(FlagOp::Logic, a.width, result, result);
    ops.set_x(a.rd, result);
    Ok(())
}

/// MOVZ, MOVN.
#[inline]
pub fn move_imm<O: Ops>(ops: &mut O, a: &MoveImm) -> Lifted<O> {
    let value = ops.imm(a.value);
    ops.set_x(a.rd, value);
    Ok(())
}

/// MOVK.
#[inline]
pub fn movk<O: Ops>(ops: &mut O, a: &MoveKeep) -> Lifted<O> {
    let (old, keep, imm) = (ops.x(a.rd), ops.imm(a.keep), ops.imm(a.imm));
    let kept = ops.int2(Int2::And, Width::X, old, keep);
    let result = ops.int2(Int2::Orr, Width::X, kept, imm);
    ops.set_x(a.rd, result);
    Ok(())
}

/// ADR, ADRP.
#[inline]
pub fn pc_relative<O: Ops>(ops: &mut O, a: &PcRelative) -> Lifted<O> {
    let addr = ops.pc_imm(a.addr);
    ops.set_x(a.rd, addr);
    Ok(())
}

/// SBFM and UBFM; `right` is the shift that fills with the sign, or with zeros.
#[inline]
pub fn bitfield_move<O: Ops>(ops: &mut O, a: &BitfieldMove, right: Int2) -> Lifted<O> {
    let value = ops.x(a.rn);
    let result = if let Some(extend) = a.extend {
        let extended = ops.extend(extend, value);
        clip(ops, a.width, extended)
    } else if a.left == 0 {
        shift(ops, right, a.width, value, a.right)
    } else if a.right == 0 {
        shift(ops, Int2::Lsl, a.width, value, a.left)
    } else if right == Int2::Lsr && a.right >= a.left {
        ops.extract(value, a.right - a.left, a.width.bits() as u8 - a.right)
    } else {
        let at_top = shift(ops, Int2::Lsl, a.width, value, a.left);
        shift(ops, right, a.width, at_top, a.right)
    };
    ops.set_x(a.rd, result);
    Ok(())
}

/// BFM.
#[inline]
pub fn bfm<O: Ops>(ops: &mut O, a: &BitfieldInsert) -> Lifted<O> {
    let (old, value) = (ops.x(a.rd), ops.x(a.rn));
    let mask = (u64::MAX >> (64 - a.bits)) << a.to;
    let at_place = match (a.from, a.to) {
        (0, 0) => value,
        (from, 0) => shift(ops, Int2::Lsr, Width::X, value, from),
        (_, to) => shift(ops, Int2::Lsl, Width::X, value, to),
    };
    let (insert, keep) = (ops.imm(mask), ops.imm(!mask & a.width.mask()));
    let inserted = ops.int2(Int2::And, Width::X, at_place, insert);
    let kept = ops.int2(Int2::And, Width::X, old, keep);
    let result = ops.int2(Int2::Orr, Width::X, kept, inserted);
    ops.set_x(a.rd, result);
    Ok(())
}

/// EXTR.
#[inline]
pub fn extr<O: Ops>(ops: &mut O, a: &ExtractPair) -> Lifted<O> {
    let low = ops.x(a.rm);
    let result = if a.rn == a.rm {
        shift(ops, Int2::Ror, a.width, low, a.lsb)
    } else {
        let high = ops.x(a.rn);
        ops.extract_pair(a.width, high, low, a.lsb)
    };
    ops.set_x(a.rd, result);
    Ok(())
}

/// Shift or rotation by a constant.
#[inline]
pub(super) fn shift<O: Ops>(ops: &mut O, op: Int2, width: Width, value: O::Val, amount: u8) -> O::Val {
    let amount = ops.imm(u64::from(amount));
    ops.int2(op, width, value, amount)
}

/// The low `width` bits.
#[inline]
pub(super) fn clip<O: Ops>(ops: &mut O, width: Width, value: O::Val) -> O::Val {
    match width {
        Width::W => ops.extend(ir::Extend::Uxtw, value),
        Width::X => value,
    }
}
