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

static vector differing(const vector *a, const vector *b)
{
    vector result;
    for (int i = 0; i < 16; i++)
        result.bytes[i] = a->bytes[i] ^ b->bytes[i];
    return result;
}

// One lane of a vector, zeros above.
static vector across(const vector *a, int size, int greatest)
{
    uint64_t kept = lane(a, size, 0);
    for (int i = 1; i < 16 / size; i++) {
        uint64_t other = lane(a, size, i);
        if ((other > kept) == greatest)
            kept = other;
    }
    vector result = {{0}};
    memcpy(result.bytes, &kept, size);
    return result;
}

static const vector zero;

// --- the forms: what the low bits are, which way each branch on them goes, and the flags of comparisons with zero ---

typedef struct {
    uint64_t low, if_zero, if_not, compared, tested, conditional, unsigned_higher;
} outcome;

#define FORM(name, code, expected) FORM_OF(name, "x", 8, code, "fmov x9, d0\n\t", expected)
#define FORM_LANE(name, code, move, expected) FORM_OF(name, "w", 4, code, move "\n\t", expected)

#define FORM_OF(name, width, size, code, move, expected)                                                                                     \
    __attribute__((noinline)) static outcome name(const vector *a, const vector *b)                                    \
    {                                                                                                                  \
        outcome seen;                                                                                                  \
        __asm__ volatile("ldr q1, [%7]\n\tldr q2, [%8]\n\t" code move                                                  \
                         "mov %1, #1\n\tcbz " width "9, 1f\n\tmov %1, #0\n1:\n\t" code move                            \
                         "mov %2, #1\n\tcbnz " width "9, 2f\n\tmov %2, #0\n2:\n\t" code move                           \
                         "mov %3, #1\n\tcmp " width "9, #0\n\tb.eq 3f\n\tmov %3, #0\n3:\n\t" code move                 \
                         "tst " width "9, " width "9\n\tcset %4, ne\n\t" code move                                     \
                         "cmp %7, #0\n\tccmp " width "9, #0, #4, ne\n\tcset %5, eq\n\t" code move                      \
                         "cmp " width "9, #0\n\tcset %6, hi\n\tmov %0, x9\n\t"                                         \
                         : "=&r"(seen.low), "=&r"(seen.if_zero), "=&r"(seen.if_not), "=&r"(seen.compared),             \
                           "=&r"(seen.tested), "=&r"(seen.conditional), "=&r"(seen.unsigned_higher)                    \
                         : "r"(a), "r"(b)                                                                              \
                         : "x9", "v0", "v1", "v2", "v3", "cc", "memory");                                              \
        return seen;                                                                                                   \
    }                                                                                                                  \
    static uint64_t expected_##name(const vector *a, const vector *b)                                                  \
    {                                                                                                                  \
        vector v0, v3;                                                                                                 \
        (void)b, (void)v3;                                                                                             \
        expected;                                                                                                      \
        return lane(&v0, size, 0);                                                                                     \
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

FORM(narrowed_halfwords, "cmeq v3.8h, v1.8h, v2.8h\n\txtn v0.8b, v3.8h\n\t", v3 = equal(a, b, 2); v0 = shrunk(&v3, 0))
FORM(narrowed_low_bytes, "cmeq v3.16b, v1.16b, v2.16b\n\txtn v0.8b, v3.8h\n\t", v3 = equal(a, b, 1);
     v0 = shrunk(&v3, 0))
FORM(greater_deep,
     "umaxp v0.16b, v1.16b, v2.16b\n\teor v3.16b, v1.16b, v2.16b\n\tumaxp v3.16b, v3.16b, v1.16b\n\t"
     "umaxp v0.16b, v0.16b, v3.16b\n\tumaxp v0.16b, v0.16b, v0.16b\n\t",
     v0 = pairs(a, b, 1, 1); v3 = differing(a, b); v3 = pairs(&v3, a, 1, 1); v0 = pairs(&v0, &v3, 1, 1);
     v0 = pairs(&v0, &v0, 1, 1))
FORM(greater_masks,
     "cmeq v0.16b, v1.16b, v2.16b\n\tcmeq v3.16b, v1.16b, #0\n\tumaxp v0.16b, v0.16b, v3.16b\n\t"
     "umaxp v0.16b, v0.16b, v0.16b\n\t",
     v0 = equal(a, b, 1); v3 = equal(a, &zero, 1); v0 = pairs(&v0, &v3, 1, 1); v0 = pairs(&v0, &v0, 1, 1))
FORM_LANE(greatest_byte, "umaxv b0, v1.16b\n\t", "fmov w9, s0", v0 = across(a, 1, 1))
FORM_LANE(greatest_moved, "umaxv b0, v1.16b\n\t", "umov w9, v0.b[0]", v0 = across(a, 1, 1))
FORM_LANE(greatest_of_equal, "cmeq v3.8h, v1.8h, v2.8h\n\tumaxv h0, v3.8h\n\t", "fmov w9, s0", v3 = equal(a, b, 2);
          v0 = across(&v3, 2, 1))
FORM_LANE(greatest_low_byte, "umaxv h0, v1.8h\n\t", "umov w9, v0.b[0]", v3 = across(a, 2, 1);
          v0 = zero; v0.bytes[0] = v3.bytes[0])
FORM_LANE(greatest_half, "umaxv b0, v1.8b\n\t", "fmov w9, s0", v3 = *a; memcpy(v3.bytes + 8, a->bytes, 8);
          v0 = across(&v3, 1, 1))
FORM_LANE(least_byte, "uminv b0, v1.16b\n\t", "fmov w9, s0", v0 = across(a, 1, 0))
FORM_LANE(least_word, "uminv s0, v1.4s\n\t", "umov w9, v0.s[0]", v0 = across(a, 4, 0))
FORM(least_wide, "uminv h0, v1.8h\n\t", v0 = across(a, 2, 0))
FORM_LANE(low_word, "umaxp v0.16b, v1.16b, v1.16b\n\t", "fmov w9, s0", v0 = pairs(a, a, 1, 1))

#define ROW(name) {#name, name, expected_##name}
static const struct {
    const char *name;
    outcome (*run)(const vector *, const vector *);
    uint64_t (*expected)(const vector *, const vector *);
} forms[] = {
    ROW(greater_same),   ROW(greater_two),   ROW(greater_tree),   ROW(greater_words),  ROW(greater_half),
    ROW(greater_of_equal), ROW(smaller_same),  ROW(smaller_two),    ROW(smaller_tree),   ROW(smaller_words),
    ROW(smaller_mixed),  ROW(smaller_unlike), ROW(smaller_itself), ROW(where_zero),     ROW(narrowed_bytes),
    ROW(narrowed_words), ROW(narrowed_high), ROW(narrowed_any), ROW(narrowed_halfwords), ROW(narrowed_low_bytes),
    ROW(greater_deep), ROW(greater_masks), ROW(greatest_byte), ROW(greatest_moved), ROW(greatest_of_equal),
    ROW(greatest_low_byte), ROW(greatest_half), ROW(least_byte), ROW(least_word), ROW(least_wide), ROW(low_word),
};

static void check(const vector *a, const vector *b)
{
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint64_t expected = forms[i].expected(a, b);
        outcome seen = forms[i].run(a, b);
        uint64_t is_zero = expected == 0;
        if (seen.low != expected || seen.if_zero != is_zero || seen.if_not == is_zero || seen.compared != is_zero ||
            seen.tested == is_zero || seen.conditional != is_zero || seen.unsigned_higher == is_zero) {
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
