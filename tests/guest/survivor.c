// A process that shares memory outlives its parent, which is killed while there is much of its code to be compiled: it
// forks and runs code as before.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile uint64_t sink;
static int waiting, moved;

#define F(n)                                                                                                           \
    __attribute__((noinline)) static uint64_t work##n(uint64_t x)                                                      \
    {                                                                                                                  \
        for (int i = 0; i < 20000; i++) {                                                                              \
            x = x * (2 * n + 3) + (x >> n);                                                                            \
            if (x % 3 == 0)                                                                                            \
                x += n;                                                                                                \
            if (x % 7 == 1)                                                                                            \
                x ^= i;                                                                                                \
        }                                                                                                              \
        return x;                                                                                                      \
    }
#define F8(a) F(a##0) F(a##1) F(a##2) F(a##3) F(a##4) F(a##5) F(a##6) F(a##7)
F8(1) F8(2) F8(3) F8(4) F8(5)
#define P8(a) work##a##0, work##a##1, work##a##2, work##a##3, work##a##4, work##a##5, work##a##6, work##a##7
static uint64_t (*const works[])(uint64_t) = { P8(1), P8(2), P8(3), P8(4), P8(5) };

static char stack[1 << 20] __attribute__((aligned(16)));

// Nothing of the C library's: what the parent was doing there it never ends.
static int survivor(void *argument)
{
    pid_t parent = (pid_t)(intptr_t)argument;
    // Once the parent sleeps: whatever it holds while it runs is held for ever when it is killed.
    while (syscall(SYS_futex, &waiting, FUTEX_REQUEUE, 0, 1, &moved, 0) != 1)
        syscall(SYS_sched_yield);
    syscall(SYS_kill, parent, SIGKILL);
    while (syscall(SYS_getppid) == parent)
        syscall(SYS_sched_yield);
    for (int i = 0; i < 5; i++) {
        long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (pid == 0)
            syscall(SYS_exit_group, 7);
        int status = -1;
        syscall(SYS_wait4, pid, &status, 0, 0);
        if (status != 7 << 8)
            syscall(SYS_exit_group, 1);
        sink += works[39 - i](3);
    }
    syscall(SYS_write, 1, "survived\n", 9);
    syscall(SYS_exit_group, 0);
    return 0;
}

int main(void)
{
    int ends[2];
    if (pipe(ends))
        return 2;
    if (fork() == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        clone(survivor, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)(intptr_t)getpid());
        for (int i = 0; i < 30; i++)
            sink += works[i](i);
        for (;;)
            syscall(SYS_futex, &waiting, FUTEX_WAIT, 0, NULL, NULL, 0);
    }
    close(ends[1]);
    char text[16] = { 0 };
    // Also the end of the last writer.
    for (ssize_t bytes; (bytes = read(ends[0], text, sizeof text - 1)) > 0;)
        printf("%.*s", (int)bytes, text);
    return 0;
}
