//! Data processing, register.

use super::instruction_class;
use crate::lift::data_reg::*;
use ir::{Extend, FlagOp, Int1, Int2, IntHelper};

instruction_class! { DataReg;
    // ORR_shift with Rn = ZR and no shift: the commonest move deserves a plain lifter.
    MOV_reg      "s0101010 000mmmmm 00000011 111ddddd" [ORR]      MoveReg         Next  mov_reg();

    AND_shift    "s0001010 hh0mmmmm aaaaaann nnnddddd" [AND]      ShiftedReg      Next  shifted_reg(Int2::And);
    BIC_shift    "s0001010 hh1mmmmm aaaaaann nnnddddd" [BIC]      ShiftedReg      Next  shifted_reg(Int2::Bic);
    ORR_shift    "s0101010 hh0mmmmm aaaaaann nnnddddd" [ORR]      ShiftedReg      Next  shifted_reg(Int2::Orr);
    ORN_shift    "s0101010 hh1mmmmm aaaaaann nnnddddd" [ORN]      ShiftedReg      Next  shifted_reg(Int2::Orn);
    EOR_shift    "s1001010 hh0mmmmm aaaaaann nnnddddd" [EOR]      ShiftedReg      Next  shifted_reg(Int2::Eor);
    EON_shift    "s1001010 hh1mmmmm aaaaaann nnnddddd" [EON]      ShiftedReg      Next  shifted_reg(Int2::Eon);
    ANDS_shift   "s1101010 hh0mmmmm aaaaaann nnnddddd" [ANDS]     ShiftedReg      Next  logical_reg_flags(Int2::And);
    BICS_shift   "s1101010 hh1mmmmm aaaaaann nnnddddd" [BICS]     ShiftedReg      Next  logical_reg_flags(Int2::Bic);

    ADD_shift    "s0001011 hh0mmmmm aaaaaann nnnddddd" [ADD]      ShiftedReg      Next  shifted_reg(Int2::Add);
    ADDS_shift   "s0101011 hh0mmmmm aaaaaann nnnddddd" [ADDS]     ShiftedReg      Next  add_sub_reg_flags(Int2::Add, FlagOp::Add);
    SUB_shift    "s1001011 hh0mmmmm aaaaaann nnnddddd" [SUB]      ShiftedReg      Next  shifted_reg(Int2::Sub);
    SUBS_shift   "s1101011 hh0mmmmm aaaaaann nnnddddd" [SUBS]     ShiftedReg      Next  add_sub_reg_flags(Int2::Sub, FlagOp::Sub);
    ADD_ext      "s0001011 001mmmmm oooaaann nnnddddd" [ADD]      ExtendedReg     Next  add_sub_ext(Int2::Add);
    ADDS_ext     "s0101011 001mmmmm oooaaann nnnddddd" [ADDS]     ExtendedReg     Next  add_sub_ext_flags(Int2::Add, FlagOp::Add);
    SUB_ext      "s1001011 001mmmmm oooaaann nnnddddd" [SUB]      ExtendedReg     Next  add_sub_ext(Int2::Sub);
    SUBS_ext     "s1101011 001mmmmm oooaaann nnnddddd" [SUBS]     ExtendedReg     Next  add_sub_ext_flags(Int2::Sub, FlagOp::Sub);

    ADC          "s0011010 000mmmmm 000000nn nnnddddd" [ADC]      TwoSource       Next  add_sub_carry(false);
    ADCS         "s0111010 000mmmmm 000000nn nnnddddd" [ADCS]     TwoSource       Next  add_sub_carry_flags(false);
    SBC          "s1011010 000mmmmm 000000nn nnnddddd" [SBC]      TwoSource       Next  add_sub_carry(true);
    SBCS         "s1111010 000mmmmm 000000nn nnnddddd" [SBCS]     TwoSource       Next  add_sub_carry_flags(true);

    RMIF         "10111010 000rrrrr r00001nn nnn0ffff" [RMIF]     RotateIntoFlags Next  rmif();
    SETF8        "00111010 00000000 000010nn nnn01101" [SETF8]    OneSource       Next  setf(8);
    SETF16       "00111010 00000000 010010nn nnn01101" [SETF16]   OneSource       Next  setf(16);

    CCMN_reg     "s0111010 010mmmmm cccc00nn nnn0ffff" [CCMN]     CondCompareReg  Next  cond_compare_reg(FlagOp::Add);
    CCMP_reg     "s1111010 010mmmmm cccc00nn nnn0ffff" [CCMP]     CondCompareReg  Next  cond_compare_reg(FlagOp::Sub);
    CCMN_imm     "s0111010 010iiiii cccc10nn nnn0ffff" [CCMN]     CondCompareImm  Next  cond_compare_imm(FlagOp::Add);
    CCMP_imm     "s1111010 010iiiii cccc10nn nnn0ffff" [CCMP]     CondCompareImm  Next  cond_compare_imm(FlagOp::Sub);

    CSEL         "s0011010 100mmmmm cccc00nn nnnddddd" [CSEL]     CondSelect      Next  csel();
    CSINC        "s0011010 100mmmmm cccc01nn nnnddddd" [CSINC]    CondSelect      Next  csinc();
    CSINV        "s1011010 100mmmmm cccc00nn nnnddddd" [CSINV]    CondSelect      Next  csinv_csneg(Int1::Not);
    CSNEG        "s1011010 100mmmmm cccc01nn nnnddddd" [CSNEG]    CondSelect      Next  csinv_csneg(Int1::Neg);

    RBIT         "s1011010 11000000 000000nn nnnddddd" [RBIT]     OneSource       Next  one_source(Int1::Rbit);
    REV16        "s1011010 11000000 000001nn nnnddddd" [REV16]    OneSource       Next  one_source(Int1::Rev16);
    REV_32       "01011010 11000000 000010nn nnnddddd" [REV]      OneSource       Next  one_source(Int1::Rev);
    REV_64       "11011010 11000000 000011nn nnnddddd" [REV]      OneSource       Next  one_source(Int1::Rev);
    REV32        "11011010 11000000 000010nn nnnddddd" [REV32]    OneSource       Next  one_source(Int1::Rev32);
    CLZ          "s1011010 11000000 000100nn nnnddddd" [CLZ]      OneSource       Next  one_source(Int1::Clz);
    CLS          "s1011010 11000000 000101nn nnnddddd" [CLS]      OneSource       Next  one_source(Int1::Cls);

    UDIV         "s0011010 110mmmmm 000010nn nnnddddd" [UDIV]     TwoSource       Next  two_source(Int2::Udiv);
    SDIV         "s0011010 110mmmmm 000011nn nnnddddd" [SDIV]     TwoSource       Next  two_source(Int2::Sdiv);
    LSLV         "s0011010 110mmmmm 001000nn nnnddddd" [LSLV]     TwoSource       Next  two_source(Int2::Lsl);
    LSRV         "s0011010 110mmmmm 001001nn nnnddddd" [LSRV]     TwoSource       Next  two_source(Int2::Lsr);
    ASRV         "s0011010 110mmmmm 001010nn nnnddddd" [ASRV]     TwoSource       Next  two_source(Int2::Asr);
    RORV         "s0011010 110mmmmm 001011nn nnnddddd" [RORV]     TwoSource       Next  two_source(Int2::Ror);

    CRC32B       "00011010 110mmmmm 010000nn nnnddddd" [CRC32B]   TwoSource       Next  crc32(IntHelper::Crc32b);
    CRC32H       "00011010 110mmmmm 010001nn nnnddddd" [CRC32H]   TwoSource       Next  crc32(IntHelper::Crc32h);
    CRC32W       "00011010 110mmmmm 010010nn nnnddddd" [CRC32W]   TwoSource       Next  crc32(IntHelper::Crc32w);
    CRC32X       "10011010 110mmmmm 010011nn nnnddddd" [CRC32X]   TwoSource       Next  crc32(IntHelper::Crc32x);
    CRC32CB      "00011010 110mmmmm 010100nn nnnddddd" [CRC32CB]  TwoSource       Next  crc32(IntHelper::Crc32cb);
    CRC32CH      "00011010 110mmmmm 010101nn nnnddddd" [CRC32CH]  TwoSource       Next  crc32(IntHelper::Crc32ch);
    CRC32CW      "00011010 110mmmmm 010110nn nnnddddd" [CRC32CW]  TwoSource       Next  crc32(IntHelper::Crc32cw);
    CRC32CX      "10011010 110mmmmm 010111nn nnnddddd" [CRC32CX]  TwoSource       Next  crc32(IntHelper::Crc32cx);

    MADD         "s0011011 000mmmmm 0aaaaann nnnddddd" [MADD]     ThreeSource     Next  multiply_add(Int2::Add);
    MSUB         "s0011011 000mmmmm 1aaaaann nnnddddd" [MSUB]     ThreeSource     Next  multiply_add(Int2::Sub);
    SMADDL       "10011011 001mmmmm 0aaaaann nnnddddd" [SMADDL]   ThreeSource     Next  multiply_add_long(Extend::Sxtw, Int2::Add);
    SMSUBL       "10011011 001mmmmm 1aaaaann nnnddddd" [SMSUBL]   ThreeSource     Next  multiply_add_long(Extend::Sxtw, Int2::Sub);
    UMADDL       "10011011 101mmmmm 0aaaaann nnnddddd" [UMADDL]   ThreeSource     Next  multiply_add_long(Extend::Uxtw, Int2::Add);
    UMSUBL       "10011011 101mmmmm 1aaaaann nnnddddd" [UMSUBL]   ThreeSource     Next  multiply_add_long(Extend::Uxtw, Int2::Sub);
    // Bits 14 to 10 should be ones; processors do not look at them.
    SMULH        "10011011 010mmmmm 0xxxxxnn nnnddddd" [SMULH]    TwoSource       Next  two_source(Int2::Smulh);
    UMULH        "10011011 110mmmmm 0xxxxxnn nnnddddd" [UMULH]    TwoSource       Next  two_source(Int2::Umulh);
}
