//! The lifters: what each instruction does, in terms of [`ir::Ops`]. One file per class of the table.

pub mod atomics;
pub mod branch;
pub mod data_imm;
pub mod data_reg;
pub mod fp;
pub mod load_store;
pub mod simd;
pub mod simd_load_store;
pub mod simd_permute;
pub mod simd_shift;
pub mod system;
