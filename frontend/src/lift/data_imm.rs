//! Lifters of data processing with immediates (Arm ARM C4.1.92).

use crate::args::AddSubImm;
use ir::{FlagOp, Int2, Lifted, Ops};

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
