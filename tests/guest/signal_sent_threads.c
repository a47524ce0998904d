// The signals of faults, sent to a process with threads: whoever does not block them gets them, or waits for them, also when
// the first thread has ended. And sent to the first process of a namespace.
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>

#include "signal_sent.h"

static volatile pid_t task;
static volatile bool stop;

static void until(volatile int *word, int value)
{
    while (*word != value)
        pause_ms(1);
}

static void *computes(void *argument)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_UNBLOCK, &all, NULL);
    task = gettid();
    while (!stop)
        ;
    return argument;
}

// The first thread blocks them.
static void to_another(void)
{
    pthread_t thread;
    task = 0;
    for (int i = 0; i < SENT_COUNT; i++) {
        on(sent[i], note, 0);
        block(sent[i]);
    }
    pthread_create(&thread, NULL, computes, NULL);
    while (task == 0)
        sched_yield();
    for (int i = 0; i < SENT_COUNT; i++) {
        handled = 0;
        send_from_child(sent[i]);
        until(&handled, 1);
        CHECK(last == sent[i] && last_task == task && last_code == SI_USER && !is_pending(sent[i]), "%d", sent[i]);
        // For this thread alone.
        raise(sent[i]);
        CHECK(is_pending(sent[i]) && handled == 1, "%d", sent[i]);
    }
    stop = true;
    pthread_join(thread, NULL);
    for (int i = 0; i < SENT_COUNT; i++)
        unblock(sent[i]);
    CHECK(handled == 1 + SENT_COUNT, "handled %d", handled);
    done("to another");
}

// Everybody blocks them; a thread that begins does not.
static void *unblocks(void *argument)
{
    for (int i = 0; i < SENT_COUNT; i++)
        unblock(sent[i]);
    task = gettid();
    return argument;
}

static void to_whoever_unblocks(void)
{
    pthread_t thread;
    for (int i = 0; i < SENT_COUNT; i++)
        block(sent[i]);
    handled = 0;
    for (int i = 0; i < SENT_COUNT; i++)
        send_from_child(sent[i]);
    CHECK(handled == 0, "handled %d", handled);
    pthread_create(&thread, NULL, unblocks, NULL);
    pthread_join(thread, NULL);
    CHECK(handled == SENT_COUNT && last_task == task, "handled %d", handled);
    for (int i = 0; i < SENT_COUNT; i++)
        unblock(sent[i]);
    done("to whoever unblocks");
}

static volatile int got, got_code, got_pid;

static void *waits(void *argument)
{
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGCHLD);
    siginfo_t info;
    task = gettid();
    for (int i = 0; i < SENT_COUNT; i++) {
        int number = sigwaitinfo(&set, &info);
        got_code = info.si_code;
        got_pid = info.si_pid;
        got = number;
        until(&got, 0);
    }
    return argument;
}

// A thread waits for all signals, and the others block them and compute.
static void to_who_waits(void)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    task = 0;
    pthread_create(&thread, NULL, waits, NULL);
    while (task == 0)
        sched_yield();
    for (int i = 0; i < SENT_COUNT; i++) {
        pid_t child = send_when_asleep(sent[i], task);
        while (got == 0)
            ;
        CHECK(got == sent[i] && got_code == SI_USER && got_pid == child, "%d: %d from %d", got, got_code, got_pid);
        wait_for(child);
        got = 0;
    }
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    done("to who waits");
}

static pthread_t first;

static void *is_left(void *argument)
{
    pthread_join(first, NULL);
    for (int i = 0; i < SENT_COUNT; i++) {
        handled = 0;
        send_from_child(sent[i]);
        until(&handled, 1);
        CHECK(last == sent[i] && last_task == gettid() && last_code == SI_USER, "%d", sent[i]);
    }
    fflush(stdout);
    _exit(failures != 0);
    return argument;
}

static int without_the_first(void)
{
    pthread_t thread;
    first = pthread_self();
    pthread_create(&thread, NULL, is_left, NULL);
    pthread_exit(NULL);
}

// The first process of a namespace does not die of what is sent to it; where there may be none, nothing is tested.
static int as_first(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
        return 5;
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < SENT_COUNT; i++) {
            signal(sent[i], SIG_DFL);
            send_from_child(sent[i]);
            raise(sent[i]);
        }
        _exit(5);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int main(void)
{
    to_another();
    to_whoever_unblocks();
    to_who_waits();
    CHECK(end_of(without_the_first) == 0, "without the first");
    CHECK(end_of(as_first) == 5, "as the first of a namespace");
    return finish();
}
