// Two threads that only compute, each the same as the other, without any meeting on the way.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

static void *work(void *argument)
{
    uint64_t *state = argument;
    uint32_t table[64] = { 0 };
    for (int i = 0; i < 1000000; i++) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        table[*state & 63] += (uint32_t)(*state >> 32);
        if (table[i & 63] & 1)
            *state += table[i & 63];
    }
    return NULL;
}

int main(void)
{
    uint64_t states[2] = { 0x9e3779b97f4a7c15, 0x9e3779b97f4a7c15 };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, work, &states[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%016lx %d\n", (unsigned long)states[0], states[0] == states[1]);
    return 0;
}
