//! Data processing, immediate.

use super::instruction_class;
use crate::lift::data_imm::*;
use ir::{FlagOp, Int2};

instruction_class! { DataImm;
    ADR          "0ll10000 hhhhhhhh hhhhhhhh hhhddddd" [ADR]   PcRelative      Next  pc_relative();
    ADRP         "1ll10000 hhhhhhhh hhhhhhhh hhhddddd" [ADRP]  PcRelative      Next  pc_relative();

    ADD_imm      "s0010001 0hiiiiii iiiiiinn nnnddddd" [ADD]   AddSubImm       Next  add_sub_imm(Int2::Add);
    ADDS_imm     "s0110001 0hiiiiii iiiiiinn nnnddddd" [ADDS]  AddSubImm       Next  add_sub_imm_flags(Int2::Add, FlagOp::Add);
    SUB_imm      "s1010001 0hiiiiii iiiiiinn nnnddddd" [SUB]   AddSubImm       Next  add_sub_imm(Int2::Sub);
    SUBS_imm     "s1110001 0hiiiiii iiiiiinn nnnddddd" [SUBS]  AddSubImm       Next  add_sub_imm_flags(Int2::Sub, FlagOp::Sub);

    AND_imm      "s0010010 0Nrrrrrr iiiiiinn nnnddddd" [AND]   LogicalImm      Next  logical_imm(Int2::And);
    ORR_imm      "s0110010 0Nrrrrrr iiiiiinn nnnddddd" [ORR]   LogicalImm      Next  logical_imm(Int2::Orr);
    EOR_imm      "s1010010 0Nrrrrrr iiiiiinn nnnddddd" [EOR]   LogicalImm      Next  logical_imm(Int2::Eor);
    ANDS_imm     "s1110010 0Nrrrrrr iiiiiinn nnnddddd" [ANDS]  LogicalImm      Next  ands_imm();

    MOVN         "s0010010 1hhiiiii iiiiiiii iiiddddd" [MOVN]  MoveImm         Next  move_imm();
    MOVZ         "s1010010 1hhiiiii iiiiiiii iiiddddd" [MOVZ]  MoveImm         Next  move_imm();
    MOVK         "s1110010 1hhiiiii iiiiiiii iiiddddd" [MOVK]  MoveKeep        Next  movk();

    SBFM         "s0010011 0Nrrrrrr iiiiiinn nnnddddd" [SBFM]  BitfieldMove    Next  bitfield_move(Int2::Asr);
    BFM          "s0110011 0Nrrrrrr iiiiiinn nnnddddd" [BFM]   BitfieldInsert  Next  bfm();
    UBFM         "s1010011 0Nrrrrrr iiiiiinn nnnddddd" [UBFM]  BitfieldMove    Next  bitfield_move(Int2::Lsr);

    EXTR         "s0010011 1N0mmmmm iiiiiinn nnnddddd" [EXTR]  ExtractPair     Next  extr();
}
