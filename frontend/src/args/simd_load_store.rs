//! Arguments of Advanced SIMD structure loads and stores.

use crate::Word;
use ir::{Arr, Lane, Reg, VReg};

/// What is added to the base after the access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PostIndex {
    /// Nothing: the form without writeback.
    None,
    /// The number of bytes transferred.
    Bytes(u8),
    /// Xm.
    Reg(Reg),
}

impl PostIndex {
    const fn decode(word: Word, bytes: u32) -> Self {
        match (word.bit(23), word.rm().0) {
            (false, _) => Self::None,
            (true, 31) => Self::Bytes(bytes as u8),
            (true, _) => Self::Reg(word.rm()),
        }
    }
}

const fn lane(log2_bytes: u32) -> Lane {
    match log2_bytes {
        0 => Lane::B,
        1 => Lane::H,
        2 => Lane::S,
        _ => Lane::D,
    }
}

/// LD1 to LD4, ST1 to ST4 (multiple structures): whole registers from `vt` on.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct MultipleStructures {
    pub vt: VReg,
    pub rn: Reg,
    pub arr: Arr,
    pub post: PostIndex,
}

impl MultipleStructures {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (registers, interleaved) = match word.field(15, 12) {
            0b0000 => (4, true),
            0b0010 => (4, false),
            0b0100 => (3, true),
            0b0110 => (3, false),
            0b0111 => (1, false),
            0b1000 => (2, true),
            0b1010 => (2, false),
            _ => return None,
        };
        let arr = Arr::vector(lane(word.field(11, 10)), word.q());
        // There is no structure of several 1D registers.
        if interleaved && arr.count == 1 {
            return None;
        }
        let post = PostIndex::decode(word, registers * arr.bits() / 8);
        Some(Self { vt: word.vd(), rn: word.rn(), arr, post })
    }
}

/// Number of registers in the single structure forms.
const fn single_registers(word: Word) -> u32 {
    (word.field(13, 13) << 1 | word.field(21, 21)) + 1
}

/// LD1 to LD4, ST1 to ST4 (single structure): lane `index` of each register from `vt` on.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct SingleStructure {
    pub vt: VReg,
    pub rn: Reg,
    pub lane: Lane,
    pub index: u8,
    pub post: PostIndex,
}

impl SingleStructure {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let q_s_size = word.field(30, 30) << 3 | word.field(12, 10);
        let log2_bytes = match (word.field(15, 14), q_s_size & 7) {
            (0, _) => 0,
            (1, s_size) if s_size & 1 == 0 => 1,
            (2, s_size) if s_size & 3 == 0 => 2,
            (2, 1) => 3,
            _ => return None,
        };
        let post = PostIndex::decode(word, single_registers(word) << log2_bytes);
        let index = (q_s_size >> log2_bytes) as u8;
        Some(Self { vt: word.vd(), rn: word.rn(), lane: lane(log2_bytes), index, post })
    }
}

/// LD1R to LD4R: one element into every lane of each register from `vt` on.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct ReplicatedStructure {
    pub vt: VReg,
    pub rn: Reg,
    pub arr: Arr,
    pub post: PostIndex,
}

impl ReplicatedStructure {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let log2_bytes = word.field(11, 10);
        let post = PostIndex::decode(word, single_registers(word) << log2_bytes);
        Some(Self { vt: word.vd(), rn: word.rn(), arr: Arr::vector(lane(log2_bytes), word.q()), post })
    }
}
