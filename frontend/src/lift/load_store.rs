//! Lifters of loads and stores (Arm ARM C4.1.94) of general registers and of scalar SIMD&FP registers.
//!
//! Where a load writes its own base back (CONSTRAINED UNPREDICTABLE), the written-back address wins, as the order of
//! the pseudocode has it and as QEMU does. Where a pair loads one register twice, a general register keeps the first
//! element and a vector register the second, as in QEMU.

use crate::args::{LoadLiteral, LoadStoreImm, LoadStorePair, LoadStoreReg};
use ir::{Access, Extend, Int2, Lifted, Ops, Prefetch, Reg, Width};

/// What an access does with its base and offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Index {
    /// Accesses base + offset.
    Offset,
    /// Accesses base + offset, which becomes the base.
    Pre,
    /// Accesses the base, then makes it base + offset.
    Post,
}

/// The address to access, and what to write back afterwards.
#[inline(always)]
fn addresses<O: Ops>(ops: &mut O, rn: Reg, offset: i32, index: Index) -> (O::Val, Option<O::Val>) {
    let base = ops.x_or_sp(rn);
    let moved = if offset == 0 { base } else { ops.address(base, i64::from(offset)) };
    match index {
        Index::Offset => (moved, None),
        Index::Pre => (moved, Some(moved)),
        Index::Post => (base, Some(moved)),
    }
}

// Called after the access: one that faults must leave the base unchanged, or the guest's handler cannot retry it.
#[inline(always)]
fn write_back<O: Ops>(ops: &mut O, rn: Reg, base: Option<O::Val>) {
    if let Some(base) = base {
        ops.set_x_or_sp(rn, base);
    }
}

/// LDR (immediate), LDUR, LDTR and their kin.
#[inline]
pub fn load<O: Ops>(ops: &mut O, a: &LoadStoreImm, access: Access, index: Index) -> Lifted<O> {
    let (addr, base) = addresses(ops, a.rn, a.offset, index);
    let value = ops.load(access, addr)?;
    ops.set_x(a.rt, value);
    write_back(ops, a.rn, base);
    Ok(())
}

/// STR (immediate), STUR, STTR and their kin.
#[inline]
pub fn store<O: Ops>(ops: &mut O, a: &LoadStoreImm, access: Access, index: Index) -> Lifted<O> {
    let (addr, base) = addresses(ops, a.rn, a.offset, index);
    let value = ops.x(a.rt);
    ops.store(access, addr, value)?;
    write_back(ops, a.rn, base);
    Ok(())
}

/// LDR, LDUR (immediate, SIMD&FP).
#[inline]
pub fn load_vec<O: Ops>(ops: &mut O, a: &LoadStoreImm, bytes: u8, index: Index) -> Lifted<O> {
    let (addr, base) = addresses(ops, a.rn, a.offset, index);
    let value = ops.load_vec(Access::plain(bytes), addr)?;
    ops.set_v(a.vt(), value);
    write_back(ops, a.rn, base);
    Ok(())
}

/// STR, STUR (immediate, SIMD&FP).
#[inline]
pub fn store_vec<O: Ops>(ops: &mut O, a: &LoadStoreImm, bytes: u8, index: Index) -> Lifted<O> {
    let (addr, base) = addresses(ops, a.rn, a.offset, index);
    let value = ops.v(a.vt());
    ops.store_vec(Access::plain(bytes), addr, value)?;
    write_back(ops, a.rn, base);
    Ok(())
}

#[inline(always)]
fn register_address<O: Ops>(ops: &mut O, a: &LoadStoreReg) -> O::Val {
    let (base, mut offset) = (ops.x_or_sp(a.rn), ops.x(a.rm));
    if matches!(a.extend, Extend::Uxtw | Extend::Sxtw) {
        offset = ops.extend(a.extend, offset);
    }
    if a.shift != 0 {
        let shift = ops.imm(u64::from(a.shift));
        offset = ops.int2(Int2::Lsl, Width::X, offset, shift);
    }
    ops.int2(Int2::Add, Width::X, base, offset)
}

/// LDR (register) and its kin.
#[inline]
pub fn load_reg<O: Ops>(ops: &mut O, a: &LoadStoreReg, access: Access) -> Lifted<O> {
    let addr = register_address(ops, a);
    let value = ops.load(access, addr)?;
    ops.set_x(a.rt, value);
    Ok(())
}

/// STR (register) and its kin.
#[inline]
pub fn store_reg<O: Ops>(ops: &mut O, a: &LoadStoreReg, access: Access) -> Lifted<O> {
    let addr = register_address(ops, a);
    let value = ops.x(a.rt);
    ops.store(access, addr, value)
}

/// LDR (register, SIMD&FP).
#[inline]
pub fn load_vec_reg<O: Ops>(ops: &mut O, a: &LoadStoreReg, bytes: u8) -> Lifted<O> {
    let addr = register_address(ops, a);
    let value = ops.load_vec(Access::plain(bytes), addr)?;
    ops.set_v(a.vt(), value);
    Ok(())
}

/// STR (register, SIMD&FP).
#[inline]
pub fn store_vec_reg<O: Ops>(ops: &mut O, a: &LoadStoreReg, bytes: u8) -> Lifted<O> {
    let addr = register_address(ops, a);
    let value = ops.v(a.vt());
    ops.store_vec(Access::plain(bytes), addr, value)
}

/// LDR, LDRSW (literal).
#[inline]
pub fn load_literal<O: Ops>(ops: &mut O, a: &LoadLiteral, access: Access) -> Lifted<O> {
    let addr = ops.pc_imm(a.place);
    let value = ops.load(access, addr)?;
    ops.set_x(a.rt, value);
    Ok(())
}

/// LDR (literal, SIMD&FP).
#[inline]
pub fn load_vec_literal<O: Ops>(ops: &mut O, a: &LoadLiteral, bytes: u8) -> Lifted<O> {
    let addr = ops.pc_imm(a.place);
    let value = ops.load_vec(Access::plain(bytes), addr)?;
    ops.set_v(a.vt(), value);
    Ok(())
}

/// LDP, LDPSW, LDNP. `access` is that of one element.
#[inline]
pub fn load_pair<O: Ops>(ops: &mut O, a: &LoadStorePair, access: Access, index: Index) -> Lifted<O> {
    let (addr, base) = addresses(ops, a.rn, a.offset, index);
    let second = ops.address(addr, i64::from(access.bytes));
    let values = (ops.load(access, addr)?, ops.load(access, second)?);
    ops.set_x(a.rt2, values.1);
    ops.set_x(a.rt, values.0);
    write_back(ops, a.rn, base);
    Ok(())
}

/// STP, STNP. `access` is that of one element.
#[inline]
pub fn store_pair<O: Ops>(ops: &mut O, a: &LoadStorePair, access: Access, index: Index) -> Lifted<O> {
    let (addr, base) = addresses(ops, a.rn, a.offset, index);
    let second = ops.address(addr, i64::from(access.bytes));
    let values = (ops.x(a.rt), ops.x(a.rt2));
    ops.store(access, addr, values.0)?;
    ops.store(access, second, values.1)?;
    write_back(ops, a.rn, base);
    Ok(())
}

/// LDP, LDNP (SIMD&FP). `bytes` is the size of one element.
#[inline]
pub fn load_vec_pair<O: Ops>(ops: &mut O, a: &LoadStorePair, bytes: u8, index: Index) -> Lifted<O> {
    let (addr, base) = addresses(ops, a.rn, a.offset, index);
    let (access, second) = (Access::plain(bytes), ops.address(addr, i64::from(bytes)));
    let values = (ops.load_vec(access, addr)?, ops.load_vec(access, second)?);
    ops.set_v(a.vt(), values.0);
    ops.set_v(a.vt2(), values.1);
    write_back(ops, a.rn, base);
    Ok(())
}

/// STP, STNP (SIMD&FP). `bytes` is the size of one element.
#[inline]
pub fn store_vec_pair<O: Ops>(ops: &mut O, a: &LoadStorePair, bytes: u8, index: Index) -> Lifted<O> {
    let (addr, base) = addresses(ops, a.rn, a.offset, index);
    let (access, second) = (Access::plain(bytes), ops.address(addr, i64::from(bytes)));
    let values = (ops.v(a.vt()), ops.v(a.vt2()));
    ops.store_vec(access, addr, values.0)?;
    ops.store_vec(access, second, values.1)?;
    write_back(ops, a.rn, base);
    Ok(())
}

/// What the prfop field asks for. Nothing is made of prefetches of instructions, of the hint that a line is used once
/// only, and of unallocated values.
fn prefetch_place(prfop: Reg) -> Option<Prefetch> {
    match (prfop.0 >> 3, prfop.0 >> 1 & 3) {
        (0, 0) => Some(Prefetch::L1),
        (0, 1) => Some(Prefetch::L2),
        (0, 2) => Some(Prefetch::L3),
        (2, 0..=2) => Some(Prefetch::Store),
        _ => None,
    }
}

/// PRFM (immediate), PRFUM.
#[inline]
pub fn prefetch<O: Ops>(ops: &mut O, a: &LoadStoreImm) -> Lifted<O> {
    if let Some(place) = prefetch_place(a.rt) {
        let (addr, _) = addresses(ops, a.rn, a.offset, Index::Offset);
        ops.prefetch(place, addr);
    }
    Ok(())
}

/// PRFM (register).
#[inline]
pub fn prefetch_reg<O: Ops>(ops: &mut O, a: &LoadStoreReg) -> Lifted<O> {
    if let Some(place) = prefetch_place(a.rt) {
        let addr = register_address(ops, a);
        ops.prefetch(place, addr);
    }
    Ok(())
}

/// PRFM (literal): the code's own constants are near already.
#[inline]
pub fn prefetch_literal<O: Ops>(_ops: &mut O, _args: &LoadLiteral) -> Lifted<O> {
    Ok(())
}
