// Recursive calls and returns, and nothing else.
#include "kernel.h"

__attribute__((noinline, optimize("no-optimize-sibling-calls"))) static uint64_t fib(unsigned n)
{
    if (n < 2)
        return n;
    uint64_t below = fib(n - 1);
    __asm__ volatile("" : "+r"(below)); // keeps the compiler from unfolding the recursion
    return below + fib(n - 2);
}

int main(int argc, char **argv)
{
    printf("%" PRIu64 "\n", fib(rounds(argc, argv, 39)));
    return 0;
}
