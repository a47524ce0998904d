// Branch instructions whose operands a compiler seldom chooses: TBZ on high bits, CBZ on W, BLR through x30, BR and RET
// through other registers. Checks itself.
#include <stdint.h>
#include <stdio.h>

static int wrong;

#define EXPECT(what, got, want)                                                                                      \
    do {                                                                                                             \
        uint64_t value = (got), expected = (want);                                                                   \
        if (value != expected) {                                                                                     \
            printf("%s: %lx, not %lx\n", what, value, expected);                                                     \
            wrong = 1;                                                                                               \
        }                                                                                                            \
    } while (0)

#define TAKEN(CODE, VALUE)                                                                                           \
    ({                                                                                                               \
        uint64_t taken;                                                                                              \
        __asm__ volatile("mov %0, 1\n\t" CODE "\n\tmov %0, 0\n1:" : "=&r"(taken) : "r"((uint64_t)(VALUE)) : "cc");   \
        taken;                                                                                                       \
    })

__attribute__((noinline)) static uint64_t through_x30(uint64_t start)
{
    register uint64_t x0 __asm__("x0") = start;
    __asm__ volatile("adr x30, 1f\n\t"
                     "blr x30\n\t" // reads its target before it writes the return address
                     "b 2f\n"
                     "1:\tadd x0, x0, 1\n\t"
                     "ret\n"
                     "2:"
                     : "+r"(x0)
                     :
                     : "x30");
    return x0;
}

__attribute__((noinline)) static uint64_t ret_x7(void)
{
    uint64_t value = 0;
    __asm__ volatile("adr x7, 1f\n\tret x7\n\tmov %0, 99\n1:\tadd %0, %0, 5" : "+r"(value) : : "x7");
    return value;
}

__attribute__((noinline)) static uint64_t return_address_offset(void)
{
    uint64_t value, here;
    __asm__ volatile("adr %1, 1f\n\tbl 2f\n1:\tb 3f\n2:\tmov %0, x30\n\tbr x30\n3:" : "=&r"(value), "=&r"(here) : : "x30");
    return value - here;
}

__attribute__((noinline)) static uint64_t count_by_cbnz(uint64_t n)
{
    uint64_t steps = 0;
    __asm__ volatile("1:\tadd %0, %0, 1\n\tsub %1, %1, 1\n\tcbnz %1, 1b" : "+r"(steps), "+r"(n));
    return steps;
}

// A loop entered in its middle and left from its middle.
__attribute__((noinline)) static uint64_t irreducible(uint64_t n)
{
    uint64_t a = 0;
    __asm__ volatile("cbz %1, 2f\n\ttbnz %1, 0, 2f\n"
                     "1:\tadd %0, %0, 3\n"
                     "2:\tadd %0, %0, 5\n\tsubs %1, %1, 1\n\tb.mi 3f\n\ttbz %1, 1, 1b\n\tb 2b\n3:"
                     : "+r"(a), "+r"(n)
                     :
                     : "cc");
    return a;
}

static uint64_t irreducible_in_c(uint64_t n)
{
    uint64_t a = 0;
    int first = n == 0 || (n & 1);
    for (;;) {
        if (!first)
            a += 3;
        first = 0;
        for (;;) {
            a += 5;
            n--;
            if ((int64_t)n < 0)
                return a;
            if (!(n >> 1 & 1))
                break;
        }
    }
}

int main(void)
{
    for (int again = 0; again < 3000 && !wrong; again++) {
        EXPECT("tbz 63 of 0", TAKEN("tbz %1, 63, 1f", 0), 1);
        EXPECT("tbz 63 of min", TAKEN("tbz %1, 63, 1f", 1ul << 63), 0);
        EXPECT("tbnz 63 of min", TAKEN("tbnz %1, 63, 1f", 1ul << 63), 1);
        EXPECT("tbnz 32", TAKEN("tbnz %1, 32, 1f", 1ul << 32), 1);
        EXPECT("tbnz 31", TAKEN("tbnz %w1, 31, 1f", 1ul << 31), 1);
        EXPECT("tbz 0", TAKEN("tbz %1, 0, 1f", ~1ul), 1);
        EXPECT("cbz w ignores the upper half", TAKEN("cbz %w1, 1f", 0xffffffff00000000), 1);
        EXPECT("cbz x does not", TAKEN("cbz %1, 1f", 0xffffffff00000000), 0);
        EXPECT("cbnz w", TAKEN("cbnz %w1, 1f", 0xffffffff00000000), 0);
        EXPECT("cbnz x", TAKEN("cbnz %1, 1f", 1ul << 40), 1);
        EXPECT("cbz xzr", TAKEN("cbz xzr, 1f", 7), 1);
        EXPECT("b.al", TAKEN("b.al 1f", 0), 1);
        EXPECT("b.nv", TAKEN(".inst 0x5400004f", 0), 1);
        EXPECT("blr x30", through_x30(again), again + 1);
        EXPECT("ret x7", ret_x7(), 5);
        EXPECT("bl's return address", return_address_offset(), 0);
        EXPECT("cbnz loop", count_by_cbnz(again + 1), again + 1);
        EXPECT("irreducible loop", irreducible(again), irreducible_in_c(again));
    }
    if (!wrong)
        printf("ok\n");
    return wrong;
}
