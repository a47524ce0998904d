//! Lifters of scalar floating point (Arm ARM C4.1.96, "Floating-point ..." classes).

use crate::args::{
    FpBinary, FpCondCompare, FpConvert, FpImm, FpSelect, FpTernary, FpToGeneral, FpUnary, GeneralToFp, GeneralToTop,
    TopToGeneral,
};
use ir::{Fp1, Fp2, FpInt, Lane, Lifted, Ops, Rounding};

/// FMOV (register): the bits as they are.
#[inline]
pub fn fmov<O: Ops>(ops: &mut O, a: &FpUnary) -> Lifted<O> {
    let value = ops.fp(a.size, a.vn);
    ops.set_fp(a.size, a.vd, value);
    Ok(())
}

/// FMOV (immediate).
#[inline]
pub fn fmov_imm<O: Ops>(ops: &mut O, a: &FpImm) -> Lifted<O> {
    let bits = ops.imm(a.bits);
    let value = ops.fp_from_bits(a.size, bits);
    ops.set_fp(a.size, a.vd, value);
    Ok(())
}

/// FMOV (general): Wd from Sn, Xd from Dn.
#[inline]
pub fn fmov_to_general<O: Ops>(ops: &mut O, a: &FpToGeneral) -> Lifted<O> {
    let value = ops.fp(a.size, a.vn);
    let bits = ops.fp_bits(a.size, value);
    ops.set_x(a.rd, bits);
    Ok(())
}

/// FMOV (general): Sd from Wn, Dd from Xn.
#[inline]
pub fn fmov_from_general<O: Ops>(ops: &mut O, a: &GeneralToFp) -> Lifted<O> {
    let bits = ops.x(a.rn);
    let value = ops.fp_from_bits(a.size, bits);
    ops.set_fp(a.size, a.vd, value);
    Ok(())
}

/// FMOV (general): Xd from Vn.D[1].
#[inline]
pub fn fmov_top_to_general<O: Ops>(ops: &mut O, a: &TopToGeneral) -> Lifted<O> {
    let vector = ops.v(a.vn);
    let bits = ops.lane(Lane::D, 1, vector);
    ops.set_x(a.rd, bits);
    Ok(())
}

/// FMOV (general): Vd.D[1] from Xn; the low half stays.
#[inline]
pub fn fmov_top_from_general<O: Ops>(ops: &mut O, a: &GeneralToTop) -> Lifted<O> {
    let (vector, bits) = (ops.v(a.vd), ops.x(a.rn));
    let result = ops.set_lane(Lane::D, 1, vector, bits);
    ops.set_v(a.vd, result);
    Ok(())
}

/// Vd = op(Vn).
#[inline]
pub fn unary<O: Ops>(ops: &mut O, a: &FpUnary, op: Fp1) -> Lifted<O> {
    let n = ops.fp(a.size, a.vn);
    let result = ops.fp1(op, a.size, n);
    ops.set_fp(a.size, a.vd, result);
    Ok(())
}

/// Vd = op(Vn, Vm).
#[inline]
pub fn binary<O: Ops>(ops: &mut O, a: &FpBinary, op: Fp2) -> Lifted<O> {
    let (n, m) = (ops.fp(a.size, a.vn), ops.fp(a.size, a.vm));
    let result = ops.fp2(op, a.size, n, m);
    ops.set_fp(a.size, a.vd, result);
    Ok(())
}

/// FMADD and its kin: Vd = ±Va + (±Vn) * Vm. Operands are negated, not results: NaNs keep that sign.
#[inline]
pub fn mul_add<O: Ops>(ops: &mut O, a: &FpTernary, negate_addend: bool, negate_product: bool) -> Lifted<O> {
    let (mut n, m, mut addend) = (ops.fp(a.size, a.vn), ops.fp(a.size, a.vm), ops.fp(a.size, a.va));
    if negate_addend {
        addend = ops.fp1(Fp1::Fneg, a.size, addend);
    }
    if negate_product {
        n = ops.fp1(Fp1::Fneg, a.size, n);
    }
    let result = ops.fp_mul_add(a.size, addend, n, m);
    ops.set_fp(a.size, a.vd, result);
    Ok(())
}

/// FCVT.
#[inline]
pub fn fcvt<O: Ops>(ops: &mut O, a: &FpConvert) -> Lifted<O> {
    let n = ops.fp(a.from, a.vn);
    let result = ops.fp_convert(a.from, a.to, n);
    ops.set_fp(a.to, a.vd, result);
    Ok(())
}

/// FCMP, FCMPE (registers).
#[inline]
pub fn fcmp<O: Ops>(ops: &mut O, a: &FpBinary, signal_quiet: bool) -> Lifted<O> {
    let (n, m) = (ops.fp(a.size, a.vn), ops.fp(a.size, a.vm));
    ops.fp_compare(a.size, signal_quiet, n, m);
    Ok(())
}

/// FCMP, FCMPE with zero.
#[inline]
pub fn fcmp_zero<O: Ops>(ops: &mut O, a: &FpUnary, signal_quiet: bool) -> Lifted<O> {
    let (n, bits) = (ops.fp(a.size, a.vn), ops.imm(0));
    let zero = ops.fp_from_bits(a.size, bits);
    ops.fp_compare(a.size, signal_quiet, n, zero);
    Ok(())
}

/// FCCMP, FCCMPE.
#[inline]
pub fn fccmp<O: Ops>(ops: &mut O, a: &FpCondCompare, signal_quiet: bool) -> Lifted<O> {
    let (n, m) = (ops.fp(a.size, a.vn), ops.fp(a.size, a.vm));
    ops.fp_compare_if(a.cond, a.size, signal_quiet, n, m, a.nzcv);
    Ok(())
}

/// FCSEL.
#[inline]
pub fn fcsel<O: Ops>(ops: &mut O, a: &FpSelect) -> Lifted<O> {
    let (n, m) = (ops.fp(a.size, a.vn), ops.fp(a.size, a.vm));
    let holds = ops.cond(a.cond);
    let result = ops.fp_select(holds, n, m);
    ops.set_fp(a.size, a.vd, result);
    Ok(())
}

/// FCVTxS, FCVTxU to a general register, integer or fixed point.
#[inline]
pub fn fcvt_to_int<O: Ops>(ops: &mut O, a: &FpToGeneral, rounding: Rounding, signed: bool) -> Lifted<O> {
    let n = ops.fp(a.size, a.vn);
    let how = FpInt { rounding, signed, fbits: a.fbits };
    let result = ops.fp_to_int(how, a.size, a.width, n);
    ops.set_x(a.rd, result);
    Ok(())
}

/// SCVTF, UCVTF from a general register, integer or fixed point.
#[inline]
pub fn cvtf<O: Ops>(ops: &mut O, a: &GeneralToFp, signed: bool) -> Lifted<O> {
    let n = ops.x(a.rn);
    let how = FpInt { rounding: Rounding::Current, signed, fbits: a.fbits };
    let result = ops.int_to_fp(how, a.size, a.width, n);
    ops.set_fp(a.size, a.vd, result);
    Ok(())
}

/// FJCVTZS.
#[inline]
pub fn fjcvtzs<O: Ops>(ops: &mut O, a: &FpToGeneral) -> Lifted<O> {
    let n = ops.fp(a.size, a.vn);
    let result = ops.fp_to_int_js(n);
    ops.set_x(a.rd, result);
    Ok(())
}
