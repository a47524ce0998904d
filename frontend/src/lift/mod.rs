//! The lifters: what each instruction does, in terms of [`ir::Ops`]. One file per class of the table.

pub mod branch;
pub mod data_imm;
pub mod system;
