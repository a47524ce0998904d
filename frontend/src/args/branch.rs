//! Arguments of branches.

use crate::Word;
use ir::{Cond, GuestAddr};

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
