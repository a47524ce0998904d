// Signals and threads: to one, to any, while threads begin, end and join, cancellation (which uses signal 32), setuid
// (which uses 33), and threads that only compute and must be reached all the same.
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#include "signal_check.h"

enum { THREADS = 4, ENOUGH = 10 };

static __thread volatile int own_hits;
static volatile int hits[THREADS + 1];
static __thread int own_index;
static int all_hits;

static void hit(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    own_hits++;
    hits[own_index]++;
    __atomic_add_fetch(&all_hits, 1, __ATOMIC_SEQ_CST);
}

static bool load(bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static bool stop;
static pthread_barrier_t barrier;
static volatile uint64_t sinks[THREADS + 1];

__attribute__((noinline)) static uint64_t step(uint64_t x)
{
    return x * 6364136223846793005 + 1442695040888963407;
}

__attribute__((noinline)) static uint64_t fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

// Four ways to compute without a system call.
static void compute_until_hit(int way, int wanted)
{
    uint64_t x = way + 1;
    switch (way) {
    case 0:
        while (own_hits < wanted)
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        break;
    case 1:
        while (own_hits < wanted)
            x = step(x);
        break;
    case 2:
        while (own_hits < wanted)
            x += fib(12);
        break;
    default:
        for (double d = 1; own_hits < wanted; d = d * 1.25 + 1)
            x += d > 1e300 ? (d = 1, 1) : 2;
    }
    sinks[own_index] = x;
}

static void *computes(void *argument)
{
    own_index = (intptr_t)argument;
    pthread_barrier_wait(&barrier);
    compute_until_hit(own_index, ENOUGH);
    return NULL;
}

// pthread_kill reaches the thread that is meant and no other.
static void to_one(void)
{
    pthread_t threads[THREADS];
    on(SIGUSR1, hit, SA_RESTART);
    memset((void *)hits, 0, sizeof hits);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    own_index = THREADS;
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, computes, (void *)i);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++) {
        for (int sent = 1; sent <= ENOUGH; sent++) {
            CHECK(pthread_kill(threads[i], SIGUSR1) == 0, "pthread_kill");
            while (hits[i] < sent)
                sched_yield();
        }
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(hits[i] == ENOUGH, "thread %d: %d", i, hits[i]);
    CHECK(hits[THREADS] == 0, "%d", hits[THREADS]);
    CHECK(syscall(SYS_tgkill, getpid(), gettid(), 65) == -1 && errno == EINVAL, "no such signal");
    CHECK(syscall(SYS_tgkill, getpid() + 1, gettid(), SIGUSR1) == -1 && errno == ESRCH, "not of this process");
    CHECK(syscall(SYS_tgkill, getpid(), gettid(), 0) == 0, "signal 0");
    done("to one");
}

// A timer while all compute: every one is reached, and the main thread waits.
static void under_timer(void)
{
    pthread_t threads[THREADS];
    on(SIGALRM, hit, SA_RESTART);
    memset((void *)hits, 0, sizeof hits);
    block(SIGALRM); // inherited: nobody takes it
    struct itimerval period = { { 0, 500 }, { 0, 500 } };
    setitimer(ITIMER_REAL, &period, NULL);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, computes, (void *)i);
    pthread_barrier_wait(&barrier);
    int before = all_hits;
    for (int i = 0; i < THREADS; i++)
        for (int sent = 0; sent < ENOUGH; sent++)
            pthread_kill(threads[i], SIGUSR1);
    // Many at once merge, so that more are needed.
    for (int i = 0; i < THREADS; i++) {
        while (hits[i] < ENOUGH) {
            pthread_kill(threads[i], SIGUSR1);
            sched_yield();
        }
        pthread_join(threads[i], NULL);
    }
    CHECK(all_hits - before >= ENOUGH * THREADS && hits[THREADS] == 0, "%d", all_hits - before);
    memset(&period, 0, sizeof period);
    setitimer(ITIMER_REAL, &period, NULL);
    CHECK(is_pending(SIGALRM), "pending for the process");
    sigset_t set = set_of(SIGALRM, 0);
    CHECK(sigwaitinfo(&set, NULL) == SIGALRM, "taken");
    unblock(SIGALRM);
    done("under a timer");
}

static void *opens(void *argument)
{
    own_index = 0;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    unblock(SIGUSR2);
    CHECK(own_hits == 1, "at once: %d", own_hits);
    return argument;
}

static void *waits(void *argument)
{
    sigset_t set = set_of(SIGUSR2, SIGTERM);
    siginfo_t info;
    int got = sigwaitinfo(&set, &info);
    *(int *)argument = got == SIGUSR2 && info.si_code == SI_QUEUE ? info.si_value.sival_int : -got;
    return NULL;
}

// To the process: whoever does not block it, whoever unblocks it first, whoever waits for it.
static void to_any(void)
{
    pthread_t thread;
    pthread_barrier_destroy(&barrier);
    pthread_barrier_init(&barrier, NULL, 2);
    block(SIGUSR2);
    on(SIGUSR2, hit, 0);
    memset((void *)hits, 0, sizeof hits);
    for (int i = 0; i < 100; i++) {
        hits[0] = 0;
        pthread_create(&thread, NULL, opens, NULL);
        pthread_barrier_wait(&barrier);
        kill(getpid(), SIGUSR2);
        CHECK(is_pending(SIGUSR2), "pending");
        pthread_barrier_wait(&barrier);
        pthread_join(thread, NULL);
        CHECK(hits[0] == 1 && !is_pending(SIGUSR2), "%d", hits[0]);
    }
    for (int i = 1; i <= 100; i++) {
        int got = 0;
        pthread_create(&thread, NULL, waits, &got);
        sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = i });
        pthread_join(thread, NULL);
        CHECK(got == i, "%d, not %d", got, i);
        pthread_create(&thread, NULL, waits, &got);
        pthread_sigqueue(thread, SIGUSR2, (union sigval){ .sival_int = -i });
        pthread_join(thread, NULL);
        CHECK(got == -i, "%d, not %d", got, -i);
    }
    unblock(SIGUSR2);
    done("to any");
}

static sigjmp_buf out;
static volatile int depth;

static void nest_and_leave(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    if (++depth < 20)
        raise(number);
    siglongjmp(out, depth);
}

static void *leaves(void *argument)
{
    on(SIGUSR2, nest_and_leave, SA_NODEFER);
    for (volatile int i = 0; i < 500; i++) {
        depth = 0;
        int got = sigsetjmp(out, 1);
        if (got == 0)
            raise(SIGUSR2);
        else
            CHECK(got == 20 && !is_blocked(SIGUSR2), "%d", got);
    }
    return argument;
}

static void nonlocal(void)
{
    pthread_t thread;
    leaves(NULL);
    pthread_create(&thread, NULL, leaves, NULL);
    pthread_join(thread, NULL);
    done("out of nested handlers");
}

static int cleaned;
static sem_t never;
static int pipe_ends[2];

static void clean(void *argument)
{
    (void)argument;
    __atomic_add_fetch(&cleaned, 1, __ATOMIC_SEQ_CST);
}

static void *cancelled(void *argument)
{
    volatile int way = (intptr_t)argument;
    char byte;
    pthread_cleanup_push(clean, NULL);
    if (way == 3)
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        if (way == 0)
            pause();
        else if (way == 1)
            sem_wait(&never);
        else if (way == 2)
            way = read(pipe_ends[0], &byte, 1) == 1 ? 99 : 2;
        else if (way == 3)
            own_hits = 0;
        else if (way == 4) {
            struct timespec time = { 100, 0 };
            nanosleep(&time, NULL);
        } else
            pthread_testcancel();
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancellation(void)
{
    sem_init(&never, 0, 0);
    if (pipe(pipe_ends) != 0)
        exit(99);
    int total = rounds(300, 60);
    for (int i = 0; i < total; i++) {
        pthread_t thread;
        void *result = NULL;
        pthread_create(&thread, NULL, cancelled, (void *)(intptr_t)(i % 6));
        if (i % 3 == 0)
            sched_yield();
        if (i % 3 == 1)
            usleep(300);
        CHECK(pthread_cancel(thread) == 0, "cancel");
        pthread_join(thread, &result);
        CHECK(result == PTHREAD_CANCELED, "way %d: %p", i % 6, result);
    }
    // Cancelled before it began, a thread has nothing to clean.
    CHECK(cleaned <= total && cleaned >= total / 3, "%d of %d", cleaned, total);
    done("cancellation");
}

static pid_t tasks[5];
static int task_count;

static void tell_task(void)
{
    tasks[__atomic_fetch_add(&task_count, 1, __ATOMIC_SEQ_CST)] = gettid();
}

static void *sleeps_in_kernel(void *argument)
{
    tell_task();
    char byte;
    return read(pipe_ends[0], &byte, 1) == 1 ? NULL : argument;
}

static void *spins(void *argument)
{
    tell_task();
    uint64_t x = 1;
    while (!load(&stop))
        x = step(x);
    sinks[0] = x;
    return argument;
}

// Changed for all threads, by a signal to each.
static int identities(void)
{
    pthread_t threads[4];
    stop = false;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i & 1 ? spins : sleeps_in_kernel, NULL);
    tell_task();
    while (__atomic_load_n(&task_count, __ATOMIC_SEQ_CST) < 5)
        sched_yield();
    uid_t mine = getuid();
    int wrong = 0;
    for (int i = 0; i < 100; i++) {
        wrong += setresuid(mine, mine, mine) != 0;
        wrong += setresgid(getgid(), getgid(), getgid()) != 0;
    }
    if (mine == 0) {
        wrong += setgid(1234) != 0 || setuid(1234) != 0;
        // Each thread has it: seen in /proc.
        char path[64], line[256];
        for (int i = 0; i < 5; i++) {
            snprintf(path, sizeof path, "/proc/self/task/%d/status", tasks[i]);
            FILE *file = fopen(path, "r");
            int uid = -1;
            while (file != NULL && fgets(line, sizeof line, file) != NULL)
                if (sscanf(line, "Uid: %d", &uid) == 1)
                    break;
            if (file != NULL)
                fclose(file);
            wrong += uid != 1234;
        }
        wrong += setuid(0) == 0;
    }
    __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 2; i++)
        wrong += write(pipe_ends[1], "x", 1) != 1;
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        wrong += result != NULL;
    }
    return wrong != 0;
}

static void *short_life(void *argument)
{
    raise(SIGUSR1);
    return argument;
}

static void *sends(void *argument)
{
    while (!load(&stop)) {
        kill(getpid(), SIGUSR1);
        for (volatile int i = 0; i < 3000; i++)
            ;
    }
    return argument;
}

// Signals to the process while threads come and go, some of them detached.
static void comings_and_goings(void)
{
    pthread_t sender;
    on(SIGUSR1, hit, SA_RESTART);
    __atomic_store_n(&stop, false, __ATOMIC_SEQ_CST);
    pthread_create(&sender, NULL, sends, NULL);
    for (int i = 0; i < rounds(400, 80); i++) {
        pthread_t threads[3];
        for (int j = 0; j < 3; j++)
            CHECK(pthread_create(&threads[j], NULL, short_life, (void *)(intptr_t)(i + j)) == 0, "create");
        pthread_detach(threads[2]);
        for (int j = 0; j < 2; j++) {
            void *result;
            CHECK(pthread_join(threads[j], &result) == 0 && result == (void *)(intptr_t)(i + j), "join");
        }
    }
    __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
    pthread_join(sender, NULL);
    pause_ms(20); // the last of the detached
    done("comings and goings");
}

static void *raises_death(void *argument)
{
    raise(SIGTERM);
    return argument;
}

static int thread_raises(void)
{
    pthread_t thread;
    signal(SIGTERM, SIG_DFL);
    pthread_create(&thread, NULL, raises_death, NULL);
    pthread_join(thread, NULL);
    return 0;
}

static void *aborts(void *argument)
{
    abort();
    return argument;
}

static int thread_aborts(void)
{
    pthread_t thread;
    block(SIGABRT);
    pthread_create(&thread, NULL, aborts, NULL);
    pthread_join(thread, NULL);
    return 0;
}

// Each thread has its own mask and alternate stack.
static volatile int flags_in_frame;

static void see_flags(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    flags_in_frame = ((ucontext_t *)context)->uc_stack.ss_flags;
}

static void *looks(void *argument)
{
    on(SIGUSR1, see_flags, 0);
    raise(SIGUSR1);
    CHECK(flags_in_frame == SS_DISABLE, "a thread's frame: %d", flags_in_frame);
    stack_t stack;
    sigaltstack(NULL, &stack);
    *(bool *)argument = is_blocked(SIGUSR2) && !is_blocked(SIGUSR1) && stack.ss_flags == SS_DISABLE && !is_pending(SIGUSR2);
    return NULL;
}

static void inheritance(void)
{
    static char memory[65536];
    stack_t stack = { .ss_sp = memory, .ss_size = sizeof memory };
    sigaltstack(&stack, NULL);
    block(SIGUSR2);
    raise(SIGUSR2); // pending for this thread alone
    pthread_t thread;
    bool right = false;
    pthread_create(&thread, NULL, looks, &right);
    pthread_join(thread, NULL);
    CHECK(right && is_pending(SIGUSR2), "inherited");
    sigset_t set = set_of(SIGUSR2, 0);
    sigwaitinfo(&set, NULL);
    unblock(SIGUSR2);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    done("inheritance");
}

int main(void)
{
    to_one();
    under_timer();
    to_any();
    nonlocal();
    inheritance();
    cancellation();
    int end = end_of(identities);
    CHECK(end == 0, "identities: %d", end);
    done("identities");
    comings_and_goings();
    end = end_of(thread_raises);
    CHECK(end == -SIGTERM, "%d", end);
    end = end_of(thread_aborts);
    CHECK(end == -SIGABRT, "%d", end);
    return finish();
}
