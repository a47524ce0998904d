// Each call that can wait, interrupted by a handler with and without SA_RESTART: does it fail with EINTR, or does the
// kernel start it again? A second thread sends the signal when the first sleeps in the call, and lets the call end once
// it sleeps there again. What is printed is what the kernel decides.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>

#include "signal_check.h"

static int handled;
static int ready, returned, restarted;
static pid_t process, main_task;
static void (*complete_call)(void);
static bool seen_blocked_1, seen_blocked_2, frame_blocked_1, frame_blocked_2;

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

static void put_byte(void)
{
    if (write(a[1], "x", 1) != 1)
        puts("no byte written");
}

static void drain(void)
{
    static char bytes[1 << 20];
    if (read(a[0], bytes, sizeof bytes) <= 0)
        puts("nothing to drain");
}

static void nothing(void)
{
    puts("does not come back");
    fflush(stdout);
    syscall(SYS_tgkill, process, main_task, SIGTERM);
}

static char bytes[1 << 20];

static long do_read(void)
{
    return read(a[0], bytes, 10);
}

static long do_readv(void)
{
    struct iovec parts[2] = { { bytes, 3 }, { bytes + 100, 7 } };
    return readv(a[0], parts, 2);
}

static long do_write(void)
{
    return write(a[1], bytes, 4096);
}

static long do_write_much(void)
{
    return write(a[1], bytes, 1 << 20) < 1 << 20;
}

static long do_splice(void)
{
    int other[2];
    if (pipe(other) != 0)
        return -2;
    long result = splice(a[0], NULL, other[1], NULL, 100, 0);
    int error = errno;
    close(other[0]), close(other[1]);
    errno = error;
    return result;
}

static void fill(void)
{
    int old = fcntl(a[1], F_GETFL);
    fcntl(a[1], F_SETFL, old | O_NONBLOCK);
    while (write(a[1], bytes, 4096) > 0)
        ;
    fcntl(a[1], F_SETFL, old);
}

static void with_pipe(const char *name, long (*call)(void), void (*complete)(void), bool full)
{
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        if (pipe(a) != 0)
            exit(99);
        if (full)
            fill();
        interrupt(name, call, complete, flags);
        close(a[0]), close(a[1]);
    }
}

static void both(const char *name, long (*call)(void), void (*complete)(void))
{
    interrupt(name, call, complete, 0);
    interrupt(name, call, complete, SA_RESTART);
}

static void pipes(void)
{
    with_pipe("read", do_read, put_byte, false);
    with_pipe("readv", do_readv, put_byte, false);
    with_pipe("splice", do_splice, put_byte, false);
    with_pipe("write", do_write, drain, true);
    with_pipe("write of more than fits", do_write_much, drain, false);
    int slave;
    if (openpty(&a[1], &slave, NULL, NULL, NULL) != 0)
        exit(99);
    a[0] = slave;
    struct termios modes;
    tcgetattr(slave, &modes);
    cfmakeraw(&modes);
    tcsetattr(slave, TCSANOW, &modes);
    both("read of a terminal", do_read, put_byte);
    close(a[0]), close(a[1]);
}

static long do_recv(void)
{
    return recv(a[0], bytes, 10, 0);
}

static long do_recv_all(void)
{
    return recv(a[0], bytes, 10, MSG_WAITALL);
}

static long do_recvmsg(void)
{
    struct iovec part = { bytes, 10 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    return recvmsg(a[0], &message, 0);
}

static long do_send(void)
{
    return send(a[1], bytes, 4096, 0) > 0 ? 1 : -1;
}

static int listener;
static struct sockaddr_un name_of_listener = { .sun_family = AF_UNIX, .sun_path = "socket" };

static long do_accept(void)
{
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static void connect_to_it(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&name_of_listener, sizeof name_of_listener) != 0)
        puts("no connection");
    close(fd);
}

static long do_connect(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    long result = connect(fd, (struct sockaddr *)&name_of_listener, sizeof name_of_listener);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static void accept_one(void)
{
    close(accept(listener, NULL, NULL));
}

static void sockets(void)
{
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) != 0)
            exit(99);
        interrupt("recv", do_recv, put_byte, flags);
        interrupt("recvmsg", do_recvmsg, put_byte, flags);
        put_byte();
        if (flags == 0)
            interrupt("recv MSG_WAITALL, one byte there", do_recv_all, put_byte, flags);
        struct timeval limit = { .tv_sec = 20 };
        setsockopt(a[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (flags != 0)
            recv(a[0], bytes, 10, MSG_DONTWAIT);
        interrupt("recv with SO_RCVTIMEO", do_recv, put_byte, flags);
        fill();
        interrupt("send", do_send, drain, flags);
        close(a[0]), close(a[1]);
        unlink("socket");
        listener = socket(AF_UNIX, SOCK_STREAM, 0);
        if (bind(listener, (struct sockaddr *)&name_of_listener, sizeof name_of_listener) != 0 || listen(listener, 0) != 0)
            exit(99);
        interrupt("accept", do_accept, connect_to_it, flags);
        connect_to_it();
        interrupt("connect", do_connect, accept_one, flags);
        close(listener);
    }
    unlink("socket");
}

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

static int queue, semaphores;
struct message {
    long type;
    char text[8];
};

static void send_message(void)
{
    struct message message = { .type = 1, .text = "hello" };
    msgsnd(queue, &message, sizeof message.text, 0);
}

static long do_msgrcv(void)
{
    struct message message;
    return msgrcv(queue, &message, sizeof message.text, 0, 0);
}

static void release_semaphore(void)
{
    struct sembuf up = { .sem_op = 1 };
    semop(semaphores, &up, 1);
}

static long do_semop(void)
{
    struct sembuf down = { .sem_op = -1 };
    return semop(semaphores, &down, 1);
}

static long do_semtimedop(void)
{
    struct sembuf down = { .sem_op = -1 };
    return semtimedop(semaphores, &down, 1, &far_off);
}

static mqd_t posix_queue;

static long do_mq_receive(void)
{
    char text[64];
    return mq_receive(posix_queue, text, sizeof text, NULL);
}

static void mq_put(void)
{
    mq_send(posix_queue, "abc", 3, 0);
}

static void ipc(void)
{
    queue = msgget(IPC_PRIVATE, 0600);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    both("msgrcv", do_msgrcv, send_message);
    both("semop", do_semop, release_semaphore);
    both("semtimedop", do_semtimedop, release_semaphore);
    msgctl(queue, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
    char name[64];
    snprintf(name, sizeof name, "/signal_calls.%d", getpid());
    struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 64 };
    posix_queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attributes);
    mq_unlink(name);
    both("mq_receive", do_mq_receive, mq_put);
    mq_close(posix_queue);
}

static int locked, wanted;

static long do_flock(void)
{
    return flock(wanted, LOCK_EX);
}

static void unlock(void)
{
    flock(locked, LOCK_UN);
}

static long do_record_lock(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
    return fcntl(wanted, F_OFD_SETLKW, &lock);
}

static void unlock_record(void)
{
    struct flock lock = { .l_type = F_UNLCK, .l_len = 1 };
    fcntl(locked, F_OFD_SETLK, &lock);
}

static long do_open(void)
{
    int fd = open("fifo", O_RDONLY);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static void open_other_end(void)
{
    close(open("fifo", O_WRONLY));
}

static void locks(void)
{
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        locked = open("lock", O_RDWR | O_CREAT, 0600);
        wanted = open("lock", O_RDWR);
        flock(locked, LOCK_EX);
        interrupt("flock", do_flock, unlock, flags);
        struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
        fcntl(locked, F_OFD_SETLK, &lock);
        interrupt("fcntl F_OFD_SETLKW", do_record_lock, unlock_record, flags);
        close(locked), close(wanted);
        mkfifo("fifo", 0600);
        interrupt("open of a FIFO", do_open, open_other_end, flags);
        unlink("fifo");
    }
    unlink("lock");
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
    process = getpid();
    main_task = gettid();
    pipes();
    sockets();
    polls();
    times();
    waits();
    ipc();
    locks();
    signal_waits();
    stops();
    return finish();
}
