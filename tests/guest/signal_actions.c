// What sigaction, masks and alternate stacks mean when signals are delivered, and what of them outlives fork and exec.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "signal_check.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static volatile int order[256], values[256], count;
static volatile bool was_blocked_self, was_blocked_other, was_on_alternate;

static void note(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (count < 256) {
        order[count] = number;
        values[count] = info->si_code == SI_QUEUE ? info->si_value.sival_int : -1;
    }
    count++;
    was_blocked_self = is_blocked(number);
    was_blocked_other = is_blocked(SIGUSR2);
    stack_t stack;
    sigaltstack(NULL, &stack);
    was_on_alternate = stack.ss_flags & SS_ONSTACK;
}

static volatile int plain_count;

static void plain(int number)
{
    plain_count += number;
}

static void flags(void)
{
    count = 0;
    on(SIGUSR1, note, 0);
    raise(SIGUSR1);
    CHECK(count == 1 && was_blocked_self && !was_blocked_other && !was_on_alternate, "count %d", count);
    CHECK(!is_blocked(SIGUSR1), "the mask is restored");
    on(SIGUSR1, note, SA_NODEFER);
    raise(SIGUSR1);
    CHECK(count == 2 && !was_blocked_self, "SA_NODEFER");
    struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_NODEFER }, old;
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    CHECK(count == 3 && !was_blocked_self && was_blocked_other, "sa_mask");
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    CHECK(count == 4 && was_blocked_self, "the mask names the signal itself");
    on(SIGUSR1, note, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    CHECK(count == 5 && old.sa_handler == SIG_DFL && was_blocked_self, "SA_RESETHAND");
    on(SIGUSR1, note, SA_RESETHAND | SA_NODEFER);
    raise(SIGUSR1);
    CHECK(count == 6 && !was_blocked_self, "both");
    struct sigaction simple = { .sa_handler = plain };
    sigaction(SIGUSR1, &simple, NULL);
    for (int i = 0; i < 3; i++)
        raise(SIGUSR1);
    CHECK(plain_count == 3 * SIGUSR1, "%d", plain_count);
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    CHECK(plain_count == 3 * SIGUSR1 && count == 6, "ignored");
    done("flags");
}

static volatile int depth, deepest;

static void nest(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    if (++depth > deepest)
        deepest = depth;
    if (count < 256)
        order[count++] = number;
    // The next higher one at once, the lower one when this one has ended, this one again after it.
    if (number < SIGRTMIN + 5) {
        raise(number + 1);
        if (count < 256)
            order[count++] = -number;
    }
    depth--;
}

static void again(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    if (++depth > deepest)
        deepest = depth;
    if (count++ < 50)
        raise(number);
    depth--;
}

static void nesting(void)
{
    count = depth = deepest = 0;
    for (int i = 0; i <= 5; i++)
        on(SIGRTMIN + i, nest, 0);
    raise(SIGRTMIN);
    CHECK(deepest == 6 && count == 11, "deepest %d count %d", deepest, count);
    for (int i = 0; i <= 5; i++)
        CHECK(order[i] == SIGRTMIN + i, "order %d", i);
    for (int i = 6; i < 11; i++)
        CHECK(order[i] == -(SIGRTMIN + 10 - i), "order %d: %d", i, order[i]);
    // Sent by its own handler it waits for the handler's end; without blocking it nests.
    count = depth = deepest = 0;
    on(SIGUSR1, again, 0);
    raise(SIGUSR1);
    CHECK(deepest == 1 && count == 51, "deepest %d count %d", deepest, count);
    count = depth = deepest = 0;
    on(SIGUSR1, again, SA_NODEFER);
    raise(SIGUSR1);
    CHECK(deepest == 51 && count == 51, "deepest %d count %d", deepest, count);
    done("nesting");
}

static void queue(void)
{
    sigset_t all, old;
    sigfillset(&all);
    for (int number = 34; number <= 64; number++)
        on(number, note, 0);
    on(SIGUSR1, note, 0);
    on(SIGUSR2, note, 0);
    on(SIGTERM, note, 0);
    sigprocmask(SIG_BLOCK, &all, &old);
    count = 0;
    for (int number = 40; number >= 36; number--)
        for (int i = 0; i < 5; i++)
            CHECK(sigqueue(getpid(), number, (union sigval){ .sival_int = number * 10 + i }) == 0, "sigqueue");
    for (int i = 0; i < 5; i++) {
        kill(getpid(), SIGTERM);
        sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = i });
    }
    CHECK(count == 0 && is_pending(SIGTERM) && is_pending(36) && !is_pending(SIGUSR2), "pending");
    struct sigaction wide = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
    sigfillset(&wide.sa_mask);
    for (int number = 1; number <= 64; number++)
        if (number == SIGTERM || number == SIGUSR1 || number >= 34)
            sigaction(number, &wide, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(count == 27, "count %d", count);
    CHECK(order[0] == SIGUSR1 && values[0] == 0 && order[1] == SIGTERM, "standard ones first: %d %d", order[0], order[1]);
    for (int i = 0; i < 25; i++)
        CHECK(order[2 + i] == 36 + i / 5 && values[2 + i] == (36 + i / 5) * 10 + i % 5, "queue %d: %d %d", i,
              order[2 + i], values[2 + i]);
    // To the thread before to the process, where the numbers are the same; the lower number first otherwise.
    sigprocmask(SIG_BLOCK, &all, &old);
    count = 0;
    sigqueue(getpid(), 50, (union sigval){ .sival_int = 1 });
    pthread_sigqueue(pthread_self(), 50, (union sigval){ .sival_int = 2 });
    pthread_sigqueue(pthread_self(), 51, (union sigval){ .sival_int = 3 });
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(count == 3 && values[0] == 2, "own queue first: %d %d %d", values[0], values[1], values[2]);
    done("queue");
}

// What a handler blocks in its own mask lasts as long as it; what it changes in the frame lasts.
static void change_mask(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    block(SIGUSR2);
    unblock(SIGUSR1);
}

static void change_frame(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGUSR2);
}

static void release(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    sigdelset(&((ucontext_t *)context)->uc_sigmask, SIGUSR2);
}

static void masks(void)
{
    on(SIGUSR1, change_mask, 0);
    raise(SIGUSR1);
    CHECK(!is_blocked(SIGUSR2) && !is_blocked(SIGUSR1), "restored");
    on(SIGUSR1, change_frame, 0);
    raise(SIGUSR1);
    CHECK(is_blocked(SIGUSR2), "from the frame");
    on(SIGUSR2, note, 0);
    count = 0;
    raise(SIGUSR2);
    CHECK(count == 0 && is_pending(SIGUSR2), "blocked");
    on(SIGUSR1, release, 0);
    raise(SIGUSR1);
    CHECK(count == 1 && !is_blocked(SIGUSR2), "released by the frame");
    // The last raise is delivered before sigprocmask returns.
    for (int i = 0; i < 1000; i++) {
        block(SIGUSR2);
        raise(SIGUSR2);
        CHECK(count == 1 + i, "count %d", count);
        unblock(SIGUSR2);
        CHECK(count == 2 + i, "count %d", count);
    }
    done("masks");
}

static char *stack_base;
enum { STACK_BYTES = 65536 };
static volatile uintptr_t handler_stack;
static volatile int stack_flags_inside;

static void where(int number, siginfo_t *info, void *context)
{
    stack_t now;
    (void)number, (void)info, (void)context;
    handler_stack = (uintptr_t)__builtin_frame_address(0);
    sigaltstack(NULL, &now);
    stack_flags_inside = now.ss_flags;
}

static bool is_on_alternate(void)
{
    return handler_stack - (uintptr_t)stack_base < STACK_BYTES;
}

static volatile int change_error, disable_error;

static void change_stack(int number, siginfo_t *info, void *context)
{
    where(number, info, context);
    stack_t other = { .ss_sp = stack_base, .ss_size = STACK_BYTES / 2 }, off = { .ss_flags = SS_DISABLE };
    change_error = sigaltstack(&other, NULL) == 0 ? 0 : errno;
    disable_error = sigaltstack(&off, NULL) == 0 ? 0 : errno;
}

static volatile uintptr_t inner_stack;

static void raise_inside(int number, siginfo_t *info, void *context)
{
    where(number, info, context);
    uintptr_t mine = handler_stack;
    raise(SIGUSR2);
    inner_stack = handler_stack;
    handler_stack = mine;
}

static sigjmp_buf jump;

static void leave(int number, siginfo_t *info, void *context)
{
    where(number, info, context);
    siglongjmp(jump, 1);
}

static void alternate_stacks(void)
{
    stack_base = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = { .ss_sp = stack_base, .ss_size = STACK_BYTES }, now;
    CHECK(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    on(SIGUSR1, where, 0);
    raise(SIGUSR1);
    CHECK(!is_on_alternate() && stack_flags_inside == 0, "flags %x", stack_flags_inside);
    on(SIGUSR1, where, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(is_on_alternate() && stack_flags_inside == SS_ONSTACK, "flags %x", stack_flags_inside);
    sigaltstack(NULL, &now);
    CHECK(now.ss_flags == 0, "outside: %x", now.ss_flags);
    on(SIGUSR1, change_stack, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(change_error == EPERM && disable_error == EPERM, "%d %d", change_error, disable_error);
    // A second signal goes on where the first is.
    on(SIGUSR1, raise_inside, SA_ONSTACK);
    on(SIGUSR2, where, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(is_on_alternate() && inner_stack < handler_stack && inner_stack > (uintptr_t)stack_base, "nested");
    // SS_AUTODISARM: no alternate stack while the handler runs, so that it may switch away.
    stack.ss_flags = SS_AUTODISARM;
    CHECK(sigaltstack(&stack, NULL) == 0, "SS_AUTODISARM");
    on(SIGUSR1, where, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(is_on_alternate() && stack_flags_inside == SS_DISABLE, "flags %x", stack_flags_inside);
    sigaltstack(NULL, &now);
    CHECK(now.ss_flags == (int)SS_AUTODISARM && now.ss_sp == stack_base && now.ss_size == STACK_BYTES, "armed again: %x",
          now.ss_flags);
    on(SIGUSR1, change_stack, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(change_error == 0 && disable_error == 0, "%d %d", change_error, disable_error);
    sigaltstack(NULL, &now);
    CHECK(now.ss_size == STACK_BYTES && now.ss_flags == (int)SS_AUTODISARM, "from the frame");
    stack.ss_flags = 0;
    sigaltstack(&stack, NULL);
    // Left by longjmp, the stack is free again.
    on(SIGUSR1, leave, SA_ONSTACK);
    for (volatile int i = 0; i < 1000; i++) {
        if (sigsetjmp(jump, 1) == 0)
            raise(SIGUSR1);
        CHECK(is_on_alternate() && !is_blocked(SIGUSR1), "round %d", i);
    }
    stack_t wrong = { .ss_sp = stack_base, .ss_size = STACK_BYTES, .ss_flags = 0x100 };
    CHECK(sigaltstack(&wrong, NULL) == -1 && errno == EINVAL, "flags");
    wrong = (stack_t){ .ss_sp = stack_base, .ss_size = STACK_BYTES, .ss_flags = SS_ONSTACK };
    CHECK(sigaltstack(&wrong, &now) == 0 && now.ss_size == STACK_BYTES, "SS_ONSTACK is taken");
    wrong = (stack_t){ .ss_sp = stack_base, .ss_size = 1000 };
    CHECK(sigaltstack(&wrong, NULL) == -1 && errno == ENOMEM, "too small");
    CHECK(syscall(SYS_sigaltstack, 8, NULL) == -1 && errno == EFAULT, "nowhere");
    wrong = (stack_t){ .ss_flags = SS_DISABLE };
    CHECK(sigaltstack(&wrong, NULL) == 0, "disable");
    on(SIGUSR1, where, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(!is_on_alternate(), "disabled");
    done("alternate stacks");
}

static volatile int child_codes[16], child_statuses[16], child_signals;

static void child_ended(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    if (child_signals < 16) {
        child_codes[child_signals] = info->si_code;
        child_statuses[child_signals] = info->si_status;
    }
    child_signals++;
}

static void await_child_signals(int wanted)
{
    for (int i = 0; i < 5000 && child_signals < wanted; i++)
        pause_ms(1);
}

static pid_t stopping_child(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(7);
    }
    return child;
}

static void children(void)
{
    int status;
    on(SIGCHLD, child_ended, 0);
    pid_t child = stopping_child();
    await_child_signals(1);
    CHECK(child_signals == 1 && child_codes[0] == CLD_STOPPED && child_statuses[0] == SIGSTOP, "code %d", child_codes[0]);
    while (waitpid(child, &status, WUNTRACED) < 0)
        ;
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "status %x", status);
    // The two that follow may merge into one, whichever it is: take them apart by blocking nothing and waiting between.
    block(SIGCHLD);
    kill(child, SIGCONT);
    waitpid(child, &status, WCONTINUED);
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %x", status);
    unblock(SIGCHLD);
    CHECK(child_signals == 2 && (child_codes[1] == CLD_CONTINUED || child_codes[1] == CLD_EXITED), "merged");
    // SA_NOCLDSTOP: told of the end alone.
    child_signals = 0;
    on(SIGCHLD, child_ended, SA_NOCLDSTOP);
    child = stopping_child();
    while (waitpid(child, &status, WUNTRACED) < 0)
        ;
    CHECK(child_signals == 0, "%d", child_signals);
    kill(child, SIGCONT);
    await_child_signals(1);
    CHECK(child_signals == 1 && child_codes[0] == CLD_EXITED && child_statuses[0] == 7, "code %d", child_codes[0]);
    waitpid(child, &status, 0);
    // SA_NOCLDWAIT: no zombies, and the signal still comes.
    child_signals = 0;
    on(SIGCHLD, child_ended, SA_NOCLDWAIT | SA_RESTART);
    if ((child = fork()) == 0)
        _exit(3);
    CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD, "no zombie");
    await_child_signals(1);
    CHECK(child_signals == 1 && child_statuses[0] == 3, "signals %d", child_signals);
    signal(SIGCHLD, SIG_IGN);
    if ((child = fork()) == 0)
        _exit(3);
    CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD, "ignored: no zombie");
    signal(SIGCHLD, SIG_DFL);
    // A child killed by a signal, by what it says of itself.
    child_signals = 0;
    on(SIGCHLD, child_ended, 0);
    if ((child = fork()) == 0) {
        raise(SIGKILL);
        _exit(3);
    }
    await_child_signals(1);
    CHECK(child_codes[0] == CLD_KILLED && child_statuses[0] == SIGKILL, "code %d", child_codes[0]);
    waitpid(child, &status, 0);
    signal(SIGCHLD, SIG_DFL);
    done("children");
}

// After fork: actions, mask and alternate stack are the same, nothing is pending.
static int after_fork(void)
{
    stack_t stack;
    struct sigaction action;
    sigaltstack(NULL, &stack);
    sigaction(SIGUSR1, NULL, &action);
    if (stack.ss_sp != stack_base || action.sa_sigaction != note || !is_blocked(SIGUSR1) || is_pending(SIGUSR1))
        return 1;
    count = 0;
    raise(SIGUSR1);
    unblock(SIGUSR1);
    return count == 1 ? 0 : 2;
}

static char self[4096];

// What another program finds: run as `signal_actions exec`, prints what it inherited.
static int after_exec(void)
{
    struct sigaction action;
    printf("blocked:");
    for (int number = 1; number <= 64; number++)
        if (is_blocked(number))
            printf(" %d", number);
    printf("\npending:");
    for (int number = 1; number <= 64; number++)
        if (is_pending(number))
            printf(" %d", number);
    printf("\nignored:");
    for (int number = 1; number <= 64; number++) {
        if (number == 32 || number == 33)
            continue;
        sigaction(number, NULL, &action);
        if (action.sa_handler == SIG_IGN)
            printf(" %d", number);
        else if (action.sa_handler != SIG_DFL)
            printf(" %d is caught", number);
    }
    stack_t stack;
    sigaltstack(NULL, &stack);
    printf("\nstack: %d\n", stack.ss_sp != NULL);
    fflush(stdout);
    for (int number = 1; number <= 64; number++)
        if (is_pending(number) && number != SIGUSR1)
            sigaction(number, &(struct sigaction){ .sa_handler = plain }, NULL);
    int before = plain_count;
    unblock(SIGSEGV);
    unblock(40);
    printf("delivered: %d\n", plain_count - before);
    fflush(stdout);
    return 0;
}

static int executes(void)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGSEGV, SIG_IGN);
    signal(SIGFPE, SIG_IGN);
    signal(64, SIG_IGN);
    on(SIGUSR1, note, 0);
    on(SIGSEGV, note, 0);
    block(SIGSEGV);
    block(SIGBUS);
    block(SIGUSR1);
    block(40);
    block(SIGINT);
    raise(SIGUSR1);
    raise(SIGSEGV);
    kill(getpid(), 40);
    kill(getpid(), 40);
    stack_t stack = { .ss_sp = stack_base, .ss_size = STACK_BYTES };
    sigaltstack(&stack, NULL);
    execl(self, self, "exec", (char *)NULL);
    return 1;
}

static void spawned(void)
{
    posix_spawnattr_t attributes;
    sigset_t mask = set_of(SIGUSR2, SIGTERM), defaults = set_of(SIGPIPE, 0);
    signal(SIGPIPE, SIG_IGN);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &mask);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    char *arguments[] = { self, "exec", NULL }, *environment[] = { NULL };
    pid_t child;
    int status = -1;
    CHECK(posix_spawn(&child, self, NULL, &attributes, arguments, environment) == 0, "posix_spawn");
    waitpid(child, &status, 0);
    CHECK(status == 0, "status %x", status);
    signal(SIGPIPE, SIG_DFL);
}

static int unblock_then_die(void)
{
    signal(SIGUSR1, SIG_DFL);
    block(SIGUSR1);
    raise(SIGUSR1);
    unblock(SIGUSR1);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exec") == 0)
        return after_exec();
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return 99;
    // The tests' own surroundings may ignore some.
    for (int number = 1; number <= 64; number++)
        if (number != 32 && number != 33 && number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_DFL);
    flags();
    nesting();
    queue();
    masks();
    alternate_stacks();
    children();
    stack_t stack = { .ss_sp = stack_base, .ss_size = STACK_BYTES };
    sigaltstack(&stack, NULL);
    on(SIGUSR1, note, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    int end = end_of(after_fork);
    CHECK(end == 0, "after fork: %d", end);
    CHECK(is_pending(SIGUSR1), "still pending here");
    unblock(SIGUSR1);
    end = end_of(executes);
    CHECK(end == 0, "exec: %d", end);
    spawned();
    end = end_of(unblock_then_die);
    CHECK(end == -SIGUSR1, "%d", end);
    return finish();
}
