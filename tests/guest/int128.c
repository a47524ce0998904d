// 128-bit integers: carries, wide products, division and shifts in pairs of registers.
#include <inttypes.h>
#include <stdio.h>

typedef unsigned __int128 u128;
typedef __int128 i128;

static void show(const char *what, u128 value)
{
    printf("%s %016" PRIx64 "%016" PRIx64 "\n", what, (uint64_t)(value >> 64), (uint64_t)value);
}

int main(void)
{
    static const uint64_t halves[] = {
        0, 1, 2, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0x123456789abcdef, 0xfedcba9876543210,
    };
    enum { COUNT = sizeof halves / sizeof halves[0] };
    for (int a = 0; a < COUNT; a++) {
        for (int b = 0; b < COUNT; b++) {
            volatile u128 x = (u128)halves[a] << 64 | halves[b], y = (u128)halves[b] << 64 | halves[(a + 3) % COUNT];
            show("+", x + y);
            show("-", x - y);
            show("*", x * y);
            if (y) {
                show("/", x / y);
                show("%", x % y);
                if (!(x == (u128)1 << 127 && y == ~(u128)0))
                    show("signed /", (u128)((i128)x / (i128)y));
            }
            show("<<", x << (b * 17 + a));
            show(">>", x >> (b * 17 + a));
            show("signed >>", (u128)((i128)x >> (b * 17 + a)));
            printf("%d%d%d%d %d\n", x < y, x <= y, (i128)x < (i128)y, x == y, (int)(x % 97));
            i128 checked;
            printf("overflow %d\n", __builtin_mul_overflow((i128)x, (i128)y, &checked));
        }
    }
    u128 factorial = 1;
    for (int i = 2; i <= 34; i++)
        show("factorial", factorial *= i);
    return 0;
}
