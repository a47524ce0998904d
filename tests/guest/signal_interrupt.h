// Calls that wait, interrupted by a handler with and without SA_RESTART: does the call fail with EINTR, or does the kernel
// start it again? A second thread sends the signal when the first sleeps in the call, and lets the call end once it sleeps
// there again. What is printed is what the kernel decides.
#ifndef SIGNAL_INTERRUPT_H
#define SIGNAL_INTERRUPT_H

#include <pthread.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "signal_check.h"

static int handled;
static int ready, returned, restarted;
static pid_t process, main_task;
static void (*complete_call)(void);
static bool seen_blocked_1 __attribute__((unused)), seen_blocked_2 __attribute__((unused)), frame_blocked_1 __attribute__((unused)), frame_blocked_2 __attribute__((unused));

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    seen_blocked_1 = is_blocked(SIGUSR1);
    seen_blocked_2 = is_blocked(SIGUSR2);
    frame_blocked_1 = sigismember(&((ucontext_t *)context)->uc_sigmask, SIGUSR1) == 1;
    frame_blocked_2 = sigismember(&((ucontext_t *)context)->uc_sigmask, SIGUSR2) == 1;
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static bool flag(int *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void *interrupter(void *argument)
{
    while (!flag(&ready))
        sched_yield();
    until_asleep(process, main_task);
    syscall(SYS_tgkill, process, main_task, SIGUSR1);
    while (!flag(&handled))
        pause_ms(1);
    int asleep = 0;
    while (!flag(&returned) && asleep < 5) {
        asleep = state_of(process, main_task) == 'S' ? asleep + 1 : 0;
        pause_ms(1);
    }
    if (!flag(&returned)) {
        restarted = 1;
        complete_call();
    }
    return argument;
}

// Calls `call` while another thread interrupts it, and says how it went.
static void interrupt(const char *name, long (*call)(void), void (*complete)(void), int flags)
{
    pthread_t thread;
    sigset_t all, old;
    on(SIGUSR1, handler, flags);
    handled = ready = returned = restarted = 0;
    complete_call = complete;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_create(&thread, NULL, interrupter, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = 0;
    __atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
    long result = call();
    int error = errno;
    __atomic_store_n(&returned, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    printf("%s%s: %s, %ld %s, handled %d\n", name, flags & SA_RESTART ? " (SA_RESTART)" : "",
           restarted ? "restarted" : "not restarted", result, result < 0 ? strerrorname_np(error) : "", handled);
    fflush(stdout);
}

static int a[2];

__attribute__((unused)) static void put_byte(void)
{
    if (write(a[1], "x", 1) != 1)
        puts("no byte written");
}

__attribute__((unused)) static void drain(void)
{
    static char bytes[1 << 20];
    if (read(a[0], bytes, sizeof bytes) <= 0)
        puts("nothing to drain");
}

__attribute__((unused)) static void nothing(void)
{
    puts("does not come back");
    fflush(stdout);
    syscall(SYS_tgkill, process, main_task, SIGTERM);
}

__attribute__((unused)) static void both(const char *name, long (*call)(void), void (*complete)(void))
{
    interrupt(name, call, complete, 0);
    interrupt(name, call, complete, SA_RESTART);
}

// To be called first.
static void begin(void)
{
    process = getpid();
    main_task = gettid();
}

#endif
