//! Arguments of branches.

use crate::Word;
use ir::{Cond, GuestAddr, Reg, Width};

/// B and BL: `back` is the next instruction.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Branch {
    pub target: GuestAddr,
    pub back: GuestAddr,
}

impl Branch {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { target: word.target(word.signed(25, 0) * 4), back: word.next() })
    }
}

/// B.cond.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CondBranch {
    pub cond: Cond,
    pub target: GuestAddr,
}

impl CondBranch {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let cond = Cond::from_number(word.field(3, 0) as u8);
        Some(Self { cond, target: word.target(word.signed(23, 5) * 4) })
    }
}

/// CBZ and CBNZ.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CompareBranch {
    pub width: Width,
    pub rt: Reg,
    pub target: GuestAddr,
}

impl CompareBranch {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { width: word.sf(), rt: word.rd(), target: word.target(word.signed(23, 5) * 4) })
    }
}

/// TBZ and TBNZ: `bit` is the index of the bit tested.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct TestBranch {
    pub rt: Reg,
    pub bit: u8,
    pub target: GuestAddr,
}

impl TestBranch {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let bit = word.field(31, 31) << 5 | word.field(23, 19);
        Some(Self { rt: word.rd(), bit: bit as u8, target: word.target(word.signed(18, 5) * 4) })
    }
}

/// BR, BLR and RET: `back` is the next instruction.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct BranchReg {
    pub rn: Reg,
    pub back: GuestAddr,
}

impl BranchReg {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { rn: word.rn(), back: word.next() })
    }
}
