//! Advanced SIMD: three registers of the same type, vectors and scalars.

use super::instruction_class;
use crate::lift::simd::*;
use ir::{Vec2, Vec3};

instruction_class! { SimdThree;
    // Three registers of the same type.
    SHADD_vec          "0q001110 ss1mmmmm 000001nn nnnddddd"  [SHADD]     VecBhs      Next  binary(Vec2::Shadd);
    SQADD_vec          "0q001110 ss1mmmmm 000011nn nnnddddd"  [SQADD]     VecBhsd     Next  binary(Vec2::Sqadd);
    SRHADD_vec         "0q001110 ss1mmmmm 000101nn nnnddddd"  [SRHADD]    VecBhs      Next  binary(Vec2::Srhadd);
    SHSUB_vec          "0q001110 ss1mmmmm 001001nn nnnddddd"  [SHSUB]     VecBhs      Next  binary(Vec2::Shsub);
    SQSUB_vec          "0q001110 ss1mmmmm 001011nn nnnddddd"  [SQSUB]     VecBhsd     Next  binary(Vec2::Sqsub);
    CMGT_reg_vec       "0q001110 ss1mmmmm 001101nn nnnddddd"  [CMGT]      VecBhsd     Next  binary(Vec2::Cmgt);
    CMGE_reg_vec       "0q001110 ss1mmmmm 001111nn nnnddddd"  [CMGE]      VecBhsd     Next  binary(Vec2::Cmge);
    SSHL_reg_vec       "0q001110 ss1mmmmm 010001nn nnnddddd"  [SSHL]      VecBhsd     Next  binary(Vec2::Sshl);
    SQSHL_reg_vec      "0q001110 ss1mmmmm 010011nn nnnddddd"  [SQSHL]     VecBhsd     Next  binary(Vec2::Sqshl);
    SRSHL_reg_vec      "0q001110 ss1mmmmm 010101nn nnnddddd"  [SRSHL]     VecBhsd     Next  binary(Vec2::Srshl);
    SQRSHL_reg_vec     "0q001110 ss1mmmmm 010111nn nnnddddd"  [SQRSHL]    VecBhsd     Next  binary(Vec2::Sqrshl);
    SMAX_vec           "0q001110 ss1mmmmm 011001nn nnnddddd"  [SMAX]      VecBhs      Next  binary(Vec2::Smax);
    SMIN_vec           "0q001110 ss1mmmmm 011011nn nnnddddd"  [SMIN]      VecBhs      Next  binary(Vec2::Smin);
    SABD_vec           "0q001110 ss1mmmmm 011101nn nnnddddd"  [SABD]      VecBhs      Next  binary(Vec2::Sabd);
    SABA_vec           "0q001110 ss1mmmmm 011111nn nnnddddd"  [SABA]      VecBhs      Next  binary_accumulate(Vec2::Sabd);
    ADD_vec            "0q001110 ss1mmmmm 100001nn nnnddddd"  [ADD]       VecBhsd     Next  binary(Vec2::Add);
    CMTST_reg_vec      "0q001110 ss1mmmmm 100011nn nnnddddd"  [CMTST]     VecBhsd     Next  binary(Vec2::Cmtst);
    MLA_vec            "0q001110 ss1mmmmm 100101nn nnnddddd"  [MLA]       VecBhs      Next  ternary(Vec3::Mla);
    MUL_vec            "0q001110 ss1mmmmm 100111nn nnnddddd"  [MUL]       VecBhs      Next  binary(Vec2::Mul);
    SMAXP_vec          "0q001110 ss1mmmmm 101001nn nnnddddd"  [SMAXP]     VecBhs      Next  binary(Vec2::Smaxp);
    SMINP_vec          "0q001110 ss1mmmmm 101011nn nnnddddd"  [SMINP]     VecBhs      Next  binary(Vec2::Sminp);
    SQDMULH_vec        "0q001110 ss1mmmmm 101101nn nnnddddd"  [SQDMULH]   VecHs       Next  binary(Vec2::Sqdmulh);
    ADDP_vec           "0q001110 ss1mmmmm 101111nn nnnddddd"  [ADDP]      VecBhsd     Next  binary(Vec2::Addp);
    UHADD_vec          "0q101110 ss1mmmmm 000001nn nnnddddd"  [UHADD]     VecBhs      Next  binary(Vec2::Uhadd);
    UQADD_vec          "0q101110 ss1mmmmm 000011nn nnnddddd"  [UQADD]     VecBhsd     Next  binary(Vec2::Uqadd);
    URHADD_vec         "0q101110 ss1mmmmm 000101nn nnnddddd"  [URHADD]    VecBhs      Next  binary(Vec2::Urhadd);
    UHSUB_vec          "0q101110 ss1mmmmm 001001nn nnnddddd"  [UHSUB]     VecBhs      Next  binary(Vec2::Uhsub);
    UQSUB_vec          "0q101110 ss1mmmmm 001011nn nnnddddd"  [UQSUB]     VecBhsd     Next  binary(Vec2::Uqsub);
    CMHI_reg_vec       "0q101110 ss1mmmmm 001101nn nnnddddd"  [CMHI]      VecBhsd     Next  binary(Vec2::Cmhi);
    CMHS_reg_vec       "0q101110 ss1mmmmm 001111nn nnnddddd"  [CMHS]      VecBhsd     Next  binary(Vec2::Cmhs);
    USHL_reg_vec       "0q101110 ss1mmmmm 010001nn nnnddddd"  [USHL]      VecBhsd     Next  binary(Vec2::Ushl);
    UQSHL_reg_vec      "0q101110 ss1mmmmm 010011nn nnnddddd"  [UQSHL]     VecBhsd     Next  binary(Vec2::Uqshl);
    URSHL_reg_vec      "0q101110 ss1mmmmm 010101nn nnnddddd"  [URSHL]     VecBhsd     Next  binary(Vec2::Urshl);
    UQRSHL_reg_vec     "0q101110 ss1mmmmm 010111nn nnnddddd"  [UQRSHL]    VecBhsd     Next  binary(Vec2::Uqrshl);
    UMAX_vec           "0q101110 ss1mmmmm 011001nn nnnddddd"  [UMAX]      VecBhs      Next  binary(Vec2::Umax);
    UMIN_vec           "0q101110 ss1mmmmm 011011nn nnnddddd"  [UMIN]      VecBhs      Next  binary(Vec2::Umin);
    UABD_vec           "0q101110 ss1mmmmm 011101nn nnnddddd"  [UABD]      VecBhs      Next  binary(Vec2::Uabd);
    UABA_vec           "0q101110 ss1mmmmm 011111nn nnnddddd"  [UABA]      VecBhs      Next  binary_accumulate(Vec2::Uabd);
    SUB_vec            "0q101110 ss1mmmmm 100001nn nnnddddd"  [SUB]       VecBhsd     Next  binary(Vec2::Sub);
    CMEQ_reg_vec       "0q101110 ss1mmmmm 100011nn nnnddddd"  [CMEQ]      VecBhsd     Next  binary(Vec2::Cmeq);
    MLS_vec            "0q101110 ss1mmmmm 100101nn nnnddddd"  [MLS]       VecBhs      Next  ternary(Vec3::Mls);
    PMUL_vec           "0q101110 001mmmmm 100111nn nnnddddd"  [PMUL]      VecB        Next  binary(Vec2::Pmul);
    UMAXP_vec          "0q101110 ss1mmmmm 101001nn nnnddddd"  [UMAXP]     VecBhs      Next  binary(Vec2::Umaxp);
    UMINP_vec          "0q101110 ss1mmmmm 101011nn nnnddddd"  [UMINP]     VecBhs      Next  binary(Vec2::Uminp);
    SQRDMULH_vec       "0q101110 ss1mmmmm 101101nn nnnddddd"  [SQRDMULH]  VecHs       Next  binary(Vec2::Sqrdmulh);

    // Bitwise.
    AND_vec            "0q001110 001mmmmm 000111nn nnnddddd"  [AND]       VecB        Next  binary(Vec2::And);
    BIC_vec            "0q001110 011mmmmm 000111nn nnnddddd"  [BIC]       VecB        Next  binary(Vec2::Bic);
    ORR_vec            "0q001110 101mmmmm 000111nn nnnddddd"  [ORR]       VecB        Next  binary(Vec2::Orr);
    ORN_vec            "0q001110 111mmmmm 000111nn nnnddddd"  [ORN]       VecB        Next  binary(Vec2::Orn);
    EOR_vec            "0q101110 001mmmmm 000111nn nnnddddd"  [EOR]       VecB        Next  binary(Vec2::Eor);
    BSL_vec            "0q101110 011mmmmm 000111nn nnnddddd"  [BSL]       VecB        Next  ternary(Vec3::Bsl);
    BIT_vec            "0q101110 101mmmmm 000111nn nnnddddd"  [BIT]       VecB        Next  bit();
    BIF_vec            "0q101110 111mmmmm 000111nn nnnddddd"  [BIF]       VecB        Next  bif();

    // Floating point.
    FMAXNM_vec         "0q001110 0s1mmmmm 110001nn nnnddddd"  [FMAXNM]    VecFp       Next  binary(Vec2::Fmaxnm);
    FMINNM_vec         "0q001110 1s1mmmmm 110001nn nnnddddd"  [FMINNM]    VecFp       Next  binary(Vec2::Fminnm);
    FMLA_vec           "0q001110 0s1mmmmm 110011nn nnnddddd"  [FMLA]      VecFp       Next  ternary(Vec3::Fmla);
    FMLS_vec           "0q001110 1s1mmmmm 110011nn nnnddddd"  [FMLS]      VecFp       Next  fmls();
    FADD_vec           "0q001110 0s1mmmmm 110101nn nnnddddd"  [FADD]      VecFp       Next  binary(Vec2::Fadd);
    FSUB_vec           "0q001110 1s1mmmmm 110101nn nnnddddd"  [FSUB]      VecFp       Next  binary(Vec2::Fsub);
    FMULX_vec          "0q001110 0s1mmmmm 110111nn nnnddddd"  [FMULX]     VecFp       Next  binary(Vec2::Fmulx);
    FCMEQ_reg_vec      "0q001110 0s1mmmmm 111001nn nnnddddd"  [FCMEQ]     VecFp       Next  binary(Vec2::Fcmeq);
    FMAX_vec           "0q001110 0s1mmmmm 111101nn nnnddddd"  [FMAX]      VecFp       Next  binary(Vec2::Fmax);
    FMIN_vec           "0q001110 1s1mmmmm 111101nn nnnddddd"  [FMIN]      VecFp       Next  binary(Vec2::Fmin);
    FRECPS_vec         "0q001110 0s1mmmmm 111111nn nnnddddd"  [FRECPS]    VecFp       Next  binary(Vec2::Frecps);
    FRSQRTS_vec        "0q001110 1s1mmmmm 111111nn nnnddddd"  [FRSQRTS]   VecFp       Next  binary(Vec2::Frsqrts);
    FMAXNMP_vec        "0q101110 0s1mmmmm 110001nn nnnddddd"  [FMAXNMP]   VecFp       Next  binary(Vec2::Fmaxnmp);
    FMINNMP_vec        "0q101110 1s1mmmmm 110001nn nnnddddd"  [FMINNMP]   VecFp       Next  binary(Vec2::Fminnmp);
    FADDP_vec          "0q101110 0s1mmmmm 110101nn nnnddddd"  [FADDP]     VecFp       Next  binary(Vec2::Faddp);
    FABD_vec           "0q101110 1s1mmmmm 110101nn nnnddddd"  [FABD]      VecFp       Next  binary(Vec2::Fabd);
    FMUL_vec           "0q101110 0s1mmmmm 110111nn nnnddddd"  [FMUL]      VecFp       Next  binary(Vec2::Fmul);
    FCMGE_reg_vec      "0q101110 0s1mmmmm 111001nn nnnddddd"  [FCMGE]     VecFp       Next  binary(Vec2::Fcmge);
    FCMGT_reg_vec      "0q101110 1s1mmmmm 111001nn nnnddddd"  [FCMGT]     VecFp       Next  binary(Vec2::Fcmgt);
    FACGE_vec          "0q101110 0s1mmmmm 111011nn nnnddddd"  [FACGE]     VecFp       Next  binary(Vec2::Facge);
    FACGT_vec          "0q101110 1s1mmmmm 111011nn nnnddddd"  [FACGT]     VecFp       Next  binary(Vec2::Facgt);
    FMAXP_vec          "0q101110 0s1mmmmm 111101nn nnnddddd"  [FMAXP]     VecFp       Next  binary(Vec2::Fmaxp);
    FMINP_vec          "0q101110 1s1mmmmm 111101nn nnnddddd"  [FMINP]     VecFp       Next  binary(Vec2::Fminp);
    FDIV_vec           "0q101110 0s1mmmmm 111111nn nnnddddd"  [FDIV]      VecFp       Next  binary(Vec2::Fdiv);

    // Scalars.
    SQADD_scalar       "01011110 ss1mmmmm 000011nn nnnddddd"  [SQADD]     ScalarBhsd  Next  binary(Vec2::Sqadd);
    SQSUB_scalar       "01011110 ss1mmmmm 001011nn nnnddddd"  [SQSUB]     ScalarBhsd  Next  binary(Vec2::Sqsub);
    CMGT_reg_scalar    "01011110 ss1mmmmm 001101nn nnnddddd"  [CMGT]      ScalarD     Next  binary(Vec2::Cmgt);
    CMGE_reg_scalar    "01011110 ss1mmmmm 001111nn nnnddddd"  [CMGE]      ScalarD     Next  binary(Vec2::Cmge);
    SSHL_reg_scalar    "01011110 ss1mmmmm 010001nn nnnddddd"  [SSHL]      ScalarD     Next  binary(Vec2::Sshl);
    SQSHL_reg_scalar   "01011110 ss1mmmmm 010011nn nnnddddd"  [SQSHL]     ScalarBhsd  Next  binary(Vec2::Sqshl);
    SRSHL_reg_scalar   "01011110 ss1mmmmm 010101nn nnnddddd"  [SRSHL]     ScalarD     Next  binary(Vec2::Srshl);
    SQRSHL_reg_scalar  "01011110 ss1mmmmm 010111nn nnnddddd"  [SQRSHL]    ScalarBhsd  Next  binary(Vec2::Sqrshl);
    ADD_scalar         "01011110 ss1mmmmm 100001nn nnnddddd"  [ADD]       ScalarD     Next  binary(Vec2::Add);
    CMTST_reg_scalar   "01011110 ss1mmmmm 100011nn nnnddddd"  [CMTST]     ScalarD     Next  binary(Vec2::Cmtst);
    SQDMULH_scalar     "01011110 ss1mmmmm 101101nn nnnddddd"  [SQDMULH]   ScalarHs    Next  binary(Vec2::Sqdmulh);
    UQADD_scalar       "01111110 ss1mmmmm 000011nn nnnddddd"  [UQADD]     ScalarBhsd  Next  binary(Vec2::Uqadd);
    UQSUB_scalar       "01111110 ss1mmmmm 001011nn nnnddddd"  [UQSUB]     ScalarBhsd  Next  binary(Vec2::Uqsub);
    CMHI_reg_scalar    "01111110 ss1mmmmm 001101nn nnnddddd"  [CMHI]      ScalarD     Next  binary(Vec2::Cmhi);
    CMHS_reg_scalar    "01111110 ss1mmmmm 001111nn nnnddddd"  [CMHS]      ScalarD     Next  binary(Vec2::Cmhs);
    USHL_reg_scalar    "01111110 ss1mmmmm 010001nn nnnddddd"  [USHL]      ScalarD     Next  binary(Vec2::Ushl);
    UQSHL_reg_scalar   "01111110 ss1mmmmm 010011nn nnnddddd"  [UQSHL]     ScalarBhsd  Next  binary(Vec2::Uqshl);
    URSHL_reg_scalar   "01111110 ss1mmmmm 010101nn nnnddddd"  [URSHL]     ScalarD     Next  binary(Vec2::Urshl);
    UQRSHL_reg_scalar  "01111110 ss1mmmmm 010111nn nnnddddd"  [UQRSHL]    ScalarBhsd  Next  binary(Vec2::Uqrshl);
    SUB_scalar         "01111110 ss1mmmmm 100001nn nnnddddd"  [SUB]       ScalarD     Next  binary(Vec2::Sub);
    CMEQ_reg_scalar    "01111110 ss1mmmmm 100011nn nnnddddd"  [CMEQ]      ScalarD     Next  binary(Vec2::Cmeq);
    SQRDMULH_scalar    "01111110 ss1mmmmm 101101nn nnnddddd"  [SQRDMULH]  ScalarHs    Next  binary(Vec2::Sqrdmulh);
    FMULX_scalar       "01011110 0s1mmmmm 110111nn nnnddddd"  [FMULX]     ScalarFp    Next  binary(Vec2::Fmulx);
    FCMEQ_reg_scalar   "01011110 0s1mmmmm 111001nn nnnddddd"  [FCMEQ]     ScalarFp    Next  binary(Vec2::Fcmeq);
    FRECPS_scalar      "01011110 0s1mmmmm 111111nn nnnddddd"  [FRECPS]    ScalarFp    Next  binary(Vec2::Frecps);
    FRSQRTS_scalar     "01011110 1s1mmmmm 111111nn nnnddddd"  [FRSQRTS]   ScalarFp    Next  binary(Vec2::Frsqrts);
    FABD_scalar        "01111110 1s1mmmmm 110101nn nnnddddd"  [FABD]      ScalarFp    Next  binary(Vec2::Fabd);
    FCMGE_reg_scalar   "01111110 0s1mmmmm 111001nn nnnddddd"  [FCMGE]     ScalarFp    Next  binary(Vec2::Fcmge);
    FCMGT_reg_scalar   "01111110 1s1mmmmm 111001nn nnnddddd"  [FCMGT]     ScalarFp    Next  binary(Vec2::Fcmgt);
    FACGE_scalar       "01111110 0s1mmmmm 111011nn nnnddddd"  [FACGE]     ScalarFp    Next  binary(Vec2::Facge);
    FACGT_scalar       "01111110 1s1mmmmm 111011nn nnnddddd"  [FACGT]     ScalarFp    Next  binary(Vec2::Facgt);

    // FEAT_RDM, FEAT_DotProd.
    SQRDMLAH_vec       "0q101110 ss0mmmmm 100001nn nnnddddd"  [SQRDMLAH]  VecHs       Next  ternary(Vec3::Sqrdmlah);
    SQRDMLSH_vec       "0q101110 ss0mmmmm 100011nn nnnddddd"  [SQRDMLSH]  VecHs       Next  ternary(Vec3::Sqrdmlsh);
    SQRDMLAH_scalar    "01111110 ss0mmmmm 100001nn nnnddddd"  [SQRDMLAH]  ScalarHs    Next  ternary(Vec3::Sqrdmlah);
    SQRDMLSH_scalar    "01111110 ss0mmmmm 100011nn nnnddddd"  [SQRDMLSH]  ScalarHs    Next  ternary(Vec3::Sqrdmlsh);
    SDOT_vec           "0q001110 100mmmmm 100101nn nnnddddd"  [SDOT]      VecS        Next  ternary(Vec3::Sdot);
    UDOT_vec           "0q101110 100mmmmm 100101nn nnnddddd"  [UDOT]      VecS        Next  ternary(Vec3::Udot);
}
