//! Arguments of Advanced SIMD instructions that move lanes: DUP, INS, SMOV, UMOV, EXT, TBL.

use crate::Word;
use ir::{Arr, Lane, Reg, VReg, Width};

/// Lane and index as imm5 encodes them.
fn lane_and_index(word: Word) -> Option<(Lane, u8)> {
    let imm5 = word.field(20, 16);
    let lane = match imm5.trailing_zeros() {
        0 => Lane::B,
        1 => Lane::H,
        2 => Lane::S,
        3 => Lane::D,
        _ => return None,
    };
    Some((lane, (imm5 >> (lane as u32 + 1)) as u8))
}

/// DUP (element).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct DupElem {
    pub arr: Arr,
    pub index: u8,
    pub vd: VReg,
    pub vn: VReg,
}

impl DupElem {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (lane, index) = lane_and_index(word)?;
        let arr = if word.bit(28) {
            Arr::scalar(lane)
        } else if lane == Lane::D && !word.q() {
            return None;
        } else {
            Arr::vector(lane, word.q())
        };
        Some(Self { arr, index, vd: word.vd(), vn: word.vn() })
    }
}

/// DUP (general).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct DupGpr {
    pub arr: Arr,
    pub vd: VReg,
    pub rn: Reg,
}

impl DupGpr {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (lane, _) = lane_and_index(word)?;
        (lane != Lane::D || word.q()).then(|| Self { arr: Arr::vector(lane, word.q()), vd: word.vd(), rn: word.rn() })
    }
}

/// INS (general).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct InsGpr {
    pub lane: Lane,
    pub index: u8,
    pub vd: VReg,
    pub rn: Reg,
}

impl InsGpr {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (lane, index) = lane_and_index(word)?;
        Some(Self { lane, index, vd: word.vd(), rn: word.rn() })
    }
}

/// INS (element).
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct InsElem {
    pub lane: Lane,
    pub to: u8,
    pub from: u8,
    pub vd: VReg,
    pub vn: VReg,
}

impl InsElem {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (lane, to) = lane_and_index(word)?;
        let from = (word.field(14, 11) >> lane as u32) as u8;
        Some(Self { lane, to, from, vd: word.vd(), vn: word.vn() })
    }
}

/// SMOV and UMOV.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct MovToGpr {
    pub width: Width,
    pub lane: Lane,
    pub index: u8,
    pub rd: Reg,
    pub vn: VReg,
}

impl MovToGpr {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let (lane, index) = lane_and_index(word)?;
        let unsigned = word.bit(12);
        let allocated = match lane {
            Lane::B | Lane::H => !(unsigned && word.q()),
            Lane::S => unsigned != word.q(),
            Lane::D | Lane::Q => unsigned && word.q(),
        };
        let width = if word.q() { Width::X } else { Width::W };
        allocated.then(|| Self { width, lane, index, rd: word.rd(), vn: word.vn() })
    }
}

/// EXT.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Ext {
    pub arr: Arr,
    pub index: u8,
    pub vd: VReg,
    pub vn: VReg,
    pub vm: VReg,
}

impl Ext {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        let index = word.field(14, 11) as u8;
        (word.q() || index < 8).then(|| Self {
            arr: Arr::vector(Lane::B, word.q()),
            index,
            vd: word.vd(),
            vn: word.vn(),
            vm: word.vm(),
        })
    }
}

/// TBL and TBX: a table of `registers` from `vn` on.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Table {
    pub arr: Arr,
    pub registers: u8,
    pub vd: VReg,
    pub vn: VReg,
    pub vm: VReg,
}

impl Table {
    pub(crate) fn decode(word: Word) -> Option<Self> {
        Some(Self {
            arr: Arr::vector(Lane::B, word.q()),
            registers: word.field(14, 13) as u8 + 1,
            vd: word.vd(),
            vn: word.vn(),
            vm: word.vm(),
        })
    }
}
