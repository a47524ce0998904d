//! Lifters of branches (Arm ARM C4.1.93).

use crate::args::{Branch, CondBranch};
use ir::{Lifted, Ops, Reg};

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
