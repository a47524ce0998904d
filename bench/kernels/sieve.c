// The sieve of Eratosthenes on bits.
#include "kernel.h"
#include <string.h>

enum { LIMIT = 4000000 };
static uint64_t composite[LIMIT / 64 + 1];

int main(int argc, char **argv)
{
    int primes = 0;
    for (int round = rounds(argc, argv, 25); round > 0; round--) {
        memset(composite, 0, sizeof composite);
        primes = 0;
        for (uint32_t i = 2; i < LIMIT; i++) {
            if (composite[i / 64] >> i % 64 & 1)
                continue;
            primes++;
            for (uint64_t j = (uint64_t)i * i; j < LIMIT; j += i)
                composite[j / 64] |= UINT64_C(1) << j % 64;
        }
    }
    printf("%d\n", primes);
    return 0;
}
