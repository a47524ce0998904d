// Prints what an AArch64 processor makes of floating-point operations, one case a line:
//
//     operation size fpcr a b c result fpsr        (numbers in hexadecimal; an unused operand is 0)
//
// Usage: vectors CASES_PER_OPERATION [SEED]. See vectors.txt for the command that made it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint64_t u64;

static u64 state = 1;
static u64 random64(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dull;
}

enum { H, S, D };
static const int fraction_bits[] = {10, 23, 52}, exponent_bits[] = {5, 8, 11};

static u64 assemble(int size, u64 sign, int field, u64 fraction) {
    u64 mask = (1ull << fraction_bits[size]) - 1;
    int top = (1 << exponent_bits[size]) - 1;
    field = field < 0 ? 0 : field > top ? top : field;
    return sign << (fraction_bits[size] + exponent_bits[size]) | (u64)field << fraction_bits[size] | (fraction & mask);
}

static u64 interesting_fraction(int size) {
    u64 quiet = 1ull << (fraction_bits[size] - 1), r = random64();
    switch (r >> 8 & 7) {
    case 0: return 0;
    case 1: return ~0ull;
    case 2: return r >> 32 & 3;
    case 3: return quiet;
    case 4: return quiet | (r >> 32 & 1);
    case 5: return ~0ull << (r >> 32 & 31);
    default: return random64();
    }
}

// Exponents near the limits, near one, near `centre`.
static u64 operand(int size, int centre) {
    int top = (1 << exponent_bits[size]) - 1, bias = top >> 1, near = (int)(random64() >> 40 & 7) - 4;
    u64 sign = random64() >> 50 & 1, fraction = interesting_fraction(size);
    switch (random64() >> 33 & 15) {
    case 0: return assemble(size, sign, 0, 0);
    case 1: return assemble(size, sign, top, 0);
    case 2: return assemble(size, sign, top, fraction);
    case 3: return assemble(size, sign, 0, fraction);
    case 4: return assemble(size, sign, near, fraction);
    case 5: return assemble(size, sign, top + near, fraction);
    case 6: return assemble(size, sign, bias + 31 + near, fraction);
    case 7: return assemble(size, sign, bias + 63 + near, fraction);
    case 8: case 9: return assemble(size, sign, bias + near, fraction);
    case 10: return assemble(size, sign, random64() >> 33 & top, random64());
    case 11: case 12: return assemble(size, sign, bias + (int)(random64() >> 33 & 63), fraction);
    default: return assemble(size, sign, centre + near, fraction);
    }
}

static int field_of(int size, u64 bits) {
    return bits >> fraction_bits[size] & ((1 << exponent_bits[size]) - 1);
}

static u64 random_fpcr(void) {
    u64 r = random64() >> 20, fpcr = (r & 3) << 22;
    if ((r >> 2 & 3) == 0) fpcr |= 1 << 24; // FZ
    if ((r >> 4 & 3) == 0) fpcr |= 1 << 25; // DN
    if ((r >> 6 & 1) == 0) fpcr |= 1 << 26; // AHP
    return fpcr;
}

static void print(const char *name, char size, u64 fpcr, u64 a, u64 b, u64 c, u64 result, u64 fpsr) {
    printf("%s %c %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", name, size, fpcr, a, b,
           c, result, fpsr);
}

// Runs one instruction: operands in V0 to V2 and X0, result from V0 or X0.
#define RUN(insn, out, expression) \
    { \
        u64 fpsr, zero = 0; \
        register u64 x0 __asm__("x0") = a; \
        u64 v; \
        __asm__ volatile("msr fpcr, %[fpcr]\n msr fpsr, %[zero]\n fmov d0, %[a]\n fmov d1, %[b]\n fmov d2, %[c]\n" insn \
                         "\n mrs %[fpsr], fpsr\n " out "\n msr fpcr, %[zero]" \
                         : [fpsr] "=&r"(fpsr), [v] "=&r"(v), "+r"(x0) \
                         : [fpcr] "r"(fpcr), [a] "r"(a), [b] "r"(b), [c] "r"(c), [zero] "r"(zero) \
                         : "x1", "d0", "d1", "d2", "cc", "memory"); \
        (void)v; \
        print(name, letter, fpcr, a, b, c, expression, fpsr); \
    }
#define TO_FP "fmov %[v], d0"
#define TO_NZCV "mrs %[v], nzcv"

#define BEGIN(op, size_, letter_) \
    for (int i = 0; i < cases; i++) { \
        const char *name = op; \
        const int size = size_; \
        const char letter = letter_; \
        const int bias = (1 << (exponent_bits[size] - 1)) - 1; \
        u64 fpcr = random_fpcr(), a = 0, b = 0, c = 0; \
        (void)bias;
#define END }

#define ONE(op, r, size, letter) BEGIN(op, size, letter) a = operand(size, 0); RUN(op " " r "0, " r "0", TO_FP, v) END
// The other operand often brings the product, or the quotient, to the edge of the denormals, or the sum near zero.
#define TWO(op, r, size, letter, out) \
    BEGIN(op, size, letter) \
        a = operand(size, bias); \
        int f = field_of(size, a), centre[] = {bias - f + 1, f + bias - 1, f, f - 1}; \
        b = operand(size, centre[random64() >> 44 & 3]); \
        RUN(op " " r "0, " r "0, " r "1", out, v) \
    END
#define COMPARE(op, r, size, letter) \
    BEGIN(op, size, letter) \
        a = operand(size, bias); \
        b = random64() & 1024 ? operand(size, field_of(size, a)) : random64() & 1024 ? a : a ^ 1; \
        RUN(op " " r "0, " r "1", TO_NZCV, v) \
    END
#define THREE(op, r, size, letter) \
    BEGIN(op, size, letter) \
        a = operand(size, bias); \
        b = operand(size, bias); \
        if (random64() & 1024) b = operand(size, bias - field_of(size, a) + 1); \
        int f = field_of(size, a) + field_of(size, b) - bias; \
        c = operand(size, f + (int)(random64() >> 40 & 127) - 64); \
        if ((random64() & 3072) == 0) c = operand(size, f); \
        RUN(op " " r "0, " r "0, " r "1, " r "2", TO_FP, v) \
    END
#define CONVERT(name, insn, from, letter, centre) BEGIN(name, from, letter) a = operand(from, centre); RUN(insn, TO_FP, v) END
#define TO_INT(name, insn, r, size, letter) BEGIN(name, size, letter) a = operand(size, bias + 15); RUN(insn ", " r "0", "", x0) END
#define TO_FIXED(name, insn, r, size, letter, f) \
    BEGIN(name, size, letter) a = operand(size, bias + 31 - f); RUN(insn ", " r "0, #" #f, "", x0) END
#define FROM_INT(name, insn, size, letter) \
    BEGIN(name, size, letter) \
        a = random64() >> (random64() >> 50 & 63); \
        if (random64() & 512) a = ~a; \
        if (random64() & 512) a &= ~0ull << (random64() >> 50 & 63); \
        if ((random64() & 1536) == 0) a = interesting_fraction(D) << (random64() & 15); \
        RUN(insn, TO_FP, v) \
    END

#define BOTH(M, op, ...) M(op, "s", S, 's', ##__VA_ARGS__) M(op, "d", D, 'd', ##__VA_ARGS__)

#define INTEGERS(op) \
    TO_INT(op ".w", op " w0", "s", S, 's') TO_INT(op ".w", op " w0", "d", D, 'd') \
    TO_INT(op ".x", op " x0", "s", S, 's') TO_INT(op ".x", op " x0", "d", D, 'd')
#define FIXED(op) \
    TO_FIXED(op ".w.1", op " w0", "s", S, 's', 1) TO_FIXED(op ".w.32", op " w0", "d", D, 'd', 32) \
    TO_FIXED(op ".x.17", op " x0", "s", S, 's', 17) TO_FIXED(op ".x.64", op " x0", "d", D, 'd', 64)
#define FROM(op) \
    FROM_INT(op ".w", op " s0, w0", S, 's') FROM_INT(op ".w", op " d0, w0", D, 'd') \
    FROM_INT(op ".x", op " s0, x0", S, 's') FROM_INT(op ".x", op " d0, x0", D, 'd') \
    FROM_INT(op ".w.32", op " s0, w0, #32", S, 's') FROM_INT(op ".w.5", op " d0, w0, #5", D, 'd') \
    FROM_INT(op ".x.64", op " s0, x0, #64", S, 's') FROM_INT(op ".x.63", op " d0, x0, #63", D, 'd')

static void one_operand(int cases) {
    BOTH(ONE, "fsqrt") BOTH(ONE, "frintn") BOTH(ONE, "frintp") BOTH(ONE, "frintm") BOTH(ONE, "frintz")
    BOTH(ONE, "frinta") BOTH(ONE, "frintx") BOTH(ONE, "frinti") BOTH(ONE, "frecpe") BOTH(ONE, "frsqrte")
    BOTH(ONE, "frecpx") BOTH(ONE, "fabs") BOTH(ONE, "fneg")
}

static void several_operands(int cases) {
    BOTH(TWO, "fadd", TO_FP) BOTH(TWO, "fsub", TO_FP) BOTH(TWO, "fmul", TO_FP) BOTH(TWO, "fnmul", TO_FP)
    BOTH(TWO, "fdiv", TO_FP) BOTH(TWO, "fmax", TO_FP) BOTH(TWO, "fmin", TO_FP) BOTH(TWO, "fmaxnm", TO_FP)
    BOTH(TWO, "fminnm", TO_FP) BOTH(TWO, "fmulx", TO_FP) BOTH(TWO, "fabd", TO_FP) BOTH(TWO, "frecps", TO_FP)
    BOTH(TWO, "frsqrts", TO_FP) BOTH(TWO, "fcmeq", TO_FP) BOTH(TWO, "fcmge", TO_FP) BOTH(TWO, "fcmgt", TO_FP)
    BOTH(TWO, "facge", TO_FP) BOTH(TWO, "facgt", TO_FP)
    BOTH(COMPARE, "fcmp") BOTH(COMPARE, "fcmpe")
    BOTH(THREE, "fmadd")
}

static void conversions(int cases) {
    CONVERT("fcvt.d", "fcvt d0, s0", S, 's', 1)
    CONVERT("fcvt.s", "fcvt s0, d0", D, 'd', 1023 - 126)
    CONVERT("fcvt.h", "fcvt h0, s0", S, 's', random64() & 256 ? 127 - 14 : 127 + 16)
    CONVERT("fcvt.h", "fcvt h0, d0", D, 'd', random64() & 256 ? 1023 - 14 : 1023 + 16)
    CONVERT("fcvt.s", "fcvt s0, h0", H, 'h', 1)
    CONVERT("fcvt.d", "fcvt d0, h0", H, 'h', 1)
    CONVERT("fcvtxn", "fcvtxn s0, d0", D, 'd', random64() & 256 ? 1023 - 126 : 1023 + 128)
    INTEGERS("fcvtns") INTEGERS("fcvtps") INTEGERS("fcvtms") INTEGERS("fcvtzs") INTEGERS("fcvtas")
    INTEGERS("fcvtnu") INTEGERS("fcvtpu") INTEGERS("fcvtmu") INTEGERS("fcvtzu") INTEGERS("fcvtau")
    FIXED("fcvtzs") FIXED("fcvtzu")
    FROM("scvtf") FROM("ucvtf")
    // QEMU 7.2 takes the conversion of a flushed denormal for exact, which FPToFixedJS does not.
    BEGIN("fjcvtzs", D, 'd') a = operand(D, 1023 + 31); fpcr &= ~(1 << 24); RUN("fjcvtzs w0, d0\n cset w1, eq\n bfi x0, x1, #32, #1", "", x0) END
}

int main(int argc, char **argv) {
    int cases = argc > 1 ? atoi(argv[1]) : 40;
    if (argc > 2) state = strtoull(argv[2], 0, 0) * 2 + 1;
    one_operand(cases);
    several_operands(cases);
    conversions(cases);
}
