//! Lifters of branches (Arm ARM C4.1.93).

use crate::args::{Branch, BranchReg, CompareBranch, CondBranch, TestBranch};
use ir::{Compare, Int2, Lifted, Ops, Reg, Width};

/// B.
#[inline]
pub fn b<O: Ops>(ops: &mut O, a: &Branch) -> Lifted<O> {
    ops.jump(a.target);
    Ok(())
}

/// BL.
#[inline]
pub fn bl<O: Ops>(ops: &mut O, a: &Branch) -> Lifted<O> {
    let link = ops.pc_imm(a.back);
    ops.set_x(Reg(30), link);
    ops.call(a.target, a.back);
    Ok(())
}

/// B.cond.
#[inline]
pub fn b_cond<O: Ops>(ops: &mut O, a: &CondBranch) -> Lifted<O> {
    let holds = ops.cond(a.cond);
    ops.jump_if(holds, a.target);
    Ok(())
}

/// CBZ, CBNZ.
#[inline]
pub fn compare_branch<O: Ops>(ops: &mut O, a: &CompareBranch, op: Compare) -> Lifted<O> {
    let (value, zero) = (ops.x(a.rt), ops.imm(0));
    let holds = ops.compare(op, a.width, value, zero);
    ops.jump_if(holds, a.target);
    Ok(())
}

/// TBZ, TBNZ.
#[inline]
pub fn test_branch<O: Ops>(ops: &mut O, a: &TestBranch, op: Compare) -> Lifted<O> {
    let (value, mask, zero) = (ops.x(a.rt), ops.imm(1 << a.bit), ops.imm(0));
    let bit = ops.int2(Int2::And, Width::X, value, mask);
    let holds = ops.compare(op, Width::X, bit, zero);
    ops.jump_if(holds, a.target);
    Ok(())
}

/// BR.
#[inline]
pub fn br<O: Ops>(ops: &mut O, a: &BranchReg) -> Lifted<O> {
    let target = ops.x(a.rn);
    ops.jump_indirect(target);
    Ok(())
}

/// BLR.
#[inline]
pub fn blr<O: Ops>(ops: &mut O, a: &BranchReg) -> Lifted<O> {
    // The target first: it may be X30.
    let target = ops.x(a.rn);
    let link = ops.pc_imm(a.back);
    ops.set_x(Reg(30), link);
    ops.call_indirect(target, a.back);
    Ok(())
}

/// RET.
#[inline]
pub fn ret<O: Ops>(ops: &mut O, a: &BranchReg) -> Lifted<O> {
    let target = ops.x(a.rn);
    ops.ret(target);
    Ok(())
}
