//! The only file that names yaxpeax-arm: the opcode of a word, and its assembly text.
//!
//! The table alone would do to decode. yaxpeax-arm is a second opinion: a word of which the two think differently is
//! undefined, so that a mistake in a row's encoding stops the guest there instead of doing something else (`decode.rs`).
//! It also gives the text for `-d in_asm` and for reports of deaths. `tests.rs` compares its names with the table's.

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

#[cfg(test)]
mod tests;
