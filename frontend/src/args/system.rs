//! Arguments of system instructions.

use crate::Word;

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
