// setjmp and longjmp many times: out of many frames, out of deep recursion, between handlers that are nested, and into a
// frame that has been jumped into before. EMU_GUEST_SMALL asks for less of it.
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf environment;
static volatile int armed = 1; // that the functions might return, as far as the compiler knows

__attribute__((noinline)) static unsigned fall(int depth, unsigned value)
{
    volatile unsigned kept = value;
    if (depth == 0) {
        if (armed)
            longjmp(environment, (int)(value & 0xffff) + 1);
        return kept;
    }
    return fall(depth - 1, value * 1664525 + 1013904223) + kept;
}

// The same depth by calls through a table, so that the frames are of several functions.
typedef unsigned step(int, unsigned);
static step by_two, by_three;
static step *const steps[] = { by_two, by_three, fall };

__attribute__((noinline)) static unsigned by_two(int depth, unsigned value)
{
    return depth < 2 ? fall(0, value) : steps[value % 2](depth - 2, value * 5 + 1) ^ value;
}

__attribute__((noinline)) static unsigned by_three(int depth, unsigned value)
{
    return depth < 3 ? fall(0, value) : steps[value % 3](depth - 3, value * 7 + 3) ^ value;
}

// Handlers as an exception mechanism keeps them.
static jmp_buf *handler;

__attribute__((noinline)) static void raise_one(int code)
{
    if (armed)
        longjmp(*handler, code);
}

__attribute__((noinline)) static int guarded(int depth, int code)
{
    jmp_buf mine, *outer = handler;
    volatile int seen = 0;
    handler = &mine;
    int got = setjmp(mine);
    if (got == 0) {
        seen = depth == 0 ? -1 : guarded(depth - 1, code);
        if (depth == 0)
            raise_one(code);
    }
    handler = outer;
    // Every third handler passes it on.
    if (got != 0 && depth % 3 != 2 && outer)
        raise_one(got + 1);
    return got + seen * 3 + depth;
}

int main(void)
{
    int small = getenv("EMU_GUEST_SMALL") != NULL;
    volatile int rounds = small ? 2000 : 100000;
    volatile uint64_t sum = 0;
    volatile int i;
    for (i = 0; i < rounds; i++) {
        int got = setjmp(environment);
        if (got == 0)
            fall(i % 20, i);
        sum = sum * 31 + got;
    }
    printf("out of frames %016lx\n", (unsigned long)sum);
    for (i = 0; i < rounds; i++) {
        int got = setjmp(environment);
        if (got == 0)
            steps[i % 3](i % 60, i);
        sum = sum * 31 + got;
    }
    printf("out of functions %016lx\n", (unsigned long)sum);
    for (i = 0; i < 20; i++) {
        int got = setjmp(environment);
        if (got == 0)
            fall(100000 - i * 3000, i);
        sum = sum * 31 + got;
    }
    printf("out of deep recursion %016lx\n", (unsigned long)sum);
    for (i = 0; i < rounds / 20; i++)
        sum = sum * 31 + guarded(i % 17, i % 100 + 1);
    printf("nested handlers %016lx\n", (unsigned long)sum);
    // One setjmp, come back to again and again.
    volatile int times = 0;
    int got = setjmp(environment);
    if (times++ < rounds)
        fall(times % 5, got);
    printf("again and again %d\n", times);
    return 0;
}
