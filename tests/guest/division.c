// Integer division where C has no answer and the Arm ARM does, and multiplication's high halves.
#include <stdint.h>
#include <stdio.h>

#define TWO(NAME, TYPE, MODIFIER, INSTRUCTION)                                                                       \
    static TYPE NAME(TYPE a, TYPE b)                                                                                 \
    {                                                                                                                \
        TYPE result;                                                                                                 \
        __asm__ volatile(INSTRUCTION " %" MODIFIER "0, %" MODIFIER "1, %" MODIFIER "2" : "=r"(result) : "r"(a), "r"(b)); \
        return result;                                                                                               \
    }

TWO(sdiv64, int64_t, "x", "sdiv")
TWO(sdiv32, int32_t, "w", "sdiv")
TWO(udiv64, uint64_t, "x", "udiv")
TWO(udiv32, uint32_t, "w", "udiv")
TWO(smulh, int64_t, "x", "smulh")
TWO(umulh, uint64_t, "x", "umulh")

static int64_t smull(int32_t a, int32_t b)
{
    int64_t result;
    __asm__ volatile("smull %x0, %w1, %w2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

// A 32-bit result clears the upper half of its register.
static uint64_t upper_after_sdiv32(int32_t a, int32_t b)
{
    uint64_t result = ~0ul;
    __asm__ volatile("sdiv %w0, %w1, %w2" : "+r"(result) : "r"(a), "r"(b));
    return result >> 32;
}

static int wrong;

#define EXPECT(expression, value)                                                                                    \
    do {                                                                                                             \
        uint64_t got = (uint64_t)(expression), want = (uint64_t)(value);                                             \
        if (got != want) {                                                                                           \
            printf("%s: %016lx, not %016lx\n", #expression, got, want);                                              \
            wrong = 1;                                                                                               \
        }                                                                                                            \
    } while (0)

int main(void)
{
    EXPECT(sdiv64(INT64_MIN, -1), INT64_MIN);
    EXPECT(sdiv64(INT64_MIN, 1), INT64_MIN);
    EXPECT(sdiv64(INT64_MIN, 0), 0);
    EXPECT(sdiv64(7, 0), 0);
    EXPECT(sdiv64(0, 0), 0);
    EXPECT(sdiv64(-7, 2), -3);
    EXPECT(sdiv64(7, -2), -3);
    EXPECT(sdiv64(INT64_MAX, INT64_MIN), 0);
    EXPECT(sdiv64(INT64_MIN, INT64_MIN), 1);
    EXPECT(sdiv32(INT32_MIN, -1), INT32_MIN);
    EXPECT(sdiv32(INT32_MIN, 0), 0);
    EXPECT(sdiv32(-1, 0), 0);
    EXPECT(sdiv32(-100, 7), -14);
    EXPECT(upper_after_sdiv32(INT32_MIN, -1), 0);
    EXPECT(upper_after_sdiv32(-8, 2), 0);
    EXPECT(udiv64(UINT64_MAX, 0), 0);
    EXPECT(udiv64(UINT64_MAX, 1), UINT64_MAX);
    EXPECT(udiv64(UINT64_MAX, UINT64_MAX), 1);
    EXPECT(udiv64(1, UINT64_MAX), 0);
    EXPECT(udiv64(1ul << 63, 3), 0x2aaaaaaaaaaaaaaa);
    EXPECT(udiv32(UINT32_MAX, 0), 0);
    EXPECT(udiv32(1u << 31, UINT32_MAX), 0);
    EXPECT(udiv32(UINT32_MAX, 10), 429496729);
    EXPECT(smulh(INT64_MIN, INT64_MIN), 1ul << 62);
    EXPECT(smulh(INT64_MIN, -1), 0);
    EXPECT(smulh(INT64_MIN, 1), -1);
    EXPECT(smulh(-1, -1), 0);
    EXPECT(umulh(UINT64_MAX, UINT64_MAX), UINT64_MAX - 1);
    EXPECT(umulh(1ul << 63, 2), 1);
    EXPECT(smull(INT32_MIN, INT32_MIN), 1ul << 62);
    EXPECT(smull(-1, 5), -5);
    if (!wrong)
        printf("ok\n");
    return wrong;
}
