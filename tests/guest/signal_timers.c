// Signals that the kernel sends of itself: timers of all kinds, SIGPIPE, SIGIO, SIGURG, message queues. Times are not
// checked but for what they may not be.
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include "signal_check.h"

static volatile int hits;
static siginfo_t last;
static volatile pid_t last_task;

static void hit(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    last = *info;
    last_task = gettid();
    hits++;
}

static volatile uint64_t sink;

static void burn(int wanted)
{
    for (uint64_t x = 1; hits < wanted; x++) {
        for (int i = 0; i < 1000; i++)
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        sink = x;
    }
}

static void interval_timers(void)
{
    static const int which[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
    static const int numbers[] = { SIGALRM, SIGVTALRM, SIGPROF };
    for (int i = 0; i < 3; i++) {
        on(numbers[i], hit, SA_RESTART);
        hits = 0;
        struct itimerval period = { { 0, 2000 }, { 0, 3000 } }, now;
        CHECK(setitimer(which[i], &period, NULL) == 0, "setitimer");
        getitimer(which[i], &now);
        CHECK(now.it_interval.tv_usec >= 2000, "interval %ld", (long)now.it_interval.tv_usec);
        burn(5);
        CHECK(last.si_signo == numbers[i] && last.si_code == SI_KERNEL, "code %d", last.si_code);
        memset(&period, 0, sizeof period);
        CHECK(setitimer(which[i], &period, &now) == 0 && now.it_interval.tv_usec >= 2000, "old");
        int before = hits;
        pause_ms(10);
        CHECK(hits == before, "stopped");
    }
    on(SIGALRM, hit, 0);
    hits = 0;
    sigset_t open, alarms = set_of(SIGALRM, 0);
    sigprocmask(SIG_BLOCK, &alarms, &open);
    CHECK(alarm(100) == 0, "alarm");
    CHECK(alarm(1) == 100, "left");
    while (hits == 0)
        sigsuspend(&open);
    sigprocmask(SIG_SETMASK, &open, NULL);
    CHECK(hits == 1 && alarm(0) == 0, "alarm came");
    done("interval timers");
}

static int named_task_id(struct sigevent *event, pid_t task)
{
    // The C library has no name for it everywhere.
    event->sigev_notify = 4; // SIGEV_THREAD_ID
    memcpy((char *)event + 16, &task, sizeof task);
    return event->sigev_signo;
}

static void *computing_thread(void *argument)
{
    *(volatile pid_t *)argument = gettid();
    burn(20);
    return NULL;
}

static void posix_timers(void)
{
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_int = 1234 };
    on(SIGRTMIN + 2, hit, SA_RESTART);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
    struct itimerspec period = { { 0, 1000000 }, { 0, 1000000 } }, now;
    hits = 0;
    timer_settime(timer, 0, &period, NULL);
    burn(5);
    CHECK(last.si_code == SI_TIMER && last.si_value.sival_int == 1234, "code %d value %d", last.si_code,
          last.si_value.sival_int);
    CHECK(timer_gettime(timer, &now) == 0 && now.it_interval.tv_nsec == 1000000, "gettime");
    // Blocked it expires often and comes once, and says how often it did not.
    block(SIGRTMIN + 2);
    int before = hits;
    pause_ms(30);
    unblock(SIGRTMIN + 2);
    CHECK(hits >= before + 1 && hits < before + 20, "%d", hits - before);
    memset(&period, 0, sizeof period);
    timer_settime(timer, 0, &period, NULL);
    before = hits;
    block(SIGRTMIN + 2);
    period.it_value.tv_nsec = 1;
    period.it_interval.tv_nsec = 1000000;
    timer_settime(timer, 0, &period, NULL);
    pause_ms(30);
    sigset_t set = set_of(SIGRTMIN + 2, 0);
    siginfo_t info;
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 2 && info.si_overrun >= 5, "overrun %d", info.si_overrun);
    CHECK(info.si_value.sival_int == 1234, "value");
    timer_delete(timer);
    CHECK(hits == before, "%d", hits - before);
    CHECK(timer_settime(timer, 0, &period, NULL) == -1 && errno == EINVAL, "deleted");
    // What was pending goes with the timer, or comes; either is over now.
    struct timespec none = { 0, 0 };
    while (sigtimedwait(&set, &info, &none) > 0)
        ;
    unblock(SIGRTMIN + 2);
    // To one thread.
    pthread_t thread;
    pid_t task = 0;
    hits = 0;
    pthread_create(&thread, NULL, computing_thread, &task);
    while (*(volatile pid_t *)&task == 0)
        sched_yield();
    memset(&event, 0, sizeof event);
    event.sigev_signo = SIGRTMIN + 2;
    event.sigev_value.sival_ptr = &event;
    named_task_id(&event, task);
    CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0, "timer of a thread");
    period = (struct itimerspec){ { 0, 1000000 }, { 0, 1000000 } };
    timer_settime(timer, 0, &period, NULL);
    pthread_join(thread, NULL);
    timer_delete(timer);
    CHECK(last_task == task && last.si_value.sival_ptr == &event, "task %d", last_task == task);
    // By processor time.
    hits = 0;
    event = (struct sigevent){ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2 };
    CHECK(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0, "timer of processor time");
    period = (struct itimerspec){ { 0, 0 }, { 0, 20000000 } };
    timer_settime(timer, 0, &period, NULL);
    burn(1);
    timer_delete(timer);
    CHECK(hits == 1, "%d", hits);
    done("timers");
}

static void expired(union sigval value)
{
    __atomic_add_fetch((int *)value.sival_ptr, 1, __ATOMIC_SEQ_CST);
}

// The C library's timers with functions: a thread of its own that waits for signal 32.
static void timer_threads(void)
{
    timer_t timer;
    int count = 0;
    struct sigevent event = { .sigev_notify = SIGEV_THREAD };
    event.sigev_notify_function = expired;
    event.sigev_value.sival_ptr = &count;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
    struct itimerspec period = { { 0, 1000000 }, { 0, 1000000 } };
    timer_settime(timer, 0, &period, NULL);
    for (int i = 0; i < 5000 && __atomic_load_n(&count, __ATOMIC_SEQ_CST) < 5; i++)
        pause_ms(1);
    timer_delete(timer);
    CHECK(count >= 5, "%d", count);
    pause_ms(20); // the last one may still run
    done("functions of timers");
}

static void timer_files(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec period = { { 0, 1000000 }, { 0, 1000000 } };
    on(SIGALRM, hit, SA_RESTART);
    hits = 0;
    struct itimerval tick = { { 0, 700 }, { 0, 700 } };
    timerfd_settime(fd, 0, &period, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    for (int i = 0; i < 30; i++) {
        uint64_t count = 0;
        CHECK(read(fd, &count, sizeof count) == sizeof count && count >= 1, "count %ld", (long)count);
    }
    memset(&tick, 0, sizeof tick);
    setitimer(ITIMER_REAL, &tick, NULL);
    CHECK(hits > 0, "ticks");
    close(fd);
    done("timer files");
}

static int dies_of_pipe(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return 99;
    signal(SIGPIPE, SIG_DFL);
    close(ends[0]);
    return write(ends[1], "x", 1) == 1;
}

static int dies_of_processor_limit(void)
{
    struct rlimit limit = { 1, 3 };
    setrlimit(RLIMIT_CPU, &limit);
    on(SIGXCPU, hit, 0);
    hits = 0;
    burn(1);
    return hits == 1 && last.si_code == SI_KERNEL ? 5 : 6;
}

static int dies_of_file_size(void)
{
    struct rlimit limit = { 4096, 4096 };
    setrlimit(RLIMIT_FSIZE, &limit);
    char name[] = "/tmp/signal_timers.XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    on(SIGXFSZ, hit, 0);
    hits = 0;
    static char bytes[5000];
    if (write(fd, bytes, 5000) != 4096 || hits != 0)
        return 1;
    if (write(fd, bytes, 1) != -1 || errno != EFBIG || hits != 1)
        return 2;
    signal(SIGXFSZ, SIG_IGN);
    if (write(fd, bytes, 1) != -1 || errno != EFBIG)
        return 3;
    signal(SIGXFSZ, SIG_DFL);
    return write(fd, bytes, 1) == -1 ? 4 : 5;
}

static void pipes(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(99);
    on(SIGPIPE, hit, 0);
    close(ends[0]);
    hits = 0;
    for (int i = 1; i <= 1000; i++) {
        CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE, "write");
        CHECK(hits == i && last.si_code == SI_USER && last.si_pid == getpid(), "%d hits, code %d", hits, last.si_code);
    }
    close(ends[1]);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    close(pair[0]);
    hits = 0;
    CHECK(send(pair[1], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE && hits == 0, "MSG_NOSIGNAL");
    CHECK(send(pair[1], "x", 1, 0) == -1 && errno == EPIPE && hits == 1, "send");
    close(pair[1]);
    int end = end_of(dies_of_pipe);
    CHECK(end == -SIGPIPE, "%d", end);
    end = end_of(dies_of_processor_limit);
    CHECK(end == 5, "processor limit: %d", end);
    end = end_of(dies_of_file_size);
    CHECK(end == -SIGXFSZ, "file size: %d", end);
    done("pipes and limits");
}

static void asynchronous(void)
{
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    on(SIGIO, hit, 0);
    hits = 0;
    fcntl(pair[0], F_SETOWN, getpid());
    fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK);
    CHECK(fcntl(pair[0], F_GETFL) & O_ASYNC, "O_ASYNC");
    CHECK(fcntl(pair[0], F_GETOWN) == getpid(), "F_GETOWN");
    CHECK(write(pair[1], "x", 1) == 1 && hits == 1, "%d", hits);
    CHECK(last.si_signo == SIGIO, "SIGIO");
    on(SIGRTMIN + 4, hit, 0);
    fcntl(pair[0], F_SETSIG, SIGRTMIN + 4);
    CHECK(fcntl(pair[0], F_GETSIG) == SIGRTMIN + 4, "F_GETSIG");
    CHECK(write(pair[1], "x", 1) == 1 && hits == 2, "%d", hits);
    CHECK(last.si_signo == SIGRTMIN + 4 && last.si_fd == pair[0] && (last.si_band & POLLIN) && last.si_code == POLL_IN,
          "fd %d band %lx code %d", last.si_fd == pair[0], (long)last.si_band, last.si_code);
    struct f_owner_ex owner = { F_OWNER_TID, gettid() }, got;
    CHECK(fcntl(pair[0], F_SETOWN_EX, &owner) == 0, "F_SETOWN_EX");
    CHECK(fcntl(pair[0], F_GETOWN_EX, &got) == 0 && got.type == F_OWNER_TID && got.pid == gettid(), "F_GETOWN_EX");
    CHECK(write(pair[1], "x", 1) == 1 && hits == 3, "%d", hits);
    close(pair[0]), close(pair[1]);
    // Urgent data over TCP.
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 1) == 0 &&
        getsockname(listener, (struct sockaddr *)&name, &length) == 0 &&
        connect(client, (struct sockaddr *)&name, sizeof name) == 0) {
        int server = accept(listener, NULL, NULL);
        on(SIGURG, hit, 0);
        hits = 0;
        fcntl(server, F_SETOWN, getpid());
        send(client, "!", 1, MSG_OOB);
        for (int i = 0; i < 2000 && hits == 0; i++)
            pause_ms(1);
        CHECK(hits == 1 && last.si_signo == SIGURG, "%d", hits);
        close(server);
    }
    close(listener), close(client);
    done("asynchronous input");
}

static void notifications(void)
{
    char name[64];
    snprintf(name, sizeof name, "/signal_timers.%d", getpid());
    struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 64 };
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attributes);
    mq_unlink(name);
    on(SIGUSR1, hit, 0);
    hits = 0;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77 };
    CHECK(mq_notify(queue, &event) == 0, "mq_notify");
    CHECK(mq_notify(queue, &event) == -1 && errno == EBUSY, "twice");
    CHECK(mq_send(queue, "abc", 3, 0) == 0 && hits == 1, "%d", hits);
    CHECK(last.si_code == SI_MESGQ && last.si_value.sival_int == 77 && last.si_pid == getpid(), "code %d", last.si_code);
    mq_close(queue);
    done("message queues");
}

static void parent_ends(void)
{
    // A child that is told of its parent's end.
    int ends[2];
    char byte = 0;
    if (pipe(ends) != 0)
        exit(99);
    fflush(stdout);
    pid_t middle = fork();
    if (middle == 0) {
        int ready[2];
        if (pipe(ready) != 0)
            _exit(1);
        if (fork() == 0) {
            on(SIGUSR2, hit, 0);
            hits = 0;
            sigset_t old, set = set_of(SIGUSR2, 0);
            sigprocmask(SIG_BLOCK, &set, &old);
            prctl(PR_SET_PDEATHSIG, SIGUSR2);
            if (write(ready[1], "x", 1) != 1)
                _exit(1);
            while (hits == 0)
                sigsuspend(&old);
            _exit(write(ends[1], "d", 1) != 1);
        }
        _exit(read(ready[0], &byte, 1) != 1);
    }
    waitpid(middle, NULL, 0);
    close(ends[1]);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'd', "PR_SET_PDEATHSIG");
    close(ends[0]);
    done("parent's end");
}

int main(void)
{
    interval_timers();
    posix_timers();
    timer_threads();
    timer_files();
    pipes();
    asynchronous();
    notifications();
    parent_ends();
    return finish();
}
