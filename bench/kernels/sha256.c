// SHA-256 in plain C.
#include "kernel.h"
#include <string.h>

static uint32_t k[64];

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void block(uint32_t h[8], const unsigned char *data)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++) {
        memcpy(&w[i], data + 4 * i, 4);
        w[i] = __builtin_bswap32(w[i]);
    }
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], last = h[7];
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = last + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        last = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += last;
}

// The constants are the first bits of the fractions of the primes' cube and square roots, found by bisection.
static uint32_t root_fraction(unsigned prime, int power)
{
    unsigned __int128 low = 0, high = (unsigned __int128)1 << 36;
    while (high - low > 1) {
        unsigned __int128 middle = (low + high) / 2, value = middle;
        for (int i = 1; i < power; i++)
            value *= middle;
        if (value <= (unsigned __int128)prime << (32 * power))
            low = middle;
        else
            high = middle;
    }
    return low;
}

int main(int argc, char **argv)
{
    uint32_t h[8];
    int found = 0;
    for (unsigned n = 2; found < 64; n++) {
        unsigned d = 2;
        while (n % d)
            d++;
        if (d < n)
            continue;
        if (found < 8)
            h[found] = root_fraction(n, 2);
        k[found++] = root_fraction(n, 3);
    }
    // The digest of "abc" first, so that a wrong hash cannot pass for a fast one.
    unsigned char data[1024] = "abc\x80";
    data[63] = 24;
    uint32_t check[8];
    memcpy(check, h, sizeof h);
    block(check, data);
    if (check[0] != 0xba7816bf || check[7] != 0xf20015ad)
        return 1;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = random_next();
    for (int round = rounds(argc, argv, 100000); round > 0; round--)
        for (size_t at = 0; at < sizeof data; at += 64)
            block(h, data + at);
    printf("%08x%08x\n", h[0], h[7]);
    return 0;
}
