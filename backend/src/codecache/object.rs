//! A piece of generated code before it is in use, and what belongs to it. It must not know which compiler has made it.

use crate::abi::slot::Slot;
use crate::abi::trampoline::CodePtr;
use crate::deopt::location::DeoptLocation;
use crate::deopt::source::{FlagSource, Source};
use crate::deopt::value::DeoptValue;
use ir::GuestAddr;

/// A compiled region, or an emitted block.
#[derive(Debug)]
pub struct Compiled {
    /// Its entry.
    pub code: CodePtr,
    /// Size of the code in bytes.
    pub bytes: u32,
    /// Its link slots and their guest targets.
    pub exits: Vec<(Slot, GuestAddr)>,
    /// What counts its runs, if something does.
    pub counter: Option<Slot>,
    /// What faults mean, by host code offset, ascending.
    pub locations: Vec<DeoptLocation>,
    /// Where the flags of checkpoints are.
    pub flag_sources: Vec<FlagSource>,
    /// Registers of checkpoints that are not in memory, by host code offset, ascending.
    pub deopt_values: Vec<DeoptValue>,
    /// What some of those follow from.
    pub sources: Vec<Source>,
    /// Whether `Holding::Always` would hold more registers.
    pub would_hold: bool,
}
