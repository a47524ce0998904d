// What programs wait on: poll, select, epoll, eventfd, timerfd, signalfd, sockets that pass descriptors, and System V
// semaphores, messages and shared memory.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void polls(void)
{
    int ends[2];
    char byte;
    printf("pipe2 %d", pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    printf(" empty %zd", read(ends[0], &byte, 1));
    printf(" %s\n", strerrorname_np(errno));
    struct pollfd wanted = { .fd = ends[0], .events = POLLIN };
    printf("poll %d", poll(&wanted, 1, 0));
    printf(" write %zd", write(ends[1], "x", 1));
    printf(" poll %d", poll(&wanted, 1, 1000));
    printf(" %x\n", wanted.revents);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval limit = { .tv_sec = 1 };
    printf("select %d", select(ends[0] + 1, &set, NULL, NULL, &limit));
    printf(" %d\n", FD_ISSET(ends[0], &set));
    sigset_t mask;
    sigfillset(&mask);
    struct timespec soon = { .tv_nsec = 1000 };
    printf("ppoll %d\n", ppoll(&wanted, 1, &soon, &mask));
    close(ends[1]);
    printf("hung up: poll %d", poll(&wanted, 1, 0));
    printf(" %x\n", wanted.revents);
    close(ends[0]);
}

static void epolls(void)
{
    int poller = epoll_create1(EPOLL_CLOEXEC), counter = eventfd(3, 0), idle = eventfd(0, EFD_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0x0123456789abcdef }, got[3] = { 0 };
    printf("add %d", epoll_ctl(poller, EPOLL_CTL_ADD, counter, &event));
    printf(" again %d", epoll_ctl(poller, EPOLL_CTL_ADD, counter, &event));
    printf(" %s", strerrorname_np(errno));
    event.data.u64 = 1;
    printf(" add %d\n", epoll_ctl(poller, EPOLL_CTL_ADD, idle, &event));
    printf("wait %d", epoll_wait(poller, got, 3, 1000));
    printf(" %x %llx\n", got[0].events, (unsigned long long)got[0].data.u64);
    eventfd_write(idle, 9);
    int ready = epoll_wait(poller, got, 3, 1000);
    printf("wait %d sum %llx\n", ready, (unsigned long long)(got[0].data.u64 + got[1].data.u64));
    event.events = EPOLLIN | EPOLLONESHOT;
    printf("modify %d", epoll_ctl(poller, EPOLL_CTL_MOD, idle, &event));
    printf(" delete %d", epoll_ctl(poller, EPOLL_CTL_DEL, counter, NULL));
    printf(" wait %d", epoll_wait(poller, got, 3, 0));
    printf(" wait %d\n", epoll_wait(poller, got, 3, 0));
    close(poller);
    close(counter);
    close(idle);
}

static void descriptors_of_events(void)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec in = { .it_value.tv_nsec = 1000000 };
    uint64_t times = 0;
    printf("timerfd %d", timerfd_settime(timer, 0, &in, NULL));
    printf(" %zd", read(timer, &times, sizeof times));
    printf(" %llu\n", (unsigned long long)times);
    close(timer);

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_NONBLOCK);
    struct signalfd_siginfo info = { 0 };
    printf("kill %d", kill(getpid(), SIGUSR1));
    printf(" signalfd %d", read(signals, &info, sizeof info) == sizeof info);
    printf(" %d %d\n", (int)info.ssi_signo == SIGUSR1, (pid_t)info.ssi_pid == getpid());
    siginfo_t taken;
    struct timespec limit = { .tv_sec = 1 };
    raise(SIGUSR1);
    printf("sigtimedwait %d", sigtimedwait(&set, &taken, &limit) == SIGUSR1);
    printf(" %d\n", taken.si_pid == getpid());
    close(signals);
}

static void pass_a_descriptor(void)
{
    int pair[2], counter = eventfd(7, 0), received = -1;
    printf("socketpair %d", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    char text = 'm';
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control = { 0 };
    struct iovec part = { .iov_base = &text, .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes,
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &counter, sizeof(int));
    printf(" sendmsg %zd", sendmsg(pair[0], &message, 0));
    memset(&control, 0, sizeof control);
    text = 0;
    printf(" recvmsg %zd", recvmsg(pair[1], &message, 0));
    printf(" %c", text);
    memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    uint64_t value = 0;
    printf(" other %d %zd", received != counter, read(received, &value, 8));
    printf(" %llu\n", (unsigned long long)value);
}

union semaphore_argument {
    int value;
    struct semid_ds *state;
};

static void system_v(void)
{
    int semaphores = semget(IPC_PRIVATE, 3, 0600);
    struct semid_ds state = { 0 };
    union semaphore_argument argument = { .state = &state };
    printf("semctl %d", semctl(semaphores, 0, IPC_STAT, argument));
    printf(" %lu %lo %d", (unsigned long)state.sem_nsems, (unsigned long)state.sem_perm.mode, state.sem_otime == 0);
    printf(" %d\n", state.sem_ctime > 1500000000);
    struct sembuf up = { .sem_num = 1, .sem_op = 5 }, down = { .sem_num = 1, .sem_op = -9, .sem_flg = IPC_NOWAIT };
    printf("semop %d", semop(semaphores, &up, 1));
    printf(" %d", semop(semaphores, &down, 1));
    printf(" %s", strerrorname_np(errno));
    state.sem_perm.mode = 0640;
    printf(" %d %d", semctl(semaphores, 1, GETVAL), semctl(semaphores, 0, IPC_SET, argument));
    printf(" %d\n", semctl(semaphores, 0, IPC_RMID));

    int segment = shmget(IPC_PRIVATE, 10000, 0600);
    char *memory = shmat(segment, NULL, 0), *again = shmat(segment, NULL, SHM_RDONLY);
    struct shmid_ds segment_state = { 0 };
    memory[9999] = 's';
    printf("shm %c %d", again[9999], shmctl(segment, IPC_STAT, &segment_state));
    printf(" %zu %lu", segment_state.shm_segsz, (unsigned long)segment_state.shm_nattch);
    printf(" %d %d %d\n", shmdt(memory), shmdt(again), shmctl(segment, IPC_RMID, NULL));

    struct {
        long type;
        char text[8];
    } message = { 5, "message" };
    int queue = msgget(IPC_PRIVATE, 0600);
    printf("msg %d", msgsnd(queue, &message, 8, 0));
    memset(message.text, 0, 8);
    printf(" %zd", msgrcv(queue, &message, 8, 5, 0));
    printf(" %s", message.text);
    printf(" %d\n", msgctl(queue, IPC_RMID, NULL));
}

int main(void)
{
    polls();
    epolls();
    descriptors_of_events();
    pass_a_descriptor();
    system_v();
    return 0;
}
