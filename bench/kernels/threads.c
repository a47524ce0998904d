// Integer work of one size, done by one thread or shared by several: `threads ROUNDS THREADS`. The output does not
// depend on the number of threads.
#include "kernel.h"
#include <pthread.h>

enum { PARTS = 64, MOST_THREADS = 16 };

static int part_rounds, threads;
static uint64_t results[PARTS];

// A generator and a small table: arithmetic, dependent loads, and branches that cannot be foretold.
static uint64_t part(uint64_t seed)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++)
        table[i] = i * 2654435761u ^ (uint32_t)seed;
    uint64_t state = seed * 0x9e3779b97f4a7c15 + 1, sum = 0;
    for (int i = 0; i < part_rounds; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        uint32_t *entry = &table[state & 255];
        if (*entry & 1)
            sum += *entry;
        else
            sum ^= state;
        *entry = *entry * 1664525 + (uint32_t)(state >> 40);
    }
    return sum;
}

static void *work(void *first)
{
    for (long i = (long)first; i < PARTS; i += threads)
        results[i] = part((uint64_t)i + 1);
    return NULL;
}

int main(int argc, char **argv)
{
    part_rounds = rounds(argc, argv, 10000000);
    threads = argc > 2 ? atoi(argv[2]) : 2;
    if (threads < 1 || threads > MOST_THREADS)
        return 1;
    pthread_t others[MOST_THREADS];
    for (long i = 1; i < threads; i++)
        if (pthread_create(&others[i], NULL, work, (void *)i))
            return 1;
    work(NULL);
    for (int i = 1; i < threads; i++)
        pthread_join(others[i], NULL);
    uint64_t all = 0;
    for (int i = 0; i < PARTS; i++)
        all = all * 31 + results[i];
    printf("%016" PRIx64 "\n", all);
    return 0;
}
