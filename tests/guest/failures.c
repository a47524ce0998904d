// Work for all tiers whose result is known: loops, calls, floating point that is checked, and, with "fork" as its
// argument, children made all the while.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 60000

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccd;
    return x ^ x >> 29;
}

__attribute__((noinline)) static uint64_t whole_numbers(uint64_t seed)
{
    uint64_t sum = seed;
    for (int i = 0; i < TURNS; i++)
        sum = mix(sum + i) ^ sum << 1;
    return sum;
}

__attribute__((noinline)) static double numbers(double start)
{
    double x = start, sum = 0;
    for (int i = 0; i < TURNS; i++) {
        x = 3.9 * x * (1 - x);
        sum += sqrt(x) / (1 + i) - x * 0.001;
    }
    return sum;
}

int main(int argc, char **argv)
{
    int forks = argc > 1 && strcmp(argv[1], "fork") == 0 ? 300 : 0;
    // Long enough for the compiler's thread to come to it on a busy machine.
    for (int i = 0; i < 32; i++)
        printf("%d: %016llx %.17g\n", i, (unsigned long long)whole_numbers(i), numbers(0.1 + i / 50.0));
    fflush(stdout);
    for (int i = 0; i < forks; i++) {
        uint64_t sum = 0;
        for (int turn = 0; turn < 20000; turn++)
            sum = mix(sum + turn + i);
        pid_t child = fork();
        if (child == 0)
            _exit(sum == 1);
        int status;
        if (waitpid(child, &status, 0) != child || status != 0)
            printf("child %d: status %x\n", i, status);
    }
    puts("over");
    return 0;
}
