//! From a host PC in generated code to the guest's. It must not know who asks, nor how code is built.

use ir::GuestAddr;

/// What a fault in generated code means, from some offset on.
#[derive(Clone, Copy, Debug)]
pub struct DeoptLocation {
    /// Host code offset at which it begins.
    pub offset: u32,
    /// Where the flags are, as a number in `flag_sources`, plus 1; 0 if they are in memory; or `FLAGS_BY_EDGE`.
    pub flags: u32,
    /// The guest instruction from which tier 0 takes over.
    pub pc: GuestAddr,
    /// As many instructions from there have been performed: they are performed again without touching memory.
    pub performed: u16,
}

impl DeoptLocation {
    /// Of `flags`: `CpuState` says where they are (`layout::FLAGS_BY_EDGE`).
    pub const FLAGS_BY_EDGE: u32 = u32::MAX;
}
