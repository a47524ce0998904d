//! Lifters of Advanced SIMD instructions that move lanes.

use crate::args::{DupElem, DupGpr, Ext, InsElem, InsGpr, MovToGpr, Table};
use ir::{Extend, Int2, Lane, Lifted, Ops, Width};

/// DUP (element).
#[inline]
pub fn dup_elem<O: Ops>(ops: &mut O, a: &DupElem) -> Lifted<O> {
    let n = ops.v(a.vn);
    let result = ops.splat_lane(a.arr, a.index, n);
    ops.set_v(a.vd, result);
    Ok(())
}

/// DUP (general).
#[inline]
pub fn dup_gpr<O: Ops>(ops: &mut O, a: &DupGpr) -> Lifted<O> {
    let value = ops.x(a.rn);
    let result = ops.splat(a.arr, value);
    ops.set_v(a.vd, result);
    Ok(())
}

/// INS (general).
#[inline]
pub fn ins_gpr<O: Ops>(ops: &mut O, a: &InsGpr) -> Lifted<O> {
    let (d, value) = (ops.v(a.vd), ops.x(a.rn));
    let result = ops.set_lane(a.lane, a.index, d, value);
    ops.set_v(a.vd, result);
    Ok(())
}

/// INS (element).
#[inline]
pub fn ins_elem<O: Ops>(ops: &mut O, a: &InsElem) -> Lifted<O> {
    let (d, n) = (ops.v(a.vd), ops.v(a.vn));
    let value = ops.lane(a.lane, a.from, n);
    let result = ops.set_lane(a.lane, a.to, d, value);
    ops.set_v(a.vd, result);
    Ok(())
}

/// UMOV.
#[inline]
pub fn umov<O: Ops>(ops: &mut O, a: &MovToGpr) -> Lifted<O> {
    let n = ops.v(a.vn);
    let value = ops.lane(a.lane, a.index, n);
    ops.set_x(a.rd, value);
    Ok(())
}

/// SMOV.
#[inline]
pub fn smov<O: Ops>(ops: &mut O, a: &MovToGpr) -> Lifted<O> {
    let n = ops.v(a.vn);
    let value = ops.lane(a.lane, a.index, n);
    let extend = match a.lane {
        Lane::B => Extend::Sxtb,
        Lane::H => Extend::Sxth,
        Lane::S | Lane::D | Lane::Q => Extend::Sxtw,
    };
    let mut value = ops.extend(extend, value);
    if a.width == Width::W {
        let mask = ops.imm(Width::W.mask());
        value = ops.int2(Int2::And, Width::X, value, mask);
    }
    ops.set_x(a.rd, value);
    Ok(())
}

/// EXT.
#[inline]
pub fn ext<O: Ops>(ops: &mut O, a: &Ext) -> Lifted<O> {
    let (n, m) = (ops.v(a.vn), ops.v(a.vm));
    let result = ops.vec_ext(a.arr, a.index, n, m);
    ops.set_v(a.vd, result);
    Ok(())
}

fn lookup<O: Ops>(ops: &mut O, a: &Table, fallback: O::Vec) {
    let first = ops.v(a.vn);
    let mut registers = [first; 4];
    for i in 1..a.registers {
        registers[usize::from(i)] = ops.v(a.vn.next(i));
    }
    let index = ops.v(a.vm);
    let result = ops.vec_table(a.arr, &registers[..usize::from(a.registers)], index, fallback);
    ops.set_v(a.vd, result);
}

/// TBL.
#[inline]
pub fn tbl<O: Ops>(ops: &mut O, a: &Table) -> Lifted<O> {
    let zero = ops.vec_imm(0);
    lookup(ops, a, zero);
    Ok(())
}

/// TBX.
#[inline]
pub fn tbx<O: Ops>(ops: &mut O, a: &Table) -> Lifted<O> {
    let old = ops.v(a.vd);
    lookup(ops, a, old);
    Ok(())
}
