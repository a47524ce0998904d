// Switches that the compiler makes jump tables of bytes, of halfwords and of bytes with offsets below zero for. Each runs
// hot with few of its cases, then with all, then with values that have none. Prints sums.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FEW(n) case n: sum = sum * 3 + (n); break;
#define EIGHT(n) FEW(n) FEW(n + 1) FEW(n + 2) FEW(n + 3) FEW(n + 4) FEW(n + 5) FEW(n + 6) FEW(n + 7)
#define MORE(n)                                                                  \
    case n:                                                                      \
        sum = (sum ^ sum >> 7) * ((n) + 3);                                      \
        sum += sum << 9 ^ ((n) + 1);                                             \
        sum ^= sum >> 11;                                                        \
        seen[(n) % 4] += sum & 0xff;                                             \
        seen[((n) + 1) % 4] ^= sum >> 8;                                         \
        break;
#define EIGHT_MORE(n) \
    MORE(n) MORE(n + 1) MORE(n + 2) MORE(n + 3) MORE(n + 4) MORE(n + 5) MORE(n + 6) MORE(n + 7)

static uint64_t seen[4];

static __attribute__((noinline)) uint64_t small(uint64_t sum, unsigned value)
{
    switch (value) {
        EIGHT(0)
        EIGHT(8)
    default: sum ^= 1; break;
    }
    return sum;
}

static __attribute__((noinline)) uint64_t large(uint64_t sum, unsigned value)
{
    switch (value) {
        EIGHT_MORE(0)
        EIGHT_MORE(8)
        EIGHT_MORE(16)
        EIGHT_MORE(24)
    default: sum ^= 5; break;
    }
    return sum;
}

// As code in a loop: what the switch does stands around its branch, before it and behind it.
static __attribute__((noinline)) uint64_t looped(const unsigned char *at, uint64_t sum)
{
    for (;;) {
        switch (*at++) {
        case 0: sum += 3; break;
        case 1: sum ^= sum << 5; break;
        case 2: sum -= 7; break;
        case 3: sum *= 9; break;
        case 4: if (sum & 1) at++; break;
        case 5: sum = ~sum; break;
        case 6: sum ^= sum >> 3; break;
        case 7: at += *at & 1; break;
        case 8: sum += (uint64_t)at[0] << 4; break;
        case 9: return sum;
        default: return ~sum;
        }
    }
}

#ifdef __aarch64__
// A table of zero-extended bytes, as other compilers make them, and one whose offsets all are below zero.
uint64_t unsigned_table(uint64_t value), backward_table(uint64_t value);
__asm__(".text\n"
        "1: mov x0, #10\n ret\n"
        "2: mov x0, #20\n ret\n"
        "3: mov x0, #30\n ret\n"
        "4: mov x0, #40\n ret\n"
        ".global backward_table\nbackward_table:\n"
        " adr x1, 8f\n ldrb w2, [x1, x0]\n adr x3, 5f\n add x3, x3, w2, sxtb #2\n br x3\n"
        "5: brk #1\n"
        "8: .byte (1b - 5b) / 4, (2b - 5b) / 4, (3b - 5b) / 4, (4b - 5b) / 4\n"
        ".global unsigned_table\nunsigned_table:\n"
        " adr x1, 8f\n ldrb w2, [x1, x0]\n adr x3, 5f\n add x3, x3, x2, lsl #2\n br x3\n"
        "5: mov x0, #11\n ret\n .skip 700\n"
        "6: mov x0, #21\n ret\n"
        "7: mov x0, #31\n ret\n .skip 80\n"
        "9: mov x0, #41\n ret\n"
        "8: .byte 0, (6b - 5b) / 4, (7b - 5b) / 4, (9b - 5b) / 4\n");
#else
static uint64_t backward_table(uint64_t value)
{
    return 10 * (value + 1);
}
static uint64_t unsigned_table(uint64_t value)
{
    return 10 * (value + 1) + 1;
}
#endif

int main(void)
{
    unsigned rounds = getenv("EMU_GUEST_SMALL") ? 300 : 20000;
    static const unsigned limits[] = { 2, 5, 16, 32, 40 };
    uint64_t sum = 1, random = 88172645463325252;
    for (unsigned phase = 0; phase < sizeof limits / sizeof limits[0]; phase++) {
        // Few of the values first.
        for (unsigned i = 0; i < rounds; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            unsigned value = random % limits[phase];
            sum = small(sum, value);
            sum = large(sum, value);
            sum += backward_table(value % 4) ^ unsigned_table((value + phase) % 4);
            unsigned char program[16];
            for (int n = 0; n < 15; n++)
                program[n] = (random >> 4 * n) % (phase < 2 ? 5 : 9);
            program[14] = program[13] = program[12] = 9 + (random >> 60 == 7);
            program[15] = 9;
            sum += looped(program, sum);
        }
        printf("%u: %016lx %016lx %016lx\n", phase, (unsigned long)sum, (unsigned long)seen[0], (unsigned long)seen[3]);
    }
    return 0;
}
