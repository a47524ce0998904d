//! Tier 0: decoded blocks, interpreted. It must not know the compilers.

pub mod near;
pub mod tier0;
