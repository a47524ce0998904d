//! What generated code and Rust agree on: the layout of what both touch, the ways in and out, helpers, tables, and the
//! control block of a thread. It must not know how code is made, nor when.

pub mod control_block;
pub mod counts;
pub mod frame;
pub mod helpers;
pub mod lane_shifts;
pub mod layout;
pub mod lookup;
pub mod mode;
pub mod slot;
pub mod stats;
pub mod trampoline;
