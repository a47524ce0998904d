//! Loads, stores and atomics, decoded and performed by `Eval` on real memory. Instruction words come from GNU as;
//! expected values are worked out by hand from the Arm ARM's pseudocode unless a test says otherwise.

mod atomics;
mod machine;
mod scalar;
mod structures;
