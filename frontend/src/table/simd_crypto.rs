//! Advanced SIMD: AES, SHA-1, SHA-256.

use super::instruction_class;
use crate::lift::simd::*;
use ir::{Vec1, Vec2, Vec3};

instruction_class! { SimdCrypto;
    // AES.
    AESE       "01001110 00101000 010010nn nnnddddd"  [AESE]       VecB  Next  binary_onto(Vec2::Aese);
    AESD       "01001110 00101000 010110nn nnnddddd"  [AESD]       VecB  Next  binary_onto(Vec2::Aesd);
    AESMC      "01001110 00101000 011010nn nnnddddd"  [AESMC]      VecB  Next  unary(Vec1::Aesmc);
    AESIMC     "01001110 00101000 011110nn nnnddddd"  [AESIMC]     VecB  Next  unary(Vec1::Aesimc);

    // SHA-1, SHA-256.
    SHA1C      "01011110 000mmmmm 000000nn nnnddddd"  [SHA1C]      VecS  Next  ternary(Vec3::Sha1c);
    SHA1P      "01011110 000mmmmm 000100nn nnnddddd"  [SHA1P]      VecS  Next  ternary(Vec3::Sha1p);
    SHA1M      "01011110 000mmmmm 001000nn nnnddddd"  [SHA1M]      VecS  Next  ternary(Vec3::Sha1m);
    SHA1SU0    "01011110 000mmmmm 001100nn nnnddddd"  [SHA1SU0]    VecS  Next  ternary(Vec3::Sha1su0);
    SHA256H    "01011110 000mmmmm 010000nn nnnddddd"  [SHA256H]    VecS  Next  ternary(Vec3::Sha256h);
    SHA256H2   "01011110 000mmmmm 010100nn nnnddddd"  [SHA256H2]   VecS  Next  ternary(Vec3::Sha256h2);
    SHA256SU1  "01011110 000mmmmm 011000nn nnnddddd"  [SHA256SU1]  VecS  Next  ternary(Vec3::Sha256su1);
    SHA1H      "01011110 00101000 000010nn nnnddddd"  [SHA1H]      VecS  Next  unary(Vec1::Sha1h);
    SHA1SU1    "01011110 00101000 000110nn nnnddddd"  [SHA1SU1]    VecS  Next  binary_onto(Vec2::Sha1su1);
    SHA256SU0  "01011110 00101000 001010nn nnnddddd"  [SHA256SU0]  VecS  Next  binary_onto(Vec2::Sha256su0);
}
