//! Data processing, immediate.

use super::instruction_class;
use crate::lift::data_imm::*;
use ir::{FlagOp, Int2};

instruction_class! { DataImm;
    ADD_imm      "s0010001 0hiiiiii iiiiiinn nnnddddd" [ADD]   AddSubImm  Next  add_sub_imm(Int2::Add);
    ADDS_imm     "s0110001 0hiiiiii iiiiiinn nnnddddd" [ADDS]  AddSubImm  Next  add_sub_imm_flags(Int2::Add, FlagOp::Add);
    SUB_imm      "s1010001 0hiiiiii iiiiiinn nnnddddd" [SUB]   AddSubImm  Next  add_sub_imm(Int2::Sub);
    SUBS_imm     "s1110001 0hiiiiii iiiiiinn nnnddddd" [SUBS]  AddSubImm  Next  add_sub_imm_flags(Int2::Sub, FlagOp::Sub);
}
