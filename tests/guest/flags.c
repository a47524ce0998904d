// NZCV after adding, subtracting, carrying, logical and conditional compares, against values worked out by hand from
// AddWithCarry() of the Arm ARM. Written N Z C V, most significant first: 8 4 2 1.
#include <stdint.h>
#include <stdio.h>

enum { N = 8, Z = 4, C = 2, V = 1 };

struct result {
    uint64_t value;
    unsigned flags;
};

#define OPERATION(NAME, CODE)                                                                                        \
    static struct result NAME(uint64_t a, uint64_t b, uint64_t flags_in)                                             \
    {                                                                                                                \
        uint64_t value, flags = flags_in << 28;                                                                      \
        __asm__ volatile("msr nzcv, %1\n\t" CODE "\n\tmrs %1, nzcv"                                                  \
                         : "=&r"(value), "+r"(flags)                                                                 \
                         : "r"(a), "r"(b)                                                                            \
                         : "cc");                                                                                    \
        return (struct result){ value, flags >> 28 };                                                                \
    }

OPERATION(adds, "adds %0, %2, %3")
OPERATION(subs, "subs %0, %2, %3")
OPERATION(adcs, "adcs %0, %2, %3")
OPERATION(sbcs, "sbcs %0, %2, %3")
OPERATION(adds_w, "adds %w0, %w2, %w3")
OPERATION(subs_w, "subs %w0, %w2, %w3")
OPERATION(adcs_w, "adcs %w0, %w2, %w3")
OPERATION(sbcs_w, "sbcs %w0, %w2, %w3")
OPERATION(ands, "ands %0, %2, %3")
OPERATION(bics_w, "bics %w0, %w2, %w3")
OPERATION(ngcs, "ngcs %0, %3")
OPERATION(adds_shifted, "adds %0, %2, %3, lsl 4")
OPERATION(subs_extended, "subs %0, %2, %w3, sxtb")
OPERATION(ccmp_eq, "ccmp %2, %3, 5, eq\n\tmov %0, 0")
OPERATION(ccmn_lt, "ccmn %2, %3, 10, lt\n\tmov %0, 0")
OPERATION(csinc_hi, "csinc %0, %2, %3, hi")
OPERATION(csneg_vs, "csneg %0, %2, %3, vs")
OPERATION(csinv_ge, "csinv %0, %2, %3, ge")
OPERATION(csel_ls, "csel %0, %2, %3, ls")
OPERATION(cset_mi, "cset %0, mi")
OPERATION(kept_by_mul, "mul %0, %2, %3")
OPERATION(kept_by_add, "add %0, %2, %3")

struct expectation {
    const char *name;
    struct result (*function)(uint64_t, uint64_t, uint64_t);
    uint64_t a, b;
    unsigned flags_in;
    uint64_t value;
    unsigned flags;
};

#define MIN 0x8000000000000000
#define MAX 0x7fffffffffffffff
#define ALL 0xffffffffffffffff
#define ROW(function) #function, function

static const struct expectation table[] = {
    { ROW(adds), 1, 2, 15, 3, 0 },
    { ROW(adds), 0, 0, 0, 0, Z },
    { ROW(adds), ALL, 1, 0, 0, Z | C },
    { ROW(adds), MAX, 1, 0, MIN, N | V },
    { ROW(adds), MIN, MIN, 0, 0, Z | C | V },
    { ROW(adds), ALL, ALL, 0, ALL - 1, N | C },
    { ROW(adds_w), 0xffffffff, 1, 0, 0, Z | C },
    { ROW(adds_w), 0x7fffffff, 1, 0, 0x80000000, N | V },
    { ROW(adds_w), 0xaaaa00000001, 0xbbbb00000002, 0, 3, 0 },
    { ROW(subs), 5, 5, 0, 0, Z | C },
    { ROW(subs), 4, 5, 0, ALL, N },
    { ROW(subs), MIN, 1, 0, MAX, C | V },
    { ROW(subs), MAX, ALL, 0, MIN, N | V },
    { ROW(subs), 0, MIN, 0, MIN, N | V },
    { ROW(subs), 0, 0, 0, 0, Z | C },
    { ROW(subs_w), 0, 1, 0, 0xffffffff, N },
    { ROW(subs_w), 0x80000000, 1, 0, 0x7fffffff, C | V },
    { ROW(adcs), MAX, 0, C, MIN, N | V },
    { ROW(adcs), ALL, 0, C, 0, Z | C },
    { ROW(adcs), ALL, ALL, C, ALL, N | C },
    { ROW(adcs), ALL, 0, Z | N | V, ALL, N },
    { ROW(adcs_w), 0xffffffff, 0xffffffff, C, 0xffffffff, N | C },
    { ROW(adcs_w), 0x7fffffff, 0, C, 0x80000000, N | V },
    { ROW(sbcs), 0, 0, 0, ALL, N },
    { ROW(sbcs), 0, 0, C, 0, Z | C },
    { ROW(sbcs), MIN, 0, 0, MAX, C | V },
    { ROW(sbcs), 0, MIN, 0, MAX, 0 },
    { ROW(sbcs), 5, 3, 0, 1, C },
    { ROW(sbcs_w), 0, 0xffffffff, C, 1, 0 },
    { ROW(sbcs_w), 0, 0xffffffff, 0, 0, Z },
    { ROW(ngcs), 0, 0, C, 0, Z | C },
    { ROW(ngcs), 0, MIN, C, MIN, N | V },
    { ROW(ands), MIN, ALL, 15, MIN, N },
    { ROW(ands), 5, 10, 3, 0, Z },
    { ROW(bics_w), ALL, 0x7fffffff, 15, 0x80000000, N },
    { ROW(adds_shifted), 0, 0x0800000000000000, 0, MIN, N },
    { ROW(adds_shifted), MIN, 0x0800000000000000, 0, 0, Z | C | V },
    { ROW(subs_extended), 0, 0x80, 0, 128, 0 },
    { ROW(subs_extended), 1, 0xff, 0, 2, 0 },
    { ROW(ccmp_eq), 1, 1, 0, 0, 5 },
    { ROW(ccmp_eq), 1, 1, Z, 0, Z | C },
    { ROW(ccmp_eq), 1, 2, Z, 0, N },
    { ROW(ccmn_lt), MAX, 1, N, 0, N | V },
    { ROW(ccmn_lt), MAX, 1, N | V, 0, 10 },
    { ROW(csinc_hi), 10, 20, C, 10, C },
    { ROW(csinc_hi), 10, 20, C | Z, 21, C | Z },
    { ROW(csneg_vs), 10, 20, 0, (uint64_t)-20, 0 },
    { ROW(csneg_vs), 10, 20, V, 10, V },
    { ROW(csinv_ge), 10, 20, N, ~20ul, N },
    { ROW(csinv_ge), 10, 20, N | V, 10, N | V },
    { ROW(csel_ls), 10, 20, 0, 10, 0 },
    { ROW(csel_ls), 10, 20, C, 20, C },
    { ROW(cset_mi), 0, 0, N, 1, N },
    { ROW(cset_mi), 0, 0, 7, 0, 7 },
    { ROW(kept_by_mul), 3, 5, 9, 15, 9 },
    { ROW(kept_by_add), ALL, 1, 6, 0, 6 },
};

// Every condition for every value of the flags; the definitions are those of ConditionHolds().
static unsigned holds(unsigned condition, unsigned f)
{
    int n = f >> 3 & 1, z = f >> 2 & 1, c = f >> 1 & 1, v = f & 1;
    static const unsigned always = 1;
    unsigned result[8] = { z, c, n, v, c && !z, n == v, n == v && !z, always };
    return condition < 14 ? result[condition >> 1] ^ (condition & 1) : always;
}

#define CONDITION(index, name)                                                                                       \
    case index:                                                                                                      \
        __asm__ volatile("msr nzcv, %1\n\tcset %0, " name : "=r"(set) : "r"((uint64_t)flags << 28) : "cc");          \
        __asm__ volatile("msr nzcv, %1\n\tmov %0, 1\n\tb." name " 1f\n\tmov %0, 0\n1:"                               \
                         : "=&r"(branched)                                                                           \
                         : "r"((uint64_t)flags << 28)                                                                \
                         : "cc");                                                                                    \
        break;

static int conditions(void)
{
    int wrong = 0;
    for (unsigned condition = 0; condition < 14; condition++) {
        for (unsigned flags = 0; flags < 16; flags++) {
            uint64_t set = 2, branched = 2;
            switch (condition) {
                CONDITION(0, "eq") CONDITION(1, "ne") CONDITION(2, "cs") CONDITION(3, "cc") CONDITION(4, "mi")
                CONDITION(5, "pl") CONDITION(6, "vs") CONDITION(7, "vc") CONDITION(8, "hi") CONDITION(9, "ls")
                CONDITION(10, "ge") CONDITION(11, "lt") CONDITION(12, "gt") CONDITION(13, "le")
            }
            if (set != holds(condition, flags) || branched != set) {
                printf("condition %u with flags %x: cset %lu, branch %lu\n", condition, flags, set, branched);
                wrong = 1;
            }
        }
    }
    return wrong;
}

int main(void)
{
    int wrong = conditions();
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct expectation *row = &table[i];
        // Many times, so that code that only runs when hot is tested too.
        for (int again = 0; again < 2000; again++) {
            struct result got = row->function(row->a, row->b, row->flags_in);
            if (got.value != row->value || got.flags != row->flags) {
                printf("row %u, %s: %lx flags %x, not %lx flags %x\n", i, row->name, got.value, got.flags, row->value,
                       row->flags);
                wrong = 1;
                break;
            }
        }
    }
    if (!wrong)
        printf("ok\n");
    return wrong;
}
