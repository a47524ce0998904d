// Branches on vectors that have been folded into 64 bits, as string functions search: every form with vectors that are
// zero, nearly zero, without a zero lane or with one, and random. Checks itself.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t bytes[16];
} vector;

static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// --- what the instructions do, lane by lane ---

static uint64_t lane(const vector *v, int size, int index)
{
    uint64_t value = 0;
    memcpy(&value, v->bytes + size * index, size);
    return value;
}

static vector pairs(const vector *a, const vector *b, int size, int greater)
{
    vector result;
    for (int i = 0, half = 8 / size; i < 2 * half; i++) {
        const vector *from = i < half ? a : b;
        uint64_t x = lane(from, size, i % half * 2), y = lane(from, size, i % half * 2 + 1);
        uint64_t kept = (x > y) == greater ? x : y;
        memcpy(result.bytes + size * i, &kept, size);
    }
    return result;
}

static vector equal(const vector *a, const vector *b, int size)
{
    vector result;
    for (int i = 0; i < 16 / size; i++)
        memset(result.bytes + size * i, lane(a, size, i) == lane(b, size, i) ? 0xff : 0, size);
    return result;
}

static vector shrunk(const vector *a, int amount)
{
    vector result = {{0}};
    for (int i = 0; i < 8; i++)
        result.bytes[i] = lane(a, 2, i) >> amount;
    return result;
}

static const vector zero;

// --- the forms: what the low half is, and which way each branch on it goes ---

typedef struct {
    uint64_t low, if_zero, if_not;
} outcome;

#define FORM(name, code, expected)                                                                                     \
    __attribute__((noinline)) static outcome name(const vector *a, const vector *b)                                    \
    {                                                                                                                  \
        outcome seen;                                                                                                  \
        __asm__ volatile("ldr q1, [%3]\n\tldr q2, [%4]\n\t" code "fmov x9, d0\n\t"                                     \
                         "mov %1, #1\n\tcbz x9, 1f\n\tmov %1, #0\n1:\n\t" code "fmov x9, d0\n\t"                       \
                         "mov %2, #1\n\tcbnz x9, 2f\n\tmov %2, #0\n2:\n\tmov %0, x9\n\t"                               \
                         : "=&r"(seen.low), "=&r"(seen.if_zero), "=&r"(seen.if_not)                                    \
                         : "r"(a), "r"(b)                                                                              \
                         : "x9", "v0", "v1", "v2", "v3", "memory");                                                    \
        return seen;                                                                                                   \
    }                                                                                                                  \
    static uint64_t expected_##name(const vector *a, const vector *b)                                                  \
    {                                                                                                                  \
        vector v0, v3;                                                                                                 \
        (void)b, (void)v3;                                                                                             \
        expected;                                                                                                      \
        return lane(&v0, 8, 0);                                                                                        \
    }

FORM(greater_same, "umaxp v0.16b, v1.16b, v1.16b\n\t", v0 = pairs(a, a, 1, 1))
FORM(greater_two, "umaxp v0.16b, v1.16b, v2.16b\n\t", v0 = pairs(a, b, 1, 1))
FORM(greater_tree, "umaxp v0.16b, v1.16b, v2.16b\n\tumaxp v0.16b, v0.16b, v0.16b\n\t",
     v3 = pairs(a, b, 1, 1); v0 = pairs(&v3, &v3, 1, 1))
FORM(greater_words, "umaxp v0.8h, v1.8h, v2.8h\n\tumaxp v0.4s, v0.4s, v1.4s\n\t",
     v3 = pairs(a, b, 2, 1); v0 = pairs(&v3, a, 4, 1))
FORM(greater_half, "umaxp v0.8b, v1.8b, v2.8b\n\t",
     v3 = *a; memcpy(v3.bytes + 8, b->bytes, 8); v0 = pairs(&v3, &v3, 1, 1))
FORM(greater_of_equal, "cmeq v3.16b, v1.16b, v2.16b\n\tumaxp v0.16b, v3.16b, v3.16b\n\t",
     v3 = equal(a, b, 1); v0 = pairs(&v3, &v3, 1, 1))
FORM(smaller_same, "uminp v0.16b, v1.16b, v1.16b\n\tcmeq v0.8b, v0.8b, #0\n\t",
     v3 = pairs(a, a, 1, 0); v0 = equal(&v3, &zero, 1))
FORM(smaller_two, "uminp v3.16b, v1.16b, v2.16b\n\tcmeq v0.16b, v3.16b, #0\n\t",
     v3 = pairs(a, b, 1, 0); v0 = equal(&v3, &zero, 1))
FORM(smaller_tree, "uminp v0.16b, v1.16b, v2.16b\n\tuminp v0.16b, v0.16b, v0.16b\n\tcmeq v0.8b, v0.8b, #0\n\t",
     v3 = pairs(a, b, 1, 0); v3 = pairs(&v3, &v3, 1, 0); v0 = equal(&v3, &zero, 1))
FORM(smaller_words, "uminp v0.8h, v1.8h, v2.8h\n\tuminp v0.8h, v0.8h, v2.8h\n\tcmeq v0.8h, v0.8h, #0\n\t",
     v3 = pairs(a, b, 2, 0); v3 = pairs(&v3, b, 2, 0); v0 = equal(&v3, &zero, 2))
FORM(smaller_mixed, "uminp v0.8h, v1.8h, v2.8h\n\tuminp v0.16b, v0.16b, v0.16b\n\tcmeq v0.16b, v0.16b, #0\n\t",
     v3 = pairs(a, b, 2, 0); v3 = pairs(&v3, &v3, 1, 0); v0 = equal(&v3, &zero, 1))
FORM(smaller_unlike, "uminp v0.16b, v1.16b, v2.16b\n\tcmeq v0.8h, v0.8h, #0\n\t",
     v3 = pairs(a, b, 1, 0); v0 = equal(&v3, &zero, 2))
FORM(smaller_itself, "uminp v0.16b, v1.16b, v2.16b\n\t", v0 = pairs(a, b, 1, 0))
FORM(where_zero, "cmeq v0.16b, v1.16b, #0\n\t", v0 = equal(a, &zero, 1))
FORM(narrowed_bytes, "cmeq v3.16b, v1.16b, v2.16b\n\tshrn v0.8b, v3.8h, #4\n\t",
     v3 = equal(a, b, 1); v0 = shrunk(&v3, 4))
FORM(narrowed_words, "cmeq v3.4s, v1.4s, v2.4s\n\tshrn v0.8b, v3.8h, #1\n\t",
     v3 = equal(a, b, 4); v0 = shrunk(&v3, 1))
FORM(narrowed_high, "cmeq v3.16b, v1.16b, v2.16b\n\tshrn v0.8b, v3.8h, #8\n\t",
     v3 = equal(a, b, 1); v0 = shrunk(&v3, 8))
FORM(narrowed_any, "shrn v0.8b, v1.8h, #4\n\t", v0 = shrunk(a, 4))

#define ROW(name) {#name, name, expected_##name}
static const struct {
    const char *name;
    outcome (*run)(const vector *, const vector *);
    uint64_t (*expected)(const vector *, const vector *);
} forms[] = {
    ROW(greater_same),   ROW(greater_two),   ROW(greater_tree),   ROW(greater_words),  ROW(greater_half),
    ROW(greater_of_equal), ROW(smaller_same),  ROW(smaller_two),    ROW(smaller_tree),   ROW(smaller_words),
    ROW(smaller_mixed),  ROW(smaller_unlike), ROW(smaller_itself), ROW(where_zero),     ROW(narrowed_bytes),
    ROW(narrowed_words), ROW(narrowed_high), ROW(narrowed_any),
};

static void check(const vector *a, const vector *b)
{
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint64_t expected = forms[i].expected(a, b);
        outcome seen = forms[i].run(a, b);
        if (seen.low != expected || seen.if_zero != (expected == 0) || seen.if_not != (expected != 0)) {
            printf("%s of %016lx%016lx, %016lx%016lx: %016lx, zero %lu, not zero %lu; not %016lx\n", forms[i].name,
                   lane(a, 8, 1), lane(a, 8, 0), lane(b, 8, 1), lane(b, 8, 0), seen.low, seen.if_zero, seen.if_not,
                   expected);
            exit(1);
        }
    }
}

int main(void)
{
    check(&zero, &zero);
    for (int i = 0; i < 128; i++) {
        vector one = {{0}}, full, random;
        one.bytes[i / 8] = 1 << i % 8;
        for (int j = 0; j < 16; j++) {
            random.bytes[j] = next();
            full.bytes[j] = random.bytes[j] | 1;
        }
        check(&one, &zero);
        check(&zero, &one);
        check(&random, &full);
        vector other = full;
        other.bytes[i / 8] = i % 8 ? other.bytes[i / 8] ^ 1 << i % 8 : 0;
        check(&full, &other);
        check(&other, &full);
        check(&full, &full);
        // Two zeros side by side, and four.
        other = full;
        other.bytes[i / 8] = other.bytes[i / 8 ^ 1] = 0;
        check(&full, &other);
        check(&other, &full);
        other.bytes[i / 8 ^ 2] = other.bytes[i / 8 ^ 3] = 0;
        check(&full, &other);
        check(&other, &full);
        for (int j = 0; j < 16; j++)
            other.bytes[j] = ~full.bytes[j];
        check(&full, &other);
        other.bytes[i / 8] = full.bytes[i / 8];
        check(&full, &other);
        other.bytes[i / 8 ^ 1] = full.bytes[i / 8 ^ 1];
        check(&full, &other);
    }
    puts("ok");
    return 0;
}
