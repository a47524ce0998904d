// makecontext and swapcontext: returns that come back on another stack than the call went out on.
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

enum { WORKERS = 5, ROUNDS = 200 };
static ucontext_t scheduler, workers[WORKERS];
static long results[WORKERS];
static int finished[WORKERS];

__attribute__((noinline)) static void nested(int id, int depth)
{
    if (depth == 0)
        swapcontext(&workers[id], &scheduler);
    else
        nested(id, depth - 1);
    results[id] = (results[id] * 3 + depth) % 1000003;
}

static void work(int id, int rounds)
{
    double fraction = id / 8.0;
    for (int i = 0; i < rounds; i++) {
        nested(id, i % 7);
        fraction = fraction * 0.5 + i;
    }
    results[id] += (long)(fraction * 1000);
    finished[id] = 1;
}

int main(void)
{
    for (int i = 0; i < WORKERS; i++) {
        getcontext(&workers[i]);
        workers[i].uc_stack.ss_size = 65536;
        workers[i].uc_stack.ss_sp = malloc(65536);
        workers[i].uc_link = &scheduler;
        makecontext(&workers[i], (void (*)(void))work, 2, i, ROUNDS + i);
    }
    int running = WORKERS, switches = 0;
    while (running) {
        running = 0;
        for (int i = 0; i < WORKERS; i++) {
            if (finished[i])
                continue;
            running++;
            switches++;
            swapcontext(&scheduler, &workers[i]);
        }
    }
    for (int i = 0; i < WORKERS; i++)
        printf("worker %d: %ld\n", i, results[i]);
    printf("%d switches\n", switches);
    return 0;
}
