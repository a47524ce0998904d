//! Tier 2: regions of hot blocks, compiled by Cranelift. It must not know the other compiler, nor who asks.

pub mod checkpoint;
pub mod clif;
pub mod compile;
pub mod machine;
pub mod provider;
pub mod region;
