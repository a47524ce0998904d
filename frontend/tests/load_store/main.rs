//! Loads, stores and atomics, decoded and performed by `Eval` on real memory. Instruction words come from GNU as;
//! expected values are worked out by hand from the Arm ARM's pseudocode unless a test says otherwise.

#![allow(clippy::unwrap_used)] // a test may panic

mod atomics;
mod machine;
mod scalar;
mod structures;
