//! What instructions read and write, found by lifting them over [`Footprint`]. To be written.

/// A set of registers.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegSet;
/// Records what is read and written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Footprint;
