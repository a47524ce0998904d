//! Branches.

use super::instruction_class;
use crate::lift::branch::*;

instruction_class! { Branch;
    B            "000101ii iiiiiiii iiiiiiii iiiiiiii" [B]        Branch      Jump    b();
    BL           "100101ii iiiiiiii iiiiiiii iiiiiiii" [BL]       Branch      Call    bl();
    B_cond       "01010100 iiiiiiii iiiiiiii iii0cccc" [Bcc(_)]   CondBranch  Branch  b_cond();
}
