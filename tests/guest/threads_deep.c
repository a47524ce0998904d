// Deep recursion in threads, on stacks of the program's own: calls far deeper than the host's stack is, left by returns,
// by longjmp and by the end of the thread; and a fork from the middle of one, in which both processes return.
// EMU_GUEST_SMALL asks for less of it.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3 };

struct job {
    uint64_t depth, result, jumps;
    jmp_buf back;
    pid_t child;
};

// Not a tail call: the caller adds to what comes back.
__attribute__((noinline)) static uint64_t down(uint64_t n)
{
    if (n == 0)
        return 7;
    uint64_t below = down(n - 1);
    __asm__ volatile("" : "+r"(below));
    return below * 3 + 1;
}

static uint64_t down_expected(uint64_t n)
{
    uint64_t value = 7;
    while (n-- != 0)
        value = value * 3 + 1;
    return value;
}

// Two functions that call each other through a pointer, and jump out of the deepest call.
typedef void calling(struct job *, uint64_t, void *);

__attribute__((noinline)) static void even(struct job *job, uint64_t n, void *next)
{
    if (n == 0)
        longjmp(job->back, 1);
    ((calling *)next)(job, n - 1, (void *)even);
    job->result++; // never
}

__attribute__((noinline)) static void odd(struct job *job, uint64_t n, void *next)
{
    if (n == 0)
        longjmp(job->back, 2);
    ((calling *)next)(job, n - 1, (void *)odd);
    job->result++; // never
}

__attribute__((noinline)) static uint64_t forking(struct job *job, uint64_t n)
{
    if (n == 0) {
        job->child = fork();
        return job->child < 0;
    }
    uint64_t below = forking(job, n - 1);
    __asm__ volatile("" : "+r"(below));
    return below + 2;
}

__attribute__((noinline)) static void leaving(struct job *job, uint64_t n, void *again)
{
    if (n == 0) {
        job->result++;
        pthread_exit(job);
    }
    ((calling *)again)(job, n - 1, again);
    job->result = 0; // never
}

static void *returning(void *argument)
{
    struct job *job = argument;
    job->result = down(job->depth);
    return NULL;
}

static void *jumping(void *argument)
{
    struct job *job = argument;
    volatile uint64_t turn = 0;
    while (turn < job->jumps) {
        if (setjmp(job->back) == 0)
            even(job, job->depth + turn, (void *)odd);
        turn++;
        if (down(turn) != down_expected(turn))
            job->result++;
    }
    return NULL;
}

static void *begin_leaving(void *argument)
{
    struct job *job = argument;
    leaving(job, job->depth, (void *)leaving);
    return NULL;
}

static void *begin_forking(void *argument)
{
    struct job *job = argument;
    job->result = forking(job, job->depth);
    if (job->child == 0)
        _exit(job->result == 2 * job->depth ? 3 : 4);
    return NULL;
}

// Runs `body` in threads with stacks of so many bytes.
static void in_threads(const char *name, void *(*body)(void *), struct job job, size_t stack_bytes, int threads)
{
    pthread_t ids[THREADS];
    struct job jobs[THREADS];
    void *stacks[THREADS];
    for (int i = 0; i < threads; i++) {
        stacks[i] = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        jobs[i] = job;
        if (stacks[i] == MAP_FAILED || pthread_attr_setstack(&attributes, stacks[i], stack_bytes) != 0 ||
            pthread_create(&ids[i], &attributes, body, &jobs[i]) != 0)
            exit(2);
        pthread_attr_destroy(&attributes);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        munmap(stacks[i], stack_bytes);
        int status = 0;
        if (jobs[i].child > 0)
            waitpid(jobs[i].child, &status, 0);
        printf("%s: %llu, child %x\n", name, (unsigned long long)jobs[i].result, status);
    }
    fflush(stdout);
}

int main(void)
{
    uint64_t most = getenv("EMU_GUEST_SMALL") ? 1000000 : 10000000;
    const size_t megabyte = 1 << 20;
    in_threads("very deep", returning, (struct job){.depth = most}, 1024 * megabyte, 1);
    in_threads("deep", returning, (struct job){.depth = 300000}, 64 * megabyte, THREADS);
    in_threads("jumps", jumping, (struct job){.depth = 5000, .jumps = 300}, 16 * megabyte, THREADS);
    in_threads("ends", begin_leaving, (struct job){.depth = 200000}, 64 * megabyte, THREADS);
    in_threads("forks", begin_forking, (struct job){.depth = 200000}, 64 * megabyte, THREADS);
    printf("%s\n", down(most / 1000) == down_expected(most / 1000) ? "ok" : "wrong");
    return 0;
}
