// How threads and processes with threads end, and how processes begin in threads. Each case runs in a child, whose wait
// status is printed. With "child" as its first argument the program exits with 23.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
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
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char self[4096];
static atomic_long spins;

static void *spin(void *argument)
{
    (void)argument;
    for (;;)
        spins++;
    return NULL;
}

static pthread_t start(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument))
        _exit(99);
    return thread;
}

static void spinners(void)
{
    for (int i = 0; i < 3; i++)
        start(spin, NULL);
    while (spins < 10000)
        sched_yield();
}

static int wait_for(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

static void run(const char *name, void (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit no_core = { 0 };
        setrlimit(RLIMIT_CORE, &no_core);
        body();
        _exit(98);
    }
    printf("%s: %x\n", name, wait_for(pid));
}

static void *late(void *argument)
{
    usleep(20000);
    printf("after main: %s\n", (char *)argument);
    return NULL;
}

static void main_leaves(void)
{
    start(late, "still here");
    pthread_exit(NULL);
}

static atomic_uint alive = 1;

static void *exit_with_7(void *argument)
{
    (void)argument;
    // Until the other thread has ended.
    while (alive)
        syscall(SYS_futex, &alive, FUTEX_WAIT, 1, NULL, NULL, 0);
    syscall(SYS_exit, 7);
    return NULL;
}

static void last_status_counts(void)
{
    start(exit_with_7, NULL);
    syscall(SYS_set_tid_address, &alive);
    syscall(SYS_exit, 5);
}

static void main_ends_it(void)
{
    spinners();
    _exit(31);
}

static void *ends_it(void *argument)
{
    (void)argument;
    spinners();
    exit(32);
}

static void thread_ends_it(void)
{
    pthread_join(start(ends_it, NULL), NULL);
}

static void *read_null(void *argument)
{
    return (void *)(intptr_t) * (volatile int *)argument;
}

static void fault_in_thread(void)
{
    spinners();
    close(2);
    pthread_join(start(read_null, NULL), NULL);
}

static void faults_everywhere(void)
{
    close(2);
    for (int i = 0; i < 4; i++)
        start(read_null, NULL);
    for (;;)
        pause();
}

static void *abort_there(void *argument)
{
    (void)argument;
    abort();
}

static void abort_in_thread(void)
{
    pthread_join(start(abort_there, NULL), NULL);
}

static void killed_from_outside(void)
{
    spinners();
    kill(getpid(), SIGTERM);
    for (;;)
        pause();
}

// Keeps emu's locks busy while others fork.
static atomic_int stop;

static void *churn(void *argument)
{
    while (!stop) {
        char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *map = 1;
        munmap(map, 8192);
        sigaction(SIGUSR2, NULL, argument);
        free(malloc(100000));
    }
    return NULL;
}

static void *inner_thread(void *argument)
{
    return (char *)argument + 1;
}

static void *forks(void *argument)
{
    long right = 0;
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            // The only thread, which can make others and is the first now.
            void *result;
            pthread_join(start(inner_thread, (void *)10L), &result);
            free(malloc(50000));
            mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (i % 2)
                pthread_exit(NULL);
            _exit(gettid() == getpid() ? (int)(long)result : 1);
        }
        right += wait_for(pid) == (i % 2 ? 0 : 11 << 8);
    }
    (void)argument;
    return (void *)right;
}

static void fork_in_threads(void)
{
    struct sigaction action;
    pthread_t busy[2] = { start(churn, &action), start(churn, &action) };
    pthread_t threads[2] = { start(forks, NULL), start(forks, NULL) };
    long right = 0;
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        right += (long)result;
    }
    printf("right %ld\n", right);
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(busy[i], NULL);
    fflush(stdout);
    _exit(0);
}

static void *spawns(void *argument)
{
    long right = 0;
    char *arguments[] = { "spawned", "child", NULL };
    for (int i = 0; i < 4; i++) {
        pid_t pid;
        if (posix_spawn(&pid, self, NULL, NULL, arguments, environ) == 0)
            right += wait_for(pid) == 23 << 8;
    }
    pid_t pid = vfork();
    if (pid == 0)
        _exit(6);
    right += wait_for(pid) == 6 << 8;
    (void)argument;
    return (void *)right;
}

static void spawn_in_threads(void)
{
    struct sigaction action;
    pthread_t busy = start(churn, &action);
    pthread_t threads[2] = { start(spawns, NULL), start(spawns, NULL) };
    long right = 0;
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        right += (long)result;
    }
    printf("right %ld\n", right);
    stop = 1;
    pthread_join(busy, NULL);
    fflush(stdout);
    _exit(0);
}

static void *execs(void *argument)
{
    char *arguments[] = { argument, "child", NULL };
    execv(self, arguments);
    return NULL;
}

static void exec_in_thread(void)
{
    spinners();
    pthread_join(start(execs, "name"), NULL);
}

static void *locks(void *argument)
{
    pthread_mutex_lock(argument);
    pause();
    return NULL;
}

static void robust_across_processes(void)
{
    pthread_mutex_t *mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(mutex, &attributes);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_join(start(locks, mutex), NULL);
        _exit(1);
    }
    int error;
    while ((error = pthread_mutex_trylock(mutex)) == 0) {
        pthread_mutex_unlock(mutex);
        usleep(1000);
    }
    kill(pid, SIGKILL);
    printf("held: %s", strerrorname_np(error));
    printf(", dead: %s\n", strerrorname_np(pthread_mutex_lock(mutex)));
    fflush(stdout);
    _exit(wait_for(pid));
}

// clone without a library: the child runs on its own stack, touches nothing but its words, and ends with exit.
struct raw {
    atomic_uint tid, tid_of_child, seen;
    void *thread_pointer;
};

#define RAW_FLAGS                                                                                                     \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |        \
     CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)

static int raw_body(void *argument)
{
    struct raw *raw = argument;
    raw->seen = (unsigned)syscall(SYS_gettid);
    raw->thread_pointer = __builtin_thread_pointer();
    // exit, as clone's child does when this function returns.
    return 3;
}

static void raw_clone(void)
{
    static struct raw raw[3];
    for (int i = 0; i < 3; i++) {
        char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        raw[i].tid_of_child = ~0u;
        // musl's flags, but the last time; x86 wants the thread pointer in the first word.
        void *tls[32] = { tls };
        int flags = i < 2 ? RAW_FLAGS | CLONE_DETACHED | CLONE_SETTLS : RAW_FLAGS;
        int tid = clone(raw_body, stack + 65536, flags, &raw[i], &raw[i].tid, tls, &raw[i].tid_of_child);
        unsigned now;
        while ((now = raw[i].tid_of_child) != 0)
            syscall(SYS_futex, &raw[i].tid_of_child, FUTEX_WAIT, now, NULL, NULL, 0);
        printf("raw %d: %d %d %d\n", i, raw[i].tid == (unsigned)tid, raw[i].seen == (unsigned)tid,
               raw[i].thread_pointer == (i < 2 ? (void *)tls : __builtin_thread_pointer()));
        munmap(stack, 65536);
    }
    // Words that cannot be written, and flags that do not go together.
    char *gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static char stack[16384] __attribute__((aligned(16)));
    raw[0].seen = 0;
    int tid = clone(raw_body, stack + sizeof stack, RAW_FLAGS, &raw[0], gone, NULL, gone);
    while (syscall(SYS_tgkill, getpid(), tid, 0) == 0)
        sched_yield();
    printf("wild words: %d\n", raw[0].seen == (unsigned)tid);
    errno = 0;
    printf("no vm: %ld", syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0));
    printf(" %s\n", strerrorname_np(errno));
    printf("no sighand: %ld", syscall(SYS_clone, CLONE_THREAD | CLONE_VM, 0, 0, 0, 0));
    printf(" %s\n", strerrorname_np(errno));
    uint64_t arguments[12] = { CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, SIGCHLD };
    printf("signal: %ld", syscall(SYS_clone3, arguments, 64));
    printf(" %s\n", strerrorname_np(errno));
    printf("short: %ld", syscall(SYS_clone3, arguments, 56));
    printf(" %s\n", strerrorname_np(errno));
    arguments[11] = 1;
    printf("long: %ld", syscall(SYS_clone3, arguments, 96));
    printf(" %s\n", strerrorname_np(errno));
    printf("wild: %ld", syscall(SYS_clone3, 8, 88));
    printf(" %s\n", strerrorname_np(errno));
    memset(arguments, 0, sizeof arguments);
    arguments[4] = SIGCHLD;
    long pid = syscall(SYS_clone3, arguments, 88);
    if (pid == 0)
        _exit(12);
    printf("fork: %x\n", wait_for((pid_t)pid));

    // A descriptor for the child, handlers back to their defaults, and the parent waiting for it to end.
    int pidfd = -1, ends[2];
    (void)!pipe2(ends, O_NONBLOCK);
    signal(SIGUSR1, (void (*)(int))raw_clone);
    signal(SIGUSR2, SIG_IGN);
    arguments[0] = CLONE_PIDFD | CLONE_VFORK | 1ul << 32;
    arguments[1] = (uintptr_t)&pidfd;
    pid = syscall(SYS_clone3, arguments, 88);
    if (pid == 0) {
        struct sigaction one, two;
        sigaction(SIGUSR1, NULL, &one);
        sigaction(SIGUSR2, NULL, &two);
        usleep(10000);
        (void)!write(ends[1], "x", 1);
        _exit(one.sa_handler == SIG_DFL && two.sa_handler == SIG_IGN ? 13 : 14);
    }
    siginfo_t info = { 0 };
    char byte;
    printf("waited: %zd", read(ends[0], &byte, 1));
    printf(" pidfd %d", waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
    printf(" %d %d", info.si_pid == pid, info.si_status);
    printf(" cloexec %d\n", fcntl(pidfd, F_GETFD));
    close(pidfd);
    fflush(stdout);
    _exit(0);
}

static int closes(void *argument)
{
    (void)argument;
    syscall(SYS_close, 1);
    return 0;
}

static void private_files(void)
{
    // A thread that does not share the descriptors.
    static struct raw raw;
    static char stack[65536] __attribute__((aligned(16)));
    raw.tid_of_child = ~0u;
    clone(closes, stack + sizeof stack, (RAW_FLAGS & ~CLONE_FILES), NULL, &raw.tid, NULL, &raw.tid_of_child);
    unsigned now;
    while ((now = raw.tid_of_child) != 0)
        syscall(SYS_futex, &raw.tid_of_child, FUTEX_WAIT, now, NULL, NULL, 0);
    puts("still open");
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return 23;
    (void)!readlink("/proc/self/exe", self, sizeof self - 1);
    run("main leaves", main_leaves);
    run("last status", last_status_counts);
    run("main ends it", main_ends_it);
    run("thread ends it", thread_ends_it);
    run("fault", fault_in_thread);
    run("faults", faults_everywhere);
    run("abort", abort_in_thread);
    run("killed", killed_from_outside);
    run("forks", fork_in_threads);
    run("spawns", spawn_in_threads);
    run("exec", exec_in_thread);
    run("robust", robust_across_processes);
    run("raw clone", raw_clone);
    run("private files", private_files);
    return 0;
}
