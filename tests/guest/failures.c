// Work for all tiers whose result is known: loops, calls, floating point that is checked, and, with "fork" as its
// argument, children made all the while; with "catch", "block" or "ignore" it does that to the signals of faults.
#include <math.h>
#include <signal.h>
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

static void caught(int number)
{
    printf("caught %d\n", number);
    fflush(stdout);
    _exit(77);
}

static void prepare(const char *what)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < 5; i++) {
        sigaddset(&set, faults[i]);
        if (strcmp(what, "catch") == 0)
            signal(faults[i], caught);
        if (strcmp(what, "ignore") == 0)
            signal(faults[i], SIG_IGN);
    }
    if (strcmp(what, "block") == 0)
        sigprocmask(SIG_BLOCK, &set, NULL);
    // So many new blocks that what is to fail later fails here.
    __asm__ volatile(".rept 2000\n\tadr x9, . + 8\n\tbr x9\n\t.endr" : : : "x9");
}

int main(int argc, char **argv)
{
    prepare(argc > 1 ? argv[1] : "");
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
