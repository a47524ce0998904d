//! Advanced SIMD: two registers, across lanes, pairs to scalars.

use super::instruction_class;
use crate::lift::simd::*;
use ir::{Rounding, Vec1, Vec2};

instruction_class! { SimdMisc;
    // Two registers.
    REV64_vec           "0q001110 ss100000 000010nn nnnddddd"  [REV64]             VecBhs          Next  unary(Vec1::Rev64);
    REV16_vec           "0q001110 00100000 000110nn nnnddddd"  [REV16]             VecB            Next  unary(Vec1::Rev16);
    REV32_vec           "0q101110 ss100000 000010nn nnnddddd"  [REV32]             VecBh           Next  unary(Vec1::Rev32);
    SADDLP_vec          "0q001110 ss100000 001010nn nnnddddd"  [SADDLP]            VecBhs          Next  unary(Vec1::Saddlp);
    UADDLP_vec          "0q101110 ss100000 001010nn nnnddddd"  [UADDLP]            VecBhs          Next  unary(Vec1::Uaddlp);
    CLS_vec             "0q001110 ss100000 010010nn nnnddddd"  [CLS]               VecBhs          Next  unary(Vec1::Cls);
    CLZ_vec             "0q101110 ss100000 010010nn nnnddddd"  [CLZ]               VecBhs          Next  unary(Vec1::Clz);
    CNT_vec             "0q001110 00100000 010110nn nnnddddd"  [CNT]               VecB            Next  unary(Vec1::Cnt);
    NOT_vec             "0q101110 00100000 010110nn nnnddddd"  [NOT]               VecB            Next  unary(Vec1::Not);
    RBIT_vec            "0q101110 01100000 010110nn nnnddddd"  [RBIT]              VecB            Next  unary(Vec1::Rbit);
    SQABS_vec           "0q001110 ss100000 011110nn nnnddddd"  [SQABS]             VecBhsd         Next  unary(Vec1::Sqabs);
    SQNEG_vec           "0q101110 ss100000 011110nn nnnddddd"  [SQNEG]             VecBhsd         Next  unary(Vec1::Sqneg);
    ABS_vec             "0q001110 ss100000 101110nn nnnddddd"  [ABS]               VecBhsd         Next  unary(Vec1::Abs);
    NEG_vec             "0q101110 ss100000 101110nn nnnddddd"  [NEG]               VecBhsd         Next  unary(Vec1::Neg);
    URECPE_vec          "0q001110 10100001 110010nn nnnddddd"  [URECPE]            VecS            Next  unary(Vec1::Urecpe);
    URSQRTE_vec         "0q101110 10100001 110010nn nnnddddd"  [URSQRTE]           VecS            Next  unary(Vec1::Ursqrte);
    SUQADD_vec          "0q001110 ss100000 001110nn nnnddddd"  [SUQADD]            VecBhsd         Next  binary_with_old(Vec2::Suqadd);
    USQADD_vec          "0q101110 ss100000 001110nn nnnddddd"  [USQADD]            VecBhsd         Next  binary_with_old(Vec2::Usqadd);
    SADALP_vec          "0q001110 ss100000 011010nn nnnddddd"  [SADALP]            VecBhs          Next  pairs_accumulate(Vec1::Saddlp);
    UADALP_vec          "0q101110 ss100000 011010nn nnnddddd"  [UADALP]            VecBhs          Next  pairs_accumulate(Vec1::Uaddlp);
    CMGT_zero_vec       "0q001110 ss100000 100010nn nnnddddd"  [CMGT]              VecBhsd         Next  compare_with_zero(Vec2::Cmgt);
    CMEQ_zero_vec       "0q001110 ss100000 100110nn nnnddddd"  [CMEQ]              VecBhsd         Next  compare_with_zero(Vec2::Cmeq);
    CMLT_zero_vec       "0q001110 ss100000 101010nn nnnddddd"  [CMLT]              VecBhsd         Next  compare_zero_with(Vec2::Cmgt);
    CMGE_zero_vec       "0q101110 ss100000 100010nn nnnddddd"  [CMGE]              VecBhsd         Next  compare_with_zero(Vec2::Cmge);
    CMLE_zero_vec       "0q101110 ss100000 100110nn nnnddddd"  [CMLE]              VecBhsd         Next  compare_zero_with(Vec2::Cmge);
    XTN_vec             "0q001110 ss100001 001010nn nnnddddd"  [XTN | XTN2]        NarrowBhs       Next  narrow(Vec1::Xtn);
    SQXTUN_vec          "0q101110 ss100001 001010nn nnnddddd"  [SQXTUN | SQXTUN2]  NarrowBhs       Next  narrow(Vec1::Sqxtun);
    SQXTN_vec           "0q001110 ss100001 010010nn nnnddddd"  [SQXTN | SQXTN2]    NarrowBhs       Next  narrow(Vec1::Sqxtn);
    UQXTN_vec           "0q101110 ss100001 010010nn nnnddddd"  [UQXTN | UQXTN2]    NarrowBhs       Next  narrow(Vec1::Uqxtn);
    SHLL_vec            "0q101110 ss100001 001110nn nnnddddd"  [SHLL | SHLL2]      LongBhs         Next  shll();

    // Two registers, floating point.
    FCVTN_vec           "0q001110 0s100001 011010nn nnnddddd"  [FCVTN | FCVTN2]    FpNarrow        Next  narrow(Vec1::Fcvtn);
    FCVTL_vec           "0q001110 0s100001 011110nn nnnddddd"  [FCVTL | FCVTL2]    FpLong          Next  widen(Vec1::Fcvtl);
    FCVTXN_vec          "0q101110 01100001 011010nn nnnddddd"  [FCVTXN | FCVTXN2]  FpNarrow        Next  narrow(Vec1::Fcvtxn);
    FRINTN_vec          "0q001110 0s100001 100010nn nnnddddd"  [FRINTN]            VecFp           Next  unary(Vec1::Frintn);
    FRINTM_vec          "0q001110 0s100001 100110nn nnnddddd"  [FRINTM]            VecFp           Next  unary(Vec1::Frintm);
    FRINTP_vec          "0q001110 1s100001 100010nn nnnddddd"  [FRINTP]            VecFp           Next  unary(Vec1::Frintp);
    FRINTZ_vec          "0q001110 1s100001 100110nn nnnddddd"  [FRINTZ]            VecFp           Next  unary(Vec1::Frintz);
    FRINTA_vec          "0q101110 0s100001 100010nn nnnddddd"  [FRINTA]            VecFp           Next  unary(Vec1::Frinta);
    FRINTX_vec          "0q101110 0s100001 100110nn nnnddddd"  [FRINTX]            VecFp           Next  unary(Vec1::Frintx);
    FRINTI_vec          "0q101110 1s100001 100110nn nnnddddd"  [FRINTI]            VecFp           Next  unary(Vec1::Frinti);
    FABS_vec            "0q001110 1s100000 111110nn nnnddddd"  [FABS]              VecFp           Next  unary(Vec1::Fabs);
    FNEG_vec            "0q101110 1s100000 111110nn nnnddddd"  [FNEG]              VecFp           Next  unary(Vec1::Fneg);
    FSQRT_vec           "0q101110 1s100001 111110nn nnnddddd"  [FSQRT]             VecFp           Next  unary(Vec1::Fsqrt);
    FRECPE_vec          "0q001110 1s100001 110110nn nnnddddd"  [FRECPE]            VecFp           Next  unary(Vec1::Frecpe);
    FRSQRTE_vec         "0q101110 1s100001 110110nn nnnddddd"  [FRSQRTE]           VecFp           Next  unary(Vec1::Frsqrte);
    FCVTNS_vec          "0q001110 0s100001 101010nn nnnddddd"  [FCVTNS]            VecFp           Next  fp_to_int(Rounding::N, true);
    FCVTMS_vec          "0q001110 0s100001 101110nn nnnddddd"  [FCVTMS]            VecFp           Next  fp_to_int(Rounding::M, true);
    FCVTAS_vec          "0q001110 0s100001 110010nn nnnddddd"  [FCVTAS]            VecFp           Next  fp_to_int(Rounding::A, true);
    FCVTPS_vec          "0q001110 1s100001 101010nn nnnddddd"  [FCVTPS]            VecFp           Next  fp_to_int(Rounding::P, true);
    FCVTZS_vec          "0q001110 1s100001 101110nn nnnddddd"  [FCVTZS]            VecFp           Next  fp_to_int(Rounding::Z, true);
    SCVTF_vec           "0q001110 0s100001 110110nn nnnddddd"  [SCVTF]             VecFp           Next  int_to_fp(true);
    FCVTNU_vec          "0q101110 0s100001 101010nn nnnddddd"  [FCVTNU]            VecFp           Next  fp_to_int(Rounding::N, false);
    FCVTMU_vec          "0q101110 0s100001 101110nn nnnddddd"  [FCVTMU]            VecFp           Next  fp_to_int(Rounding::M, false);
    FCVTAU_vec          "0q101110 0s100001 110010nn nnnddddd"  [FCVTAU]            VecFp           Next  fp_to_int(Rounding::A, false);
    FCVTPU_vec          "0q101110 1s100001 101010nn nnnddddd"  [FCVTPU]            VecFp           Next  fp_to_int(Rounding::P, false);
    FCVTZU_vec          "0q101110 1s100001 101110nn nnnddddd"  [FCVTZU]            VecFp           Next  fp_to_int(Rounding::Z, false);
    UCVTF_vec           "0q101110 0s100001 110110nn nnnddddd"  [UCVTF]             VecFp           Next  int_to_fp(false);
    FCMGT_zero_vec      "0q001110 1s100000 110010nn nnnddddd"  [FCMGT]             VecFp           Next  compare_with_zero(Vec2::Fcmgt);
    FCMEQ_zero_vec      "0q001110 1s100000 110110nn nnnddddd"  [FCMEQ]             VecFp           Next  compare_with_zero(Vec2::Fcmeq);
    FCMLT_zero_vec      "0q001110 1s100000 111010nn nnnddddd"  [FCMLT]             VecFp           Next  compare_zero_with(Vec2::Fcmgt);
    FCMGE_zero_vec      "0q101110 1s100000 110010nn nnnddddd"  [FCMGE]             VecFp           Next  compare_with_zero(Vec2::Fcmge);
    FCMLE_zero_vec      "0q101110 1s100000 110110nn nnnddddd"  [FCMLE]             VecFp           Next  compare_zero_with(Vec2::Fcmge);

    // Two registers, scalars.
    SQABS_scalar        "01011110 ss100000 011110nn nnnddddd"  [SQABS]             ScalarBhsd      Next  unary(Vec1::Sqabs);
    SQNEG_scalar        "01111110 ss100000 011110nn nnnddddd"  [SQNEG]             ScalarBhsd      Next  unary(Vec1::Sqneg);
    ABS_scalar          "01011110 ss100000 101110nn nnnddddd"  [ABS]               ScalarD         Next  unary(Vec1::Abs);
    NEG_scalar          "01111110 ss100000 101110nn nnnddddd"  [NEG]               ScalarD         Next  unary(Vec1::Neg);
    SUQADD_scalar       "01011110 ss100000 001110nn nnnddddd"  [SUQADD]            ScalarBhsd      Next  binary_with_old(Vec2::Suqadd);
    USQADD_scalar       "01111110 ss100000 001110nn nnnddddd"  [USQADD]            ScalarBhsd      Next  binary_with_old(Vec2::Usqadd);
    CMGT_zero_scalar    "01011110 ss100000 100010nn nnnddddd"  [CMGT]              ScalarD         Next  compare_with_zero(Vec2::Cmgt);
    CMEQ_zero_scalar    "01011110 ss100000 100110nn nnnddddd"  [CMEQ]              ScalarD         Next  compare_with_zero(Vec2::Cmeq);
    CMLT_zero_scalar    "01011110 ss100000 101010nn nnnddddd"  [CMLT]              ScalarD         Next  compare_zero_with(Vec2::Cmgt);
    CMGE_zero_scalar    "01111110 ss100000 100010nn nnnddddd"  [CMGE]              ScalarD         Next  compare_with_zero(Vec2::Cmge);
    CMLE_zero_scalar    "01111110 ss100000 100110nn nnnddddd"  [CMLE]              ScalarD         Next  compare_zero_with(Vec2::Cmge);
    SQXTUN_scalar       "01111110 ss100001 001010nn nnnddddd"  [SQXTUN]            NarrowScalar    Next  narrow(Vec1::Sqxtun);
    SQXTN_scalar        "01011110 ss100001 010010nn nnnddddd"  [SQXTN]             NarrowScalar    Next  narrow(Vec1::Sqxtn);
    UQXTN_scalar        "01111110 ss100001 010010nn nnnddddd"  [UQXTN]             NarrowScalar    Next  narrow(Vec1::Uqxtn);
    FCVTXN_scalar       "01111110 01100001 011010nn nnnddddd"  [FCVTXN]            FpNarrowScalar  Next  narrow(Vec1::Fcvtxn);
    FRECPE_scalar       "01011110 1s100001 110110nn nnnddddd"  [FRECPE]            ScalarFp        Next  unary(Vec1::Frecpe);
    FRSQRTE_scalar      "01111110 1s100001 110110nn nnnddddd"  [FRSQRTE]           ScalarFp        Next  unary(Vec1::Frsqrte);
    FRECPX_scalar       "01011110 1s100001 111110nn nnnddddd"  [FRECPX]            ScalarFp        Next  unary(Vec1::Frecpx);
    FCVTNS_simd_scalar  "01011110 0s100001 101010nn nnnddddd"  [FCVTNS]            ScalarFp        Next  fp_to_int(Rounding::N, true);
    FCVTMS_simd_scalar  "01011110 0s100001 101110nn nnnddddd"  [FCVTMS]            ScalarFp        Next  fp_to_int(Rounding::M, true);
    FCVTAS_simd_scalar  "01011110 0s100001 110010nn nnnddddd"  [FCVTAS]            ScalarFp        Next  fp_to_int(Rounding::A, true);
    FCVTPS_simd_scalar  "01011110 1s100001 101010nn nnnddddd"  [FCVTPS]            ScalarFp        Next  fp_to_int(Rounding::P, true);
    FCVTZS_simd_scalar  "01011110 1s100001 101110nn nnnddddd"  [FCVTZS]            ScalarFp        Next  fp_to_int(Rounding::Z, true);
    SCVTF_simd_scalar   "01011110 0s100001 110110nn nnnddddd"  [SCVTF]             ScalarFp        Next  int_to_fp(true);
    FCVTNU_simd_scalar  "01111110 0s100001 101010nn nnnddddd"  [FCVTNU]            ScalarFp        Next  fp_to_int(Rounding::N, false);
    FCVTMU_simd_scalar  "01111110 0s100001 101110nn nnnddddd"  [FCVTMU]            ScalarFp        Next  fp_to_int(Rounding::M, false);
    FCVTAU_simd_scalar  "01111110 0s100001 110010nn nnnddddd"  [FCVTAU]            ScalarFp        Next  fp_to_int(Rounding::A, false);
    FCVTPU_simd_scalar  "01111110 1s100001 101010nn nnnddddd"  [FCVTPU]            ScalarFp        Next  fp_to_int(Rounding::P, false);
    FCVTZU_simd_scalar  "01111110 1s100001 101110nn nnnddddd"  [FCVTZU]            ScalarFp        Next  fp_to_int(Rounding::Z, false);
    UCVTF_simd_scalar   "01111110 0s100001 110110nn nnnddddd"  [UCVTF]             ScalarFp        Next  int_to_fp(false);
    FCMGT_zero_scalar   "01011110 1s100000 110010nn nnnddddd"  [FCMGT]             ScalarFp        Next  compare_with_zero(Vec2::Fcmgt);
    FCMEQ_zero_scalar   "01011110 1s100000 110110nn nnnddddd"  [FCMEQ]             ScalarFp        Next  compare_with_zero(Vec2::Fcmeq);
    FCMLT_zero_scalar   "01011110 1s100000 111010nn nnnddddd"  [FCMLT]             ScalarFp        Next  compare_zero_with(Vec2::Fcmgt);
    FCMGE_zero_scalar   "01111110 1s100000 110010nn nnnddddd"  [FCMGE]             ScalarFp        Next  compare_with_zero(Vec2::Fcmge);
    FCMLE_zero_scalar   "01111110 1s100000 110110nn nnnddddd"  [FCMLE]             ScalarFp        Next  compare_zero_with(Vec2::Fcmge);

    // Across lanes.
    SADDLV_vec          "0q001110 ss110000 001110nn nnnddddd"  [SADDLV]            AcrossBhs       Next  unary(Vec1::Saddlv);
    SMAXV_vec           "0q001110 ss110000 101010nn nnnddddd"  [SMAXV]             AcrossBhs       Next  unary(Vec1::Smaxv);
    SMINV_vec           "0q001110 ss110001 101010nn nnnddddd"  [SMINV]             AcrossBhs       Next  unary(Vec1::Sminv);
    ADDV_vec            "0q001110 ss110001 101110nn nnnddddd"  [ADDV]              AcrossBhs       Next  unary(Vec1::Addv);
    UADDLV_vec          "0q101110 ss110000 001110nn nnnddddd"  [UADDLV]            AcrossBhs       Next  unary(Vec1::Uaddlv);
    UMAXV_vec           "0q101110 ss110000 101010nn nnnddddd"  [UMAXV]             AcrossBhs       Next  unary(Vec1::Umaxv);
    UMINV_vec           "0q101110 ss110001 101010nn nnnddddd"  [UMINV]             AcrossBhs       Next  unary(Vec1::Uminv);
    FMAXNMV_vec         "01101110 00110000 110010nn nnnddddd"  [FMAXNMV]           VecS            Next  unary(Vec1::Fmaxnmv);
    FMINNMV_vec         "01101110 10110000 110010nn nnnddddd"  [FMINNMV]           VecS            Next  unary(Vec1::Fminnmv);
    FMAXV_vec           "01101110 00110000 111110nn nnnddddd"  [FMAXV]             VecS            Next  unary(Vec1::Fmaxv);
    FMINV_vec           "01101110 10110000 111110nn nnnddddd"  [FMINV]             VecS            Next  unary(Vec1::Fminv);

    // Pairs to scalars.
    ADDP_scalar         "01011110 11110001 101110nn nnnddddd"  [ADDP]              ScalarD         Next  scalar_pair(Vec2::Add);
    FMAXNMP_scalar      "01111110 0s110000 110010nn nnnddddd"  [FMAXNMP]           ScalarFp        Next  scalar_pair(Vec2::Fmaxnm);
    FMINNMP_scalar      "01111110 1s110000 110010nn nnnddddd"  [FMINNMP]           ScalarFp        Next  scalar_pair(Vec2::Fminnm);
    FADDP_scalar        "01111110 0s110000 110110nn nnnddddd"  [FADDP]             ScalarFp        Next  scalar_pair(Vec2::Fadd);
    FMAXP_scalar        "01111110 0s110000 111110nn nnnddddd"  [FMAXP]             ScalarFp        Next  scalar_pair(Vec2::Fmax);
    FMINP_scalar        "01111110 1s110000 111110nn nnnddddd"  [FMINP]             ScalarFp        Next  scalar_pair(Vec2::Fmin);
}
