// A function per instruction under test (arm64 only): it fills every register, executes the instruction, and stores every
// register when a handler has sent it on. The signal handler runs on another stack: sp points into the state.
#ifndef SIGNAL_STATE_H
#define SIGNAL_STATE_H

#include <stdint.h>

struct state {
    uint64_t x[31], sp, nzcv, fpcr, fpsr, pad;
    uint64_t v[32][2];
} __attribute__((aligned(16)));

uint64_t state_saved_sp;

__asm__(".macro ALL_VECTORS op, base\n"
        "\\op q0, q1, [\\base, 288]\n\\op q2, q3, [\\base, 320]\n\\op q4, q5, [\\base, 352]\n"
        "\\op q6, q7, [\\base, 384]\n\\op q8, q9, [\\base, 416]\n\\op q10, q11, [\\base, 448]\n"
        "\\op q12, q13, [\\base, 480]\n\\op q14, q15, [\\base, 512]\n\\op q16, q17, [\\base, 544]\n"
        "\\op q18, q19, [\\base, 576]\n\\op q20, q21, [\\base, 608]\n\\op q22, q23, [\\base, 640]\n"
        "\\op q24, q25, [\\base, 672]\n\\op q26, q27, [\\base, 704]\n\\op q28, q29, [\\base, 736]\n"
        "\\op q30, q31, [\\base, 768]\n"
        ".endm\n"
        ".macro HIGH_REGISTERS op, base\n"
        "\\op x2, x3, [\\base, 16]\n\\op x4, x5, [\\base, 32]\n\\op x6, x7, [\\base, 48]\n\\op x8, x9, [\\base, 64]\n"
        "\\op x10, x11, [\\base, 80]\n\\op x12, x13, [\\base, 96]\n\\op x14, x15, [\\base, 112]\n"
        "\\op x16, x17, [\\base, 128]\n\\op x18, x19, [\\base, 144]\n\\op x20, x21, [\\base, 160]\n"
        "\\op x22, x23, [\\base, 176]\n\\op x24, x25, [\\base, 192]\n\\op x26, x27, [\\base, 208]\n"
        "\\op x28, x29, [\\base, 224]\n"
        ".endm\n"
        ".macro SAVED op\n"
        "\\op x19, x20, [sp, 16]\n\\op x21, x22, [sp, 32]\n\\op x23, x24, [sp, 48]\n\\op x25, x26, [sp, 64]\n"
        "\\op x27, x28, [sp, 80]\n\\op d8, d9, [sp, 96]\n\\op d10, d11, [sp, 112]\n\\op d12, d13, [sp, 128]\n"
        "\\op d14, d15, [sp, 144]\n"
        ".endm\n"
        ".macro STATE_BEFORE\n"
        "stp x29, x30, [sp, -160]!\n"
        "SAVED stp\n"
        "adrp x1, state_saved_sp\n"
        "mov x2, sp\n"
        "str x2, [x1, :lo12:state_saved_sp]\n"
        "ALL_VECTORS ldp, x0\n"
        "ldr x1, [x0, 256]\nmsr nzcv, x1\n"
        "ldr x1, [x0, 264]\nmsr fpcr, x1\n"
        "ldr x1, [x0, 272]\nmsr fpsr, x1\n"
        "ldr x1, [x0, 248]\nmov sp, x1\n"
        "HIGH_REGISTERS ldp, x0\n"
        "ldr x30, [x0, 240]\n"
        "ldp x0, x1, [x0]\n"
        ".endm\n"
        ".macro STATE_AFTER\n"
        "stp x0, x1, [sp]\n"
        "HIGH_REGISTERS stp, sp\n"
        "str x30, [sp, 240]\n"
        "mov x0, sp\n"
        "str x0, [x0, 248]\n"
        "mrs x1, nzcv\nstr x1, [x0, 256]\n"
        "mrs x1, fpcr\nstr x1, [x0, 264]\n"
        "mrs x1, fpsr\nstr x1, [x0, 272]\n"
        "ALL_VECTORS stp, x0\n"
        "msr fpcr, xzr\nmsr fpsr, xzr\n"
        "adrp x1, state_saved_sp\n"
        "ldr x2, [x1, :lo12:state_saved_sp]\n"
        "mov sp, x2\n"
        "SAVED ldp\n"
        "ldp x29, x30, [sp], 160\n"
        "ret\n"
        ".endm\n");

// Defines `run_NAME(in)`, `at_NAME` at the instruction and `past_NAME` behind it. `in->sp` is where everything is stored.
#define STATE_RUN(name, instructions_before, instruction)                                                              \
    void run_##name(const struct state *in);                                                                           \
    extern const char at_##name[], past_##name[];                                                                      \
    __asm__(".text\n.balign 16\n.globl run_" #name "\nrun_" #name ":\nSTATE_BEFORE\n" instructions_before              \
            ".globl at_" #name "\nat_" #name ":\n" instruction "\n.globl past_" #name "\npast_" #name                  \
            ":\nSTATE_AFTER\n")

// Registers with a different pattern each, the flags by `seed`.
static void fill_state(struct state *state, uint64_t seed)
{
    for (int i = 0; i < 31; i++)
        state->x[i] = (seed + i) * 0x9e3779b97f4a7c15;
    for (int i = 0; i < 64; i++)
        state->v[i / 2][i % 2] = (seed * 64 + i) * 0xc2b2ae3d27d4eb4f;
    state->nzcv = (seed & 15) << 28;
    state->fpcr = 0;
    state->fpsr = 0;
    state->pad = 0;
}

#endif
