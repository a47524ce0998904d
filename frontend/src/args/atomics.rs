//! Arguments of exclusive, ordered and atomic accesses.

use crate::Word;
use ir::Reg;

/// LDAR, STLR, LDAPR and their kin; LDAPUR and STLUR have an offset.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Ordered {
    pub rt: Reg,
    pub rn: Reg,
    pub offset: i32,
}

impl Ordered {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let unscaled = word.field(29, 24) == 0b01_1001;
        let offset = if unscaled { word.signed(20, 12) as i32 } else { 0 };
        Some(Self { rt: word.rd(), rn: word.rn(), offset })
    }
}

/// LDXR, STXR, LDXP, STXP and their ordered forms. `rs` gets the status of a store; `rt2` is for pairs.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Exclusive {
    pub rs: Reg,
    pub rt: Reg,
    pub rt2: Reg,
    pub rn: Reg,
}

impl Exclusive {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { rs: word.rm(), rt: word.rd(), rt2: word.ra(), rn: word.rn() })
    }
}

/// CAS, LDADD and its kin, SWP.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Atomic {
    pub rs: Reg,
    pub rt: Reg,
    pub rn: Reg,
}

impl Atomic {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { rs: word.rm(), rt: word.rd(), rn: word.rn() })
    }
}

/// CASP: `rs` and `rt` are even and stand for themselves and the next register.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CasPair {
    pub rs: Reg,
    pub rt: Reg,
    pub rn: Reg,
}

impl CasPair {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (rs, rt) = (word.rm(), word.rd());
        let even = (rs.0 | rt.0) & 1 == 0;
        even.then_some(Self { rs, rt, rn: word.rn() })
    }
}
