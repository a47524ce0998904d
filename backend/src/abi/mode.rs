//! What code is built for, which both compilers must agree on.

use crate::config::Holding;

/// What code is built for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// FPCR.FZ is set while it runs.
    pub flushing: bool,
    /// It counts what it does (`counts`).
    pub count: bool,
    /// See `Config::holding`.
    pub holding: Holding,
    /// The guest uses tags in addresses: every access ignores them.
    pub untags: bool,
}
