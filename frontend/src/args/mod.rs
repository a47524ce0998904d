//! Argument sets: what a lifter gets. Fields arrive normalised (an immediate shifted, an offset made an address), so
//! that variants of an instruction differ in values only. One file per group of classes.

mod atomics;
mod branch;
mod data;
mod fp;
mod load_store;
mod simd;
mod system;

pub use atomics::*;
pub use branch::*;
pub use data::*;
pub use fp::*;
pub use load_store::*;
pub use simd::*;
pub use system::*;

use crate::Word;
use ir::GuestAddr;

/// Lists the argument sets.
macro_rules! argument_sets {
    ($($name:ident)*) => {
        /// The arguments of one instruction.
        #[derive(Clone, Copy, Debug)]
        pub enum Args { $(#[allow(missing_docs)] $name($name)),* }
    };
}

argument_sets! {
    // data.rs
    AddSubImm
    // branch.rs
    Branch CondBranch
    // system.rs
    Undefined
}

impl Args {
    /// The target of a direct branch.
    ///
    /// # Panics
    /// If the arguments have none: the table's flow column and arguments column disagree.
    #[must_use]
    pub fn target(&self) -> GuestAddr {
        match self {
            Self::Branch(a) => a.target,
            Self::CondBranch(a) => a.target,
            other => panic!("{other:?} has no branch target"),
        }
    }

    /// The arguments of an unallocated encoding.
    #[must_use]
    pub fn undefined(word: Word) -> Self {
        Self::Undefined(Undefined { word: word.bits })
    }
}

// Tier 0 keeps one of these per decoded instruction.
const _: () = assert!(std::mem::size_of::<Args>() <= 32);
