//! The places in memory through which generated code leaves for other code.

/// Index of a link slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot(pub u32);
