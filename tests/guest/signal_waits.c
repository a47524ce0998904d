// Waits for descriptors, time, children and signals, interrupted by a handler: see signal_interrupt.h. And calls of stopped
// processes.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "signal_interrupt.h"

static long do_poll(void)
{
    struct pollfd wanted = { .fd = a[0], .events = POLLIN };
    return poll(&wanted, 1, 20000);
}

static long do_poll_forever(void)
{
    struct pollfd wanted = { .fd = a[0], .events = POLLIN };
    return poll(&wanted, 1, -1);
}

static sigset_t wait_mask;
static struct timespec far_off = { 20, 0 };

static long do_ppoll(void)
{
    struct pollfd wanted = { .fd = a[0], .events = POLLIN };
    return ppoll(&wanted, 1, &far_off, &wait_mask);
}

static long do_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(a[0], &set);
    struct timeval limit = { 20, 0 };
    return select(a[0] + 1, &set, NULL, NULL, &limit);
}

static long do_pselect(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(a[0], &set);
    return pselect(a[0] + 1, &set, NULL, NULL, &far_off, &wait_mask);
}

static int poller;

static long do_epoll_wait(void)
{
    struct epoll_event event;
    return epoll_wait(poller, &event, 1, 20000);
}

static long do_epoll_pwait(void)
{
    struct epoll_event event;
    return epoll_pwait(poller, &event, 1, -1, &wait_mask);
}

static long do_epoll_pwait2(void)
{
    struct epoll_event event;
    return epoll_pwait2(poller, &event, 1, &far_off, &wait_mask);
}

static long do_sigsuspend(void)
{
    return sigsuspend(&wait_mask);
}

static void polls(void)
{
    if (pipe(a) != 0)
        exit(99);
    poller = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN };
    epoll_ctl(poller, EPOLL_CTL_ADD, a[0], &event);
    both("poll", do_poll, nothing);
    both("poll without limit", do_poll_forever, nothing);
    both("select", do_select, nothing);
    both("epoll_wait", do_epoll_wait, nothing);
    // With a mask of their own: the handler runs under it, and what it returns to is the old one.
    static long (*const calls[])(void) = { do_ppoll, do_pselect, do_epoll_pwait, do_epoll_pwait2, do_sigsuspend };
    static const char *const names[] = { "ppoll", "pselect", "epoll_pwait", "epoll_pwait2", "sigsuspend" };
    wait_mask = set_of(SIGUSR2, 0);
    block(SIGUSR1);
    for (int i = 0; i < 5; i++) {
        both(names[i], calls[i], nothing);
        CHECK(seen_blocked_1 && seen_blocked_2, "%s: the mask of the wait and the signal", names[i]);
        CHECK(frame_blocked_1 && !frame_blocked_2, "%s: the frame has the old mask", names[i]);
        CHECK(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2), "%s: afterwards", names[i]);
        // Already pending: at once.
        int before = handled;
        for (int j = 0; j < 1000; j++) {
            raise(SIGUSR1);
            CHECK(calls[i]() == -1 && errno == EINTR, "%s", names[i]);
            CHECK(handled == before + j + 1, "%s: handled %d", names[i], handled);
        }
        CHECK(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2), "%s: afterwards", names[i]);
    }
    // Ready and pending: what is ready counts, and the signal stays pending.
    put_byte();
    raise(SIGUSR1);
    int before = handled;
    for (int i = 0; i < 4; i++) {
        CHECK(calls[i]() == 1, "%s", names[i]);
        CHECK(handled == before && is_pending(SIGUSR1), "%s: handled", names[i]);
    }
    unblock(SIGUSR1);
    CHECK(handled == before + 1, "delivered");
    close(a[0]), close(a[1]), close(poller);
}

static struct timespec left_over;

static long do_nanosleep(void)
{
    struct timespec time = { 20, 0 };
    left_over.tv_sec = 99;
    return nanosleep(&time, &left_over);
}

static long do_clock_nanosleep(void)
{
    struct timespec time = { 20, 0 };
    left_over.tv_sec = 99;
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &left_over);
    errno = error;
    return error == 0 ? 0 : -1;
}

static long do_sleep_until(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += 20;
    left_over.tv_sec = 99;
    int error = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, &left_over);
    errno = error;
    return error == 0 ? 0 : -1;
}

static uint32_t word;

static void wake(void)
{
    syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static long do_futex(void)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static long do_futex_limited(void)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &far_off, NULL, 0);
}

static long do_futex_bitset(void)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 1);
}

static void times(void)
{
    both("nanosleep", do_nanosleep, nothing);
    CHECK(left_over.tv_sec >= 10 && left_over.tv_sec < 20, "left %ld", (long)left_over.tv_sec);
    both("clock_nanosleep", do_clock_nanosleep, nothing);
    CHECK(left_over.tv_sec >= 10 && left_over.tv_sec < 20, "left %ld", (long)left_over.tv_sec);
    both("clock_nanosleep until", do_sleep_until, nothing);
    CHECK(left_over.tv_sec == 99, "left untouched");
    both("futex", do_futex, wake);
    both("futex with a limit", do_futex_limited, wake);
    both("futex by bits", do_futex_bitset, wake);
}

static pid_t child;
static int to_child[2];

static void end_child(void)
{
    close(to_child[1]);
}

static void start_child(void)
{
    if (pipe(to_child) != 0)
        exit(99);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        char byte;
        close(to_child[1]);
        _exit(read(to_child[0], &byte, 1) == 0 ? 5 : 6);
    }
    close(to_child[0]);
}

static long do_wait4(void)
{
    int status = 0;
    pid_t got = waitpid(child, &status, 0);
    return got < 0 ? -1 : WEXITSTATUS(status);
}

static long do_waitid(void)
{
    siginfo_t info;
    return waitid(P_PID, child, &info, WEXITED | WNOWAIT) != 0 ? -1 : info.si_status;
}

static void waits(void)
{
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        start_child();
        interrupt("waitpid", do_wait4, end_child, flags);
        if (flags == 0) {
            end_child();
            waitpid(child, NULL, 0);
        }
        start_child();
        interrupt("waitid", do_waitid, end_child, flags);
        if (flags == 0)
            end_child();
        waitpid(child, NULL, 0);
    }
}

static long do_pause(void)
{
    return pause();
}

static long do_sigwaitinfo(void)
{
    sigset_t set = set_of(SIGUSR2, 0);
    siginfo_t info;
    return sigwaitinfo(&set, &info);
}

static long do_sigtimedwait(void)
{
    sigset_t set = set_of(SIGUSR2, 0);
    siginfo_t info;
    return sigtimedwait(&set, &info, &far_off);
}

static long do_signalfd(void)
{
    struct signalfd_siginfo got;
    return read(a[0], &got, sizeof got) == sizeof got ? (long)got.ssi_signo : -1;
}

static void send_the_other(void)
{
    syscall(SYS_tgkill, process, main_task, SIGUSR2);
}

static int counter;

static long do_eventfd(void)
{
    uint64_t value;
    return read(counter, &value, 8);
}

static void count_up(void)
{
    uint64_t one = 1;
    if (write(counter, &one, 8) != 8)
        puts("not counted");
}

static void set_timer(void)
{
    struct itimerspec soon = { .it_value = { 0, 1000000 } };
    timerfd_settime(counter, 0, &soon, NULL);
}

static void signal_waits(void)
{
    both("pause", do_pause, nothing);
    block(SIGUSR2);
    both("sigwaitinfo", do_sigwaitinfo, send_the_other);
    both("sigtimedwait", do_sigtimedwait, send_the_other);
    sigset_t set = set_of(SIGUSR2, 0);
    a[0] = signalfd(-1, &set, 0);
    both("read of a signalfd", do_signalfd, send_the_other);
    close(a[0]);
    unblock(SIGUSR2);
    counter = eventfd(0, 0);
    both("read of an eventfd", do_eventfd, count_up);
    close(counter);
    counter = timerfd_create(CLOCK_MONOTONIC, 0);
    both("read of a timerfd", do_eventfd, set_timer);
    close(counter);
}

static volatile int first_order, second_order, turn;

static void first(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    first_order = ++turn;
}

static void second(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    second_order = ++turn;
}

static bool first_restarts;

// Stopped in a read, with two signals pending when it goes on: the first one's flags decide.
static int two_at_once(void)
{
    char byte;
    on(SIGUSR1, first, first_restarts ? SA_RESTART : 0);
    on(SIGUSR2, second, first_restarts ? 0 : SA_RESTART);
    ssize_t got = read(a[0], &byte, 1);
    printf("first restarts %d: %zd %s, order %d %d\n", first_restarts, got, got < 0 ? strerrorname_np(errno) : "", first_order,
           second_order);
    return 0;
}

static int sleeps(void)
{
    struct timespec time = { 0, 300000000 }, begin, end;
    signal(SIGUSR1, SIG_IGN);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int result = nanosleep(&time, NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double slept = end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) * 1e-9;
    printf("slept %d, long enough %d\n", result, slept >= 0.3);
    return 0;
}

static int reads_a_byte(void)
{
    signal(SIGUSR1, SIG_IGN);
    char byte;
    printf("read %zd\n", read(a[0], &byte, 1));
    return 0;
}

static pid_t start(int (*body)(void))
{
    fflush(stdout);
    pid_t started = fork();
    if (started == 0) {
        alarm(60);
        int status = body();
        fflush(stdout);
        _exit(status);
    }
    until_asleep(started, started);
    return started;
}

static void stops(void)
{
    int status;
    if (pipe(a) != 0)
        exit(99);
    for (int i = 0; i < 2; i++) {
        first_restarts = i;
        pid_t other = start(two_at_once);
        kill(other, SIGSTOP);
        waitpid(other, &status, WUNTRACED);
        kill(other, SIGUSR2);
        kill(other, SIGUSR1);
        kill(other, SIGCONT);
        if (first_restarts) {
            until_asleep(other, other);
            put_byte();
        }
        waitpid(other, &status, 0);
        CHECK(status == 0, "status %x", status);
    }
    // Stopped, continued and sent what it ignores: the calls go on as if nothing had been.
    static int (*const bodies[])(void) = { sleeps, reads_a_byte };
    for (int i = 0; i < 2; i++) {
        pid_t other = start(bodies[i]);
        for (int j = 0; j < 3; j++) {
            kill(other, SIGSTOP);
            waitpid(other, &status, WUNTRACED);
            kill(other, SIGCONT);
            kill(other, SIGUSR1);
        }
        if (i == 1)
            put_byte();
        waitpid(other, &status, 0);
        CHECK(status == 0, "status %x", status);
    }
    close(a[0]), close(a[1]);
}

int main(void)
{
    begin();
    polls();
    times();
    waits();
    signal_waits();
    stops();
    return finish();
}
