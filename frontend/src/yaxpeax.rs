//! The only file that names yaxpeax-arm: the opcode of a word, and its assembly text.

use crate::Word;
use yaxpeax_arch::{Arch, Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{ARMv8, Instruction};

pub use yaxpeax_arm::armv8::a64::Opcode;

fn decode(word: Word) -> Option<Instruction> {
    let bytes = word.bits.to_le_bytes();
    <ARMv8 as Arch>::Decoder::default().decode(&mut U8Reader::new(&bytes)).ok()
}

/// The opcode, or none if yaxpeax-arm takes the word for unallocated.
pub fn opcode(word: Word) -> Option<Opcode> {
    decode(word).map(|insn| insn.opcode)
}

/// Assembly text. Branch targets are relative (`$+0x10`).
pub fn text(word: Word) -> Option<String> {
    decode(word).map(|insn| insn.to_string())
}
