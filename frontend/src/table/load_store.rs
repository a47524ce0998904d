//! Loads and stores.

use super::instruction_class;
use crate::lift::load_store::{
    Index::{Offset, Post, Pre},
    *,
};
use ir::{Access, Loaded};

const U8: Access = Access::plain(1);
const U16: Access = Access::plain(2);
const U32: Access = Access::plain(4);
const U64: Access = Access::plain(8);
const S8_W: Access = Access { extend: Loaded::SignW, ..U8 };
const S8_X: Access = Access { extend: Loaded::SignX, ..U8 };
const S16_W: Access = Access { extend: Loaded::SignW, ..U16 };
const S16_X: Access = Access { extend: Loaded::SignX, ..U16 };
const S32_X: Access = Access { extend: Loaded::SignX, ..U32 };

instruction_class! { LoadStore;
    // General registers, unsigned offset.
    STRB_imm     "00111001 00iiiiii iiiiiinn nnnttttt" [STRB]   LoadStoreImm  Next store(U8, Offset);
    LDRB_imm     "00111001 01iiiiii iiiiiinn nnnttttt" [LDRB]   LoadStoreImm  Next load(U8, Offset);
    LDRSB_imm_x  "00111001 10iiiiii iiiiiinn nnnttttt" [LDRSB]  LoadStoreImm  Next load(S8_X, Offset);
    LDRSB_imm_w  "00111001 11iiiiii iiiiiinn nnnttttt" [LDRSB]  LoadStoreImm  Next load(S8_W, Offset);
    STRH_imm     "01111001 00iiiiii iiiiiinn nnnttttt" [STRH]   LoadStoreImm  Next store(U16, Offset);
    LDRH_imm     "01111001 01iiiiii iiiiiinn nnnttttt" [LDRH]   LoadStoreImm  Next load(U16, Offset);
    LDRSH_imm_x  "01111001 10iiiiii iiiiiinn nnnttttt" [LDRSH]  LoadStoreImm  Next load(S16_X, Offset);
    LDRSH_imm_w  "01111001 11iiiiii iiiiiinn nnnttttt" [LDRSH]  LoadStoreImm  Next load(S16_W, Offset);
    STR_imm_w    "10111001 00iiiiii iiiiiinn nnnttttt" [STR]    LoadStoreImm  Next store(U32, Offset);
    LDR_imm_w    "10111001 01iiiiii iiiiiinn nnnttttt" [LDR]    LoadStoreImm  Next load(U32, Offset);
    LDRSW_imm    "10111001 10iiiiii iiiiiinn nnnttttt" [LDRSW]  LoadStoreImm  Next load(S32_X, Offset);
    STR_imm_x    "11111001 00iiiiii iiiiiinn nnnttttt" [STR]    LoadStoreImm  Next store(U64, Offset);
    LDR_imm_x    "11111001 01iiiiii iiiiiinn nnnttttt" [LDR]    LoadStoreImm  Next load(U64, Offset);
    PRFM_imm     "11111001 10iiiiii iiiiiinn nnnppppp" [PRFM]   LoadStoreImm  Next prefetch();

    // General registers, unscaled offset.
    STURB        "00111000 000iiiii iiii00nn nnnttttt" [STURB]  LoadStoreImm  Next store(U8, Offset);
    LDURB        "00111000 010iiiii iiii00nn nnnttttt" [LDURB]  LoadStoreImm  Next load(U8, Offset);
    LDURSB_x     "00111000 100iiiii iiii00nn nnnttttt" [LDURSB] LoadStoreImm  Next load(S8_X, Offset);
    LDURSB_w     "00111000 110iiiii iiii00nn nnnttttt" [LDURSB] LoadStoreImm  Next load(S8_W, Offset);
    STURH        "01111000 000iiiii iiii00nn nnnttttt" [STURH]  LoadStoreImm  Next store(U16, Offset);
    LDURH        "01111000 010iiiii iiii00nn nnnttttt" [LDURH]  LoadStoreImm  Next load(U16, Offset);
    LDURSH_x     "01111000 100iiiii iiii00nn nnnttttt" [LDURSH] LoadStoreImm  Next load(S16_X, Offset);
    LDURSH_w     "01111000 110iiiii iiii00nn nnnttttt" [LDURSH] LoadStoreImm  Next load(S16_W, Offset);
    STUR_w       "10111000 000iiiii iiii00nn nnnttttt" [STUR]   LoadStoreImm  Next store(U32, Offset);
    LDUR_w       "10111000 010iiiii iiii00nn nnnttttt" [LDUR]   LoadStoreImm  Next load(U32, Offset);
    LDURSW       "10111000 100iiiii iiii00nn nnnttttt" [LDURSW] LoadStoreImm  Next load(S32_X, Offset);
    STUR_x       "11111000 000iiiii iiii00nn nnnttttt" [STUR]   LoadStoreImm  Next store(U64, Offset);
    LDUR_x       "11111000 010iiiii iiii00nn nnnttttt" [LDUR]   LoadStoreImm  Next load(U64, Offset);
    PRFUM        "11111000 100iiiii iiii00nn nnnppppp" [PRFUM]  LoadStoreImm  Next prefetch();

    // General registers, post-index.
    STRB_post    "00111000 000iiiii iiii01nn nnnttttt" [STRB]   LoadStoreImm  Next store(U8, Post);
    LDRB_post    "00111000 010iiiii iiii01nn nnnttttt" [LDRB]   LoadStoreImm  Next load(U8, Post);
    LDRSB_post_x "00111000 100iiiii iiii01nn nnnttttt" [LDRSB]  LoadStoreImm  Next load(S8_X, Post);
    LDRSB_post_w "00111000 110iiiii iiii01nn nnnttttt" [LDRSB]  LoadStoreImm  Next load(S8_W, Post);
    STRH_post    "01111000 000iiiii iiii01nn nnnttttt" [STRH]   LoadStoreImm  Next store(U16, Post);
    LDRH_post    "01111000 010iiiii iiii01nn nnnttttt" [LDRH]   LoadStoreImm  Next load(U16, Post);
    LDRSH_post_x "01111000 100iiiii iiii01nn nnnttttt" [LDRSH]  LoadStoreImm  Next load(S16_X, Post);
    LDRSH_post_w "01111000 110iiiii iiii01nn nnnttttt" [LDRSH]  LoadStoreImm  Next load(S16_W, Post);
    STR_post_w   "10111000 000iiiii iiii01nn nnnttttt" [STR]    LoadStoreImm  Next store(U32, Post);
    LDR_post_w   "10111000 010iiiii iiii01nn nnnttttt" [LDR]    LoadStoreImm  Next load(U32, Post);
    LDRSW_post   "10111000 100iiiii iiii01nn nnnttttt" [LDRSW]  LoadStoreImm  Next load(S32_X, Post);
    STR_post_x   "11111000 000iiiii iiii01nn nnnttttt" [STR]    LoadStoreImm  Next store(U64, Post);
    LDR_post_x   "11111000 010iiiii iiii01nn nnnttttt" [LDR]    LoadStoreImm  Next load(U64, Post);

    // General registers, unprivileged.
    STTRB        "00111000 000iiiii iiii10nn nnnttttt" [STTRB]  LoadStoreImm  Next store(U8, Offset);
    LDTRB        "00111000 010iiiii iiii10nn nnnttttt" [LDTRB]  LoadStoreImm  Next load(U8, Offset);
    LDTRSB_x     "00111000 100iiiii iiii10nn nnnttttt" [LDTRSB] LoadStoreImm  Next load(S8_X, Offset);
    LDTRSB_w     "00111000 110iiiii iiii10nn nnnttttt" [LDTRSB] LoadStoreImm  Next load(S8_W, Offset);
    STTRH        "01111000 000iiiii iiii10nn nnnttttt" [STTRH]  LoadStoreImm  Next store(U16, Offset);
    LDTRH        "01111000 010iiiii iiii10nn nnnttttt" [LDTRH]  LoadStoreImm  Next load(U16, Offset);
    LDTRSH_x     "01111000 100iiiii iiii10nn nnnttttt" [LDTRSH] LoadStoreImm  Next load(S16_X, Offset);
    LDTRSH_w     "01111000 110iiiii iiii10nn nnnttttt" [LDTRSH] LoadStoreImm  Next load(S16_W, Offset);
    STTR_w       "10111000 000iiiii iiii10nn nnnttttt" [STTR]   LoadStoreImm  Next store(U32, Offset);
    LDTR_w       "10111000 010iiiii iiii10nn nnnttttt" [LDTR]   LoadStoreImm  Next load(U32, Offset);
    LDTRSW       "10111000 100iiiii iiii10nn nnnttttt" [LDTRSW] LoadStoreImm  Next load(S32_X, Offset);
    STTR_x       "11111000 000iiiii iiii10nn nnnttttt" [STTR]   LoadStoreImm  Next store(U64, Offset);
    LDTR_x       "11111000 010iiiii iiii10nn nnnttttt" [LDTR]   LoadStoreImm  Next load(U64, Offset);

    // General registers, pre-index.
    STRB_pre     "00111000 000iiiii iiii11nn nnnttttt" [STRB]   LoadStoreImm  Next store(U8, Pre);
    LDRB_pre     "00111000 010iiiii iiii11nn nnnttttt" [LDRB]   LoadStoreImm  Next load(U8, Pre);
    LDRSB_pre_x  "00111000 100iiiii iiii11nn nnnttttt" [LDRSB]  LoadStoreImm  Next load(S8_X, Pre);
    LDRSB_pre_w  "00111000 110iiiii iiii11nn nnnttttt" [LDRSB]  LoadStoreImm  Next load(S8_W, Pre);
    STRH_pre     "01111000 000iiiii iiii11nn nnnttttt" [STRH]   LoadStoreImm  Next store(U16, Pre);
    LDRH_pre     "01111000 010iiiii iiii11nn nnnttttt" [LDRH]   LoadStoreImm  Next load(U16, Pre);
    LDRSH_pre_x  "01111000 100iiiii iiii11nn nnnttttt" [LDRSH]  LoadStoreImm  Next load(S16_X, Pre);
    LDRSH_pre_w  "01111000 110iiiii iiii11nn nnnttttt" [LDRSH]  LoadStoreImm  Next load(S16_W, Pre);
    STR_pre_w    "10111000 000iiiii iiii11nn nnnttttt" [STR]    LoadStoreImm  Next store(U32, Pre);
    LDR_pre_w    "10111000 010iiiii iiii11nn nnnttttt" [LDR]    LoadStoreImm  Next load(U32, Pre);
    LDRSW_pre    "10111000 100iiiii iiii11nn nnnttttt" [LDRSW]  LoadStoreImm  Next load(S32_X, Pre);
    STR_pre_x    "11111000 000iiiii iiii11nn nnnttttt" [STR]    LoadStoreImm  Next store(U64, Pre);
    LDR_pre_x    "11111000 010iiiii iiii11nn nnnttttt" [LDR]    LoadStoreImm  Next load(U64, Pre);

    // General registers, register offset; option<1> is 1.
    STRB_reg     "00111000 001mmmmm o1os10nn nnnttttt" [STRB]   LoadStoreReg  Next store_reg(U8);
    LDRB_reg     "00111000 011mmmmm o1os10nn nnnttttt" [LDRB]   LoadStoreReg  Next load_reg(U8);
    LDRSB_reg_x  "00111000 101mmmmm o1os10nn nnnttttt" [LDRSB]  LoadStoreReg  Next load_reg(S8_X);
    LDRSB_reg_w  "00111000 111mmmmm o1os10nn nnnttttt" [LDRSB]  LoadStoreReg  Next load_reg(S8_W);
    STRH_reg     "01111000 001mmmmm o1os10nn nnnttttt" [STRH]   LoadStoreReg  Next store_reg(U16);
    LDRH_reg     "01111000 011mmmmm o1os10nn nnnttttt" [LDRH]   LoadStoreReg  Next load_reg(U16);
    LDRSH_reg_x  "01111000 101mmmmm o1os10nn nnnttttt" [LDRSH]  LoadStoreReg  Next load_reg(S16_X);
    LDRSH_reg_w  "01111000 111mmmmm o1os10nn nnnttttt" [LDRSH]  LoadStoreReg  Next load_reg(S16_W);
    STR_reg_w    "10111000 001mmmmm o1os10nn nnnttttt" [STR]    LoadStoreReg  Next store_reg(U32);
    LDR_reg_w    "10111000 011mmmmm o1os10nn nnnttttt" [LDR]    LoadStoreReg  Next load_reg(U32);
    LDRSW_reg    "10111000 101mmmmm o1os10nn nnnttttt" [LDRSW]  LoadStoreReg  Next load_reg(S32_X);
    STR_reg_x    "11111000 001mmmmm o1os10nn nnnttttt" [STR]    LoadStoreReg  Next store_reg(U64);
    LDR_reg_x    "11111000 011mmmmm o1os10nn nnnttttt" [LDR]    LoadStoreReg  Next load_reg(U64);
    PRFM_reg     "11111000 101mmmmm o1os10nn nnnppppp" [PRFM]   LoadStoreReg  Next prefetch_reg();

    // Literals.
    LDR_lit_w    "00011000 iiiiiiii iiiiiiii iiittttt" [LDR]    LoadLiteral   Next load_literal(U32);
    LDR_lit_x    "01011000 iiiiiiii iiiiiiii iiittttt" [LDR]    LoadLiteral   Next load_literal(U64);
    LDRSW_lit    "10011000 iiiiiiii iiiiiiii iiittttt" [LDRSW]  LoadLiteral   Next load_literal(S32_X);
    PRFM_lit     "11011000 iiiiiiii iiiiiiii iiippppp" [PRFM]   LoadLiteral   Next prefetch_literal();
    LDR_lit_s    "00011100 iiiiiiii iiiiiiii iiittttt" [LDR]    LoadLiteral   Next load_vec_literal(4);
    LDR_lit_d    "01011100 iiiiiiii iiiiiiii iiittttt" [LDR]    LoadLiteral   Next load_vec_literal(8);
    LDR_lit_q    "10011100 iiiiiiii iiiiiiii iiittttt" [LDR]    LoadLiteral   Next load_vec_literal(16);

    // SIMD&FP registers, unsigned offset.
    STR_imm_b    "00111101 00iiiiii iiiiiinn nnnttttt" [STR]    LoadStoreImm  Next store_vec(1, Offset);
    LDR_imm_b    "00111101 01iiiiii iiiiiinn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(1, Offset);
    STR_imm_h    "01111101 00iiiiii iiiiiinn nnnttttt" [STR]    LoadStoreImm  Next store_vec(2, Offset);
    LDR_imm_h    "01111101 01iiiiii iiiiiinn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(2, Offset);
    STR_imm_s    "10111101 00iiiiii iiiiiinn nnnttttt" [STR]    LoadStoreImm  Next store_vec(4, Offset);
    LDR_imm_s    "10111101 01iiiiii iiiiiinn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(4, Offset);
    STR_imm_d    "11111101 00iiiiii iiiiiinn nnnttttt" [STR]    LoadStoreImm  Next store_vec(8, Offset);
    LDR_imm_d    "11111101 01iiiiii iiiiiinn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(8, Offset);
    STR_imm_q    "00111101 10iiiiii iiiiiinn nnnttttt" [STR]    LoadStoreImm  Next store_vec(16, Offset);
    LDR_imm_q    "00111101 11iiiiii iiiiiinn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(16, Offset);

    // SIMD&FP registers, unscaled offset.
    STUR_b       "00111100 000iiiii iiii00nn nnnttttt" [STUR]   LoadStoreImm  Next store_vec(1, Offset);
    LDUR_b       "00111100 010iiiii iiii00nn nnnttttt" [LDUR]   LoadStoreImm  Next load_vec(1, Offset);
    STUR_h       "01111100 000iiiii iiii00nn nnnttttt" [STUR]   LoadStoreImm  Next store_vec(2, Offset);
    LDUR_h       "01111100 010iiiii iiii00nn nnnttttt" [LDUR]   LoadStoreImm  Next load_vec(2, Offset);
    STUR_s       "10111100 000iiiii iiii00nn nnnttttt" [STUR]   LoadStoreImm  Next store_vec(4, Offset);
    LDUR_s       "10111100 010iiiii iiii00nn nnnttttt" [LDUR]   LoadStoreImm  Next load_vec(4, Offset);
    STUR_d       "11111100 000iiiii iiii00nn nnnttttt" [STUR]   LoadStoreImm  Next store_vec(8, Offset);
    LDUR_d       "11111100 010iiiii iiii00nn nnnttttt" [LDUR]   LoadStoreImm  Next load_vec(8, Offset);
    STUR_q       "00111100 100iiiii iiii00nn nnnttttt" [STUR]   LoadStoreImm  Next store_vec(16, Offset);
    LDUR_q       "00111100 110iiiii iiii00nn nnnttttt" [LDUR]   LoadStoreImm  Next load_vec(16, Offset);

    // SIMD&FP registers, post-index.
    STR_post_b   "00111100 000iiiii iiii01nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(1, Post);
    LDR_post_b   "00111100 010iiiii iiii01nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(1, Post);
    STR_post_h   "01111100 000iiiii iiii01nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(2, Post);
    LDR_post_h   "01111100 010iiiii iiii01nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(2, Post);
    STR_post_s   "10111100 000iiiii iiii01nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(4, Post);
    LDR_post_s   "10111100 010iiiii iiii01nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(4, Post);
    STR_post_d   "11111100 000iiiii iiii01nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(8, Post);
    LDR_post_d   "11111100 010iiiii iiii01nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(8, Post);
    STR_post_q   "00111100 100iiiii iiii01nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(16, Post);
    LDR_post_q   "00111100 110iiiii iiii01nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(16, Post);

    // SIMD&FP registers, pre-index.
    STR_pre_b    "00111100 000iiiii iiii11nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(1, Pre);
    LDR_pre_b    "00111100 010iiiii iiii11nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(1, Pre);
    STR_pre_h    "01111100 000iiiii iiii11nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(2, Pre);
    LDR_pre_h    "01111100 010iiiii iiii11nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(2, Pre);
    STR_pre_s    "10111100 000iiiii iiii11nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(4, Pre);
    LDR_pre_s    "10111100 010iiiii iiii11nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(4, Pre);
    STR_pre_d    "11111100 000iiiii iiii11nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(8, Pre);
    LDR_pre_d    "11111100 010iiiii iiii11nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(8, Pre);
    STR_pre_q    "00111100 100iiiii iiii11nn nnnttttt" [STR]    LoadStoreImm  Next store_vec(16, Pre);
    LDR_pre_q    "00111100 110iiiii iiii11nn nnnttttt" [LDR]    LoadStoreImm  Next load_vec(16, Pre);

    // SIMD&FP registers, register offset; option<1> is 1.
    STR_reg_b    "00111100 001mmmmm o1os10nn nnnttttt" [STR]    LoadStoreReg  Next store_vec_reg(1);
    LDR_reg_b    "00111100 011mmmmm o1os10nn nnnttttt" [LDR]    LoadStoreReg  Next load_vec_reg(1);
    STR_reg_h    "01111100 001mmmmm o1os10nn nnnttttt" [STR]    LoadStoreReg  Next store_vec_reg(2);
    LDR_reg_h    "01111100 011mmmmm o1os10nn nnnttttt" [LDR]    LoadStoreReg  Next load_vec_reg(2);
    STR_reg_s    "10111100 001mmmmm o1os10nn nnnttttt" [STR]    LoadStoreReg  Next store_vec_reg(4);
    LDR_reg_s    "10111100 011mmmmm o1os10nn nnnttttt" [LDR]    LoadStoreReg  Next load_vec_reg(4);
    STR_reg_d    "11111100 001mmmmm o1os10nn nnnttttt" [STR]    LoadStoreReg  Next store_vec_reg(8);
    LDR_reg_d    "11111100 011mmmmm o1os10nn nnnttttt" [LDR]    LoadStoreReg  Next load_vec_reg(8);
    STR_reg_q    "00111100 101mmmmm o1os10nn nnnttttt" [STR]    LoadStoreReg  Next store_vec_reg(16);
    LDR_reg_q    "00111100 111mmmmm o1os10nn nnnttttt" [LDR]    LoadStoreReg  Next load_vec_reg(16);

    // Pairs, non-temporal.
    STNP_w       "00101000 00iiiiii iTTTTTnn nnnttttt" [STNP]   LoadStorePair Next store_pair(U32, Offset);
    LDNP_w       "00101000 01iiiiii iTTTTTnn nnnttttt" [LDNP]   LoadStorePair Next load_pair(U32, Offset);
    STNP_x       "10101000 00iiiiii iTTTTTnn nnnttttt" [STNP]   LoadStorePair Next store_pair(U64, Offset);
    LDNP_x       "10101000 01iiiiii iTTTTTnn nnnttttt" [LDNP]   LoadStorePair Next load_pair(U64, Offset);
    STNP_s       "00101100 00iiiiii iTTTTTnn nnnttttt" [STNP]   LoadStorePair Next store_vec_pair(4, Offset);
    LDNP_s       "00101100 01iiiiii iTTTTTnn nnnttttt" [LDNP]   LoadStorePair Next load_vec_pair(4, Offset);
    STNP_d       "01101100 00iiiiii iTTTTTnn nnnttttt" [STNP]   LoadStorePair Next store_vec_pair(8, Offset);
    LDNP_d       "01101100 01iiiiii iTTTTTnn nnnttttt" [LDNP]   LoadStorePair Next load_vec_pair(8, Offset);
    STNP_q       "10101100 00iiiiii iTTTTTnn nnnttttt" [STNP]   LoadStorePair Next store_vec_pair(16, Offset);
    LDNP_q       "10101100 01iiiiii iTTTTTnn nnnttttt" [LDNP]   LoadStorePair Next load_vec_pair(16, Offset);

    // Pairs, post-index.
    STP_post_w   "00101000 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_pair(U32, Post);
    LDP_post_w   "00101000 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_pair(U32, Post);
    LDPSW_post   "01101000 11iiiiii iTTTTTnn nnnttttt" [LDPSW]  LoadStorePair Next load_pair(S32_X, Post);
    STP_post_x   "10101000 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_pair(U64, Post);
    LDP_post_x   "10101000 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_pair(U64, Post);
    STP_post_s   "00101100 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_vec_pair(4, Post);
    LDP_post_s   "00101100 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_vec_pair(4, Post);
    STP_post_d   "01101100 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_vec_pair(8, Post);
    LDP_post_d   "01101100 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_vec_pair(8, Post);
    STP_post_q   "10101100 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_vec_pair(16, Post);
    LDP_post_q   "10101100 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_vec_pair(16, Post);

    // Pairs, offset.
    STP_offset_w "00101001 00iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_pair(U32, Offset);
    LDP_offset_w "00101001 01iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_pair(U32, Offset);
    LDPSW_offset "01101001 01iiiiii iTTTTTnn nnnttttt" [LDPSW]  LoadStorePair Next load_pair(S32_X, Offset);
    STP_offset_x "10101001 00iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_pair(U64, Offset);
    LDP_offset_x "10101001 01iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_pair(U64, Offset);
    STP_offset_s "00101101 00iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_vec_pair(4, Offset);
    LDP_offset_s "00101101 01iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_vec_pair(4, Offset);
    STP_offset_d "01101101 00iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_vec_pair(8, Offset);
    LDP_offset_d "01101101 01iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_vec_pair(8, Offset);
    STP_offset_q "10101101 00iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_vec_pair(16, Offset);
    LDP_offset_q "10101101 01iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_vec_pair(16, Offset);

    // Pairs, pre-index.
    STP_pre_w    "00101001 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_pair(U32, Pre);
    LDP_pre_w    "00101001 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_pair(U32, Pre);
    LDPSW_pre    "01101001 11iiiiii iTTTTTnn nnnttttt" [LDPSW]  LoadStorePair Next load_pair(S32_X, Pre);
    STP_pre_x    "10101001 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_pair(U64, Pre);
    LDP_pre_x    "10101001 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_pair(U64, Pre);
    STP_pre_s    "00101101 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_vec_pair(4, Pre);
    LDP_pre_s    "00101101 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_vec_pair(4, Pre);
    STP_pre_d    "01101101 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_vec_pair(8, Pre);
    LDP_pre_d    "01101101 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_vec_pair(8, Pre);
    STP_pre_q    "10101101 10iiiiii iTTTTTnn nnnttttt" [STP]    LoadStorePair Next store_vec_pair(16, Pre);
    LDP_pre_q    "10101101 11iiiiii iTTTTTnn nnnttttt" [LDP]    LoadStorePair Next load_vec_pair(16, Pre);
}
