//! Brings a program into the guest's memory: finds out what a file is, maps AArch64 ELF files and the loaders they
//! name, and lays out the stack that a new program finds. Nothing here knows instructions, system calls or the
//! command line; memory is mapped through [`ir::GuestMemory`] only. ELF is read with goblin, which is named in
//! `image.rs` and nowhere else.
//!
//! [`open`] a file, ask [`ProgramFile::kind`] what it is, and [`load`] it if it is the guest's.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod file;
mod host;
mod image;
mod kind;
#[cfg(test)]
mod load_tests;
mod machines;
mod map;
mod program;
mod stack;
#[cfg(test)]
mod test_elf;
#[cfg(test)]
mod test_memory;
mod vdso;

pub use error::LoadError;
pub use file::{ProgramFile, open};
pub use host::{Identity, Randomness};
pub use kind::{HostElf, Kind, Script};
pub use program::{Loaded, Program, Request, check, load};
pub use stack::{MachineInfo, StackStrings};
