// Code whose pages lose the permission to execute and get it back again and again, as just-in-time compilers do that never
// have memory writable and executable: unchanged, changed in one function of many, changed and changed back, unmapped and
// mapped again with the same or with other content. Checks itself. EMU_GUEST_SMALL asks for less of it.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef uint64_t function(uint64_t);
enum { FUNCTIONS = 40, WORDS = 64, BYTES = 4 * FUNCTIONS * WORDS };
static uint32_t *code;
static unsigned added[FUNCTIONS];

static uint32_t branch(uint32_t op, const uint32_t *from, const uint32_t *to)
{
    return op | ((uint32_t)(to - from) & 0x3ffffff);
}

// Function n adds its number added[n] to x0 fifty times in a loop; then it calls, or every fourth one jumps to, function
// n + 1, if n is not the last of five.
static void write_function(int n)
{
    uint32_t *at = code + n * WORDS;
    *at++ = 0xf81f0ffe;                               // str x30, [sp, #-16]!
    *at++ = 0xd2800641;                               // mov x1, #50
    *at++ = 0x91000000 | (added[n] & 0xfff) << 10;    // add x0, x0, #added[n]
    *at++ = 0xf1000421;                               // subs x1, x1, #1
    *at++ = 0x54ffffc1;                               // b.ne the add
    if (n % 5 != 4 && n % 4 == 3) {
        *at++ = 0xf84107fe;                           // ldr x30, [sp], #16
        *at = branch(0x14000000, at, code + (n + 1) * WORDS);
        return;
    }
    if (n % 5 != 4) {
        *at = branch(0x94000000, at, code + (n + 1) * WORDS);
        at++;
    }
    *at++ = 0xf84107fe;                               // ldr x30, [sp], #16
    *at = 0xd65f03c0;                                 // ret
}

static uint64_t expected(int n)
{
    uint64_t sum = 0;
    for (; n % 5 != 4; n++)
        sum += 50 * added[n];
    return sum + 50 * added[n];
}

static void protect(int protection)
{
    if (mprotect(code, BYTES, protection))
        exit(2);
}

static void map(void *at)
{
    code = mmap(at, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
    if (code == MAP_FAILED)
        exit(2);
    for (int n = 0; n < FUNCTIONS; n++)
        write_function(n);
}

static void publish(const uint32_t *from, size_t bytes)
{
    __builtin___clear_cache((char *)from, (char *)from + bytes);
}

static void check(const char *what, unsigned round, int calls)
{
    for (int n = 0; n < FUNCTIONS; n++)
        for (int i = 0; i < calls; i++) {
            uint64_t got = ((function *)(code + n * WORDS))(i);
            if (got != i + expected(n)) {
                printf("%s, round %u, function %d: %lu, not %lu\n", what, round, n, got, i + expected(n));
                exit(1);
            }
        }
}

int main(void)
{
    unsigned rounds = getenv("EMU_GUEST_SMALL") ? 6 : 60;
    for (int n = 0; n < FUNCTIONS; n++)
        added[n] = n;
    map(NULL);
    publish(code, BYTES);
    protect(PROT_READ | PROT_EXEC);
    for (unsigned round = 0; round < rounds; round++) {
        check("at first", round, 40);
        protect(PROT_READ | PROT_WRITE);
        protect(PROT_READ | PROT_EXEC);
        check("unchanged", round, 5);

        protect(PROT_READ | PROT_WRITE);
        int n = round * 7 % FUNCTIONS;
        added[n] += 3;
        write_function(n);
        publish(code + n * WORDS, 4 * WORDS);
        protect(PROT_READ | PROT_EXEC);
        check("one changed", round, 5);

        // Only what is said to have changed: the others come from before.
        protect(PROT_READ | PROT_WRITE | PROT_EXEC);
        for (int again = 0; again < 2; again++) {
            added[n] ^= 1;
            write_function(n);
            publish(code + n * WORDS, 4 * WORDS);
            if (round % 2)
                check("there and back", round, 3);
        }
        protect(PROT_READ | PROT_EXEC);
        check("changed back", round, 5);

        munmap(code, BYTES);
        added[round % FUNCTIONS] += round % 3;
        map(code);
        protect(PROT_READ | PROT_EXEC);
        publish(code, BYTES);
        check("mapped again", round, 5);

        // Half of it.
        if (mprotect(code, BYTES / 2, PROT_READ | PROT_WRITE))
            exit(2);
        n = round % (FUNCTIONS / 2);
        added[n]++;
        write_function(n);
        publish(code + n * WORDS, 4 * WORDS);
        if (mprotect(code, BYTES / 2, PROT_READ | PROT_EXEC))
            exit(2);
        check("half", round, 5);
    }
    puts("ok");
    return 0;
}
