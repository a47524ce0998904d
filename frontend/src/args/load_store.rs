//! Arguments of loads and stores of general registers and of scalar SIMD&FP registers. Where `rt` names a vector
//! register, the lifters ask for [`LoadStoreImm::vt`] and its kin.

use crate::Word;
use ir::{Extend, GuestAddr, Reg, VReg};

/// log2 of the access size in bytes, in the encodings that have `size` in bits 31 and 30: opc<1> makes a vector
/// access of `size` 0 one of 16 bytes.
const fn log2_bytes(word: Word) -> u32 {
    let quad = word.bit(26) && word.bit(23);
    word.field(31, 30) + if quad { 4 } else { 0 }
}

/// A register and a base with a constant offset in bytes: unsigned offset, unscaled, pre- and post-indexed.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct LoadStoreImm {
    pub rt: Reg,
    pub rn: Reg,
    pub offset: i32,
}

impl LoadStoreImm {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let offset = if word.bit(24) {
            i32::from(word.field(21, 10) as u16) << log2_bytes(word)
        } else {
            word.signed(20, 12) as i32
        };
        Some(Self { rt: word.rd(), rn: word.rn(), offset })
    }
    /// Vt.
    #[must_use]
    pub const fn vt(&self) -> VReg {
        VReg(self.rt.0)
    }
}

/// A register and a base with an extended, shifted register as offset.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct LoadStoreReg {
    pub rt: Reg,
    pub rn: Reg,
    pub rm: Reg,
    pub extend: Extend,
    pub shift: u8,
}

impl LoadStoreReg {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let extend = match word.field(15, 13) {
            2 => Extend::Uxtw,
            3 => Extend::Uxtx,
            6 => Extend::Sxtw,
            7 => Extend::Sxtx,
            _ => return None,
        };
        let shift = if word.bit(12) { log2_bytes(word) as u8 } else { 0 };
        Some(Self { rt: word.rd(), rn: word.rn(), rm: word.rm(), extend, shift })
    }
    /// Vt.
    #[must_use]
    pub const fn vt(&self) -> VReg {
        VReg(self.rt.0)
    }
}

/// A register and a place relative to the instruction.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct LoadLiteral {
    pub rt: Reg,
    pub place: GuestAddr,
}

impl LoadLiteral {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { rt: word.rd(), place: word.target(word.signed(23, 5) * 4) })
    }
    /// Vt.
    #[must_use]
    pub const fn vt(&self) -> VReg {
        VReg(self.rt.0)
    }
}

/// Two registers and a base with a constant offset in bytes.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct LoadStorePair {
    pub rt: Reg,
    pub rt2: Reg,
    pub rn: Reg,
    pub offset: i32,
}

impl LoadStorePair {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let opc = word.field(31, 30);
        // General registers: W, W sign-extended (LDPSW), X. Vector registers: S, D, Q.
        let log2_bytes = if word.bit(26) { 2 + opc } else { 2 + (opc >> 1) };
        let offset = (word.signed(21, 15) as i32) << log2_bytes;
        Some(Self { rt: word.rd(), rt2: word.ra(), rn: word.rn(), offset })
    }
    /// Vt.
    #[must_use]
    pub const fn vt(&self) -> VReg {
        VReg(self.rt.0)
    }
    /// Vt2.
    #[must_use]
    pub const fn vt2(&self) -> VReg {
        VReg(self.rt2.0)
    }
}
