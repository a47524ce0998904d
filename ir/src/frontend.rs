//! What the backend asks of an instruction-set front end.

use crate::{Eval, GuestAddr, Lifted, Ops};

/// How control leaves an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// To a known target.
    Jump(GuestAddr),
    /// To a known target or to the next instruction.
    Branch(GuestAddr),
    /// To a known function, which comes back to the next instruction.
    Call(GuestAddr),
    /// To a computed target.
    Indirect,
    /// To a computed function, which comes back to the next instruction.
    IndirectCall,
    /// To the address in a link register.
    Return,
    /// To emu: system calls, traps, undefined encodings, IC IVAU. May go on at the next instruction, as ISB does, but
    /// not without the check at the entry of code.
    Stop,
}

impl Flow {
    /// Whether the instruction ends a basic block.
    #[must_use]
    pub const fn ends_block(self) -> bool {
        !matches!(self, Self::Next)
    }
}

/// A lifter that performs the instruction, as tier 0 dispatches on it.
pub type LiftFn<F> = for<'a, 'b> fn(&'a mut Eval<'b>, &'a <F as Frontend>::Args) -> Result<(), crate::Stop>;

/// Decodes and lifts the guest's instruction set.
pub trait Frontend: Copy + Send + Sync + 'static {
    /// A decoded instruction: which one, with its arguments.
    type Insn: Copy + Send + Sync + std::fmt::Debug + 'static;
    /// The arguments alone.
    type Args: Copy + Send + Sync + 'static;

    /// Decodes the word fetched from `pc`. Never fails: an unallocated encoding is an instruction that stops with
    /// [`crate::Stop::Undefined`].
    fn decode(word: u32, pc: GuestAddr) -> Self::Insn;
    /// How control leaves it.
    fn flow(insn: &Self::Insn, pc: GuestAddr) -> Flow;
    /// Lifts it.
    fn lift<O: Ops>(insn: &Self::Insn, ops: &mut O) -> Lifted<O>;
    /// What tier 0 calls, with the arguments to call it with.
    fn lifter(insn: &Self::Insn) -> (LiftFn<Self>, &Self::Args);
    /// The instruction's name in the table, in Arm's spelling with the variant: `ADD_imm`.
    fn name(insn: &Self::Insn) -> &'static str;
    /// Assembly text.
    fn disassemble(word: u32, pc: GuestAddr) -> String;
}
