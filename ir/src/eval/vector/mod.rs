//! Vectors of [`crate::Eval`]: functions of 128-bit values. One file per family; here, which function an operation is.

mod crypto;
mod fp;
mod integer;
mod lanes;
mod permute;
mod shift;
mod widen;

pub use fp::{from_int as int_to_fp, to_int as fp_to_int};
pub use permute::{ext, table};

use crate::eval::fp as scalar;
use crate::{Arr, CpuState, Fp1, Fp2, Lane, Vec1, Vec2, Vec3, VecShift};

/// One lane, zero-extended.
#[inline(always)]
#[must_use]
pub fn lane(lane: Lane, index: u8, a: u128) -> u64 {
    let bits = lane.bits();
    (a >> (u32::from(index) * bits)) as u64 & (u64::MAX >> (64 - bits.min(64)))
}

/// `a` with one lane replaced by the low bits of `value`.
#[inline(always)]
#[must_use]
pub fn set_lane(lane: Lane, index: u8, a: u128, value: u64) -> u128 {
    let shift = u32::from(index) * lane.bits();
    let mask = u128::from(u64::MAX >> (64 - lane.bits().min(64))) << shift;
    a & !mask | u128::from(value) << shift & mask
}

/// One operand.
pub fn vec1(cpu: &mut CpuState, op: Vec1, arr: Arr, a: u128) -> u128 {
    use Vec1 as V;
    match op {
        V::Not => lanes::clip(arr, !a),
        V::Neg => integer::neg(arr, a),
        V::Abs => integer::abs(arr, a),
        V::Sqneg => integer::sqneg(cpu, arr, a),
        V::Sqabs => integer::sqabs(cpu, arr, a),
        V::Cnt => integer::cnt(arr, a),
        V::Clz => integer::clz(arr, a),
        V::Cls => integer::cls(arr, a),
        V::Rbit => integer::rbit(arr, a),
        V::Rev16 => permute::rev(Lane::H, arr, a),
        V::Rev32 => permute::rev(Lane::S, arr, a),
        V::Rev64 => permute::rev(Lane::D, arr, a),
        V::Urecpe => integer::urecpe(arr, a),
        V::Ursqrte => integer::ursqrte(arr, a),
        V::Sxtl => widen::sxtl(arr, a),
        V::Uxtl => widen::uxtl(arr, a),
        V::Xtn => widen::xtn(arr, a),
        V::Sqxtn => shift::narrow_saturating(cpu, (true, true), false, arr, 0, a),
        V::Uqxtn => shift::narrow_saturating(cpu, (false, false), false, arr, 0, a),
        V::Sqxtun => shift::narrow_saturating(cpu, (true, false), false, arr, 0, a),
        V::Saddlp => widen::saddlp(arr, a),
        V::Uaddlp => widen::uaddlp(arr, a),
        V::Addv => widen::addv(arr, a),
        V::Smaxv => widen::smaxv(arr, a),
        V::Umaxv => widen::umaxv(arr, a),
        V::Sminv => widen::sminv(arr, a),
        V::Uminv => widen::uminv(arr, a),
        V::Saddlv => widen::saddlv(arr, a),
        V::Uaddlv => widen::uaddlv(arr, a),
        V::Fmaxv => fp::reduce(cpu, Fp2::Fmax, arr, a),
        V::Fminv => fp::reduce(cpu, Fp2::Fmin, arr, a),
        V::Fmaxnmv => fp::reduce(cpu, Fp2::Fmaxnm, arr, a),
        V::Fminnmv => fp::reduce(cpu, Fp2::Fminnm, arr, a),
        V::Fabs => fp::fp1(cpu, Fp1::Fabs, arr, a),
        V::Fneg => fp::fp1(cpu, Fp1::Fneg, arr, a),
        V::Fsqrt => fp::fp1(cpu, Fp1::Fsqrt, arr, a),
        V::Frintn => fp::fp1(cpu, Fp1::Frintn, arr, a),
        V::Frintp => fp::fp1(cpu, Fp1::Frintp, arr, a),
        V::Frintm => fp::fp1(cpu, Fp1::Frintm, arr, a),
        V::Frintz => fp::fp1(cpu, Fp1::Frintz, arr, a),
        V::Frinta => fp::fp1(cpu, Fp1::Frinta, arr, a),
        V::Frintx => fp::fp1(cpu, Fp1::Frintx, arr, a),
        V::Frinti => fp::fp1(cpu, Fp1::Frinti, arr, a),
        V::Frecpe => fp::map1(cpu, arr, a, scalar::recpe),
        V::Frsqrte => fp::map1(cpu, arr, a, scalar::rsqrte),
        V::Frecpx => fp::map1(cpu, arr, a, scalar::recpx),
        V::Fcvtl => fp::widen(cpu, arr, a),
        V::Fcvtn => fp::narrow(cpu, arr, a),
        V::Fcvtxn => fp::narrow_odd(cpu, arr, a),
        V::Aesmc => crypto::aesmc(a),
        V::Aesimc => crypto::aesimc(a),
        V::Sha1h => crypto::sha1h(a),
    }
}

/// Two operands.
pub fn vec2(cpu: &mut CpuState, op: Vec2, arr: Arr, a: u128, b: u128) -> u128 {
    use Vec2 as V;
    match op {
        V::Add => integer::add(arr, a, b),
        V::Sub => integer::sub(arr, a, b),
        V::Mul => integer::mul(arr, a, b),
        V::And => lanes::clip(arr, a & b),
        V::Orr => lanes::clip(arr, a | b),
        V::Eor => lanes::clip(arr, a ^ b),
        V::Bic => lanes::clip(arr, a & !b),
        V::Orn => lanes::clip(arr, a | !b),
        V::Smax => integer::smax(arr, a, b),
        V::Umax => integer::umax(arr, a, b),
        V::Smin => integer::smin(arr, a, b),
        V::Umin => integer::umin(arr, a, b),
        V::Sabd => integer::sabd(arr, a, b),
        V::Uabd => integer::uabd(arr, a, b),
        V::Shadd => integer::shadd(arr, a, b),
        V::Uhadd => integer::uhadd(arr, a, b),
        V::Srhadd => integer::srhadd(arr, a, b),
        V::Urhadd => integer::urhadd(arr, a, b),
        V::Shsub => integer::shsub(arr, a, b),
        V::Uhsub => integer::uhsub(arr, a, b),
        V::Sqadd => integer::sqadd(cpu, arr, a, b),
        V::Uqadd => integer::uqadd(cpu, arr, a, b),
        V::Sqsub => integer::sqsub(cpu, arr, a, b),
        V::Uqsub => integer::uqsub(cpu, arr, a, b),
        V::Suqadd => integer::suqadd(cpu, arr, a, b),
        V::Usqadd => integer::usqadd(cpu, arr, a, b),
        V::Sshl => shift::sshl(arr, a, b),
        V::Ushl => shift::ushl(arr, a, b),
        V::Srshl | V::Urshl | V::Sqshl | V::Uqshl | V::Sqrshl | V::Uqrshl => {
            let how = shift::RegisterShift {
                signed: matches!(op, V::Srshl | V::Sqshl | V::Sqrshl),
                rounding: matches!(op, V::Srshl | V::Urshl | V::Sqrshl | V::Uqrshl),
                saturating: matches!(op, V::Sqshl | V::Uqshl | V::Sqrshl | V::Uqrshl),
            };
            shift::by_register(cpu, how, arr, a, b)
        }
        V::Cmeq => integer::cmeq(arr, a, b),
        V::Cmge => integer::cmge(arr, a, b),
        V::Cmgt => integer::cmgt(arr, a, b),
        V::Cmhs => integer::cmhs(arr, a, b),
        V::Cmhi => integer::cmhi(arr, a, b),
        V::Cmtst => integer::cmtst(arr, a, b),
        V::Addp => integer::addp(arr, a, b),
        V::Smaxp => integer::smaxp(arr, a, b),
        V::Umaxp => integer::umaxp(arr, a, b),
        V::Sminp => integer::sminp(arr, a, b),
        V::Uminp => integer::uminp(arr, a, b),
        V::Sqdmulh => integer::sqdmulh(cpu, arr, a, b),
        V::Sqrdmulh => integer::sqrdmulh(cpu, arr, a, b),
        V::Pmul => integer::pmul(arr, a, b),
        V::Smull => widen::smull(arr, a, b),
        V::Umull => widen::umull(arr, a, b),
        V::Sqdmull => widen::sqdmull(cpu, arr, a, b),
        V::Pmull => widen::pmull(arr, a, b),
        V::Sabdl => widen::sabdl(arr, a, b),
        V::Uabdl => widen::uabdl(arr, a, b),
        V::Addhn => widen::addhn(false, arr, a, b),
        V::Subhn => widen::subhn(false, arr, a, b),
        V::Raddhn => widen::addhn(true, arr, a, b),
        V::Rsubhn => widen::subhn(true, arr, a, b),
        V::Zip1 => permute::zip(0, arr, a, b),
        V::Zip2 => permute::zip(1, arr, a, b),
        V::Uzp1 => permute::uzp(0, arr, a, b),
        V::Uzp2 => permute::uzp(1, arr, a, b),
        V::Trn1 => permute::trn(0, arr, a, b),
        V::Trn2 => permute::trn(1, arr, a, b),
        V::Fadd => fp::fp2(cpu, Fp2::Fadd, arr, a, b),
        V::Fsub => fp::fp2(cpu, Fp2::Fsub, arr, a, b),
        V::Fmul => fp::fp2(cpu, Fp2::Fmul, arr, a, b),
        V::Fnmul => fp::fp2(cpu, Fp2::Fnmul, arr, a, b),
        V::Fdiv => fp::fp2(cpu, Fp2::Fdiv, arr, a, b),
        V::Fmulx => fp::map2(cpu, arr, a, b, scalar::mulx),
        V::Fmax => fp::fp2(cpu, Fp2::Fmax, arr, a, b),
        V::Fmin => fp::fp2(cpu, Fp2::Fmin, arr, a, b),
        V::Fmaxnm => fp::fp2(cpu, Fp2::Fmaxnm, arr, a, b),
        V::Fminnm => fp::fp2(cpu, Fp2::Fminnm, arr, a, b),
        V::Fabd => fp::map2(cpu, arr, a, b, scalar::abd),
        V::Fcmeq => fp::compare(cpu, arr, a, b, scalar::cmeq),
        V::Fcmge => fp::compare(cpu, arr, a, b, scalar::cmge),
        V::Fcmgt => fp::compare(cpu, arr, a, b, scalar::cmgt),
        V::Facge => fp::compare(cpu, arr, a, b, scalar::acge),
        V::Facgt => fp::compare(cpu, arr, a, b, scalar::acgt),
        V::Faddp => fp::pairwise(cpu, Fp2::Fadd, arr, a, b),
        V::Fmaxp => fp::pairwise(cpu, Fp2::Fmax, arr, a, b),
        V::Fminp => fp::pairwise(cpu, Fp2::Fmin, arr, a, b),
        V::Fmaxnmp => fp::pairwise(cpu, Fp2::Fmaxnm, arr, a, b),
        V::Fminnmp => fp::pairwise(cpu, Fp2::Fminnm, arr, a, b),
        V::Frecps => fp::map2(cpu, arr, a, b, scalar::recps),
        V::Frsqrts => fp::map2(cpu, arr, a, b, scalar::rsqrts),
        V::Aese => crypto::aese(a, b),
        V::Aesd => crypto::aesd(a, b),
        V::Sha1su1 => crypto::sha1su1(a, b),
        V::Sha256su0 => crypto::sha256su0(a, b),
    }
}

/// Three operands.
pub fn vec3(cpu: &mut CpuState, op: Vec3, arr: Arr, a: u128, b: u128, c: u128) -> u128 {
    use Vec3 as V;
    match op {
        V::Bsl => lanes::clip(arr, a & b | !a & c),
        V::Mla => integer::mla(arr, a, b, c),
        V::Mls => integer::mls(arr, a, b, c),
        V::Fmla => fp::mul_add(cpu, arr, a, b, c),
        V::Sqrdmlah => integer::sqrdmlah(cpu, false, arr, a, b, c),
        V::Sqrdmlsh => integer::sqrdmlah(cpu, true, arr, a, b, c),
        V::Sdot => widen::dot(true, arr, a, b, c),
        V::Udot => widen::dot(false, arr, a, b, c),
        V::Sha1c => crypto::sha1c(a, b, c),
        V::Sha1p => crypto::sha1p(a, b, c),
        V::Sha1m => crypto::sha1m(a, b, c),
        V::Sha1su0 => crypto::sha1su0(a, b, c),
        V::Sha256h => crypto::sha256h(a, b, c),
        V::Sha256h2 => crypto::sha256h2(a, b, c),
        V::Sha256su1 => crypto::sha256su1(a, b, c),
    }
}

/// Shift by a constant.
pub fn shift(cpu: &mut CpuState, op: VecShift, arr: Arr, amount: u8, a: u128) -> u128 {
    shift::by_constant(cpu, op, arr, amount, a)
}
