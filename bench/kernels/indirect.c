// Calls through function pointers, in an order that is hard to foresee.
#include "kernel.h"

typedef uint64_t function(uint64_t, uint64_t);
#define FUNCTION(name, expression)                                        \
    __attribute__((noinline)) static uint64_t name(uint64_t a, uint64_t b) \
    {                                                                     \
        return expression;                                                \
    }
FUNCTION(f0, a + b)
FUNCTION(f1, a ^ b << 1)
FUNCTION(f2, a * 3 - b)
FUNCTION(f3, (a >> 3) + b)
FUNCTION(f4, a & ~b)
FUNCTION(f5, a | b >> 2)
FUNCTION(f6, b - a)
FUNCTION(f7, a << 7 ^ b)
static function *const functions[] = { f0, f1, f2, f3, f4, f5, f6, f7 };

int main(int argc, char **argv)
{
    uint64_t value = 1;
    for (int i = rounds(argc, argv, 40000000); i > 0; i--)
        value = functions[random_next() >> 61](value, i);
    printf("%016" PRIx64 "\n", value);
    return 0;
}
