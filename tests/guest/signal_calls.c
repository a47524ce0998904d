// Input and output, locks and messages, interrupted by a handler: see signal_interrupt.h.
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <pty.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>

#include "signal_interrupt.h"

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

static struct timespec far_off = { 20, 0 };
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

int main(void)
{
    begin();
    pipes();
    sockets();
    ipc();
    locks();
    return finish();
}
