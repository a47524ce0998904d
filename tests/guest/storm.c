// Much of the same: processes in a row, threads at once, and a storm of forks, execs and signals among threads. Each
// checks that nothing was lost, and that nothing is left behind: no memory, no descriptor, no child.
//
//     storm processes COUNT     short processes, one after another, made in five ways
//     storm threads COUNT       threads that all run at the same time
//     storm storm SECONDS       everything at once
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "storm: line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
            _exit(1); \
        } \
    } while (0)

static char self[PATH_MAX];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

// Pages that are in memory and belong to nobody else.
static long pages(void)
{
    long size, resident, shared;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%ld %ld %ld", &size, &resident, &shared) == 3);
    fclose(file);
    return resident - shared;
}

static int descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void no_children(void)
{
    CHECK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD);
}

// What a child that executes this file again is told to do.
static char *line_of(char **line, const char *what, char *code, int status)
{
    sprintf(code, "%d", status);
    line[0] = self;
    line[1] = (char *)what;
    line[2] = code;
    line[3] = NULL;
    return code;
}

static int in_clone(void *argument)
{
    _exit((int)(intptr_t)argument);
}

// A child that ends with `status`, made in the way of this round.
static pid_t make(unsigned round, int status)
{
    char *line[4], code[16];
    pid_t pid;
    line_of(line, "exit", code, status);
    switch (round % 5) {
    case 0:
        pid = fork();
        if (pid == 0)
            _exit(status);
        return pid;
    case 1:
        pid = fork();
        if (pid == 0) {
            execve(self, line, environ);
            _exit(99);
        }
        return pid;
    case 2:
        CHECK(posix_spawn(&pid, self, NULL, NULL, line, environ) == 0);
        return pid;
    case 3:
        pid = vfork();
        if (pid == 0) {
            execve(self, line, environ);
            _exit(99);
        }
        return pid;
    default: {
        size_t size = 65536;
        char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        CHECK(stack != MAP_FAILED);
        pid = clone(in_clone, stack + size, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)(intptr_t)status);
        CHECK(munmap(stack, size) == 0);
        return pid;
    }
    }
}

static void ends_with(pid_t pid, int status)
{
    int got;
    pid_t waited;
    do
        waited = waitpid(pid, &got, __WALL);
    while (waited == -1 && errno == EINTR);
    CHECK(waited == pid);
    if (!WIFEXITED(got) || WEXITSTATUS(got) != status) {
        fprintf(stderr, "storm: child %d: status %#x, not %d\n", pid, got, status);
        _exit(1);
    }
}

// What may grow until everything has been met once, and what may grow after that: a page of the C library's here and
// there, and never one a round.
static void processes(long count)
{
    long before = 0, open = 0;
    for (long i = 0; i < count; i++) {
        if (i == count / 10) {
            before = pages();
            open = descriptors();
        }
        pid_t pid = make(i, i % 98);
        CHECK(pid > 0);
        ends_with(pid, i % 98);
    }
    long after = pages();
    no_children();
    CHECK(descriptors() == open);
    fprintf(stderr, "processes: %ld pages more after the last %ld\n", after - before, count - count / 10);
    CHECK(after - before < 100 + count / 100);
    printf("%ld processes\n", count);
}

static pthread_barrier_t all_run;
static atomic_long sum;

static void *one_of_many(void *argument)
{
    volatile char page[4096];
    page[0] = 1;
    pthread_barrier_wait(&all_run);
    atomic_fetch_add(&sum, (long)(intptr_t)argument + page[0]);
    pthread_barrier_wait(&all_run);
    return argument;
}

static void threads(long count)
{
    pthread_t *all = calloc(count, sizeof *all);
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 262144) == 0);
    // The first rounds are not counted: what they meet is compiled, and that stays. What an allocator keeps differs by
    // as much from round to round: it is the least that may not grow. A page a thread would be four times what may.
    enum { ROUNDS = 12, MET = 4, EARLY = 6, LATE = 10 };
    long most_early = 0, least_late = LONG_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        sum = 0;
        CHECK(pthread_barrier_init(&all_run, NULL, count + 1) == 0);
        for (long i = 0; i < count; i++)
            CHECK(pthread_create(&all[i], &attributes, one_of_many, (void *)(intptr_t)i) == 0);
        pthread_barrier_wait(&all_run);
        pthread_barrier_wait(&all_run);
        for (long i = 0; i < count; i++) {
            void *result;
            CHECK(pthread_join(all[i], &result) == 0 && result == (void *)(intptr_t)i);
        }
        CHECK(sum == count * (count - 1) / 2 + count);
        CHECK(pthread_barrier_destroy(&all_run) == 0);
        long here = pages();
        if (round >= MET && round < EARLY && here > most_early)
            most_early = here;
        if (round >= LATE && here < least_late)
            least_late = here;
    }
    free(all);
    fprintf(stderr, "threads: at most %ld pages after %d rounds, at least %ld after more\n", most_early, EARLY,
            least_late);
    CHECK(least_late < most_early + 100 + count);
    printf("%ld threads\n", count);
}

static atomic_int over;
static atomic_long queued, handled, ticks, echoes, made;

static void on_queued(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (info->si_value.sival_int == 0x5707)
        atomic_fetch_add(&handled, 1);
}

static void on_tick(int signal)
{
    (void)signal;
    atomic_fetch_add(&ticks, 1);
}

static void *makes_children(void *argument)
{
    unsigned round = (unsigned)(intptr_t)argument;
    while (!over) {
        pid_t pid = make(round, round % 98);
        CHECK(pid > 0);
        ends_with(pid, round % 98);
        atomic_fetch_add(&made, 1);
        round++;
    }
    return NULL;
}

// Signals to the process, all of which arrive: the queue has an end, which is no loss.
static void *sends(void *argument)
{
    (void)argument;
    union sigval value = { .sival_int = 0x5707 };
    while (!over) {
        if (sigqueue(getpid(), SIGRTMIN + 1, value) == 0)
            atomic_fetch_add(&queued, 1);
        else
            CHECK(errno == EAGAIN);
        if (queued - handled > 50)
            sched_yield();
    }
    return NULL;
}

// A byte to and fro, which signals interrupt, and calls that sleep.
static void *echoes_bytes(void *argument)
{
    (void)argument;
    int to[2], from[2];
    CHECK(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
    for (unsigned char byte = 0; !over; byte++) {
        unsigned char got;
        CHECK(write(to[1], &byte, 1) == 1 && read(to[0], &got, 1) == 1 && got == byte);
        CHECK(write(from[1], &got, 1) == 1 && read(from[0], &got, 1) == 1 && got == byte);
        struct timespec little = { .tv_nsec = 1000 };
        while (clock_nanosleep(CLOCK_MONOTONIC, 0, &little, &little) == EINTR) {
        }
        atomic_fetch_add(&echoes, 1);
    }
    close(to[0]), close(to[1]), close(from[0]), close(from[1]);
    return NULL;
}

// Threads that come and go, with memory that does.
static void *comes_and_goes(void *argument)
{
    size_t size = 1 << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    memory[size / 2] = 1;
    CHECK(mprotect(memory, size / 2, PROT_READ) == 0 && munmap(memory, size) == 0);
    return argument;
}

static void *makes_threads(void *argument)
{
    (void)argument;
    while (!over) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, comes_and_goes, NULL) == 0 && pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

// Calls are restarted: their being interrupted is what the handlers' counts are about.
static void catch(int signal, void (*handler)(int, siginfo_t *, void *), void (*plain)(int))
{
    struct sigaction action = { .sa_flags = SA_RESTART };
    if (handler != NULL) {
        action.sa_sigaction = handler;
        action.sa_flags |= SA_SIGINFO;
    } else {
        action.sa_handler = plain;
    }
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static void storm(double seconds)
{
    catch(SIGRTMIN + 1, on_queued, NULL);
    catch(SIGALRM, NULL, on_tick);
    struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    void *(*const kinds[])(void *) = { makes_children, makes_children, makes_children, sends, echoes_bytes, echoes_bytes, makes_threads };
    enum { COUNT = sizeof kinds / sizeof *kinds };
    pthread_t all[COUNT];
    int open = descriptors();
    double begin = now();
    for (int i = 0; i < COUNT; i++)
        CHECK(pthread_create(&all[i], NULL, kinds[i], (void *)(intptr_t)i) == 0);
    long before = 0, most = 0;
    while (now() - begin < seconds) {
        struct timespec some = { .tv_nsec = 100000000 };
        nanosleep(&some, NULL);
        long here = pages();
        if (now() - begin < seconds / 5)
            before = here > before ? here : before;
        else
            most = here > most ? here : most;
    }
    over = 1;
    for (int i = 0; i < COUNT; i++)
        CHECK(pthread_join(all[i], NULL) == 0);
    struct itimerval never = { 0 };
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    no_children();
    // What is still queued for the process is delivered before the next call returns.
    getpid();
    fprintf(stderr, "storm: %ld children, %ld signals, %ld ticks, %ld echoes; pages at most %ld, then %ld\n", made, handled, ticks, echoes,
            before, most);
    CHECK(handled == queued && made > 0 && ticks > 0 && echoes > 0);
    CHECK(descriptors() == open);
    CHECK(most < before + before / 10 + 1000);
    printf("storm over\n");
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "exit") == 0)
        return atoi(argv[2]);
    CHECK(argc == 3 && realpath(argv[0], self) != NULL);
    if (strcmp(argv[1], "processes") == 0)
        processes(atol(argv[2]));
    else if (strcmp(argv[1], "threads") == 0)
        threads(atol(argv[2]));
    else if (strcmp(argv[1], "storm") == 0)
        storm(atof(argv[2]));
    else
        return 2;
    return 0;
}
