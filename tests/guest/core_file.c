// Dies in the way that its first argument names, with as many threads as its second, after filling memory and registers
// with what a core file must show.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

char greeting[64] = "of the data segment";
char *in_heap, *in_shared, *in_hidden, *kept_out;
static volatile int *volatile nowhere;
static volatile int forever = 1, ready;

__attribute__((noinline)) static void spin_here(void)
{
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    while (forever)
        ;
}

__attribute__((noinline)) static void wait_here(void)
{
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
}

__attribute__((noinline)) static void read_here(void)
{
    int ends[2];
    char byte;
    if (pipe(ends))
        return;
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    while (read(ends[0], &byte, 1) <= 0)
        ;
}

__attribute__((noinline)) static void lock_here(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&mutex);
}

__attribute__((noinline)) static void call_here(void)
{
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    while (forever)
        syscall(SYS_getppid);
}

static void *nothing(void *argument)
{
    return argument;
}

// Threads and processes that come and go while the process dies.
static void *storm(void *which)
{
    for (;;) {
        pthread_t id;
        if ((intptr_t)which % 2) {
            if (!pthread_create(&id, NULL, nothing, NULL))
                pthread_join(id, NULL);
        } else {
            pid_t child = fork();
            if (!child)
                _exit(0);
            waitpid(child, NULL, 0);
        }
        __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void *die_too(void *argument)
{
    *nowhere = 1;
    return argument;
}

static void (*const kinds[])(void) = {wait_here, spin_here, read_here, lock_here, call_here};

static void *thread(void *number)
{
    kinds[(intptr_t)number % 5]();
    return number;
}

__attribute__((noinline)) void die_here(const char *how)
{
#ifdef __aarch64__
    register uint64_t x27 asm("x27") = 0x2727272727272727;
    register double v9 asm("v9") = 1234.5;
    asm volatile("" : "+r"(x27), "+w"(v9));
#endif
    if (!strcmp(how, "null"))
        *nowhere = 1;
    else if (!strcmp(how, "trap"))
        __builtin_trap();
    else if (!strcmp(how, "quit"))
        kill(getpid(), SIGQUIT);
    else if (!strcmp(how, "xcpu"))
        raise(SIGXCPU);
    else if (!strcmp(how, "terminate"))
        kill(getpid(), SIGTERM);
    else if (!strcmp(how, "wait"))
        for (printf("waiting\n"), fflush(stdout);;)
            pause();
    else
        abort();
#ifdef __aarch64__
    asm volatile("" : : "r"(x27), "w"(v9));
#endif
}

__attribute__((noinline)) void caller(const char *how)
{
    die_here(how);
    asm volatile("");
}

static char *page(int prot, int flags, const char *text)
{
    char *at = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    strcpy(at + 4096, text);
    mprotect(at, 1 << 16, prot);
    return at + 4096;
}

static void limit_cores(rlim_t to)
{
    struct rlimit limit;
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = to;
    setrlimit(RLIMIT_CORE, &limit);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "abort";
    int threads = argc > 2 ? atoi(argv[2]) : 0;
    in_heap = strdup("of the heap");
    in_shared = page(PROT_READ | PROT_WRITE, MAP_SHARED, "of shared memory");
    in_hidden = page(PROT_NONE, MAP_PRIVATE, "of hidden memory");
    kept_out = page(PROT_READ, MAP_PRIVATE, "kept out");
    madvise((void *)((uintptr_t)kept_out & -65536), 1 << 16, MADV_DONTDUMP);
    // Much more than is touched.
    char *large = mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    large[1 << 29] = 1;
    if (!strcmp(how, "limit-late")) {
        limit_cores(RLIM_INFINITY);
        how = "quit";
    }
    if (!strcmp(how, "without-descriptors")) {
        while (dup(0) >= 0)
            ;
        how = "abort";
    }
    if (!strcmp(how, "undumpable")) {
        prctl(PR_SET_DUMPABLE, 0);
        how = "quit";
    }
    for (int i = 0; i < threads; i++) {
        pthread_t id;
        pthread_create(&id, NULL, thread, (void *)(intptr_t)i);
    }
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < threads)
        usleep(1000);
    if (!strcmp(how, "child") || !strcmp(how, "child-in-memory")) {
        pid_t child = how[5] ? vfork() : fork();
        if (!child)
            caller("abort");
        int status;
        waitpid(child, &status, 0);
        printf("child: signal %d\n", WTERMSIG(status));
        return 0;
    }
    if (!strcmp(how, "storm")) {
        pthread_t id;
        for (intptr_t i = 0; i < 4; i++)
            pthread_create(&id, NULL, storm, (void *)i);
        while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 20)
            usleep(100);
        for (intptr_t i = 0; i < 3; i++)
            pthread_create(&id, NULL, die_too, NULL);
    }
    caller(how);
    return 3;
}
