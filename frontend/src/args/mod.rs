//! Argument sets: what a lifter gets. Fields arrive normalised (an immediate shifted, an offset made an address), so
//! that variants of an instruction differ in values only. One file per group of classes.

mod atomics;
mod branch;
mod data;
mod fp;
mod load_store;
mod simd;
mod simd_load_store;
mod simd_permute;
mod simd_shift;
mod system;

pub use atomics::*;
pub use branch::*;
pub use data::*;
pub use fp::*;
pub use load_store::*;
pub use simd::*;
pub use simd_load_store::*;
pub use simd_permute::*;
pub use simd_shift::*;
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
    AddSubImm LogicalImm MoveImm MoveKeep PcRelative BitfieldMove BitfieldInsert ExtractPair
    MoveReg ShiftedReg ExtendedReg OneSource TwoSource ThreeSource
    CondSelect CondCompareReg CondCompareImm RotateIntoFlags
    // branch.rs
    Branch CondBranch CompareBranch TestBranch BranchReg
    // load_store.rs
    LoadStoreImm LoadStoreReg LoadLiteral LoadStorePair
    // atomics.rs
    Ordered Exclusive Atomic CasPair
    // fp.rs
    FpUnary FpBinary FpTernary FpConvert FpImm FpCondCompare FpSelect FpToGeneral GeneralToFp TopToGeneral GeneralToTop
    // simd_load_store.rs
    MultipleStructures SingleStructure ReplicatedStructure
    // simd.rs
    VecBhsd VecBhs VecBh VecHs VecB VecS VecFp ScalarBhsd ScalarHs ScalarD ScalarFp
    LongBhs LongHs LongBd NarrowBhs NarrowScalar AcrossBhs FpLong FpNarrow FpNarrowScalar
    ElemHs ElemLong ElemScalar ElemFp ElemScalarFp ElemDot
    // simd_shift.rs
    LeftVec RightVec LeftScalar LeftScalarD RightScalarD LeftLong RightNarrow RightNarrowScalar FixedVec FixedScalar
    SimdImm
    // simd_permute.rs
    DupElem DupGpr InsGpr InsElem MovToGpr Ext Table
    // system.rs
    Undefined NoArguments ExceptionImm DataBarrier SystemReg
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
            Self::CompareBranch(a) => a.target,
            Self::TestBranch(a) => a.target,
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
