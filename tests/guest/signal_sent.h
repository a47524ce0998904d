// The signals of faults, sent by others.
#ifndef SIGNAL_SENT_H
#define SIGNAL_SENT_H

#include "signal_check.h"

#define SENT_COUNT 5
static const int sent[SENT_COUNT] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };

static volatile int handled, last, last_code, last_task;
static siginfo_t last_info;

static void note(int number, siginfo_t *info, void *context)
{
    (void)context;
    last = number;
    last_code = info->si_code;
    last_info = *info;
    last_task = gettid();
    handled++;
}

// Has another process send a signal to this one, and waits for its end.
static void send_from_child(int number)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        kill(getppid(), number);
        _exit(0);
    }
    while (waitpid(child, NULL, 0) < 0)
        ;
}

// Has another process send it when a task of this one sleeps. To be followed by `wait_for`.
__attribute__((unused)) static pid_t send_when_asleep(int number, pid_t task)
{
    pid_t process = getpid();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        until_asleep(process, task);
        kill(process, number);
        _exit(0);
    }
    return child;
}

__attribute__((unused)) static void wait_for(pid_t child)
{
    while (waitpid(child, NULL, 0) < 0)
        ;
}

#endif
