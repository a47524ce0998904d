//! Decoded basic blocks, which all tiers take, and how they are told apart. It must not know what is made of them.

use ir::{Flow, GuestAddr};
use smallvec::SmallVec;
use std::sync::Arc;

/// A guest address together with the mode in which code there is translated: whether FPCR.FZ is set. Blocks begin at
/// multiples of 4, so that the mode fits into bit 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockKey(u64);

impl BlockKey {
    /// The place `pc` with FPCR.FZ set or not. `pc` is a multiple of 4 or has no block.
    pub fn new(pc: GuestAddr, flushing: bool) -> Self {
        Self(pc.0 & !1 | u64::from(flushing))
    }

    /// The guest address.
    pub fn pc(self) -> GuestAddr {
        GuestAddr(self.0 & !1)
    }

    /// Whether FPCR.FZ is set.
    pub fn flushing(self) -> bool {
        self.0 & 1 != 0
    }

    /// Another address in the same mode.
    pub fn at(self, pc: GuestAddr) -> Self {
        Self::new(pc, self.flushing())
    }
}

/// The words of a block. Most blocks are short, and need no memory of their own for them.
pub type Words = SmallVec<[u32; 8]>;

/// A decoded basic block.
#[derive(Debug)]
pub struct Block<I> {
    /// Address of the first instruction.
    pub start: GuestAddr,
    /// The instructions, in order.
    pub insns: Arc<[I]>,
    /// What they were decoded from.
    pub words: Words,
    /// How the last one leaves.
    pub flow: Flow,
}

impl<I> Block<I> {
    /// The address after the last instruction.
    pub fn next(&self) -> GuestAddr {
        self.start.offset(4 * self.insns.len() as i64)
    }

    /// Where a call comes back to.
    pub fn resumes(&self) -> Option<GuestAddr> {
        matches!(self.flow, Flow::Call(_) | Flow::IndirectCall).then(|| self.next())
    }

    /// Where direct control may go without leaving through a call, an indirect branch or emu.
    pub fn successors(&self) -> [Option<GuestAddr>; 2] {
        match self.flow {
            Flow::Next => [Some(self.next()), None],
            Flow::Jump(target) => [Some(target), None],
            Flow::Branch(target) => [Some(self.next()), Some(target)],
            _ => [None, None],
        }
    }
}
