// What the system costs: each case repeats one thing that programs ask of Linux, and prints how many
// nanoseconds one took: `system CASE COUNT PROGRAM [ARGUMENT]...`, where the last words are what children become.
// `bench/system` calls it. Built for both machines.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                                             \
    do {                                                                                                             \
        if (!(condition)) {                                                                                          \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, strerror(errno));                             \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

extern char **environ;
static char **child_line;

static void getpid_loop(long count)
{
    for (long i = 0; i < count; i++)
        CHECK(syscall(SYS_getpid) > 0);
}

static void pipe_bytes(long count)
{
    int ends[2];
    char byte = 'x';
    CHECK(pipe(ends) == 0);
    for (long i = 0; i < count; i++) {
        CHECK(write(ends[1], &byte, 1) == 1);
        CHECK(read(ends[0], &byte, 1) == 1);
    }
}

static _Atomic unsigned turn;

static void pass_turn(unsigned mine, long count)
{
    for (long i = 0; i < count; i++) {
        unsigned now;
        while ((now = turn) % 2 != mine)
            syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
        turn = now + 1;
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void *other_side(void *count)
{
    pass_turn(1, *(long *)count);
    return NULL;
}

static void futex_turns(long count)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, other_side, &count) == 0);
    pass_turn(0, count);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void clock_reads(long count)
{
    struct timespec time;
    for (long i = 0; i < count; i++)
        CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
}

static volatile long seen;

static void count_signal(int number)
{
    (void)number;
    seen++;
}

static void signals(long count)
{
    struct sigaction action = { .sa_handler = count_signal };
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    pid_t process = getpid(), thread = syscall(SYS_gettid);
    for (long i = 0; i < count; i++)
        syscall(SYS_tgkill, process, thread, SIGUSR1);
    CHECK(seen == count);
}

static char *guarded;

static void repair(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    if (info->si_addr != guarded)
        _exit(3);
    seen++;
    if (mprotect(guarded, 4096, PROT_READ | PROT_WRITE) != 0)
        _exit(4);
}

static void faults(long count)
{
    struct sigaction action = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO };
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    guarded = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(guarded != MAP_FAILED);
    for (long i = 0; i < count; i++) {
        *(volatile char *)guarded = (char)i;
        CHECK(mprotect(guarded, 4096, PROT_NONE) == 0);
    }
    CHECK(seen == count);
}

static void mappings(long count)
{
    for (long i = 0; i < count; i++) {
        char *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(memory != MAP_FAILED);
        for (int at = 0; at < 65536; at += 4096)
            ((volatile char *)memory)[at] = 1;
        CHECK(munmap(memory, 65536) == 0);
    }
}

static void filled(long count)
{
    for (long i = 0; i < count; i++) {
        char *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(memory != MAP_FAILED);
        memset(memory, (int)i, 65536);
        CHECK(memory[65535] == (char)i);
        CHECK(munmap(memory, 65536) == 0);
    }
}

static void *nothing(void *argument)
{
    return argument;
}

static void threads(long count)
{
    for (long i = 0; i < count; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

static void reap(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void forks(long count)
{
    for (long i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        reap(child);
    }
}

static void fork_execs(long count)
{
    for (long i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0) {
            execv(child_line[0], child_line);
            _exit(127);
        }
        reap(child);
    }
}

static void spawns(long count)
{
    for (long i = 0; i < count; i++) {
        pid_t child;
        CHECK(posix_spawn(&child, child_line[0], NULL, NULL, child_line, environ) == 0);
        reap(child);
    }
}

static const struct {
    const char *name;
    void (*run)(long count);
} cases[] = {
    { "getpid", getpid_loop }, { "pipe", pipe_bytes },   { "futex", futex_turns },    { "clock", clock_reads },
    { "signal", signals },     { "fault", faults },      { "mmap", mappings },        { "thread", threads },
    { "fork", forks },         { "exec", fork_execs },   { "spawn", spawns },
    { "fill", filled },
};

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    long count = atol(argv[2]);
    child_line = argv + 3;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].name, argv[1]) != 0)
            continue;
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        cases[i].run(count);
        clock_gettime(CLOCK_MONOTONIC, &end);
        double ns = (end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec);
        printf("%.1f\n", ns / count);
        return 0;
    }
    return 2;
}
