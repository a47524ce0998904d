// Bit operations that compilers turn into single instructions: counts, reversals, rotations, fields, extensions.
#include <inttypes.h>
#include <stdio.h>

static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t reverse(uint64_t x)
{
    uint64_t r = 0;
    for (int i = 0; i < 64; i++)
        r |= (x >> i & 1) << (63 - i);
    return r;
}

__attribute__((noinline)) static void value(uint64_t x, unsigned n)
{
    uint32_t w = x;
    printf("%016" PRIx64 ": %d %d %d %d %d %d", x, __builtin_popcountll(x), __builtin_popcount(w), __builtin_parityll(x),
           x ? __builtin_clzll(x) : 64, x ? __builtin_ctzll(x) : 64, w ? __builtin_clz(w) : 32);
    printf(" %016" PRIx64 " %08x %04x", __builtin_bswap64(x), __builtin_bswap32(w), __builtin_bswap16(w));
    printf(" %016" PRIx64 " %08x", x >> (n & 63) | x << (-n & 63), w >> (n & 31) | w << (-n & 31));
    printf(" %" PRIx64 " %" PRIx64 " %x %x", x >> 12 & 0x1ff, x << 5 & 0xfffe0, (w & ~0xff00u) | (w << 8 & 0xff00), w & -w);
    printf(" %" PRId64 " %d %" PRId64 " %d", (int64_t)(int8_t)x, (int)(int16_t)w, (int64_t)(int32_t)w, (int)(w << 9) >> 20);
    printf(" %" PRIx64 " %" PRIx64 " %x", x & ~(x >> 3), x | ~(x << 7), w ^ ~(w >> 9));
    printf(" %d %016" PRIx64 "\n", __builtin_clrsbll(x), reverse(x));
}

int main(void)
{
    for (int i = 0; i < 64; i++) {
        value(UINT64_C(1) << i, i);
        value((UINT64_C(1) << i) - 1, i);
        value(~UINT64_C(0) << i, i);
        uint64_t random = next();
        value(random, next());
    }
    value(0, 0);
    return 0;
}
