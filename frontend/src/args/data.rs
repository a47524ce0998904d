//! Arguments of data processing instructions on general registers.

use crate::Word;
use ir::{Cond, Extend, GuestAddr, Int2, Reg, Width};

/// ADD, SUB (immediate): `imm` arrives shifted.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct AddSubImm {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub imm: u32,
}

impl AddSubImm {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let imm = word.field(21, 10) << if word.bit(22) { 12 } else { 0 };
        Some(Self { width: word.sf(), rd: word.rd(), rn: word.rn(), imm })
    }
}

/// AND, ORR, EOR, ANDS (immediate): `imm` arrives expanded.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct LogicalImm {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub imm: u64,
}

impl LogicalImm {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let imm = bitmask(word.sf(), word.bit(22), word.field(15, 10), word.field(21, 16))?;
        Some(Self { width: word.sf(), rd: word.rd(), rn: word.rn(), imm })
    }
}

/// The bitmask immediate N:imms, immr (Arm ARM, DecodeBitMasks): an element of 2 to 64 bits that holds a run of ones,
/// rotated right, and repeated.
pub(crate) fn bitmask(width: Width, n: bool, imms: u32, immr: u32) -> Option<u64> {
    if n && width == Width::W {
        return None;
    }
    // The element's size stands in the position of the highest zero of imms, below N.
    let size = u32::from(n) << 6 | (!imms & 0x3f);
    let size_log2 = size.checked_ilog2().filter(|&log2| log2 >= 1)?;
    let element_bits = 1 << size_log2;
    let (ones, rotation) = ((imms & (element_bits - 1)) + 1, immr & (element_bits - 1));
    if ones == element_bits {
        return None;
    }
    let mut mask = (1u64 << ones) - 1;
    let mut filled = element_bits;
    while filled < 64 {
        mask |= mask << filled;
        filled *= 2;
    }
    Some(mask.rotate_right(rotation) & width.mask())
}

/// MOVZ and MOVN: the register's new value.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct MoveImm {
    pub rd: Reg,
    pub value: u64,
}

impl MoveImm {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let shifted = u64::from(word.field(20, 5)) << move_wide_shift(word)?;
        let is_movz = word.bit(30);
        Some(Self { rd: word.rd(), value: if is_movz { shifted } else { !shifted & word.sf().mask() } })
    }
}

/// MOVK: `Rd & keep | imm`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct MoveKeep {
    pub rd: Reg,
    pub keep: u64,
    pub imm: u64,
}

impl MoveKeep {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let shift = move_wide_shift(word)?;
        let keep = !(0xffff << shift) & word.sf().mask();
        Some(Self { rd: word.rd(), keep, imm: u64::from(word.field(20, 5)) << shift })
    }
}

fn move_wide_shift(word: Word) -> Option<u32> {
    let shift = word.field(22, 21) * 16;
    (shift < word.sf().bits()).then_some(shift)
}

/// ADR and ADRP: the address they give.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct PcRelative {
    pub rd: Reg,
    pub addr: GuestAddr,
}

impl PcRelative {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let offset = word.signed(23, 5) << 2 | i64::from(word.field(30, 29));
        let is_adrp = word.bit(31);
        let addr = if is_adrp { word.pc.page().offset(offset << 12) } else { word.target(offset) };
        Some(Self { rd: word.rd(), addr })
    }
}

/// SBFM and UBFM: Rn shifted left by `left`, then right by `right` (arithmetically for SBFM).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct BitfieldMove {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub left: u8,
    pub right: u8,
    /// The extension that the two shifts amount to, if it is one of the named ones.
    pub extend: Option<Extend>,
}

impl BitfieldMove {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (width, immr, imms) = bitfield(word)?;
        let left = width.bits() - 1 - imms;
        let right = (left + immr) % width.bits();
        let is_signed = word.field(30, 29) == 0;
        let extend = match (imms, is_signed) {
            _ if left != right => None,
            (7, true) => Some(Extend::Sxtb),
            (15, true) => Some(Extend::Sxth),
            (31, true) => Some(Extend::Sxtw),
            (7, false) => Some(Extend::Uxtb),
            (15, false) => Some(Extend::Uxth),
            (31, false) => Some(Extend::Uxtw),
            _ => None,
        };
        Some(Self { width, rd: word.rd(), rn: word.rn(), left: left as u8, right: right as u8, extend })
    }
}

/// BFM: `bits` bits of Rn from bit `from` replace those of Rd from bit `to`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct BitfieldInsert {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub from: u8,
    pub to: u8,
    pub bits: u8,
}

impl BitfieldInsert {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (width, immr, imms) = bitfield(word)?;
        let (from, to, bits) =
            if imms >= immr { (immr, 0, imms - immr + 1) } else { (0, width.bits() - immr, imms + 1) };
        Some(Self { width, rd: word.rd(), rn: word.rn(), from: from as u8, to: to as u8, bits: bits as u8 })
    }
}

/// Width, immr and imms of the bitfield instructions.
fn bitfield(word: Word) -> Option<(Width, u32, u32)> {
    let (width, immr, imms) = (word.sf(), word.field(21, 16), word.field(15, 10));
    let n_is_sf = word.bit(22) == (width == Width::X);
    (n_is_sf && immr < width.bits() && imms < width.bits()).then_some((width, immr, imms))
}

/// EXTR: the register's worth of Rn:Rm from bit `lsb`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct ExtractPair {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub rm: Reg,
    pub lsb: u8,
}

impl ExtractPair {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (width, lsb) = (word.sf(), word.field(15, 10));
        let n_is_sf = word.bit(22) == (width == Width::X);
        let valid = n_is_sf && lsb < width.bits();
        valid.then_some(Self { width, rd: word.rd(), rn: word.rn(), rm: word.rm(), lsb: lsb as u8 })
    }
}

/// Rd and Rm: ORR with the zero register, which is how registers are moved.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct MoveReg {
    pub width: Width,
    pub rd: Reg,
    pub rm: Reg,
}

impl MoveReg {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { width: word.sf(), rd: word.rd(), rm: word.rm() })
    }
}

/// Logical, ADD, SUB (shifted register).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct ShiftedReg {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub rm: Reg,
    pub shift: Int2,
    pub amount: u8,
}

impl ShiftedReg {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (width, amount) = (word.sf(), word.field(15, 10));
        let is_add_sub = word.bit(24);
        let shift = match word.field(23, 22) {
            0 => Int2::Lsl,
            1 => Int2::Lsr,
            2 => Int2::Asr,
            _ if is_add_sub => return None,
            _ => Int2::Ror,
        };
        let valid = amount < width.bits();
        valid.then_some(Self { width, rd: word.rd(), rn: word.rn(), rm: word.rm(), shift, amount: amount as u8 })
    }
}

/// ADD, SUB (extended register).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct ExtendedReg {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub rm: Reg,
    pub extend: Extend,
    pub amount: u8,
}

impl ExtendedReg {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (extend, amount) = (Extend::from_number(word.field(15, 13) as u8), word.field(12, 10) as u8);
        let valid = amount <= 4;
        valid.then_some(Self { width: word.sf(), rd: word.rd(), rn: word.rn(), rm: word.rm(), extend, amount })
    }
}

/// One source register.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct OneSource {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
}

impl OneSource {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { width: word.sf(), rd: word.rd(), rn: word.rn() })
    }
}

/// Two source registers.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct TwoSource {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub rm: Reg,
}

impl TwoSource {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { width: word.sf(), rd: word.rd(), rn: word.rn(), rm: word.rm() })
    }
}

/// Three source registers: Rn and Rm are multiplied, Ra is added to.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct ThreeSource {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub rm: Reg,
    pub ra: Reg,
}

impl ThreeSource {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { width: word.sf(), rd: word.rd(), rn: word.rn(), rm: word.rm(), ra: word.ra() })
    }
}

/// CSEL and its kin.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CondSelect {
    pub width: Width,
    pub rd: Reg,
    pub rn: Reg,
    pub rm: Reg,
    pub cond: Cond,
}

impl CondSelect {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let cond = Cond::from_number(word.field(15, 12) as u8);
        Some(Self { width: word.sf(), rd: word.rd(), rn: word.rn(), rm: word.rm(), cond })
    }
}

/// CCMP and CCMN (register).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CondCompareReg {
    pub width: Width,
    pub rn: Reg,
    pub rm: Reg,
    pub cond: Cond,
    pub nzcv: u8,
}

impl CondCompareReg {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let cond = Cond::from_number(word.field(15, 12) as u8);
        Some(Self { width: word.sf(), rn: word.rn(), rm: word.rm(), cond, nzcv: word.field(3, 0) as u8 })
    }
}

/// CCMP and CCMN (immediate).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CondCompareImm {
    pub width: Width,
    pub rn: Reg,
    pub imm: u8,
    pub cond: Cond,
    pub nzcv: u8,
}

impl CondCompareImm {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (imm, cond) = (word.field(20, 16) as u8, Cond::from_number(word.field(15, 12) as u8));
        Some(Self { width: word.sf(), rn: word.rn(), imm, cond, nzcv: word.field(3, 0) as u8 })
    }
}

/// RMIF: Rn rotated right by `rotation`; `mask` says which flags are taken from its low four bits.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct RotateIntoFlags {
    pub rn: Reg,
    pub rotation: u8,
    pub mask: u8,
}

impl RotateIntoFlags {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { rn: word.rn(), rotation: word.field(20, 15) as u8, mask: word.field(3, 0) as u8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every bitmask immediate of a register size, built from its description: ones in a row, in an element of 2 to
    /// `bits` bits, rotated, repeated.
    fn described(bits: u32) -> BTreeSet<u64> {
        let mut all = BTreeSet::new();
        for element in [2, 4, 8, 16, 32, 64].into_iter().filter(|&element| element <= bits) {
            for ones in 1..element {
                for start in 0..element {
                    let is_set = |bit: u32| (bit % element + element - start) % element < ones;
                    all.insert((0..bits).filter(|&bit| is_set(bit)).map(|bit| 1 << bit).sum());
                }
            }
        }
        all
    }

    #[test]
    fn bitmask_immediates() {
        for (width, count) in [(Width::W, 1302), (Width::X, 5334)] {
            let mut decoded = BTreeSet::new();
            for fields in 0..1 << 13 {
                decoded.extend(bitmask(width, fields >> 12 != 0, fields & 0x3f, fields >> 6 & 0x3f));
            }
            assert_eq!(decoded.len(), count);
            assert_eq!(decoded, described(width.bits()));
        }
        // Which encoding means which value: two of each element size, from GNU as.
        assert_eq!(bitmask(Width::X, false, 0b111100, 0), Some(0x5555_5555_5555_5555));
        assert_eq!(bitmask(Width::X, false, 0b111001, 1), Some(0x9999_9999_9999_9999));
        assert_eq!(bitmask(Width::X, false, 0b110010, 5), Some(0x3838_3838_3838_3838));
        assert_eq!(bitmask(Width::X, false, 0b101110, 8), Some(0xff7f_ff7f_ff7f_ff7f));
        assert_eq!(bitmask(Width::W, false, 0b000000, 1), Some(0x8000_0000));
        assert_eq!(bitmask(Width::X, true, 0b000000, 0), Some(1));
        assert_eq!(bitmask(Width::X, true, 0b111110, 63), Some(0xffff_ffff_ffff_fffe));
    }
}
