//! AArch64: decoding and lifting. One table row per instruction ([`table`]) names its encoding, its arguments and its
//! lifter; the lifters ([`lift`]) are written over [`ir::Ops`]. Knows encodings and their meaning, but not how
//! operations are carried out, nor what a system call is.

mod args;
mod decode;
pub mod features;
mod lift;
pub mod table;
mod word;
mod yaxpeax;

pub use args::Args;
pub use decode::{A64, Insn};
pub use word::Word;
