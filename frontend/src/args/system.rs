//! Arguments of system instructions.

use crate::Word;
use ir::{Barrier, Reg};

/// UDF and every unallocated encoding.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Undefined {
    pub word: u32,
}

impl Undefined {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { word: word.bits })
    }
}

/// Nothing that the lifter wants: hints, and barriers whose row says all.
#[derive(Clone, Copy, Debug)]
pub struct NoArguments;

impl NoArguments {
    // Returns an option because the table calls every argument set's decode alike.
    #[allow(clippy::unnecessary_wraps)]
    pub(crate) fn decode(_word: Word) -> Option<Self> {
        Some(Self)
    }
}

/// SVC and BRK.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct ExceptionImm {
    pub imm: u16,
}

impl ExceptionImm {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { imm: word.field(20, 5) as u16 })
    }
}

/// DMB: what its option orders (CRm bits 1 and 0; reserved options order everything).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct DataBarrier {
    pub kind: Barrier,
}

impl DataBarrier {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let kind = match word.field(9, 8) {
            1 => Barrier::Load,
            2 => Barrier::Store,
            _ => Barrier::Full,
        };
        Some(Self { kind })
    }
}

/// MRS, MSR and SYS: the row says which register or operation.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct SystemReg {
    pub rt: Reg,
}

impl SystemReg {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self { rt: word.rd() })
    }
}
