// What sigaction and sigprocmask record and give back. Delivery is not tested here.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void handler(int number)
{
    (void)number;
}

static void detailed(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
}

static void show_mask(const char *what, const sigset_t *mask)
{
    printf("%s:", what);
    for (int i = 1; i <= 64; i++)
        if (sigismember(mask, i) == 1)
            printf(" %d", i);
    printf("\n");
}

int main(void)
{
    struct sigaction action, old;
    printf("%d", sigaction(SIGUSR1, NULL, &old));
    printf(" default %d flags %x\n", old.sa_handler == SIG_DFL, old.sa_flags);
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART | SA_NODEFER;
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, 64);
    printf("set %d\n", sigaction(SIGUSR1, &action, NULL));
    action.sa_sigaction = detailed;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    printf("replace %d", sigaction(SIGUSR1, &action, &old));
    printf(" old %d flags %x\n", old.sa_handler == handler, old.sa_flags & ~0x04000000);
    show_mask("old mask", &old.sa_mask);
    sigaction(SIGUSR1, NULL, &old);
    printf("now %d flags %x\n", old.sa_sigaction == detailed, old.sa_flags & ~0x04000000);
    printf("signal %d\n", signal(SIGUSR2, SIG_IGN) == SIG_DFL);
    printf("ignored %d\n", signal(SIGUSR2, SIG_DFL) == SIG_IGN);
    for (int number = 62; number <= 65; number++) {
        action.sa_sigaction = detailed;
        errno = 0;
        printf("real-time %d: %d", number, sigaction(number, &action, NULL));
        printf(" %d\n", errno);
    }
    printf("SIGKILL: %d", sigaction(SIGKILL, &action, NULL));
    printf(" %d\n", errno);
    printf("SIGSTOP: %d", sigaction(SIGSTOP, &action, NULL));
    printf(" %d\n", errno);

    sigset_t set, previous, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGKILL); // cannot be blocked, and is not an error
    sigaddset(&set, 40);
    printf("block %d\n", sigprocmask(SIG_BLOCK, &set, &previous));
    show_mask("before", &previous);
    sigprocmask(SIG_SETMASK, NULL, &previous);
    show_mask("blocked", &previous);
    raise(SIGUSR1); // stays pending: it is blocked, and then ignored away
    sigpending(&pending);
    show_mask("pending", &pending);
    signal(SIGUSR1, SIG_IGN);
    sigpending(&pending);
    show_mask("pending after it is ignored", &pending);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    sigprocmask(SIG_SETMASK, NULL, &previous);
    show_mask("unblocked one", &previous);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigprocmask(SIG_SETMASK, NULL, &previous);
    show_mask("all", &previous);
    printf("bad how %d", sigprocmask(77, &set, NULL));
    printf(" %d\n", errno);
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);

    stack_t stack, other;
    static char memory[65536];
    printf("sigaltstack %d", sigaltstack(NULL, &stack));
    printf(" disabled %d\n", stack.ss_flags == SS_DISABLE);
    other = (stack_t){ .ss_sp = memory, .ss_size = sizeof memory, .ss_flags = 0 };
    printf("set %d", sigaltstack(&other, NULL));
    sigaltstack(NULL, &stack);
    printf(" %d %zu\n", stack.ss_sp == memory, stack.ss_size);
    other.ss_size = 100;
    printf("too small %d", sigaltstack(&other, NULL));
    printf(" %d\n", errno == ENOMEM);
    return 0;
}
