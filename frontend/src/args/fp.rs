//! Arguments of scalar floating-point instructions. Half precision is unallocated but in FCVT: FEAT_FP16 is absent.

use crate::Word;
use ir::{Cond, FpSize, Reg, VReg, Width};

/// The type field, S or D.
fn single_or_double(word: Word) -> Option<FpSize> {
    word.fp_size().filter(|&size| size != FpSize::H)
}

/// One operand.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct FpUnary {
    pub size: FpSize,
    pub vd: VReg,
    pub vn: VReg,
}

impl FpUnary {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { size: single_or_double(word)?, vd: word.vd(), vn: word.vn() })
    }
}

/// Two operands.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct FpBinary {
    pub size: FpSize,
    pub vd: VReg,
    pub vn: VReg,
    pub vm: VReg,
}

impl FpBinary {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { size: single_or_double(word)?, vd: word.vd(), vn: word.vn(), vm: word.vm() })
    }
}

/// Three operands.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct FpTernary {
    pub size: FpSize,
    pub vd: VReg,
    pub vn: VReg,
    pub vm: VReg,
    pub va: VReg,
}

impl FpTernary {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let size = single_or_double(word)?;
        Some(Self { size, vd: word.vd(), vn: word.vn(), vm: word.vm(), va: word.va() })
    }
}

/// FCVT between formats.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct FpConvert {
    pub from: FpSize,
    pub to: FpSize,
    pub vd: VReg,
    pub vn: VReg,
}

impl FpConvert {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let from = word.fp_size()?;
        let to = match word.field(16, 15) {
            0 => FpSize::S,
            1 => FpSize::D,
            3 => FpSize::H,
            _ => return None,
        };
        (from != to).then(|| Self { from, to, vd: word.vd(), vn: word.vn() })
    }
}

/// FMOV (immediate): the bits of the number, VFPExpandImm.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct FpImm {
    pub size: FpSize,
    pub vd: VReg,
    pub bits: u64,
}

impl FpImm {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let size = single_or_double(word)?;
        let (exponent_bits, fraction_bits) = if size == FpSize::D { (11, 52) } else { (8, 23) };
        let sign = u64::from(word.bit(20));
        let middle = 1u64 << (exponent_bits - 1);
        let exponent = u64::from(word.field(18, 17)) + if word.bit(19) { middle - 4 } else { middle };
        let fraction = u64::from(word.field(16, 13)) << (fraction_bits - 4);
        let bits = sign << (exponent_bits + fraction_bits) | exponent << fraction_bits | fraction;
        Some(Self { size, vd: word.vd(), bits })
    }
}

/// FCCMP and FCCMPE.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct FpCondCompare {
    pub size: FpSize,
    pub vn: VReg,
    pub vm: VReg,
    pub cond: Cond,
    pub nzcv: u8,
}

impl FpCondCompare {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let cond = Cond::from_number(word.field(15, 12) as u8);
        let nzcv = word.field(3, 0) as u8;
        Some(Self { size: single_or_double(word)?, vn: word.vn(), vm: word.vm(), cond, nzcv })
    }
}

/// FCSEL.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct FpSelect {
    pub size: FpSize,
    pub vd: VReg,
    pub vn: VReg,
    pub vm: VReg,
    pub cond: Cond,
}

impl FpSelect {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let cond = Cond::from_number(word.field(15, 12) as u8);
        Some(Self { size: single_or_double(word)?, vd: word.vd(), vn: word.vn(), vm: word.vm(), cond })
    }
}

/// Fraction bits: none for integers (bit 21), else 64 less the scale field; W has 32 at most.
fn fraction_bits(word: Word) -> Option<u8> {
    let scale = word.field(15, 10) as u8;
    match (word.bit(21), word.sf()) {
        (true, _) => Some(0),
        (false, Width::W) if scale < 32 => None,
        (false, _) => Some(64 - scale),
    }
}

/// From floating point to a general register; `fbits` is 0 for integers.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct FpToGeneral {
    pub width: Width,
    pub size: FpSize,
    pub rd: Reg,
    pub vn: VReg,
    pub fbits: u8,
}

impl FpToGeneral {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (size, fbits) = (single_or_double(word)?, fraction_bits(word)?);
        Some(Self { width: word.sf(), size, rd: word.rd(), vn: word.vn(), fbits })
    }
}

/// From a general register to floating point; `fbits` is 0 for integers.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct GeneralToFp {
    pub width: Width,
    pub size: FpSize,
    pub vd: VReg,
    pub rn: Reg,
    pub fbits: u8,
}

impl GeneralToFp {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (size, fbits) = (single_or_double(word)?, fraction_bits(word)?);
        Some(Self { width: word.sf(), size, vd: word.vd(), rn: word.rn(), fbits })
    }
}

/// FMOV Xd, Vn.D[1].
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct TopToGeneral {
    pub rd: Reg,
    pub vn: VReg,
}

impl TopToGeneral {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { rd: word.rd(), vn: word.vn() })
    }
}

/// FMOV Vd.D[1], Xn.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct GeneralToTop {
    pub vd: VReg,
    pub rn: Reg,
}

impl GeneralToTop {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { vd: word.vd(), rn: word.rn() })
    }
}
