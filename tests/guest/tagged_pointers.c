// Addresses with a tag in their highest byte, which every access and branch ignores: the same functions run with and
// without, by turns and on two threads, until they are hot.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 512
#define TAG(p, t) ((void *)(((uintptr_t)(p) & 0x00ffffffffffffff) | (uint64_t)(t) << 56))

struct shared {
    uint64_t number;
    _Atomic uint64_t atomic;
    uint32_t words[COUNT];
    double numbers[COUNT];
    __uint128_t pair __attribute__((aligned(16)));
    uint8_t block[4096] __attribute__((aligned(4096)));
};

static int turns;
static _Atomic int wrong;

__attribute__((noinline)) static uint64_t accesses(struct shared *s)
{
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        s->words[i] += i;
        s->numbers[i] += s->words[i];
        sum += s->words[i] + (uint64_t)s->numbers[i];
    }
    memcpy(s->block + 1, s->words, 1000);
    memset(s->block + 2000, (int)sum, 333);
    return sum + s->block[77] + s->block[2100];
}

__attribute__((noinline)) static uint64_t exclusives(uint64_t *at)
{
    uint64_t old, next;
    uint32_t failed, tries = 0;
    do {
        __asm__ volatile("ldaxr %0, [%3]\n\tadd %1, %0, #3\n\tstlxr %w2, %1, [%3]"
                         : "=&r"(old), "=&r"(next), "=&r"(failed)
                         : "r"(at)
                         : "memory");
        if (++tries > 1000000) {
            wrong++;
            break;
        }
    } while (failed);
    return next;
}

__attribute__((noinline)) static void pairs(__uint128_t *at)
{
    uint64_t low, high;
    uint32_t failed, tries = 0;
    do {
        __asm__ volatile("ldxp %0, %1, [%3]\n\tadd %0, %0, #1\n\tstxp %w2, %0, %1, [%3]"
                         : "=&r"(low), "=&r"(high), "=&r"(failed)
                         : "r"(at)
                         : "memory");
    } while (failed && ++tries < 1000000);
    wrong += failed != 0;
}

// Loads by one alias, stores by the other: the monitor knows no tags.
__attribute__((noinline)) static int mixed(uint64_t *load, uint64_t *store)
{
    uint64_t old;
    uint32_t failed;
    int tries = 0;
    do
        __asm__ volatile("ldxr %0, [%2]\n\tstxr %w1, %0, [%3]"
                         : "=&r"(old), "=&r"(failed)
                         : "r"(load), "r"(store)
                         : "memory");
    while (failed && ++tries < 100000);
    return failed;
}

__attribute__((noinline)) static uint64_t add(uint64_t x)
{
    return x + 5;
}

static uint64_t all(struct shared *s, uint64_t (*function)(uint64_t), uint64_t *alias)
{
    uint64_t sum = accesses(s);
    sum += exclusives(&s->number);
    sum += s->atomic++;
    pairs(&s->pair);
    wrong += mixed(&s->number, alias);
    wrong += mixed(alias, &s->number);
    __asm__ volatile("dc zva, %0" : : "r"(&s->block[3072]) : "memory");
    return function(sum);
}

static void *run(void *start_with_tags)
{
    struct shared *plain = aligned_alloc(4096, (sizeof *plain + 4095) & -4096ul);
    struct shared *other = aligned_alloc(4096, (sizeof *plain + 4095) & -4096ul);
    memset(plain, 0, sizeof *plain);
    memset(other, 0, sizeof *other);
    for (int i = 0; i < turns; i++) {
        int tag = start_with_tags || i > turns / 2 ? (i * 37 + 1) & 0x7f : 0;
        uint64_t a = all(plain, add, &plain->number);
        uint64_t b = all(TAG(other, tag), TAG(add, tag), TAG(&other->number, tag ^ 0x15));
        if (a != b || memcmp(plain, other, sizeof *plain) != 0)
            wrong++;
    }
    return NULL;
}

int main(void)
{
    pthread_t thread;
    turns = getenv("EMU_GUEST_SMALL") ? 60 : 3000;
    pthread_create(&thread, NULL, run, NULL);
    run(NULL);
    pthread_join(thread, NULL);
    run("");
    if (wrong)
        printf("%d wrong\n", wrong);
    else
        puts("ok");
    return wrong != 0;
}
