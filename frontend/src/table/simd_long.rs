//! Advanced SIMD: three registers of different types (long, wide, narrowing), and by element.

use super::instruction_class;
use crate::lift::simd::*;
use ir::{Vec1, Vec2, Vec3};

instruction_class! { SimdLong;
    // Three registers of different types.
    SADDL_vec             "0q001110 ss1mmmmm 000000nn nnnddddd"  [SADDL | SADDL2]      LongBhs       Next  extend_both(Vec1::Sxtl, Vec2::Add);
    SADDW_vec             "0q001110 ss1mmmmm 000100nn nnnddddd"  [SADDW | SADDW2]      LongBhs       Next  extend_second(Vec1::Sxtl, Vec2::Add);
    SSUBL_vec             "0q001110 ss1mmmmm 001000nn nnnddddd"  [SSUBL | SSUBL2]      LongBhs       Next  extend_both(Vec1::Sxtl, Vec2::Sub);
    SSUBW_vec             "0q001110 ss1mmmmm 001100nn nnnddddd"  [SSUBW | SSUBW2]      LongBhs       Next  extend_second(Vec1::Sxtl, Vec2::Sub);
    SABAL_vec             "0q001110 ss1mmmmm 010100nn nnnddddd"  [SABAL | SABAL2]      LongBhs       Next  long_accumulate(Vec2::Sabdl, Vec2::Add);
    SABDL_vec             "0q001110 ss1mmmmm 011100nn nnnddddd"  [SABDL | SABDL2]      LongBhs       Next  long(Vec2::Sabdl);
    SMLAL_vec             "0q001110 ss1mmmmm 100000nn nnnddddd"  [SMLAL | SMLAL2]      LongBhs       Next  long_accumulate(Vec2::Smull, Vec2::Add);
    SMLSL_vec             "0q001110 ss1mmmmm 101000nn nnnddddd"  [SMLSL | SMLSL2]      LongBhs       Next  long_accumulate(Vec2::Smull, Vec2::Sub);
    SMULL_vec             "0q001110 ss1mmmmm 110000nn nnnddddd"  [SMULL | SMULL2]      LongBhs       Next  long(Vec2::Smull);
    UADDL_vec             "0q101110 ss1mmmmm 000000nn nnnddddd"  [UADDL | UADDL2]      LongBhs       Next  extend_both(Vec1::Uxtl, Vec2::Add);
    UADDW_vec             "0q101110 ss1mmmmm 000100nn nnnddddd"  [UADDW | UADDW2]      LongBhs       Next  extend_second(Vec1::Uxtl, Vec2::Add);
    USUBL_vec             "0q101110 ss1mmmmm 001000nn nnnddddd"  [USUBL | USUBL2]      LongBhs       Next  extend_both(Vec1::Uxtl, Vec2::Sub);
    USUBW_vec             "0q101110 ss1mmmmm 001100nn nnnddddd"  [USUBW | USUBW2]      LongBhs       Next  extend_second(Vec1::Uxtl, Vec2::Sub);
    UABAL_vec             "0q101110 ss1mmmmm 010100nn nnnddddd"  [UABAL | UABAL2]      LongBhs       Next  long_accumulate(Vec2::Uabdl, Vec2::Add);
    UABDL_vec             "0q101110 ss1mmmmm 011100nn nnnddddd"  [UABDL | UABDL2]      LongBhs       Next  long(Vec2::Uabdl);
    UMLAL_vec             "0q101110 ss1mmmmm 100000nn nnnddddd"  [UMLAL | UMLAL2]      LongBhs       Next  long_accumulate(Vec2::Umull, Vec2::Add);
    UMLSL_vec             "0q101110 ss1mmmmm 101000nn nnnddddd"  [UMLSL | UMLSL2]      LongBhs       Next  long_accumulate(Vec2::Umull, Vec2::Sub);
    UMULL_vec             "0q101110 ss1mmmmm 110000nn nnnddddd"  [UMULL | UMULL2]      LongBhs       Next  long(Vec2::Umull);
    SQDMLAL_vec           "0q001110 ss1mmmmm 100100nn nnnddddd"  [SQDMLAL | SQDMLAL2]  LongHs        Next  long_accumulate(Vec2::Sqdmull, Vec2::Sqadd);
    SQDMLSL_vec           "0q001110 ss1mmmmm 101100nn nnnddddd"  [SQDMLSL | SQDMLSL2]  LongHs        Next  long_accumulate(Vec2::Sqdmull, Vec2::Sqsub);
    SQDMULL_vec           "0q001110 ss1mmmmm 110100nn nnnddddd"  [SQDMULL | SQDMULL2]  LongHs        Next  long(Vec2::Sqdmull);
    PMULL_vec             "0q001110 ss1mmmmm 111000nn nnnddddd"  [PMULL | PMULL2]      LongBd        Next  long(Vec2::Pmull);
    ADDHN_vec             "0q001110 ss1mmmmm 010000nn nnnddddd"  [ADDHN | ADDHN2]      NarrowBhs     Next  narrow_binary(Vec2::Addhn);
    SUBHN_vec             "0q001110 ss1mmmmm 011000nn nnnddddd"  [SUBHN | SUBHN2]      NarrowBhs     Next  narrow_binary(Vec2::Subhn);
    RADDHN_vec            "0q101110 ss1mmmmm 010000nn nnnddddd"  [RADDHN | RADDHN2]    NarrowBhs     Next  narrow_binary(Vec2::Raddhn);
    RSUBHN_vec            "0q101110 ss1mmmmm 011000nn nnnddddd"  [RSUBHN | RSUBHN2]    NarrowBhs     Next  narrow_binary(Vec2::Rsubhn);
    SQDMLAL_scalar        "01011110 ss1mmmmm 100100nn nnnddddd"  [SQDMLAL]             ScalarHs      Next  long_accumulate(Vec2::Sqdmull, Vec2::Sqadd);
    SQDMLSL_scalar        "01011110 ss1mmmmm 101100nn nnnddddd"  [SQDMLSL]             ScalarHs      Next  long_accumulate(Vec2::Sqdmull, Vec2::Sqsub);
    SQDMULL_scalar        "01011110 ss1mmmmm 110100nn nnnddddd"  [SQDMULL]             ScalarHs      Next  long(Vec2::Sqdmull);

    // By element.
    SMLAL_elem            "0q001111 sslmmmmm 0010h0nn nnnddddd"  [SMLAL | SMLAL2]      ElemLong      Next  elem_long_accumulate(Vec2::Smull, Vec2::Add);
    SMLSL_elem            "0q001111 sslmmmmm 0110h0nn nnnddddd"  [SMLSL | SMLSL2]      ElemLong      Next  elem_long_accumulate(Vec2::Smull, Vec2::Sub);
    SMULL_elem            "0q001111 sslmmmmm 1010h0nn nnnddddd"  [SMULL | SMULL2]      ElemLong      Next  elem_long(Vec2::Smull);
    SDOT_elem             "0q001111 10lmmmmm 1110h0nn nnnddddd"  [SDOT]                ElemDot       Next  elem_ternary(Vec3::Sdot);
    UMLAL_elem            "0q101111 sslmmmmm 0010h0nn nnnddddd"  [UMLAL | UMLAL2]      ElemLong      Next  elem_long_accumulate(Vec2::Umull, Vec2::Add);
    UMLSL_elem            "0q101111 sslmmmmm 0110h0nn nnnddddd"  [UMLSL | UMLSL2]      ElemLong      Next  elem_long_accumulate(Vec2::Umull, Vec2::Sub);
    UMULL_elem            "0q101111 sslmmmmm 1010h0nn nnnddddd"  [UMULL | UMULL2]      ElemLong      Next  elem_long(Vec2::Umull);
    UDOT_elem             "0q101111 10lmmmmm 1110h0nn nnnddddd"  [UDOT]                ElemDot       Next  elem_ternary(Vec3::Udot);
    SQDMLAL_elem          "0q001111 sslmmmmm 0011h0nn nnnddddd"  [SQDMLAL | SQDMLAL2]  ElemLong      Next  elem_long_accumulate(Vec2::Sqdmull, Vec2::Sqadd);
    SQDMLSL_elem          "0q001111 sslmmmmm 0111h0nn nnnddddd"  [SQDMLSL | SQDMLSL2]  ElemLong      Next  elem_long_accumulate(Vec2::Sqdmull, Vec2::Sqsub);
    SQDMULL_elem          "0q001111 sslmmmmm 1011h0nn nnnddddd"  [SQDMULL | SQDMULL2]  ElemLong      Next  elem_long(Vec2::Sqdmull);
    SQDMLAL_elem_scalar   "01011111 sslmmmmm 0011h0nn nnnddddd"  [SQDMLAL]             ElemScalar    Next  elem_long_accumulate(Vec2::Sqdmull, Vec2::Sqadd);
    SQDMLSL_elem_scalar   "01011111 sslmmmmm 0111h0nn nnnddddd"  [SQDMLSL]             ElemScalar    Next  elem_long_accumulate(Vec2::Sqdmull, Vec2::Sqsub);
    SQDMULL_elem_scalar   "01011111 sslmmmmm 1011h0nn nnnddddd"  [SQDMULL]             ElemScalar    Next  elem_long(Vec2::Sqdmull);
    MUL_elem              "0q001111 sslmmmmm 1000h0nn nnnddddd"  [MUL]                 ElemHs        Next  elem_binary(Vec2::Mul);
    MLA_elem              "0q101111 sslmmmmm 0000h0nn nnnddddd"  [MLA]                 ElemHs        Next  elem_ternary(Vec3::Mla);
    MLS_elem              "0q101111 sslmmmmm 0100h0nn nnnddddd"  [MLS]                 ElemHs        Next  elem_ternary(Vec3::Mls);
    SQDMULH_elem          "0q001111 sslmmmmm 1100h0nn nnnddddd"  [SQDMULH]             ElemHs        Next  elem_binary(Vec2::Sqdmulh);
    SQRDMULH_elem         "0q001111 sslmmmmm 1101h0nn nnnddddd"  [SQRDMULH]            ElemHs        Next  elem_binary(Vec2::Sqrdmulh);
    SQRDMLAH_elem         "0q101111 sslmmmmm 1101h0nn nnnddddd"  [SQRDMLAH]            ElemHs        Next  elem_ternary(Vec3::Sqrdmlah);
    SQRDMLSH_elem         "0q101111 sslmmmmm 1111h0nn nnnddddd"  [SQRDMLSH]            ElemHs        Next  elem_ternary(Vec3::Sqrdmlsh);
    SQDMULH_elem_scalar   "01011111 sslmmmmm 1100h0nn nnnddddd"  [SQDMULH]             ElemScalar    Next  elem_binary(Vec2::Sqdmulh);
    SQRDMULH_elem_scalar  "01011111 sslmmmmm 1101h0nn nnnddddd"  [SQRDMULH]            ElemScalar    Next  elem_binary(Vec2::Sqrdmulh);
    SQRDMLAH_elem_scalar  "01111111 sslmmmmm 1101h0nn nnnddddd"  [SQRDMLAH]            ElemScalar    Next  elem_ternary(Vec3::Sqrdmlah);
    SQRDMLSH_elem_scalar  "01111111 sslmmmmm 1111h0nn nnnddddd"  [SQRDMLSH]            ElemScalar    Next  elem_ternary(Vec3::Sqrdmlsh);
    FMLA_elem             "0q001111 1slmmmmm 0001h0nn nnnddddd"  [FMLA]                ElemFp        Next  elem_ternary(Vec3::Fmla);
    FMLS_elem             "0q001111 1slmmmmm 0101h0nn nnnddddd"  [FMLS]                ElemFp        Next  elem_fmls();
    FMUL_elem             "0q001111 1slmmmmm 1001h0nn nnnddddd"  [FMUL]                ElemFp        Next  elem_binary(Vec2::Fmul);
    FMULX_elem            "0q101111 1slmmmmm 1001h0nn nnnddddd"  [FMULX]               ElemFp        Next  elem_binary(Vec2::Fmulx);
    FMLA_elem_scalar      "01011111 1slmmmmm 0001h0nn nnnddddd"  [FMLA]                ElemScalarFp  Next  elem_ternary(Vec3::Fmla);
    FMLS_elem_scalar      "01011111 1slmmmmm 0101h0nn nnnddddd"  [FMLS]                ElemScalarFp  Next  elem_fmls();
    FMUL_elem_scalar      "01011111 1slmmmmm 1001h0nn nnnddddd"  [FMUL]                ElemScalarFp  Next  elem_binary(Vec2::Fmul);
    FMULX_elem_scalar     "01111111 1slmmmmm 1001h0nn nnnddddd"  [FMULX]               ElemScalarFp  Next  elem_binary(Vec2::Fmulx);
}
