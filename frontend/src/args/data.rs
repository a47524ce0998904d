//! Arguments of data processing instructions on general registers.

use crate::Word;
use ir::{Reg, Width};

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
