// What the signal tests share: checks that say where they failed, waits that need no sleep, and children whose end is
// told. Output is the same wherever the checks hold.
#ifndef SIGNAL_CHECK_H
#define SIGNAL_CHECK_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failures __attribute__((unused));

// A failed check is told in the output, which then differs from that of the reference; the first twenty are enough.
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            int error_number = errno;                                                                                  \
            if (failures++ < 20) {                                                                                     \
                printf("  line %d: not %s: ", __LINE__, #condition);                                                   \
                printf(__VA_ARGS__);                                                                                   \
                printf(" (errno %d)\n", error_number);                                                                 \
                fflush(stdout);                                                                                        \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

// Says that a part is done, so that a hang or a death shows where it was.
__attribute__((unused)) static void done(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
}

__attribute__((unused)) static int finish(void)
{
    puts(failures ? "FAILED" : "ok");
    fflush(stdout);
    return failures != 0;
}

// The rounds of a repeated test: fewer under an interpreter.
__attribute__((unused)) static int rounds(int normal, int small)
{
    return getenv("EMU_GUEST_SMALL") != NULL ? small : normal;
}

__attribute__((unused)) static void on(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    if (sigaction(number, &action, NULL) != 0)
        printf("sigaction %d fails with %d\n", number, errno);
}

__attribute__((unused)) static sigset_t set_of(int first, int second)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, first);
    if (second != 0)
        sigaddset(&set, second);
    return set;
}

__attribute__((unused)) static void block(int number)
{
    sigset_t set = set_of(number, 0);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

__attribute__((unused)) static void unblock(int number)
{
    sigset_t set = set_of(number, 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

__attribute__((unused)) static bool is_blocked(int number)
{
    sigset_t set;
    sigprocmask(SIG_SETMASK, NULL, &set);
    return sigismember(&set, number) == 1;
}

__attribute__((unused)) static bool is_pending(int number)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, number) == 1;
}

// The state letter of a task of this process or another, from /proc; '?' when it is gone.
__attribute__((unused)) static char state_of(pid_t process, pid_t task)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", process, task);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return '?';
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    char *name_end = strrchr(text, ')');
    return name_end != NULL && name_end[1] != 0 ? name_end[2] : '?';
}

__attribute__((unused)) static void pause_ms(int milliseconds)
{
    struct timespec left = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
    while (nanosleep(&left, &left) != 0)
        ;
}

// Waits until a task has slept at three looks one millisecond apart: it is then in the call that it was to make.
__attribute__((unused)) static void until_asleep(pid_t process, pid_t task)
{
    for (int asleep = 0, looks = 0; asleep < 3 && looks < 5000; looks++) {
        asleep = state_of(process, task) == 'S' ? asleep + 1 : 0;
        pause_ms(1);
    }
}

// Runs a function in a child: its exit status, or the number of the signal that killed it, negative.
__attribute__((unused)) static int end_of(int (*body)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        alarm(60); // rather than hang
        int status = body();
        fflush(stdout);
        _exit(status);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
