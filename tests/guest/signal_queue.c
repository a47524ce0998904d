// Queued signals: none is lost and each kind keeps its order, whatever the thread does with its mask meanwhile, in
// handlers that interrupt each other too.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KINDS = 3 };
static int next[KINDS], out_of_order;
// Shared with the sender, which does not run far ahead.
static volatile int *handled;

static void on_queued(int signal, siginfo_t *info, void *context)
{
    (void)context;
    int kind = signal - SIGRTMIN - 1;
    if (info->si_value.sival_int != next[kind]++)
        out_of_order++;
    __atomic_fetch_add(handled, 1, __ATOMIC_SEQ_CST);
}

static void send(pid_t to, int count)
{
    for (int i = 0; i < count; i++) {
        while (KINDS * i - *handled > 20)
            sched_yield();
        for (int kind = 0; kind < KINDS; kind++) {
            union sigval value = { .sival_int = i };
            while (sigqueue(to, SIGRTMIN + 1 + kind, value) != 0)
                if (errno != EAGAIN)
                    _exit(2);
        }
    }
    _exit(0);
}

int main(void)
{
    int count = getenv("EMU_GUEST_SMALL") != NULL ? 3000 : 30000;
    handled = mmap(NULL, sizeof *handled, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigset_t some, all, none;
    sigemptyset(&none);
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGRTMIN + 2);
    sigfillset(&all);
    for (int kind = 0; kind < KINDS; kind++) {
        struct sigaction action = { .sa_sigaction = on_queued, .sa_flags = SA_SIGINFO | SA_RESTART };
        sigaction(SIGRTMIN + 1 + kind, &action, NULL);
    }
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        send(parent, count);
    int status = -1, over = 0;
    while (!over || *handled < KINDS * count) {
        sigprocmask(SIG_BLOCK, &some, NULL);
        sigprocmask(SIG_UNBLOCK, &some, NULL);
        sigprocmask(SIG_SETMASK, &all, NULL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (over && ++over > 100000)
            break;
        if (!over)
            over = waitpid(child, &status, WNOHANG) == child;
    }
    printf("status %d, lost %d, out of order %d\n", status, KINDS * count - *handled, out_of_order);
    return 0;
}
