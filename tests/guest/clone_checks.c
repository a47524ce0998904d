// Everything that clone and clone3 refuse, and where they store ids and descriptors.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long raw(unsigned long flags, void *parent_tid, void *child_tid)
{
#ifdef __aarch64__
    return syscall(SYS_clone, flags, 0, parent_tid, 0, child_tid);
#else
    return syscall(SYS_clone, flags, 0, parent_tid, child_tid, 0);
#endif
}

static void end(long pid, const char *what)
{
    if (pid == 0)
        _exit(3);
    int error = errno, status = -1;
    if (pid > 0) {
        int is_waited = waitpid(pid, &status, __WALL) == pid;
        printf("%s: waited %d, status %x\n", what, is_waited, status);
    } else
        printf("%s: %s\n", what, strerrorname_np(error));
    fflush(stdout);
}

#define OLD(flags, parent, child) end(raw(flags, parent, child), #flags " " #parent " " #child)
#define NEW(what, ...)                                                                                                 \
    do {                                                                                                               \
        struct clone_args arguments = { __VA_ARGS__ };                                                                 \
        end(syscall(SYS_clone3, &arguments, sizeof arguments), what);                                                  \
    } while (0)
#define WILD ((void *)8)

static int stored = -1;

static void descriptor(const char *what)
{
    printf("%s: descriptor %d, flags %d\n", what, stored, fcntl(stored, F_GETFD));
    close(stored);
    stored = -1;
}

static void old(void)
{
    OLD(CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0);
    OLD(CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0);
    OLD(CLONE_SIGHAND | SIGCHLD, 0, 0);
    OLD(CLONE_THREAD | SIGCHLD, 0, 0);
    OLD(CLONE_THREAD | CLONE_SIGHAND | SIGCHLD, 0, 0);
    OLD(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, &stored, 0);
    OLD(CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, &stored, 0);
    OLD(CLONE_DETACHED | SIGCHLD, 0, 0);
    OLD(CLONE_PIDFD | SIGCHLD, WILD, 0);
    OLD(CLONE_PIDFD | SIGCHLD, &stored, 0);
    descriptor("of a fork");
    OLD(CLONE_PIDFD | CLONE_VFORK | SIGCHLD, WILD, 0);
    OLD(CLONE_PIDFD | CLONE_VFORK | SIGCHLD, &stored, 0);
    descriptor("of a fork that is waited for");
    OLD(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, WILD, WILD);
    OLD(CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, 0);
    OLD(CLONE_NEWUTS | SIGCHLD, 0, 0);
    OLD(200, 0, 0);
    OLD(1ul << 40 | SIGCHLD, 0, 0);
    OLD(CLONE_PTRACE | CLONE_UNTRACED | CLONE_IO | CLONE_SYSVSEM | SIGCHLD, 0, 0);
}

static void new(void)
{
    int tid = 0, ids[2] = { 1, 2 };
    NEW("two stores to one place", .flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .pidfd = (uintptr_t)&tid,
        .parent_tid = (uintptr_t)&tid, .exit_signal = SIGCHLD);
    NEW("two stores", .flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .pidfd = (uintptr_t)&stored,
        .parent_tid = (uintptr_t)&tid, .exit_signal = SIGCHLD);
    printf("id %d\n", tid > 0);
    descriptor("of a clone3");
    NEW("wild place for a descriptor", .flags = CLONE_PIDFD, .pidfd = 8, .exit_signal = SIGCHLD);
    NEW("signal 64", .exit_signal = 64);
    NEW("signal 65", .exit_signal = 65);
    NEW("CLONE_DETACHED", .flags = CLONE_DETACHED);
    NEW("flag 1", .flags = 1);
    NEW("unknown flag", .flags = 1ull << 35, .exit_signal = SIGCHLD);
    NEW("handlers shared and cleared", .flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM);
    NEW("a sibling's signal", .flags = CLONE_PARENT, .exit_signal = SIGCHLD);
    NEW("a thread's signal", .flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD);
    NEW("stack without size", .stack = 4096, .exit_signal = SIGCHLD);
    NEW("size without stack", .stack_size = 4096, .exit_signal = SIGCHLD);
    NEW("stack beyond all memory", .stack = ~0ul - 8192, .stack_size = 4096, .exit_signal = SIGCHLD);
    NEW("stack around zero", .stack = ~0ul - 8191, .stack_size = 1 << 20, .exit_signal = SIGCHLD);
    NEW("id 1", .set_tid = (uintptr_t)ids, .set_tid_size = 1, .exit_signal = SIGCHLD);
    NEW("33 ids", .set_tid = (uintptr_t)ids, .set_tid_size = 33, .exit_signal = SIGCHLD);
    NEW("wild ids", .set_tid = 8, .set_tid_size = 1, .exit_signal = SIGCHLD);
    NEW("ids without a place", .set_tid_size = 1, .exit_signal = SIGCHLD);
    NEW("cgroup -1", .flags = CLONE_INTO_CGROUP, .cgroup = -1, .exit_signal = SIGCHLD);
    NEW("cgroup 77", .flags = CLONE_INTO_CGROUP, .cgroup = 77, .exit_signal = SIGCHLD);
    struct {
        struct clone_args arguments;
        uint64_t more[3];
    } longer = { .arguments.exit_signal = SIGCHLD };
    for (int bytes = 56; bytes <= 112; bytes += 8) {
        char what[20];
        sprintf(what, "%d bytes", bytes);
        end(syscall(SYS_clone3, &longer, bytes), what);
    }
    longer.more[2] = 1;
    end(syscall(SYS_clone3, &longer, sizeof longer), "more than is known");
    end(syscall(SYS_clone3, &longer, 5000), "more than a page");
    end(syscall(SYS_clone3, WILD, 88), "wild");
}

int main(void)
{
    signal(64, SIG_IGN);
    old();
    new();
    struct rlimit few = { 3, 1024 };
    setrlimit(RLIMIT_NOFILE, &few);
    OLD(CLONE_PIDFD | SIGCHLD, &stored, 0);
    OLD(CLONE_PIDFD | CLONE_VFORK | SIGCHLD, &stored, 0);
    OLD(CLONE_VFORK | SIGCHLD, 0, 0);
    return 0;
}
