//! Advanced SIMD: copies between lanes and registers, permutations, table lookups.

use super::instruction_class;
use crate::lift::{simd::binary, simd_permute::*};
use ir::Vec2;

instruction_class! { SimdPermute;
    // Copies.
    DUP_elem         "0q001110 000iiiii 000001nn nnnddddd"  [DUP]   DupElem   Next  dup_elem();
    DUP_elem_scalar  "01011110 000iiiii 000001nn nnnddddd"  [DUP]   DupElem   Next  dup_elem();
    DUP_gpr          "0q001110 000iiiii 000011nn nnnddddd"  [DUP]   DupGpr    Next  dup_gpr();
    INS_gpr          "01001110 000iiiii 000111nn nnnddddd"  [INS]   InsGpr    Next  ins_gpr();
    INS_elem         "01101110 000iiiii 0jjjj1nn nnnddddd"  [INS]   InsElem   Next  ins_elem();
    SMOV             "0q001110 000iiiii 001011nn nnnddddd"  [SMOV]  MovToGpr  Next  smov();
    UMOV             "0q001110 000iiiii 001111nn nnnddddd"  [UMOV]  MovToGpr  Next  umov();

    // Permutations.
    UZP1_vec         "0q001110 ss0mmmmm 000110nn nnnddddd"  [UZP1]  VecBhsd   Next  binary(Vec2::Uzp1);
    TRN1_vec         "0q001110 ss0mmmmm 001010nn nnnddddd"  [TRN1]  VecBhsd   Next  binary(Vec2::Trn1);
    ZIP1_vec         "0q001110 ss0mmmmm 001110nn nnnddddd"  [ZIP1]  VecBhsd   Next  binary(Vec2::Zip1);
    UZP2_vec         "0q001110 ss0mmmmm 010110nn nnnddddd"  [UZP2]  VecBhsd   Next  binary(Vec2::Uzp2);
    TRN2_vec         "0q001110 ss0mmmmm 011010nn nnnddddd"  [TRN2]  VecBhsd   Next  binary(Vec2::Trn2);
    ZIP2_vec         "0q001110 ss0mmmmm 011110nn nnnddddd"  [ZIP2]  VecBhsd   Next  binary(Vec2::Zip2);
    EXT_vec          "0q101110 000mmmmm 0iiii0nn nnnddddd"  [EXT]   Ext       Next  ext();
    TBL_vec          "0q001110 000mmmmm 0ll000nn nnnddddd"  [TBL]   Table     Next  tbl();
    TBX_vec          "0q001110 000mmmmm 0ll100nn nnnddddd"  [TBX]   Table     Next  tbx();
}
