// What clone refuses for threads, and what it does: descriptors of them, namespaces of their own, waiting for them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREAD (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM)

static char stack[65536] __attribute__((aligned(16)));
static _Atomic int word, ended;
static char namespace[64];

// With nothing of the C library's: its storage is another thread's.
static int body(void *argument)
{
    syscall(SYS_readlinkat, AT_FDCWD, "/proc/thread-self/ns/uts", namespace, sizeof namespace - 1);
    for (int i = 0; i < 100; i++)
        syscall(SYS_sched_yield);
    ended = 1;
    syscall(SYS_exit, 0);
    return argument != NULL;
}

static void try(const char *what, int flags, int *place)
{
    word = 77;
    ended = 0;
    int tid = clone(body, stack + sizeof stack, flags | CLONE_CHILD_CLEARTID, NULL, place, NULL, &word);
    int error = errno, ended_before = ended;
    if (tid < 0) {
        printf("%s: %s\n", what, strerrorname_np(error));
        return;
    }
    while (word)
        syscall(SYS_futex, &word, FUTEX_WAIT, 77, NULL, NULL, 0);
    printf("%s: begun", what);
    if (flags & CLONE_VFORK)
        printf(", ended when clone came back %d", ended_before);
    puts("");
}

int main(void)
{
    int place = -1;
    char own[64] = { 0 };
    readlink("/proc/self/ns/uts", own, sizeof own - 1);
    try("plain", THREAD, NULL);
    try("with a signal", THREAD | SIGCHLD, NULL);
    try("descriptor", THREAD | CLONE_PIDFD, &place);
    struct pollfd poll_ended = { place, POLLIN, 0 };
    printf("flags %d, ended %d\n", fcntl(place, F_GETFD), poll(&poll_ended, 1, -1));
    close(place);
    try("wild place for a descriptor", THREAD | CLONE_PIDFD, (int *)8);
    try("wild place for the id", THREAD | CLONE_PARENT_SETTID, (int *)8);
    try("two stores", THREAD | CLONE_PIDFD | CLONE_PARENT_SETTID, &place);
    try("waited for", THREAD | CLONE_VFORK, NULL);
    try("user namespace", (THREAD & ~CLONE_FS) | CLONE_NEWUSER, NULL);
    try("process namespace", THREAD | CLONE_NEWPID, NULL);
    try("mount namespace, shared directory", THREAD | CLONE_NEWNS, NULL);
    try("mount namespace", (THREAD & ~CLONE_FS) | CLONE_NEWNS, NULL);
    try("IPC namespace, shared semaphores", THREAD | CLONE_NEWIPC, NULL);
    try("IPC namespace", (THREAD & ~CLONE_SYSVSEM) | CLONE_NEWIPC, NULL);
    try("UTS namespace", THREAD | CLONE_NEWUTS, NULL);
    printf("its own %d\n", strcmp(own, namespace) != 0);
    try("sibling", THREAD | CLONE_PARENT | CLONE_UNTRACED | CLONE_PTRACE | CLONE_IO, NULL);
    if (setgid(1000) || setuid(1000))
        puts("no other user");
    try("UTS namespace, without rights", THREAD | CLONE_NEWUTS, NULL);
    try("mount namespace, without rights", (THREAD & ~CLONE_FS) | CLONE_NEWNS, NULL);
    return 0;
}
