// Deep recursion: more calls open than any return stack holds, and a stack of several megabytes in use.
#include <stdint.h>
#include <stdio.h>

__attribute__((noinline)) static uint64_t deep(unsigned n, uint64_t value)
{
    volatile uint64_t kept = value;
    if (n == 0)
        return value;
    uint64_t below = deep(n - 1, value * 6364136223846793005u + n);
    return below ^ kept;
}

__attribute__((noinline)) static unsigned ackermann(unsigned m, unsigned n)
{
    if (m == 0)
        return n + 1;
    if (n == 0)
        return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

static int moves;

static void hanoi(int n, int from, int to, int via)
{
    if (n == 0)
        return;
    hanoi(n - 1, from, via, to);
    moves += from * 3 + to;
    hanoi(n - 1, via, to, from);
}

int main(void)
{
    printf("deep %016lx\n", (unsigned long)deep(100000, 1));
    for (int i = 0; i < 5; i++)
        printf("deep %016lx\n", (unsigned long)deep(10000, i));
    printf("ackermann %u\n", ackermann(2, 300));
    hanoi(16, 1, 3, 2);
    printf("hanoi %d\n", moves);
    return 0;
}
