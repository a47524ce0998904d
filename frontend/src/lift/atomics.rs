//! Lifters of exclusive, ordered and atomic accesses (Arm ARM C4.1.94). The operations of [`Ops`] are sequentially
//! consistent and check alignment, so that acquire and release forms need nothing of their own.

use crate::args::{Atomic, CasPair, Exclusive, Ordered};
use ir::{Access, Lifted, Ops, Reg, Rmw};

/// LDAR, LDLAR, LDAPR, LDAPUR and their kin.
#[inline]
pub fn load_ordered<O: Ops>(ops: &mut O, a: &Ordered, access: Access) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let addr = if a.offset == 0 { base } else { ops.address(base, i64::from(a.offset)) };
    let value = ops.load(access, addr)?;
    ops.set_x(a.rt, value);
    Ok(())
}

/// STLR, STLLR, STLUR and their kin.
#[inline]
pub fn store_ordered<O: Ops>(ops: &mut O, a: &Ordered, access: Access) -> Lifted<O> {
    let base = ops.x_or_sp(a.rn);
    let addr = if a.offset == 0 { base } else { ops.address(base, i64::from(a.offset)) };
    let value = ops.x(a.rt);
    ops.store(access, addr, value)
}

/// LDXR, LDAXR.
#[inline]
pub fn load_exclusive<O: Ops>(ops: &mut O, a: &Exclusive, bytes: u8) -> Lifted<O> {
    let addr = ops.x_or_sp(a.rn);
    let value = ops.load_exclusive(bytes, addr)?;
    ops.set_x(a.rt, value);
    Ok(())
}

/// STXR, STLXR.
#[inline]
pub fn store_exclusive<O: Ops>(ops: &mut O, a: &Exclusive, bytes: u8) -> Lifted<O> {
    let (addr, value) = (ops.x_or_sp(a.rn), ops.x(a.rt));
    let status = ops.store_exclusive(bytes, addr, value)?;
    ops.set_x(a.rs, status);
    Ok(())
}

/// LDXP, LDAXP. `bytes` is the size of one element.
#[inline]
pub fn load_exclusive_pair<O: Ops>(ops: &mut O, a: &Exclusive, bytes: u8) -> Lifted<O> {
    let addr = ops.x_or_sp(a.rn);
    let [first, second] = ops.load_exclusive_pair(bytes, addr)?;
    ops.set_x(a.rt, first);
    ops.set_x(a.rt2, second);
    Ok(())
}

/// STXP, STLXP. `bytes` is the size of one element.
#[inline]
pub fn store_exclusive_pair<O: Ops>(ops: &mut O, a: &Exclusive, bytes: u8) -> Lifted<O> {
    let (addr, values) = (ops.x_or_sp(a.rn), [ops.x(a.rt), ops.x(a.rt2)]);
    let status = ops.store_exclusive_pair(bytes, addr, values)?;
    ops.set_x(a.rs, status);
    Ok(())
}

/// LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN, SWP.
#[inline]
pub fn read_modify_write<O: Ops>(ops: &mut O, a: &Atomic, op: Rmw, bytes: u8) -> Lifted<O> {
    let (addr, value) = (ops.x_or_sp(a.rn), ops.x(a.rs));
    let old = ops.rmw(op, bytes, addr, value)?;
    ops.set_x(a.rt, old);
    Ok(())
}

/// CAS.
#[inline]
pub fn compare_and_swap<O: Ops>(ops: &mut O, a: &Atomic, bytes: u8) -> Lifted<O> {
    let (addr, expected, new) = (ops.x_or_sp(a.rn), ops.x(a.rs), ops.x(a.rt));
    let old = ops.cas(bytes, addr, expected, new)?;
    ops.set_x(a.rs, old);
    Ok(())
}

/// CASP. `bytes` is the size of one element.
#[inline]
pub fn compare_and_swap_pair<O: Ops>(ops: &mut O, a: &CasPair, bytes: u8) -> Lifted<O> {
    let (rs2, rt2) = (Reg(a.rs.0 + 1), Reg(a.rt.0 + 1));
    let addr = ops.x_or_sp(a.rn);
    let expected = [ops.x(a.rs), ops.x(rs2)];
    let new = [ops.x(a.rt), ops.x(rt2)];
    let [first, second] = ops.cas_pair(bytes, addr, expected, new)?;
    ops.set_x(a.rs, first);
    ops.set_x(rs2, second);
    Ok(())
}
