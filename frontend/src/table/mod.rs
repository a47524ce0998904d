//! The instruction table: one row per instruction, in one file per class of Arm's encoding index. Everything that
//! must know which instructions exist (decoder, tests, coverage) is made from it.
//!
//! A row reads
//!
//! ```text
//! NAME_variant  "encoding, 32 characters besides spaces"  [yaxpeax opcode]  Arguments  Flow  lifter(constants);
//! ```
//!
//! In the encoding `0` and `1` are fixed bits and letters are fields; letters serve the reader and the random tests
//! (see [`Row::random_word`]). An empty opcode `[]` means that yaxpeax-arm does not know the instruction, or gets it
//! wrong, and the row alone decides. A word is unallocated if the arguments' `decode` says so (returns `None`).
//! Where encodings overlap, the row that fixes more bits wins.

pub mod atomics;
pub mod branch;
pub mod data_imm;
pub mod data_reg;
pub mod fp;
pub mod load_store;
pub mod simd_crypto;
pub mod simd_load_store;
pub mod simd_long;
pub mod simd_misc;
pub mod simd_permute;
pub mod simd_shift;
pub mod simd_three;
pub mod system;

use crate::{Args, Word, decode::A64, yaxpeax::Opcode};
use ir::{Lifted, Ops};

/// Fixed bits of an encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// Ones where the encoding fixes a bit.
    pub mask: u32,
    /// The fixed bits.
    pub value: u32,
    /// As written in the row.
    pub text: &'static str,
}

impl Pattern {
    /// Parses a row's encoding.
    ///
    /// # Panics
    /// If it has not 32 bits: a mistake in the table, found when it is compiled.
    #[must_use]
    pub const fn parse(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let (mut mask, mut value, mut bits, mut i) = (0u32, 0u32, 0, 0);
        while i < bytes.len() {
            if bytes[i] != b' ' {
                mask = mask << 1 | (bytes[i] == b'0' || bytes[i] == b'1') as u32;
                value = value << 1 | (bytes[i] == b'1') as u32;
                bits += 1;
            }
            i += 1;
        }
        assert!(bits == 32, "an encoding has 32 bits");
        Self { mask, value, text }
    }

    /// Whether the word has the fixed bits.
    #[must_use]
    pub const fn matches(&self, bits: u32) -> bool {
        bits & self.mask == self.value
    }
}

/// How control leaves an instruction of this row; targets are in the arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowKind {
    /// To the next instruction.
    Next,
    /// To `Args::target`.
    Jump,
    /// To `Args::target` or the next instruction.
    Branch,
    /// Calls `Args::target`.
    Call,
    /// To a computed address.
    Indirect,
    /// Calls a computed address.
    IndirectCall,
    /// Returns.
    Return,
    /// Leaves to emu.
    Stop,
}

/// Which class table a row stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Data processing, immediate.
    DataImm,
    /// Data processing, register.
    DataReg,
    /// Branches.
    Branch,
    /// System, hints, barriers, exceptions.
    System,
    /// Loads and stores of general registers and of scalar vector registers.
    LoadStore,
    /// Exclusives, ordered accesses, LSE, LRCPC.
    Atomics,
    /// Advanced SIMD structure loads and stores.
    SimdLoadStore,
    /// Scalar floating point.
    Fp,
    /// Advanced SIMD, three registers of the same type.
    SimdThree,
    /// Advanced SIMD, three registers of different types, and by element.
    SimdLong,
    /// Advanced SIMD, two registers, across lanes, pairs to scalars.
    SimdMisc,
    /// Advanced SIMD, shifts by an immediate and modified immediates.
    SimdShift,
    /// Advanced SIMD, copies and permutations.
    SimdPermute,
    /// AES and SHA.
    SimdCrypto,
}

/// One instruction.
pub struct Row {
    /// Arm's mnemonic, an underscore, and the variant.
    pub name: &'static str,
    /// The encoding.
    pub pattern: Pattern,
    /// Whether yaxpeax-arm's opcode is this instruction's; none where the row decides alone.
    pub(crate) is_opcode: Option<fn(Opcode) -> bool>,
    /// Makes the arguments; none if the word is unallocated.
    pub(crate) arguments: fn(Word) -> Option<Args>,
    /// How control leaves it.
    pub flow: FlowKind,
    /// Table that holds the row.
    pub class: Class,
    /// Index in that table.
    pub index: u16,
    /// The lifter over `Eval`.
    pub(crate) eval: ir::LiftFn<A64>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Row {
    /// A word with this row's fixed bits and the rest from `random`.
    #[must_use]
    pub const fn random_word(&self, random: u32) -> u32 {
        self.pattern.value | random & !self.pattern.mask
    }
}

/// Makes one class table: `ROWS`, and `lift`, which dispatches on a row's index.
macro_rules! instruction_class {
    ($class:ident; $($name:ident $pattern:literal [$($opcode:tt)*] $args:ident $flow:ident
      $first:ident $(:: $rest:ident)* ( $($param:expr),* ) ;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[derive(Clone, Copy)]
        enum Id { $($name),* }

        const IDS: &[Id] = &[$(Id::$name),*];

        /// This class's rows.
        pub static ROWS: &[$crate::table::Row] = &[$($crate::table::Row {
            name: stringify!($name),
            pattern: const { $crate::table::Pattern::parse($pattern) },
            is_opcode: $crate::table::instruction_class!(@opcode $($opcode)*),
            arguments: |word| $crate::args::$args::decode(word).map($crate::Args::$args),
            flow: $crate::table::FlowKind::$flow,
            class: $crate::table::Class::$class,
            index: Id::$name as u16,
            eval: |ops, args| {
                let $crate::Args::$args(args) = args else { unreachable!("arguments come from the row's own decode") };
                $first $(:: $rest)* (ops, args $(, $param)*)
            },
        }),*];

        /// Lifts the instruction of row `index`.
        pub(super) fn lift<O: ir::Ops>(index: u16, ops: &mut O, args: &$crate::Args) -> ir::Lifted<O> {
            match IDS[usize::from(index)] {
                $(Id::$name => {
                    let $crate::Args::$args(args) = args else {
                        unreachable!("arguments come from the row's own decode")
                    };
                    $first $(:: $rest)* (ops, args $(, $param)*)
                })*
            }
        }
    };
    (@opcode) => { None };
    (@opcode $($opcode:tt)+) => {
        Some(|opcode| {
            #[allow(clippy::enum_glob_use)]
            use $crate::yaxpeax::Opcode::*;
            matches!(opcode, $($opcode)+)
        })
    };
}
pub(crate) use instruction_class;

/// Every row of every class.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [
        data_imm::ROWS,
        data_reg::ROWS,
        branch::ROWS,
        system::ROWS,
        load_store::ROWS,
        atomics::ROWS,
        simd_load_store::ROWS,
        fp::ROWS,
        simd_three::ROWS,
        simd_long::ROWS,
        simd_misc::ROWS,
        simd_shift::ROWS,
        simd_permute::ROWS,
        simd_crypto::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Lifts an instruction of any class.
pub(crate) fn lift<O: Ops>(row: &Row, ops: &mut O, args: &Args) -> Lifted<O> {
    match row.class {
        Class::DataImm => data_imm::lift(row.index, ops, args),
        Class::DataReg => data_reg::lift(row.index, ops, args),
        Class::Branch => branch::lift(row.index, ops, args),
        Class::System => system::lift(row.index, ops, args),
        Class::LoadStore => load_store::lift(row.index, ops, args),
        Class::Atomics => atomics::lift(row.index, ops, args),
        Class::SimdLoadStore => simd_load_store::lift(row.index, ops, args),
        Class::Fp => fp::lift(row.index, ops, args),
        Class::SimdThree => simd_three::lift(row.index, ops, args),
        Class::SimdLong => simd_long::lift(row.index, ops, args),
        Class::SimdMisc => simd_misc::lift(row.index, ops, args),
        Class::SimdShift => simd_shift::lift(row.index, ops, args),
        Class::SimdPermute => simd_permute::lift(row.index, ops, args),
        Class::SimdCrypto => simd_crypto::lift(row.index, ops, args),
    }
}
