//! Advanced SIMD: shifts by an immediate, conversions with fraction bits, modified immediates.

use super::instruction_class;
use crate::lift::simd_shift::*;
use ir::{Vec1, Vec2, VecShift};

instruction_class! { SimdShift;
    // By an immediate.
    SSHR_vec                  "0q001111 0hhhhbbb 000001nn nnnddddd"  [SSHR]                  RightVec           Next  shift(VecShift::Sshr);
    SSRA_vec                  "0q001111 0hhhhbbb 000101nn nnnddddd"  [SSRA]                  RightVec           Next  shift_accumulate(VecShift::Sshr);
    SRSHR_vec                 "0q001111 0hhhhbbb 001001nn nnnddddd"  [SRSHR]                 RightVec           Next  shift(VecShift::Srshr);
    SRSRA_vec                 "0q001111 0hhhhbbb 001101nn nnnddddd"  [SRSRA]                 RightVec           Next  shift_accumulate(VecShift::Srshr);
    USHR_vec                  "0q101111 0hhhhbbb 000001nn nnnddddd"  [USHR]                  RightVec           Next  shift(VecShift::Ushr);
    USRA_vec                  "0q101111 0hhhhbbb 000101nn nnnddddd"  [USRA]                  RightVec           Next  shift_accumulate(VecShift::Ushr);
    URSHR_vec                 "0q101111 0hhhhbbb 001001nn nnnddddd"  [URSHR]                 RightVec           Next  shift(VecShift::Urshr);
    URSRA_vec                 "0q101111 0hhhhbbb 001101nn nnnddddd"  [URSRA]                 RightVec           Next  shift_accumulate(VecShift::Urshr);
    SHL_vec                   "0q001111 0hhhhbbb 010101nn nnnddddd"  [SHL]                   LeftVec            Next  shift(VecShift::Shl);
    SRI_vec                   "0q101111 0hhhhbbb 010001nn nnnddddd"  [SRI]                   RightVec           Next  shift_insert(VecShift::Ushr);
    SLI_vec                   "0q101111 0hhhhbbb 010101nn nnnddddd"  [SLI]                   LeftVec            Next  shift_insert(VecShift::Shl);
    SQSHL_imm_vec             "0q001111 0hhhhbbb 011101nn nnnddddd"  [SQSHL]                 LeftVec            Next  shift(VecShift::Sqshl);
    UQSHL_imm_vec             "0q101111 0hhhhbbb 011101nn nnnddddd"  [UQSHL]                 LeftVec            Next  shift(VecShift::Uqshl);
    SQSHLU_vec                "0q101111 0hhhhbbb 011001nn nnnddddd"  [SQSHLU]                LeftVec            Next  shift(VecShift::Sqshlu);
    SHRN_vec                  "0q001111 0hhhhbbb 100001nn nnnddddd"  [SHRN | SHRN2]          RightNarrow        Next  shift_narrow(VecShift::Shrn);
    RSHRN_vec                 "0q001111 0hhhhbbb 100011nn nnnddddd"  [RSHRN | RSHRN2]        RightNarrow        Next  shift_narrow(VecShift::Rshrn);
    SQSHRN_vec                "0q001111 0hhhhbbb 100101nn nnnddddd"  [SQSHRN | SQSHRN2]      RightNarrow        Next  shift_narrow(VecShift::Sqshrn);
    SQRSHRN_vec               "0q001111 0hhhhbbb 100111nn nnnddddd"  [SQRSHRN | SQRSHRN2]    RightNarrow        Next  shift_narrow(VecShift::Sqrshrn);
    SQSHRUN_vec               "0q101111 0hhhhbbb 100001nn nnnddddd"  [SQSHRUN | SQSHRUN2]    RightNarrow        Next  shift_narrow(VecShift::Sqshrun);
    SQRSHRUN_vec              "0q101111 0hhhhbbb 100011nn nnnddddd"  [SQRSHRUN | SQRSHRUN2]  RightNarrow        Next  shift_narrow(VecShift::Sqrshrun);
    UQSHRN_vec                "0q101111 0hhhhbbb 100101nn nnnddddd"  [UQSHRN | UQSHRN2]      RightNarrow        Next  shift_narrow(VecShift::Uqshrn);
    UQRSHRN_vec               "0q101111 0hhhhbbb 100111nn nnnddddd"  [UQRSHRN | UQRSHRN2]    RightNarrow        Next  shift_narrow(VecShift::Uqrshrn);
    SSHLL_vec                 "0q001111 0hhhhbbb 101001nn nnnddddd"  [SSHLL | SSHLL2]        LeftLong           Next  shift_long(Vec1::Sxtl);
    USHLL_vec                 "0q101111 0hhhhbbb 101001nn nnnddddd"  [USHLL | USHLL2]        LeftLong           Next  shift_long(Vec1::Uxtl);
    SCVTF_fixed_vec           "0q001111 0hhhhbbb 111001nn nnnddddd"  [SCVTF]                 FixedVec           Next  fixed_to_fp(true);
    UCVTF_fixed_vec           "0q101111 0hhhhbbb 111001nn nnnddddd"  [UCVTF]                 FixedVec           Next  fixed_to_fp(false);
    FCVTZS_fixed_vec          "0q001111 0hhhhbbb 111111nn nnnddddd"  [FCVTZS]                FixedVec           Next  fp_to_fixed(true);
    FCVTZU_fixed_vec          "0q101111 0hhhhbbb 111111nn nnnddddd"  [FCVTZU]                FixedVec           Next  fp_to_fixed(false);
    SSHR_scalar               "01011111 0hhhhbbb 000001nn nnnddddd"  [SSHR]                  RightScalarD       Next  shift(VecShift::Sshr);
    SSRA_scalar               "01011111 0hhhhbbb 000101nn nnnddddd"  [SSRA]                  RightScalarD       Next  shift_accumulate(VecShift::Sshr);
    SRSHR_scalar              "01011111 0hhhhbbb 001001nn nnnddddd"  [SRSHR]                 RightScalarD       Next  shift(VecShift::Srshr);
    SRSRA_scalar              "01011111 0hhhhbbb 001101nn nnnddddd"  [SRSRA]                 RightScalarD       Next  shift_accumulate(VecShift::Srshr);
    USHR_scalar               "01111111 0hhhhbbb 000001nn nnnddddd"  [USHR]                  RightScalarD       Next  shift(VecShift::Ushr);
    USRA_scalar               "01111111 0hhhhbbb 000101nn nnnddddd"  [USRA]                  RightScalarD       Next  shift_accumulate(VecShift::Ushr);
    URSHR_scalar              "01111111 0hhhhbbb 001001nn nnnddddd"  [URSHR]                 RightScalarD       Next  shift(VecShift::Urshr);
    URSRA_scalar              "01111111 0hhhhbbb 001101nn nnnddddd"  [URSRA]                 RightScalarD       Next  shift_accumulate(VecShift::Urshr);
    SHL_scalar                "01011111 0hhhhbbb 010101nn nnnddddd"  [SHL]                   LeftScalarD        Next  shift(VecShift::Shl);
    SRI_scalar                "01111111 0hhhhbbb 010001nn nnnddddd"  [SRI]                   RightScalarD       Next  shift_insert(VecShift::Ushr);
    SLI_scalar                "01111111 0hhhhbbb 010101nn nnnddddd"  [SLI]                   LeftScalarD        Next  shift_insert(VecShift::Shl);
    SQSHL_imm_scalar          "01011111 0hhhhbbb 011101nn nnnddddd"  [SQSHL]                 LeftScalar         Next  shift(VecShift::Sqshl);
    UQSHL_imm_scalar          "01111111 0hhhhbbb 011101nn nnnddddd"  [UQSHL]                 LeftScalar         Next  shift(VecShift::Uqshl);
    SQSHLU_scalar             "01111111 0hhhhbbb 011001nn nnnddddd"  [SQSHLU]                LeftScalar         Next  shift(VecShift::Sqshlu);
    SQSHRN_scalar             "01011111 0hhhhbbb 100101nn nnnddddd"  [SQSHRN]                RightNarrowScalar  Next  shift_narrow(VecShift::Sqshrn);
    SQRSHRN_scalar            "01011111 0hhhhbbb 100111nn nnnddddd"  [SQRSHRN]               RightNarrowScalar  Next  shift_narrow(VecShift::Sqrshrn);
    SQSHRUN_scalar            "01111111 0hhhhbbb 100001nn nnnddddd"  [SQSHRUN]               RightNarrowScalar  Next  shift_narrow(VecShift::Sqshrun);
    SQRSHRUN_scalar           "01111111 0hhhhbbb 100011nn nnnddddd"  [SQRSHRUN]              RightNarrowScalar  Next  shift_narrow(VecShift::Sqrshrun);
    UQSHRN_scalar             "01111111 0hhhhbbb 100101nn nnnddddd"  [UQSHRN]                RightNarrowScalar  Next  shift_narrow(VecShift::Uqshrn);
    UQRSHRN_scalar            "01111111 0hhhhbbb 100111nn nnnddddd"  [UQRSHRN]               RightNarrowScalar  Next  shift_narrow(VecShift::Uqrshrn);
    SCVTF_fixed_simd_scalar   "01011111 0hhhhbbb 111001nn nnnddddd"  [SCVTF]                 FixedScalar        Next  fixed_to_fp(true);
    UCVTF_fixed_simd_scalar   "01111111 0hhhhbbb 111001nn nnnddddd"  [UCVTF]                 FixedScalar        Next  fixed_to_fp(false);
    FCVTZS_fixed_simd_scalar  "01011111 0hhhhbbb 111111nn nnnddddd"  [FCVTZS]                FixedScalar        Next  fp_to_fixed(true);
    FCVTZU_fixed_simd_scalar  "01111111 0hhhhbbb 111111nn nnnddddd"  [FCVTZU]                FixedScalar        Next  fp_to_fixed(false);

    // Modified immediates.
    MOVI_32                   "0q001111 00000abc 0cc001de fghddddd"  [MOVI]                  SimdImm            Next  movi(false);
    MOVI_16                   "0q001111 00000abc 10c001de fghddddd"  [MOVI]                  SimdImm            Next  movi(false);
    MOVI_32_msl               "0q001111 00000abc 110c01de fghddddd"  [MOVI]                  SimdImm            Next  movi(false);
    MVNI_32                   "0q101111 00000abc 0cc001de fghddddd"  [MVNI]                  SimdImm            Next  movi(true);
    MVNI_16                   "0q101111 00000abc 10c001de fghddddd"  [MVNI]                  SimdImm            Next  movi(true);
    MVNI_32_msl               "0q101111 00000abc 110c01de fghddddd"  [MVNI]                  SimdImm            Next  movi(true);
    MOVI_8                    "0q001111 00000abc 111001de fghddddd"  [MOVI]                  SimdImm            Next  movi(false);
    MOVI_64                   "0q101111 00000abc 111001de fghddddd"  [MOVI]                  SimdImm            Next  movi(false);
    ORR_imm_vec_32            "0q001111 00000abc 0cc101de fghddddd"  [ORR]                   SimdImm            Next  logic_imm(Vec2::Orr);
    ORR_imm_vec_16            "0q001111 00000abc 10c101de fghddddd"  [ORR]                   SimdImm            Next  logic_imm(Vec2::Orr);
    BIC_imm_vec_32            "0q101111 00000abc 0cc101de fghddddd"  [BIC]                   SimdImm            Next  logic_imm(Vec2::Bic);
    BIC_imm_vec_16            "0q101111 00000abc 10c101de fghddddd"  [BIC]                   SimdImm            Next  logic_imm(Vec2::Bic);
    FMOV_imm_vec_S            "0q001111 00000abc 111101de fghddddd"  [FMOV]                  SimdImm            Next  movi(false);
    FMOV_imm_vec_D            "01101111 00000abc 111101de fghddddd"  [FMOV]                  SimdImm            Next  movi(false);
}
