//! Scalar floating point.

use super::instruction_class;
use crate::lift::fp::*;
use ir::{Fp1, Fp2, Rounding};

instruction_class! { Fp;
    FMOV_reg      "00011110 tt100000 010000nn nnnddddd" [FMOV]     FpUnary        Next  fmov();
    FMOV_imm      "00011110 tt1iiiii iii10000 000ddddd" [FMOV]     FpImm          Next  fmov_imm();
    FMOV_w_s      "00011110 00100110 000000nn nnnddddd" [FMOV]     FpToGeneral    Next  fmov_to_general();
    FMOV_x_d      "10011110 01100110 000000nn nnnddddd" [FMOV]     FpToGeneral    Next  fmov_to_general();
    FMOV_s_w      "00011110 00100111 000000nn nnnddddd" [FMOV]     GeneralToFp    Next  fmov_from_general();
    FMOV_d_x      "10011110 01100111 000000nn nnnddddd" [FMOV]     GeneralToFp    Next  fmov_from_general();
    FMOV_x_top    "10011110 10101110 000000nn nnnddddd" [FMOV]     TopToGeneral   Next  fmov_top_to_general();
    FMOV_top_x    "10011110 10101111 000000nn nnnddddd" [FMOV]     GeneralToTop   Next  fmov_top_from_general();

    FABS          "00011110 tt100000 110000nn nnnddddd" [FABS]     FpUnary        Next  unary(Fp1::Fabs);
    FNEG          "00011110 tt100001 010000nn nnnddddd" [FNEG]     FpUnary        Next  unary(Fp1::Fneg);
    FSQRT         "00011110 tt100001 110000nn nnnddddd" [FSQRT]    FpUnary        Next  unary(Fp1::Fsqrt);
    FRINTN        "00011110 tt100100 010000nn nnnddddd" [FRINTN]   FpUnary        Next  unary(Fp1::Frintn);
    FRINTP        "00011110 tt100100 110000nn nnnddddd" [FRINTP]   FpUnary        Next  unary(Fp1::Frintp);
    FRINTM        "00011110 tt100101 010000nn nnnddddd" [FRINTM]   FpUnary        Next  unary(Fp1::Frintm);
    FRINTZ        "00011110 tt100101 110000nn nnnddddd" [FRINTZ]   FpUnary        Next  unary(Fp1::Frintz);
    FRINTA        "00011110 tt100110 010000nn nnnddddd" [FRINTA]   FpUnary        Next  unary(Fp1::Frinta);
    FRINTX        "00011110 tt100111 010000nn nnnddddd" [FRINTX]   FpUnary        Next  unary(Fp1::Frintx);
    FRINTI        "00011110 tt100111 110000nn nnnddddd" [FRINTI]   FpUnary        Next  unary(Fp1::Frinti);
    FCVT          "00011110 tt10001o o10000nn nnnddddd" [FCVT]     FpConvert      Next  fcvt();

    FMUL          "00011110 tt1mmmmm 000010nn nnnddddd" [FMUL]     FpBinary       Next  binary(Fp2::Fmul);
    FDIV          "00011110 tt1mmmmm 000110nn nnnddddd" [FDIV]     FpBinary       Next  binary(Fp2::Fdiv);
    FADD          "00011110 tt1mmmmm 001010nn nnnddddd" [FADD]     FpBinary       Next  binary(Fp2::Fadd);
    FSUB          "00011110 tt1mmmmm 001110nn nnnddddd" [FSUB]     FpBinary       Next  binary(Fp2::Fsub);
    FMAX          "00011110 tt1mmmmm 010010nn nnnddddd" [FMAX]     FpBinary       Next  binary(Fp2::Fmax);
    FMIN          "00011110 tt1mmmmm 010110nn nnnddddd" [FMIN]     FpBinary       Next  binary(Fp2::Fmin);
    FMAXNM        "00011110 tt1mmmmm 011010nn nnnddddd" [FMAXNM]   FpBinary       Next  binary(Fp2::Fmaxnm);
    FMINNM        "00011110 tt1mmmmm 011110nn nnnddddd" [FMINNM]   FpBinary       Next  binary(Fp2::Fminnm);
    FNMUL         "00011110 tt1mmmmm 100010nn nnnddddd" [FNMUL]    FpBinary       Next  binary(Fp2::Fnmul);

    FMADD         "00011111 tt0mmmmm 0aaaaann nnnddddd" [FMADD]    FpTernary      Next  mul_add(false, false);
    FMSUB         "00011111 tt0mmmmm 1aaaaann nnnddddd" [FMSUB]    FpTernary      Next  mul_add(false, true);
    FNMADD        "00011111 tt1mmmmm 0aaaaann nnnddddd" [FNMADD]   FpTernary      Next  mul_add(true, true);
    FNMSUB        "00011111 tt1mmmmm 1aaaaann nnnddddd" [FNMSUB]   FpTernary      Next  mul_add(true, false);

    // With zero, Rm should be zero; processors ignore it.
    FCMP          "00011110 tt1mmmmm 001000nn nnn00000" [FCMP]     FpBinary       Next  fcmp(false);
    FCMP_zero     "00011110 tt1mmmmm 001000nn nnn01000" [FCMP]     FpUnary        Next  fcmp_zero(false);
    FCMPE         "00011110 tt1mmmmm 001000nn nnn10000" [FCMPE]    FpBinary       Next  fcmp(true);
    FCMPE_zero    "00011110 tt1mmmmm 001000nn nnn11000" [FCMPE]    FpUnary        Next  fcmp_zero(true);
    FCCMP         "00011110 tt1mmmmm cccc01nn nnn0vvvv" [FCCMP]    FpCondCompare  Next  fccmp(false);
    FCCMPE        "00011110 tt1mmmmm cccc01nn nnn1vvvv" [FCCMPE]   FpCondCompare  Next  fccmp(true);
    FCSEL         "00011110 tt1mmmmm cccc11nn nnnddddd" [FCSEL]    FpSelect       Next  fcsel();

    FCVTNS        "s0011110 tt100000 000000nn nnnddddd" [FCVTNS]   FpToGeneral    Next  fcvt_to_int(Rounding::N, true);
    FCVTNU        "s0011110 tt100001 000000nn nnnddddd" [FCVTNU]   FpToGeneral    Next  fcvt_to_int(Rounding::N, false);
    FCVTAS        "s0011110 tt100100 000000nn nnnddddd" [FCVTAS]   FpToGeneral    Next  fcvt_to_int(Rounding::A, true);
    FCVTAU        "s0011110 tt100101 000000nn nnnddddd" [FCVTAU]   FpToGeneral    Next  fcvt_to_int(Rounding::A, false);
    FCVTPS        "s0011110 tt101000 000000nn nnnddddd" [FCVTPS]   FpToGeneral    Next  fcvt_to_int(Rounding::P, true);
    FCVTPU        "s0011110 tt101001 000000nn nnnddddd" [FCVTPU]   FpToGeneral    Next  fcvt_to_int(Rounding::P, false);
    FCVTMS        "s0011110 tt110000 000000nn nnnddddd" [FCVTMS]   FpToGeneral    Next  fcvt_to_int(Rounding::M, true);
    FCVTMU        "s0011110 tt110001 000000nn nnnddddd" [FCVTMU]   FpToGeneral    Next  fcvt_to_int(Rounding::M, false);
    FCVTZS        "s0011110 tt111000 000000nn nnnddddd" [FCVTZS]   FpToGeneral    Next  fcvt_to_int(Rounding::Z, true);
    FCVTZU        "s0011110 tt111001 000000nn nnnddddd" [FCVTZU]   FpToGeneral    Next  fcvt_to_int(Rounding::Z, false);
    FCVTZS_fixed  "s0011110 tt011000 ffffffnn nnnddddd" [FCVTZS]   FpToGeneral    Next  fcvt_to_int(Rounding::Z, true);
    FCVTZU_fixed  "s0011110 tt011001 ffffffnn nnnddddd" [FCVTZU]   FpToGeneral    Next  fcvt_to_int(Rounding::Z, false);
    SCVTF         "s0011110 tt100010 000000nn nnnddddd" [SCVTF]    GeneralToFp    Next  cvtf(true);
    UCVTF         "s0011110 tt100011 000000nn nnnddddd" [UCVTF]    GeneralToFp    Next  cvtf(false);
    SCVTF_fixed   "s0011110 tt000010 ffffffnn nnnddddd" [SCVTF]    GeneralToFp    Next  cvtf(true);
    UCVTF_fixed   "s0011110 tt000011 ffffffnn nnnddddd" [UCVTF]    GeneralToFp    Next  cvtf(false);
    FJCVTZS       "00011110 01111110 000000nn nnnddddd" [FJCVTZS]  FpToGeneral    Next  fjcvtzs();
}
