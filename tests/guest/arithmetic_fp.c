// IEEE arithmetic, comparisons and conversions that have one right answer, so that the host is the reference.
#include <fenv.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t to_bits(double value)
{
    // Which NaN comes out differs between the machines; that one does is what is checked here.
    if (isnan(value))
        return 0x7ff8000000000000;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint32_t to_bits_f(float value)
{
    if (isnan(value))
        return 0x7fc00000;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static const uint64_t inputs[] = {
    0, 0x8000000000000000, 1, 0x000fffffffffffff, 0x0010000000000000, 0x3ff0000000000000, 0xbff0000000000000,
    0x4008000000000000, 0x3fd5555555555555, 0x7fefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000,
    0x7ff8000000000000, 0x43e0000000000000, 0xc3e0000000000000, 0x41dfffffffc00000, 0x41efffffffe00000,
    0x36a0000000000000, 0x47efffffe0000000, 0x3fe0000000000000, 0xbff8000000000000, 0x4340000000000001,
};
enum { COUNT = sizeof inputs / sizeof inputs[0] };

__attribute__((noinline)) static void pair(double a, double b)
{
    volatile double x = a, y = b;
    feclearexcept(FE_ALL_EXCEPT);
    uint64_t sum = to_bits(x + y), difference = to_bits(x - y), product = to_bits(x * y), quotient = to_bits(x / y);
    int raised = fetestexcept(FE_INEXACT | FE_OVERFLOW | FE_DIVBYZERO | FE_INVALID);
    printf("%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %x", sum, difference, product, quotient, raised != 0);
    printf(" %d%d%d%d%d %d", x < y, x <= y, x == y, x != y, x > y, isunordered(x, y) != 0);
    volatile float f = (float)a, g = (float)b;
    printf(" %x %x %x %x", to_bits_f(f + g), to_bits_f(f - g), to_bits_f(f * g), to_bits_f(f / g));
    printf(" %" PRIx64 "\n", to_bits(fma(x, y, 1.0)));
}

static void one(double a)
{
    volatile double x = a;
    printf("sqrt %" PRIx64 " narrow %x", to_bits(sqrt(x)), to_bits_f((float)x));
    if (fabs(a) < 2147483648.0)
        printf(" int %d", (int)x);
    if (fabs(a) < 9e18)
        printf(" long %ld", (long)x);
    if (a >= 0 && a < 1.8e19)
        printf(" unsigned %lu", (unsigned long)x);
    printf(" floor %" PRIx64 " trunc %" PRIx64 "\n", to_bits(floor(x)), to_bits(trunc(x)));
}

int main(void)
{
    for (int i = 0; i < COUNT; i++) {
        one(from_bits(inputs[i]));
        for (int j = 0; j < COUNT; j++)
            pair(from_bits(inputs[i]), from_bits(inputs[j]));
    }
    static const int64_t integers[] = { 0, 1, -1, INT64_MIN, INT64_MAX, 1 << 30, 9007199254740993, -123456789012345678 };
    for (unsigned i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        volatile int64_t n = integers[i];
        printf("%" PRIx64 " %" PRIx64 " %x %x\n", to_bits((double)n), to_bits((double)(uint64_t)n),
               to_bits_f((float)n), to_bits_f((float)(uint32_t)n));
    }
    return 0;
}
