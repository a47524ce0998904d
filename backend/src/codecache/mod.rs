//! Generated code: its memory, what belongs to each piece, the links between, and what becomes of it when the guest
//! changes its own code. It must not know which compiler has made it.

pub mod generation;
pub mod links;
pub mod map;
pub mod memory;
pub mod object;
