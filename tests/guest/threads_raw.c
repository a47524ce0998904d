// Threads of the kernel's without a library's: clone3, what registers they begin with, their robust lists, and which
// descriptors and names are theirs. Checks itself: arm64 only.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECK(what)                                                                                                   \
    do {                                                                                                              \
        if (!(what)) {                                                                                                \
            printf("line %d: %s\n", __LINE__, #what);                                                                 \
            _Exit(1);                                                                                                 \
        }                                                                                                             \
    } while (0)

// System calls without errno, which is in storage that these threads do not have.
static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
                  x3 __asm__("x3") = d, x4 __asm__("x4") = 0, x5 __asm__("x5") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

struct shared {
    uint64_t x[32], d[32], fpcr, nzcv, sp, tls;
    atomic_uint tid, cleared, other;
    long seen_tid, robust, robust_before, robust_of_parent, sigmask;
};

// Stores registers into its argument in x19 and runs the function in x20, on the new thread; the parent returns.
long clone3_thread(struct clone_args *arguments, long bytes, struct shared *shared, void (*body)(struct shared *));
__asm__(".globl clone3_thread\n"
        "clone3_thread:\n"
        "    stp x19, x20, [sp, -32]!\n"
        "    stp x21, x22, [sp, 16]\n"
        "    mov x19, x2\n"
        "    mov x20, x3\n"
        "    mov x21, 2121\n"
        "    mov x22, 2222\n"
        "    mov x16, 1616\n"
        "    fmov d17, 17.0\n"
        "    mov x9, 0\n"
        "    cmp x9, 1\n"
        "    mov x8, 435\n"
        "    svc 0\n"
        "    cbz x0, 1f\n"
        "    ldp x21, x22, [sp, 16]\n"
        "    ldp x19, x20, [sp], 32\n"
        "    ret\n"
        "1:  stp x0, x16, [x19]\n"
        "    stp x21, x22, [x19, 16]\n"
        "    str d17, [x19, 256]\n"
        "    mrs x9, fpcr\n"
        "    str x9, [x19, 512]\n"
        "    mrs x9, nzcv\n"
        "    str x9, [x19, 520]\n"
        "    mov x9, sp\n"
        "    str x9, [x19, 528]\n"
        "    mrs x9, tpidr_el0\n"
        "    str x9, [x19, 536]\n"
        "    mov x0, x19\n"
        "    blr x20\n"
        "    mov x0, 0\n"
        "    mov x8, 93\n"
        "    svc 0\n");

static char stack[65536] __attribute__((aligned(16)));
static uint64_t list[3] = { (uint64_t)list, 0, 0 };
static long main_tid;

static void body(struct shared *shared)
{
    long head = -1, bytes = -1;
    shared->seen_tid = call(SYS_gettid, 0, 0, 0, 0);
    call(SYS_get_robust_list, 0, (long)&head, (long)&bytes, 0);
    shared->robust_before = head;
    call(SYS_set_robust_list, (long)list, 24, 0, 0);
    call(SYS_get_robust_list, 0, (long)&head, (long)&bytes, 0);
    shared->robust = bytes == 24 ? head : 0;
    call(SYS_get_robust_list, main_tid, (long)&head, (long)&bytes, 0);
    shared->robust_of_parent = head;
    uint64_t mask = 0;
    call(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&mask, 8);
    shared->sigmask = (long)mask;
    mask = ~0ul;
    call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8);
    call(SYS_prctl, PR_SET_NAME, (long)"raw", 0, 0);
    shared->other = 1;
}

static void wait_until(atomic_uint *word, unsigned wanted)
{
    unsigned now;
    while ((now = *word) != wanted)
        call(SYS_futex, (long)word, FUTEX_WAIT, now, 0);
}

static void begins_as_asked(void)
{
    static struct shared shared;
    struct clone_args arguments = {
        .flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                 CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
        .child_tid = (uintptr_t)&shared.cleared,
        .parent_tid = (uintptr_t)&shared.tid,
        .stack = (uintptr_t)stack,
        .stack_size = sizeof stack,
        .tls = 0x123456789a,
    };
    uint64_t mask = 1ul << (SIGUSR2 - 1);
    uint64_t fpcr = 0x00c00000, normal;
    call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&mask, 0, 8);
    shared.cleared = ~0u;
    main_tid = getpid();
    __asm__ volatile("mrs %0, fpcr\n\tmsr fpcr, %1" : "=&r"(normal) : "r"(fpcr));
    long tid = clone3_thread(&arguments, sizeof arguments, &shared, body);
    __asm__ volatile("msr fpcr, %0" : : "r"(normal));
    // Written before clone3 returns.
    CHECK(tid > 0 && shared.tid == (unsigned)tid);
    wait_until(&shared.cleared, 0);
    CHECK(shared.seen_tid == tid && tid != getpid());
    CHECK(shared.x[0] == 0 && shared.x[1] == 1616 && shared.x[2] == 2121 && shared.x[3] == 2222);
    double seventeen = 17.0;
    CHECK(memcmp(&shared.d[0], &seventeen, 8) == 0);
    CHECK(shared.fpcr == fpcr && shared.nzcv == 0x80000000);
    CHECK(shared.sp == (uintptr_t)stack + sizeof stack && shared.tls == 0x123456789a);
    CHECK(shared.robust_before == 0 && shared.robust == (long)list);
    CHECK(shared.robust_of_parent != 0 && shared.robust_of_parent != (long)list);
    CHECK(shared.sigmask == (long)mask && shared.other == 1);
    // The mask and the name are the thread's own.
    uint64_t now = 0;
    call(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&now, 8);
    CHECK(now == mask);
    char name[16] = { 0 };
    prctl(PR_GET_NAME, name);
    CHECK(strncmp(name, "threads_raw", 11) == 0);
}

// A list of two locks: one that the thread holds, one that it is just taking, with a waiter.
static struct {
    uint64_t next;
    atomic_uint futex;
    unsigned pad;
} locks[2];
static uint64_t head[3];

static void dies_with_locks(struct shared *shared)
{
    unsigned tid = (unsigned)call(SYS_gettid, 0, 0, 0, 0);
    locks[0].next = (uint64_t)head;
    locks[0].futex = tid;
    locks[1].futex = tid | FUTEX_WAITERS;
    head[0] = (uint64_t)&locks[0];
    head[1] = 8;
    head[2] = (uint64_t)&locks[1];
    call(SYS_set_robust_list, (long)head, sizeof head, 0, 0);
    shared->other = 1;
}

static void locks_are_released(void)
{
    static struct shared shared;
    struct clone_args arguments = {
        .flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_SETTID |
                 CLONE_CHILD_CLEARTID,
        .child_tid = (uintptr_t)&shared.cleared,
        .stack = (uintptr_t)stack,
        .stack_size = sizeof stack,
    };
    shared.cleared = ~0u;
    CHECK(clone3_thread(&arguments, sizeof arguments, &shared, dies_with_locks) > 0);
    wait_until(&shared.cleared, 0);
    // Marked before the word is cleared.
    CHECK(locks[0].futex == FUTEX_OWNER_DIED && locks[1].futex == (FUTEX_OWNER_DIED | FUTEX_WAITERS));
}

int main(void)
{
    begins_as_asked();
    for (int i = 0; i < 50; i++)
        locks_are_released();
    puts("ok");
    return 0;
}
