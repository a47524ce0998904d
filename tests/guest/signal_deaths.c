// Death by each signal whose default kills, wherever it comes: what the parent is told. The others stop, or do nothing.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "signal_check.h"

static void quiet(void)
{
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    alarm(60);
    // Past the C library, which keeps two to itself.
    struct {
        void (*handler)(int);
        unsigned long flags, restorer, mask;
    } action = { .handler = SIG_DFL };
    for (int number = 1; number <= 64; number++)
        syscall(SYS_rt_sigaction, number, &action, NULL, 8);
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
}

static void *raises(void *argument)
{
    syscall(SYS_tgkill, getpid(), gettid(), (int)(intptr_t)argument);
    return NULL;
}

static void *spins(void *argument)
{
    for (volatile long i = 0;; i++)
        ;
    return argument;
}

enum way { RAISED, KILLED, UNBLOCKED, IN_THREAD, IN_HANDLER, COMPUTING, SLEEPING, WAYS };

static int wanted;

static void raise_other(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    kill(getpid(), wanted);
}

static void die(enum way way, int number)
{
    uint64_t mask = 1ul << (number - 1);
    pthread_t thread;
    quiet();
    switch (way) {
    case RAISED:
        syscall(SYS_tgkill, getpid(), gettid(), number);
        break;
    case KILLED:
        kill(getpid(), number);
        break;
    case UNBLOCKED:
        syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8);
        kill(getpid(), number);
        syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8);
        break;
    case IN_THREAD:
        pthread_create(&thread, NULL, raises, (void *)(intptr_t)number);
        pthread_join(thread, NULL);
        break;
    case IN_HANDLER:
        wanted = number;
        on(number == SIGUSR1 ? SIGUSR2 : SIGUSR1, raise_other, 0);
        raise(number == SIGUSR1 ? SIGUSR2 : SIGUSR1);
        break;
    case COMPUTING:
        pthread_create(&thread, NULL, spins, NULL);
        spins(NULL);
        break;
    default:
        for (;;)
            pause();
    }
    _exit(77);
}

static void show(int number)
{
    printf("%2d:", number);
    for (enum way way = RAISED; way < WAYS; way++) {
        // Those that would not end it are not sent to what never ends.
        bool kills = number != SIGCHLD && number != SIGURG && number != SIGWINCH && number != SIGCONT &&
                     number != SIGSTOP && number != SIGTSTP && number != SIGTTIN && number != SIGTTOU;
        if (way >= COMPUTING && !kills)
            continue;
        // Translating what makes a thread takes its time in each child.
        if (number % 4 != 3 && (way == IN_THREAD || way == IN_HANDLER || way == COMPUTING))
            continue;
        // The C library's threads have handlers of these two.
        if ((number == 32 || number == 33) && (way == IN_THREAD || way == COMPUTING))
            continue;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            die(way, number);
        if (way >= COMPUTING) {
            if (way == SLEEPING)
                until_asleep(child, child);
            else
                pause_ms(2);
            kill(child, number);
        }
        int status = 0;
        waitpid(child, &status, WUNTRACED);
        if (WIFSTOPPED(status)) {
            printf(" stop %d", WSTOPSIG(status));
            kill(child, SIGCONT);
            waitpid(child, &status, 0);
        }
        if (WIFSIGNALED(status))
            printf(" %d%s", WTERMSIG(status), WCOREDUMP(status) ? " core" : "");
        else
            printf(" exit %d", WEXITSTATUS(status));
    }
    printf("\n");
}

static int aborts(void)
{
    quiet();
    abort();
}

static int aborts_ignored(void)
{
    quiet();
    signal(SIGABRT, SIG_IGN);
    block(SIGABRT);
    abort();
}

static void comes_back(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
}

static int aborts_caught(void)
{
    quiet();
    on(SIGABRT, comes_back, 0);
    abort();
}

static void dies_again(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    // As crash reporters do: the default action, and the same once more.
    signal(number, SIG_DFL);
    raise(number);
}

static volatile int *volatile nowhere = (int *)8;

static int reports(void)
{
    quiet();
    on(SIGSEGV, dies_again, 0);
    return *nowhere;
}

static void returns_to_fault(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    signal(number, SIG_DFL);
}

static int faults_again(void)
{
    quiet();
    on(SIGSEGV, returns_to_fault, 0);
    return *nowhere;
}

static int ends_told(int (*body)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(body());
    siginfo_t info;
    memset(&info, 0, sizeof info);
    waitid(P_PID, child, &info, WEXITED);
    return info.si_code == CLD_KILLED && info.si_pid == child ? info.si_status : -info.si_status;
}

int main(void)
{
    for (int number = 1; number <= 64; number++)
        if (number <= 34 || number == 63 || number == 64)
            show(number);
    printf("abort: %d", ends_told(aborts));
    printf(" %d", ends_told(aborts_ignored));
    printf(" %d\n", ends_told(aborts_caught));
    printf("reported: %d", ends_told(reports));
    printf(" %d\n", ends_told(faults_again));
    return finish();
}
