// 16-byte atomics: LDXP/STXP (and their failures), CASP in each order, LDAXP/STLXP, and an aligned pair load.
// Checks itself; the values follow from the Arm ARM's definition of each instruction.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { uint64_t low, high; } pair;

#define EXPECT(what, condition)                                                                                      \
    do {                                                                                                             \
        if (!(condition)) {                                                                                          \
            printf("line %d: %s\n", __LINE__, what);                                                                 \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

static _Alignas(16) pair cell;

static pair exclusive_swap(pair new)
{
    pair old;
    uint32_t failed;
    do
        __asm__ volatile("ldaxp %0, %1, %3\n\tstlxp %w2, %4, %5, %3"
                         : "=&r"(old.low), "=&r"(old.high), "=&r"(failed), "+Q"(cell)
                         : "r"(new.low), "r"(new.high)
                         : "memory");
    while (failed);
    return old;
}

#define CASP(NAME, INSTRUCTION)                                                                                      \
    static pair NAME(pair expected, pair new)                                                                        \
    {                                                                                                                \
        register uint64_t s0 __asm__("x0") = expected.low;                                                           \
        register uint64_t s1 __asm__("x1") = expected.high;                                                          \
        register uint64_t t0 __asm__("x2") = new.low;                                                                \
        register uint64_t t1 __asm__("x3") = new.high;                                                               \
        __asm__ volatile(".arch_extension lse\n\t" INSTRUCTION " x0, x1, x2, x3, %2"                                 \
                         : "+r"(s0), "+r"(s1), "+Q"(cell)                                                            \
                         : "r"(t0), "r"(t1)                                                                          \
                         : "memory");                                                                                \
        return (pair){ s0, s1 };                                                                                     \
    }

CASP(casp, "casp")
CASP(caspa, "caspa")
CASP(caspl, "caspl")
CASP(caspal, "caspal")

int main(void)
{
    cell = (pair){ 1, 2 };
    pair old = exclusive_swap((pair){ 3, 4 });
    EXPECT("swap returns the old pair", old.low == 1 && old.high == 2);
    EXPECT("swap stores the new pair", cell.low == 3 && cell.high == 4);

    // A store-exclusive without an open exclusive access fails and stores nothing.
    uint32_t failed;
    __asm__ volatile("clrex\n\tstxp %w0, %2, %2, %1" : "=&r"(failed), "+Q"(cell) : "r"(99ul) : "memory");
    EXPECT("stxp after clrex fails", failed == 1 && cell.low == 3 && cell.high == 4);
    uint64_t loaded;
    __asm__ volatile("ldxr %0, %2\n\tclrex\n\tstxr %w1, %3, %2"
                     : "=&r"(loaded), "=&r"(failed), "+Q"(cell.low)
                     : "r"(99ul)
                     : "memory");
    EXPECT("stxr after clrex fails", loaded == 3 && failed == 1 && cell.low == 3);
    // A second store-exclusive fails: the first one closed the access.
    uint32_t again;
    __asm__ volatile("ldxr %0, %3\n\tstxr %w1, %4, %3\n\tstxr %w2, %5, %3"
                     : "=&r"(loaded), "=&r"(failed), "=&r"(again), "+Q"(cell.low)
                     : "r"(11ul), "r"(12ul)
                     : "memory");
    EXPECT("only the first stxr stores", failed == 0 && again == 1 && cell.low == 11);
    cell.low = 3;

    // 32-bit pairs are one 8-byte access.
    uint32_t w0, w1;
    __asm__ volatile("ldxp %w0, %w1, %3\n\tstxp %w2, %w1, %w0, %3"
                     : "=&r"(w0), "=&r"(w1), "=&r"(failed), "+Q"(cell.low)
                     :
                     : "memory");
    EXPECT("ldxp of words", w0 == 3 && w1 == 0 && failed == 0 && cell.low == (uint64_t)3 << 32);
    cell.low = 3;

    pair (*const all[])(pair, pair) = { casp, caspa, caspl, caspal };
    for (int i = 0; i < 4; i++) {
        cell = (pair){ 0xfedcba9876543210, 0x0123456789abcdef };
        old = all[i]((pair){ 0xfedcba9876543210, 0 }, (pair){ 5, 6 });
        EXPECT("casp compares the high half", old.high == 0x0123456789abcdef && cell.low == 0xfedcba9876543210);
        old = all[i]((pair){ 0, 0x0123456789abcdef }, (pair){ 5, 6 });
        EXPECT("casp compares the low half", old.low == 0xfedcba9876543210 && cell.high == 0x0123456789abcdef);
        old = all[i](cell, (pair){ 5, 6 });
        EXPECT("casp stores", old.low == 0xfedcba9876543210 && cell.low == 5 && cell.high == 6);
    }
    cell = (pair){ 0x100000002, 77 };
    register uint32_t s0 __asm__("w4") = 2, s1 __asm__("w5") = 1, t0 __asm__("w6") = 8, t1 __asm__("w7") = 9;
    __asm__ volatile(".arch_extension lse\n\tcaspal w4, w5, w6, w7, %2"
                     : "+r"(s0), "+r"(s1), "+Q"(cell.low)
                     : "r"(t0), "r"(t1)
                     : "memory");
    EXPECT("casp of words", s0 == 2 && s1 == 1 && cell.low == ((uint64_t)9 << 32 | 8) && cell.high == 77);

    // Contention is for a later test; here many operations in a row on one cell.
    cell = (pair){ 0, 0 };
    for (uint64_t i = 0; i < 20000; i++) {
        pair now = cell, want = { now.low + 1, now.high - i };
        if (i & 1)
            exclusive_swap(want);
        else
            caspal(now, want);
    }
    EXPECT("20000 updates", cell.low == 20000 && cell.high == -(uint64_t)(19999ul * 20000 / 2));
    printf("ok\n");
    return 0;
}
