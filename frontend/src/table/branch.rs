//! Branches.

use super::instruction_class;
use crate::lift::branch::*;
use ir::Compare;

instruction_class! { Branch;
    B            "000101ii iiiiiiii iiiiiiii iiiiiiii" [B]        Branch         Jump          b();
    BL           "100101ii iiiiiiii iiiiiiii iiiiiiii" [BL]       Branch         Call          bl();
    B_cond       "01010100 iiiiiiii iiiiiiii iii0cccc" [Bcc(_)]   CondBranch     Branch        b_cond();

    CBZ          "s0110100 iiiiiiii iiiiiiii iiittttt" [CBZ]      CompareBranch  Branch        compare_branch(Compare::Eq);
    CBNZ         "s0110101 iiiiiiii iiiiiiii iiittttt" [CBNZ]     CompareBranch  Branch        compare_branch(Compare::Ne);
    TBZ          "b0110110 bbbbbiii iiiiiiii iiittttt" [TBZ]      TestBranch     Branch        test_branch(Compare::Eq);
    TBNZ         "b0110111 bbbbbiii iiiiiiii iiittttt" [TBNZ]     TestBranch     Branch        test_branch(Compare::Ne);

    BR           "11010110 00011111 000000nn nnn00000" [BR]       BranchReg      Indirect      br();
    BLR          "11010110 00111111 000000nn nnn00000" [BLR]      BranchReg      IndirectCall  blr();
    RET          "11010110 01011111 000000nn nnn00000" [RET]      BranchReg      Return        ret();
}
