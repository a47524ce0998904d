// Signals against everything at once, many times: none may be lost, none may come twice, and no call may sleep through
// one. A test that fails usually hangs; the alarm of `end_of` then ends it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "signal_check.h"

static volatile int hits;
static char self[4096];

static void hit(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    hits++;
}

// Two processes wake each other by turns. The signal is blocked but in the wait, so none can come between.
static long (*wait_once)(const sigset_t *);

static long by_sigsuspend(const sigset_t *mask)
{
    return sigsuspend(mask);
}

static long by_ppoll(const sigset_t *mask)
{
    return ppoll(NULL, 0, NULL, mask);
}

static long by_epoll(const sigset_t *mask)
{
    static int poller;
    struct epoll_event event;
    if (poller == 0)
        poller = epoll_create1(0);
    return epoll_pwait(poller, &event, 1, -1, mask);
}

static long by_sigwait(const sigset_t *mask)
{
    (void)mask;
    sigset_t set = set_of(SIGUSR1, 0);
    siginfo_t info;
    int got = sigwaitinfo(&set, &info);
    if (got == SIGUSR1)
        hits++;
    errno = EINTR;
    return -1;
}

static int ping_rounds;

static int wait_turns(pid_t other, bool begins)
{
    sigset_t open;
    sigprocmask(SIG_SETMASK, NULL, &open);
    sigdelset(&open, SIGUSR1);
    int wrong = 0;
    for (int i = 0; i < ping_rounds; i++) {
        if (begins)
            kill(other, SIGUSR1);
        while (hits == i)
            wrong += wait_once(&open) != -1 || errno != EINTR;
        wrong += hits != i + 1;
        if (!begins)
            kill(other, SIGUSR1);
    }
    return wrong != 0;
}

static int ping_pong(void)
{
    block(SIGUSR1);
    hits = 0;
    on(SIGUSR1, hit, 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        alarm(60);
        _exit(wait_turns(parent, false));
    }
    int wrong = wait_turns(child, true), status;
    waitpid(child, &status, 0);
    return wrong || status != 0;
}

static void ping_pongs(void)
{
    static long (*const waits[])(const sigset_t *) = { by_sigsuspend, by_ppoll, by_epoll, by_sigwait };
    static const char *const names[] = { "sigsuspend", "ppoll", "epoll_pwait", "sigwaitinfo" };
    for (int i = 0; i < 4; i++) {
        wait_once = waits[i];
        ping_rounds = i == 0 ? rounds(20000, 2000) : rounds(4000, 1000);
        int end = end_of(ping_pong);
        CHECK(end == 0, "%s: %d", names[i], end);
        done(names[i]);
    }
}

// A handler does what the call waits for; sent at all moments before and in the call, it must always end it.
static int self_pipe[2];
static uint32_t futex_word;
static int poller;

static void make_ready(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    hits++;
    __atomic_store_n(&futex_word, 1, __ATOMIC_SEQ_CST);
    if (write(self_pipe[1], "x", 1) != 1)
        abort();
}

static int take_byte(void)
{
    char byte;
    ssize_t got;
    while ((got = read(self_pipe[0], &byte, 1)) < 0 && errno == EINTR)
        ;
    return got == 1;
}

static int in_read(void)
{
    return take_byte();
}

static int in_poll(void)
{
    struct pollfd wanted = { .fd = self_pipe[0], .events = POLLIN };
    while (poll(&wanted, 1, -1) < 0)
        if (errno != EINTR)
            return 0;
    return take_byte();
}

static int in_select(void)
{
    fd_set set;
    do {
        FD_ZERO(&set);
        FD_SET(self_pipe[0], &set);
    } while (select(self_pipe[0] + 1, &set, NULL, NULL, NULL) < 0 && errno == EINTR);
    return take_byte();
}

static int in_epoll(void)
{
    struct epoll_event event;
    int got;
    while ((got = epoll_wait(poller, &event, 1, -1)) < 0 && errno == EINTR)
        ;
    return got == 1 && take_byte();
}

static int in_futex(void)
{
    while (__atomic_load_n(&futex_word, __ATOMIC_SEQ_CST) == 0)
        if (syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL, NULL, 0) == 0)
            return 0;
    return take_byte();
}

static int in_child_wait(void)
{
    return take_byte();
}

static int (*const readers[])(void) = { in_read, in_poll, in_select, in_epoll, in_futex, in_child_wait };
static const char *const reader_names[] = { "read", "poll", "select", "epoll_wait", "futex", "read again" };
static int reader;
static int stop, round_number, main_task;

static void spin(unsigned count)
{
    for (volatile unsigned i = 0; i < count; i++)
        ;
}

static void *sender(void *argument)
{
    unsigned seed = 12345;
    for (int sent = 0; !__atomic_load_n(&stop, __ATOMIC_SEQ_CST);) {
        if (__atomic_load_n(&round_number, __ATOMIC_SEQ_CST) == sent) {
            sched_yield();
            continue;
        }
        seed = seed * 1103515245 + 12345;
        spin((seed >> 16) % 3000);
        sent++;
        syscall(SYS_tgkill, getpid(), main_task, SIGUSR1);
    }
    return argument;
}

static int sent_by_thread(void)
{
    pthread_t thread;
    sigset_t all, old;
    int wrong = 0;
    main_task = gettid();
    on(SIGUSR1, make_ready, reader == 0 ? SA_RESTART : 0);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pthread_create(&thread, NULL, sender, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    for (int i = 0; i < rounds(4000, 1000); i++) {
        __atomic_store_n(&futex_word, 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&round_number, i + 1, __ATOMIC_SEQ_CST);
        wrong += !readers[reader]();
        wrong += hits != i + 1;
    }
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    return wrong != 0;
}

static int sent_by_timer(void)
{
    int wrong = 0;
    on(SIGALRM, make_ready, reader == 0 ? SA_RESTART : 0);
    alarm(0);
    for (int i = 0; i < rounds(2000, 500); i++) {
        futex_word = 0;
        struct itimerval soon = { .it_value = { 0, 1 + i % 200 } };
        setitimer(ITIMER_REAL, &soon, NULL);
        wrong += !readers[reader]();
        wrong += hits != i + 1;
    }
    return wrong != 0;
}

static void wake_ups(void)
{
    if (pipe(self_pipe) != 0)
        exit(99);
    poller = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN };
    epoll_ctl(poller, EPOLL_CTL_ADD, self_pipe[0], &event);
    for (reader = 0; reader < 6; reader++) {
        hits = 0;
        int end = end_of(sent_by_thread);
        CHECK(end == 0, "%s, from a thread: %d", reader_names[reader], end);
        end = end_of(sent_by_timer);
        CHECK(end == 0, "%s, from a timer: %d", reader_names[reader], end);
        done(reader_names[reader]);
    }
}

// Loops under a timer that never rests: what they do must come out right.
static void tick(int microseconds)
{
    struct itimerval period = { { 0, microseconds }, { 0, microseconds } };
    setitimer(ITIMER_REAL, &period, NULL);
}

static int echoes(void)
{
    int there[2], back[2], wrong = 0;
    if (pipe(there) != 0 || pipe(back) != 0)
        return 99;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        close(there[1]);
        uint32_t number;
        while (read(there[0], &number, sizeof number) == sizeof number) {
            number *= 3;
            if (write(back[1], &number, sizeof number) != sizeof number)
                _exit(1);
        }
        _exit(0);
    }
    close(there[0]);
    on(SIGALRM, hit, SA_RESTART);
    tick(100);
    for (uint32_t i = 0; i < (uint32_t)rounds(10000, 1500); i++) {
        uint32_t answer = 0;
        wrong += write(there[1], &i, sizeof i) != sizeof i;
        wrong += read(back[0], &answer, sizeof answer) != sizeof answer;
        wrong += answer != i * 3;
    }
    tick(0);
    close(there[1]);
    int status;
    waitpid(child, &status, 0);
    return wrong != 0 || status != 0 || hits == 0;
}

static int sleeps(void)
{
    int wrong = 0;
    on(SIGALRM, hit, SA_RESTART);
    tick(300);
    for (int i = 0; i < 200; i++) {
        struct timespec left = { 0, 1000000 }, begin, end;
        int naps = 0;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        while (nanosleep(&left, &left) != 0) {
            wrong += errno != EINTR || left.tv_sec != 0 || left.tv_nsec > 2000000; // what is left counts the timer's slack
            naps++;
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        wrong += (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec < 1000000;
    }
    tick(0);
    return wrong != 0 || hits == 0;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn_of;

static void *turns(void *argument)
{
    int mine = (intptr_t)argument;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < rounds(5000, 800); i++) {
        while (turn_of % 2 != mine)
            pthread_cond_wait(&condition, &mutex);
        turn_of++;
        pthread_cond_signal(&condition);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static int conditions(void)
{
    pthread_t threads[2];
    on(SIGALRM, hit, 0);
    tick(100);
    for (intptr_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, turns, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    tick(0);
    return turn_of != 2 * rounds(5000, 800) || hits == 0;
}

__attribute__((noinline)) static uint64_t fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t compute(void)
{
    uint64_t sum = fib(15), x = 88172645463325252;
    double d = 1;
    static uint32_t words[1024];
    for (int i = 0; i < 4096; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        words[x % 1024] += (uint32_t)x;
        d = d * 1.0000001 + (double)(x & 255) / 7;
        if (x & 64)
            sum += x;
        else
            sum ^= words[i % 1024];
    }
    memset(words, 0, sizeof words);
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return sum ^ bits;
}

// The handler uses what the interrupted code uses.
static volatile double sink;

static void busy_hit(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    double d = hits;
    for (int i = 0; i < 10; i++)
        d = d * 1.5 + 3;
    sink = d;
    char text[32];
    memset(text, hits, sizeof text);
    hits += text[31] == (char)hits;
}

static int computes(void)
{
    uint64_t expected = compute();
    int wrong = 0;
    on(SIGALRM, busy_hit, 0);
    tick(rounds(150, 1000));
    while (hits < rounds(1500, 100))
        wrong += compute() != expected;
    tick(0);
    return wrong != 0;
}

// Queued signals come in order, each once, whatever the receiver does meanwhile.
static volatile int next_value, misplaced;

static void in_order(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    misplaced += info->si_value.sival_int != next_value || info->si_code != SI_QUEUE;
    next_value++;
}

static int queue_receiver(void)
{
    int pipe_ends[2], count = rounds(20000, 2000), status;
    if (pipe(pipe_ends) != 0)
        return 99;
    on(SIGRTMIN + 3, in_order, SA_RESTART);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        alarm(60);
        for (int i = 0; i < count; i++) {
            while (sigqueue(parent, SIGRTMIN + 3, (union sigval){ .sival_int = i }) != 0)
                sched_yield();
            if (i % 7 == 0 && write(pipe_ends[1], "x", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    int got = 0;
    char byte;
    while (got < (count + 6) / 7) {
        if (read(pipe_ends[0], &byte, 1) != 1)
            return 3;
        got++;
        if (got % 3 == 0)
            sink += fib(8);
        if (got % 5 == 0)
            getppid();
        if (got % 11 == 0)
            sched_yield();
    }
    while (waitpid(child, &status, 0) < 0)
        ;
    while (next_value < count)
        sched_yield();
    return misplaced != 0 || next_value != count || status != 0;
}

// A thread that sends a signal to this process all the time.
static pid_t target;
static int shot;

static void *shoot(void *argument)
{
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        kill(target, shot);
        spin(2000);
    }
    return argument;
}

static pthread_t start_shooting(int number)
{
    pthread_t thread;
    sigset_t all, old;
    shot = number;
    stop = 0;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pthread_create(&thread, NULL, shoot, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return thread;
}

static void stop_shooting(pthread_t thread)
{
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
}

static int forks(void)
{
    int wrong = 0, status;
    target = getpid();
    on(SIGURG, hit, SA_RESTART);
    pthread_t thread = start_shooting(SIGURG);
    for (int i = 0; i < rounds(200, 40); i++) {
        pid_t child = fork();
        if (child == 0) {
            int before = hits;
            if (is_pending(SIGURG) || is_blocked(SIGURG))
                _exit(200);
            raise(SIGURG);
            _exit(hits == before + 1 ? i % 100 : 201);
        }
        while (waitpid(child, &status, 0) < 0)
            wrong += errno != EINTR;
        wrong += status != (i % 100) << 8;
    }
    stop_shooting(thread);
    return wrong != 0;
}

static void *nothing_much(void *argument)
{
    sink += fib(5);
    return argument;
}

static int thread_ends(void)
{
    int wrong = 0;
    target = getpid();
    on(SIGURG, hit, SA_RESTART);
    pthread_t shooter = start_shooting(SIGURG);
    for (int i = 0; i < rounds(500, 100); i++) {
        pthread_t threads[3];
        for (int j = 0; j < 3; j++)
            wrong += pthread_create(&threads[j], NULL, nothing_much, self + j) != 0;
        for (int j = 0; j < 3; j++) {
            void *result;
            wrong += pthread_kill(threads[j], SIGURG) != 0;
            wrong += pthread_join(threads[j], &result) != 0 || result != self + j;
        }
    }
    stop_shooting(shooter);
    return wrong != 0 || hits == 0;
}

static void *forever(void *argument)
{
    for (;;)
        sink += fib(10);
    return argument;
}

static int exits_with_threads(void)
{
    pthread_t thread;
    on(SIGALRM, hit, SA_RESTART);
    for (int i = 0; i < 3; i++)
        pthread_create(&thread, NULL, forever, NULL);
    tick(100);
    while (hits < 2)
        ;
    exit(7);
}

static void exits(void)
{
    int wrong = 0;
    for (int i = 0; i < rounds(100, 20); i++) {
        hits = 0;
        wrong += end_of(exits_with_threads) != 7;
    }
    CHECK(wrong == 0, "%d", wrong);
    done("exits");
}

// Run as `signal_races exec N`: catches SIGURG, and executes itself N more times while the parent sends it.
static int executes(int left)
{
    on(SIGURG, hit, SA_RESTART);
    if (left == 0)
        return 9;
    char number[16];
    snprintf(number, sizeof number, "%d", left - 1);
    execl(self, self, "exec", number, (char *)NULL);
    return 1;
}

static int execs(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(executes(15));
    target = child;
    pthread_t thread = start_shooting(SIGURG);
    pid_t got = waitpid(child, &status, 0);
    stop_shooting(thread);
    return got == child && WIFEXITED(status) && WEXITSTATUS(status) == 9 ? 0 : 1;
}

int main(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return 99;
    if (argc > 2 && strcmp(argv[1], "exec") == 0)
        return executes(atoi(argv[2]));
    ping_pongs();
    wake_ups();
    static int (*const bodies[])(void) = { echoes,      sleeps, conditions, computes, queue_receiver, forks,
                                           thread_ends, execs };
    static const char *const names[] = { "echoes",      "sleeps", "conditions", "computes", "queue", "forks",
                                         "thread ends", "execs" };
    for (int i = 0; i < 8; i++) {
        hits = 0;
        int end = end_of(bodies[i]);
        CHECK(end == 0, "%s: %d", names[i], end);
        done(names[i]);
    }
    exits();
    return finish();
}
