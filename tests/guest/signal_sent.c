// The signals of faults when nothing has faulted: sent by other processes, queued, sent again with the siginfo of a fault;
// blocked, ignored, waited for, shown by signalfds, and pending over fork and exec.
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "signal_sent.h"

static void handlers(void)
{
    for (int i = 0; i < SENT_COUNT; i++) {
        int number = sent[i];
        on(number, note, 0);
        handled = 0;
        send_from_child(number);
        CHECK(handled == 1 && last == number && last_code == SI_USER, "%d: %d %d", number, handled, last_code);
        union sigval value = { .sival_int = 77 };
        sigqueue(getpid(), number, value);
        CHECK(handled == 2 && last_code == SI_QUEUE && last_info.si_value.sival_int == 77, "queued");
        raise(number);
        CHECK(handled == 3 && last_code == SI_TKILL && last_info.si_pid == getpid(), "raised");
        signal(number, SIG_IGN);
        raise(number);
        send_from_child(number);
        CHECK(handled == 3, "ignored");
    }
    done("handlers");
}

static siginfo_t fault_info(int number, int code)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = number;
    info.si_code = code;
    info.si_addr = (void *)0x1234;
    return info;
}

// As those do that have caught a fault and hand it on.
static int sent_again(int number)
{
    siginfo_t info = fault_info(number, 1);
    signal(number, SIG_DFL);
    syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), number, &info);
    return 42;
}

static int again_segv(void)
{
    return sent_again(SIGSEGV);
}

static int again_ill(void)
{
    return sent_again(SIGILL);
}

static void faults_sent(void)
{
    static const int codes[] = { 1, 2, 0x80, 0x12345 };
    for (int i = 0; i < SENT_COUNT; i++) {
        int number = sent[i];
        on(number, note, 0);
        handled = 0;
        int pidfd = pidfd_open(getpid(), 0);
        for (int j = 0; j < 4; j++) {
            siginfo_t info = fault_info(number, codes[j]);
            CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), number, &info) == 0, "%d", number);
            CHECK(syscall(SYS_rt_sigqueueinfo, getpid(), number, &info) == 0, "%d", number);
            CHECK(syscall(SYS_pidfd_send_signal, pidfd, number, &info, 0) == 0, "%d", number);
            CHECK(handled == 3 * j + 3 && last_code == codes[j], "handled %d code %x", handled, last_code);
            CHECK(last_info.si_addr == (void *)0x1234, "address %p", last_info.si_addr);
            // Nobody may do so to others.
            CHECK(syscall(SYS_rt_sigqueueinfo, getppid(), number, &info) == -1 && errno == EPERM, "to others");
            CHECK(syscall(SYS_rt_sigqueueinfo, 0x7ffffff0, number, &info) == -1 && errno == EPERM, "to nobody");
            info.si_signo++;
            CHECK(syscall(SYS_pidfd_send_signal, pidfd, number, &info, 0) == -1 && errno == EINVAL, "another's siginfo");
            // Blocked and unblocked again, it stays what it was.
            info.si_signo--;
            block(number);
            syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), number, &info);
            sigset_t set = set_of(number, 0);
            siginfo_t got = { 0 };
            CHECK(sigwaitinfo(&set, &got) == number && got.si_code == codes[j], "code %x", got.si_code);
            unblock(number);
        }
        CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), number, 8L) == -1 && errno == EFAULT, "no siginfo");
        close(pidfd);
    }
    CHECK(end_of(again_segv) == -SIGSEGV, "to die of it");
    CHECK(end_of(again_ill) == -SIGILL, "to die of it");
    done("faults sent");
}

static int nothing_pending(void)
{
    for (int i = 0; i < SENT_COUNT; i++)
        if (is_pending(sent[i]) || !is_blocked(sent[i]))
            return 1;
    return 0;
}

static void blocked(void)
{
    struct timespec now = { 0, 0 };
    for (int i = 0; i < SENT_COUNT; i++) {
        int number = sent[i];
        sigset_t set = set_of(number, 0);
        siginfo_t info;
        on(number, note, 0);
        handled = 0;
        block(number);
        send_from_child(number);
        send_from_child(number);
        CHECK(is_pending(number) && handled == 0, "%d", number);
        CHECK(sigtimedwait(&set, &info, &now) == number && info.si_code == SI_USER && info.si_pid > 0, "%d", number);
        CHECK(!is_pending(number) && sigtimedwait(&set, &info, &now) == -1 && errno == EAGAIN, "taken");
        // One for the thread and one for the process.
        raise(number);
        send_from_child(number);
        CHECK(sigwaitinfo(&set, &info) == number && info.si_pid == getpid(), "the thread's first");
        CHECK(sigwaitinfo(&set, &info) == number && info.si_pid != getpid(), "then the process's");
        pid_t child = send_when_asleep(number, gettid());
        CHECK(sigwaitinfo(&set, &info) == number && info.si_code == SI_USER && info.si_pid == child, "waited");
        wait_for(child);
        raise(number);
        signal(number, SIG_IGN);
        CHECK(!is_pending(number), "ignored: gone");
        raise(number);
        CHECK(is_pending(number), "ignored and blocked: pending");
        on(number, note, 0);
        unblock(number);
        CHECK(handled == 1, "handled");
        block(number);
    }
    for (int i = 0; i < SENT_COUNT; i++)
        raise(sent[i]);
    CHECK(end_of(nothing_pending) == 0, "in a child");
    for (int i = 0; i < SENT_COUNT; i++)
        unblock(sent[i]);
    done("blocked");
}

// A call is not interrupted by what is blocked.
static void uninterrupted(void)
{
    for (int i = 0; i < SENT_COUNT; i++) {
        int number = sent[i];
        struct timespec time = { 0, 300000000 };
        struct pollfd none = { .fd = -1 };
        on(number, note, 0);
        block(number);
        handled = 0;
        pid_t child = send_when_asleep(number, gettid());
        CHECK(nanosleep(&time, NULL) == 0, "sleep");
        wait_for(child);
        child = send_when_asleep(number, gettid());
        CHECK(poll(&none, 1, 300) == 0, "poll");
        wait_for(child);
        CHECK(is_pending(number) && handled == 0, "%d", number);
        unblock(number);
        CHECK(handled == 1, "%d", number);
        signal(number, SIG_IGN);
        child = send_when_asleep(number, gettid());
        CHECK(poll(&none, 1, 300) == 0, "poll");
        wait_for(child);
    }
    done("uninterrupted");
}

// Pending, also if a thread of emu's is the first to get it.
static bool is_soon_pending(int number)
{
    for (int i = 0; i < 20000 && !is_pending(number); i++)
        pause_ms(1);
    return is_pending(number);
}

static void signalfds(void)
{
    for (int i = 0; i < SENT_COUNT; i++) {
        int number = sent[i];
        sigset_t set = set_of(number, 0);
        struct signalfd_siginfo got = { 0 };
        block(number);
        int fd = signalfd(-1, &set, SFD_NONBLOCK);
        struct pollfd wanted = { .fd = fd, .events = POLLIN };
        CHECK(poll(&wanted, 1, 0) == 0, "%d", number);
        send_from_child(number);
        CHECK(poll(&wanted, 1, 20000) == 1, "%d", number);
        CHECK(read(fd, &got, sizeof got) == sizeof got, "%d", number);
        CHECK((int)got.ssi_signo == number && got.ssi_code == SI_USER && !is_pending(number), "code %d", got.ssi_code);
        CHECK(read(fd, &got, sizeof got) == -1 && errno == EAGAIN, "only one");
        pid_t child = send_when_asleep(number, gettid());
        CHECK(poll(&wanted, 1, 20000) == 1 && is_soon_pending(number), "%d", number);
        wait_for(child);
        int poller = epoll_create1(0);
        struct epoll_event event = { .events = EPOLLIN };
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        CHECK(epoll_wait(poller, &event, 1, 20000) == 1, "%d", number);
        close(poller);
        CHECK(read(fd, &got, sizeof got) == sizeof got && (pid_t)got.ssi_pid == child, "%d", number);
        close(fd);
        fd = signalfd(-1, &set, 0);
        child = send_when_asleep(number, gettid());
        CHECK(read(fd, &got, sizeof got) == sizeof got && (pid_t)got.ssi_pid == child, "%d", number);
        wait_for(child);
        raise(number);
        CHECK(read(fd, &got, sizeof got) == sizeof got && got.ssi_code == SI_TKILL, "%d", number);
        close(fd);
        // A handler gets what it does not block, all the same.
        on(number, note, 0);
        handled = 0;
        unblock(number);
        raise(number);
        CHECK(handled == 1, "%d", number);
    }
    done("signalfds");
}

static volatile bool other_was_blocked;

static void note_mask(int number, siginfo_t *info, void *context)
{
    note(number, info, context);
    other_was_blocked = is_blocked(SIGUSR2);
}

// Pending before a wait under a mask that lets it through: what is ready comes first.
static void under_a_mask(void)
{
    int ends[2];
    struct timespec limit = { 20, 0 };
    sigset_t mask = set_of(SIGUSR2, 0);
    if (pipe(ends) != 0)
        exit(99);
    int poller = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN };
    epoll_ctl(poller, EPOLL_CTL_ADD, ends[0], &event);
    for (int i = 0; i < 2 * SENT_COUNT; i++) {
        int number = sent[i / 2], is_ready = i % 2, expected = is_ready ? 1 : -1;
        struct pollfd wanted = { .fd = ends[0], .events = POLLIN };
        fd_set set;
        FD_ZERO(&set);
        FD_SET(ends[0], &set);
        on(number, note_mask, 0);
        block(number);
        handled = 0;
        if (is_ready && write(ends[1], "x", 1) != 1)
            exit(98);
        send_from_child(number);
        CHECK(ppoll(&wanted, 1, &limit, &mask) == expected, "%d", number);
        CHECK(handled == !is_ready && is_pending(number) == is_ready, "%d: %d", number, handled);
        CHECK(is_ready || other_was_blocked, "the mask of the wait");
        send_from_child(number);
        CHECK(epoll_pwait(poller, &event, 1, 20000, &mask) == expected, "%d", number);
        send_from_child(number);
        CHECK(pselect(ends[0] + 1, &set, NULL, NULL, &limit, &mask) == expected, "%d", number);
        CHECK(handled == (is_ready ? 0 : 3), "%d: %d", number, handled);
        send_from_child(number);
        CHECK(sigsuspend(&mask) == -1 && errno == EINTR && !is_pending(number), "%d", number);
        pid_t child = send_when_asleep(number, gettid());
        CHECK(sigsuspend(&mask) == -1 && errno == EINTR && !is_pending(number), "%d", number);
        wait_for(child);
        CHECK(handled == (is_ready ? 2 : 5) && is_blocked(number) && !is_blocked(SIGUSR2), "%d: %d", number, handled);
        unblock(number);
        char byte;
        if (is_ready && read(ends[0], &byte, 1) != 1)
            exit(97);
    }
    close(ends[0]), close(ends[1]), close(poller);
    done("under a mask");
}

// While a child has this process's memory, what comes to either is its own, and waits until it can run.
static void around_vfork(void)
{
    on(SIGUSR1, note, 0);
    for (int i = 0; i < SENT_COUNT; i++) {
        on(sent[i], note, 0);
        handled = 0;
        pid_t child = vfork();
        if (child == 0) {
            kill(getppid(), sent[i]);
            kill(getppid(), SIGUSR1);
            raise(sent[i]);
            raise(SIGUSR1);
            _exit(handled == 2 && last_task == getpid() ? 3 : 4);
        }
        int status;
        waitpid(child, &status, 0);
        CHECK(WEXITSTATUS(status) == 3 && handled == 4 && last_task == getpid(), "%d: %x %d", sent[i], status, handled);
    }
    done("around vfork");
}

// Another program finds them pending.
static int executes(void)
{
    for (int i = 0; i < SENT_COUNT; i++)
        block(sent[i]);
    for (int i = 0; i < 3; i++)
        send_from_child(sent[i]);
    raise(sent[3]);
    execl("/proc/self/exe", "signal_sent", "exec", NULL);
    return 90;
}

static int after_exec(void)
{
    struct timespec now = { 0, 0 };
    for (int i = 0; i < SENT_COUNT; i++) {
        sigset_t set = set_of(sent[i], 0);
        if (!is_blocked(sent[i]) || is_pending(sent[i]) != (i < 4))
            return 1;
        if (sigtimedwait(&set, NULL, &now) != (i < 4 ? sent[i] : -1))
            return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exec") == 0)
        return after_exec();
    handlers();
    faults_sent();
    blocked();
    uninterrupted();
    signalfds();
    under_a_mask();
    around_vfork();
    CHECK(end_of(executes) == 0, "exec");
    return finish();
}
