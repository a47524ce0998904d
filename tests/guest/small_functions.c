// Small functions in hot loops: such as a translator may take into their callers. They are left by longjmp, call
// themselves, are called through pointers that change, and are rewritten while their callers are hot. Checks itself.
// EMU_GUEST_SMALL asks for less of it.
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void expect(const char *what, uint64_t got, uint64_t wanted)
{
    if (got != wanted) {
        printf("%s: %lx, not %lx\n", what, got, wanted);
        exit(1);
    }
}

// --- jumping out ---

static jmp_buf environment;

__attribute__((noinline)) static uint64_t leave_if(uint64_t x, uint64_t when)
{
    if (x % 64 == when)
        longjmp(environment, 1);
    return x + 2;
}

__attribute__((noinline)) static uint64_t in_frame(uint64_t x, uint64_t when)
{
    uint64_t result = leave_if(x, when);
    __asm__ volatile("" : "+r"(result)); // no tail call
    return result + 1;
}

static void check_jumps(uint64_t rounds)
{
    volatile uint64_t sum = 0, jumps = 0, i;
    for (i = 0; i < rounds; i++) {
        if (setjmp(environment) == 0)
            sum += leave_if(i, 5) + in_frame(i, 9);
        else
            jumps++;
    }
    uint64_t wanted = 0, left = 0;
    for (uint64_t n = 0; n < rounds; n++) {
        if (n % 64 == 5 || n % 64 == 9)
            left++;
        else
            wanted += n + 2 + n + 3;
    }
    expect("sum with jumps", sum, wanted);
    expect("jumps", jumps, left);
}

// --- rewriting ---

typedef uint64_t function(uint64_t);

static void write_code(uint32_t *at, const uint32_t *words, int count)
{
    memcpy(at, words, 4 * count);
    __builtin___clear_cache((char *)at, (char *)(at + count));
}

__attribute__((noinline)) static uint64_t call_often(function *f, uint64_t times)
{
    uint64_t value = 0;
    for (uint64_t i = 0; i < times; i++)
        value = f(value);
    return value;
}

static void check_rewriting(uint64_t rounds)
{
    uint32_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect("memory for code", code == MAP_FAILED, 0);
    // A caller in one place, which BLs a callee in another: str x30; bl +64 words; ldr x30; ret.
    const uint32_t caller[] = { 0xf81f0ffe, 0x94000040 - 1, 0xf84107fe, 0xd65f03c0 };
    write_code(code, caller, 4);
    uint64_t wanted = 0, got = 0;
    for (uint64_t step = 1; step < 40; step++) {
        const uint32_t callee[] = { 0x91000000 | (uint32_t)step << 10, 0xd65f03c0 }; // add x0, x0, step; ret
        write_code(code + 64, callee, 2);
        got += call_often((function *)code, rounds / 2);
        wanted += step * (rounds / 2);
        expect("rewritten callee", got, wanted);
    }
    munmap(code, 4096);
}

// --- pointers, recursion ---

__attribute__((noinline)) static uint64_t add_one(uint64_t x) { return x + 1; }
__attribute__((noinline)) static uint64_t twice(uint64_t x) { return x * 2; }
__attribute__((noinline)) static uint64_t less(uint64_t x) { return x - 3; }
static function *volatile chosen[] = { add_one, twice, less };

static void check_pointers(uint64_t rounds)
{
    // First one function, then two, then three.
    uint64_t value = 1, wanted = 1;
    for (unsigned kinds = 1; kinds <= 3; kinds++) {
        for (uint64_t i = 0; i < rounds; i++) {
            unsigned which = (i * 7 >> 3) % kinds;
            value = chosen[which](value);
            wanted = which == 0 ? wanted + 1 : which == 1 ? wanted * 2 : wanted - 3;
        }
        expect("called by pointer", value, wanted);
    }
}

__attribute__((noinline)) static uint64_t depth(uint64_t n)
{
    uint64_t result = n == 0 ? 0 : depth(n - 1) + 1;
    __asm__ volatile("" : "+r"(result)); // no tail call
    return result;
}

__attribute__((noinline)) static uint64_t ways(unsigned n)
{
    return n < 2 ? 1 : ways(n - 1) + ways(n - 2);
}

int main(void)
{
    int small = getenv("EMU_GUEST_SMALL") != NULL;
    uint64_t rounds = small ? 4000 : 200000;
    check_jumps(rounds);
    check_rewriting(rounds);
    check_pointers(rounds);
    for (uint64_t i = 0; i < (small ? 3 : 30); i++)
        expect("deep recursion", depth(20000 + i), 20000 + i);
    expect("recursion", ways(small ? 15 : 25), small ? 987 : 121393);
    printf("ok\n");
    return 0;
}
