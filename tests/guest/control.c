// Ways to jump: switch tables, computed goto, indirect calls, tail calls, setjmp and longjmp.
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

static uint32_t state = 12345;

static uint32_t next(void)
{
    return state = state * 1664525 + 1013904223;
}

__attribute__((noinline)) static int table(int n)
{
    switch (n) {
    case 0: return next() & 3;
    case 1: return -1;
    case 2: return n * 100;
    case 3: state += 7; return 3;
    case 4: return state % 17;
    case 5: return 55;
    case 6: state ^= 0xff; return 6;
    case 7: return -7;
    case 100: return 1000;
    case 200: return 2000;
    default: return n;
    }
}

// A bytecode machine: dispatch by label address.
static long machine(const unsigned char *code)
{
    static const void *const labels[] = { &&push, &&add, &&multiply, &&swap, &&loop, &&stop };
    long stack[64], *top = stack, counter = 100;
    const unsigned char *start = code;
#define NEXT goto *labels[*code++]
    NEXT;
push:
    *top++ = *code++;
    NEXT;
add:
    top--;
    top[-1] += top[0];
    NEXT;
multiply:
    top--;
    top[-1] = (top[-1] * top[0]) % 1000003;
    NEXT;
swap: {
    long value = top[-1];
    top[-1] = top[-2];
    top[-2] = value;
    NEXT;
}
loop:
    if (--counter > 0)
        code = start + 2;
    NEXT;
stop:
    return top[-1];
}

typedef int function(int);
__attribute__((noinline)) static int twice(int n) { return n * 2; }
__attribute__((noinline)) static int plus(int n) { return n + 3; }
__attribute__((noinline)) static int minus(int n) { return n - 1; }
__attribute__((noinline)) static int negate(int n) { return -n; }
static function *const functions[] = { twice, plus, minus, negate, table };

__attribute__((noinline)) static int odd(unsigned n);
__attribute__((noinline)) static int even(unsigned n) { return n == 0 ? 1 : odd(n - 1); }
__attribute__((noinline)) static int odd(unsigned n) { return n == 0 ? 0 : even(n - 1); }

static jmp_buf environment;
static volatile int armed = 1; // that deeper() might return, as far as the compiler knows

__attribute__((noinline)) static void deeper(int depth, int value)
{
    if (depth == 0 && armed)
        longjmp(environment, value);
    if (depth > 0)
        deeper(depth - 1, value);
    __asm__ volatile("" ::: "memory");
}

int main(void)
{
    long sum = 0;
    for (int i = 0; i < 5000; i++)
        sum = sum * 31 % 1000003 + table(next() >> 16 & 7) + table(i % 300);
    printf("switch %ld\n", sum);

    static const unsigned char code[] = { 0, 7, 0, 11, 2, 0, 13, 1, 0, 1, 3, 1, 4, 5 };
    printf("computed goto %ld\n", machine(code));

    int value = 1;
    for (int i = 0; i < 5000; i++)
        value = functions[next() >> 20 & 3](value) % 100000;
    for (int i = 0; i < 100; i++)
        value += functions[i % 5](i);
    printf("indirect %d\n", value);
    printf("tail calls %d %d\n", even(3000000), odd(1000001));

    volatile int count = 0;
    int got = setjmp(environment);
    count++;
    if (got < 200)
        deeper(got % 50, got + 1);
    printf("longjmp %d, %d times\n", got, count);
    sigjmp_buf with_mask;
    volatile int passes = 0;
    if (sigsetjmp(with_mask, 1) < 3)
        siglongjmp(with_mask, ++passes);
    printf("siglongjmp %d\n", passes);
    if (setjmp(environment) == 0)
        longjmp(environment, 0);
    else
        printf("longjmp with 0 arrives as 1\n");
    return 0;
}
