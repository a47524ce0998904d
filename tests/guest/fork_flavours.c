// Processes made in every way, round after round, while other threads allocate, start threads, and run code for the
// first time: each child allocates, starts a thread, compiles, and ends as it should.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int over;
static volatile uint64_t sink;

#define F(n) \
    __attribute__((noinline)) static uint64_t work##n(uint64_t x) \
    { \
        for (int i = 0; i < 40; i++) \
            x = x * (2 * n + 3) + (x >> n); \
        return x; \
    }
F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8)
static uint64_t (*const works[])(uint64_t) = { work1, work2, work3, work4, work5, work6, work7, work8 };

static void *nothing(void *argument)
{
    return argument;
}

static void *busy(void *argument)
{
    unsigned n = (uintptr_t)argument;
    while (!over) {
        void *volatile memory = malloc(64 + n % 5000);
        memset(memory, 1, 64);
        sink += works[n % 8](n);
        n++;
        free(memory);
        if (n % 16 == 0) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, nothing, NULL) == 0)
                pthread_join(thread, NULL);
        }
    }
    return NULL;
}

static long sys_clone(unsigned long flags)
{
    return syscall(SYS_clone, flags, 0, 0, 0, 0);
}

static long sys_clone3(uint64_t flags, uint64_t signal)
{
    struct clone_args arguments = { .flags = flags, .exit_signal = signal };
    return syscall(SYS_clone3, &arguments, sizeof arguments);
}

// The C library's own fork puts its locks in order; in other children only emu's may be used.
static int in_child(int through_libc)
{
    uint64_t x = 1;
    for (int i = 0; i < 8; i++)
        x += works[i](x);
    if (through_libc) {
        pthread_t thread;
        free(malloc(100));
        if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
            return 1;
    }
    return getpid() == syscall(SYS_gettid) ? 42 : 2;
}

static int make(unsigned round)
{
    long pid;
    int through_libc = 0;
    switch (round % 8) {
    case 0:
        pid = fork();
        through_libc = 1;
        break;
    case 1: pid = sys_clone(0); break;
    case 2: pid = sys_clone(CLONE_FS | CLONE_FILES | SIGCHLD); break;
    case 3: pid = sys_clone3(0, SIGCHLD); break;
    case 4: pid = sys_clone3(CLONE_FS, 0); break;
    case 5:
        pid = vfork();
        if (pid == 0)
            _exit(42);
        break;
    case 6: pid = sys_clone(CLONE_NEWUSER | SIGCHLD); break;
    default: pid = sys_clone(SIGUSR1); break;
    }
    if (pid == 0)
        _exit(in_child(through_libc));
    if (pid < 0)
        // Not everybody may have a user namespace.
        return round % 8 == 6 ? 0 : errno;
    int status;
    if (waitpid(pid, &status, __WALL) != pid || status != 42 << 8)
        return 1000 + status;
    return 0;
}

// CLONE_PARENT: the child is a sibling of whoever makes it.
static int sibling(void)
{
    pid_t maker = fork();
    if (maker == 0)
        _exit(sys_clone(CLONE_PARENT | SIGCHLD) < 0);
    int status, left = 2;
    while (left > 0) {
        if (waitpid(-1, &status, __WALL) < 0 || status != 0)
            return 1;
        left--;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 400;
    pthread_t threads[3];
    signal(SIGUSR1, SIG_IGN);
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, busy, (void *)(i * 1000));
    for (int round = 0; round < rounds; round++) {
        int wrong = make(round);
        if (wrong)
            printf("round %d: %d\n", round, wrong);
    }
    over = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("siblings: %d\n", sibling());
    puts("over");
    return 0;
}
