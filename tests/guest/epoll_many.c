// epoll_wait with room for thousands of events, which end where the memory does.
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { COUNT = 2500, PAGE = 65536 };

int main(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int poller = epoll_create1(0);
    for (int i = 0; i < COUNT; i++) {
        int fd = eventfd(1, EFD_NONBLOCK);
        struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)i << 32 | (uint32_t)~i };
        if (fd < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) {
            printf("%d: %s\n", i, strerror(errno));
            return 1;
        }
    }
    size_t bytes = (COUNT * sizeof(struct epoll_event) + PAGE - 1) / PAGE * PAGE;
    char *memory = mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(memory + bytes, PAGE, PROT_NONE);
    struct epoll_event *events = (struct epoll_event *)(memory + bytes) - COUNT;
    static char seen[COUNT];
    int got = epoll_wait(poller, events, COUNT, 0), wrong = 0, different = 0;
    for (int i = 0; i < got; i++) {
        uint64_t data = events[i].data.u64;
        uint32_t number = data >> 32;
        wrong += events[i].events != EPOLLIN || number >= COUNT || (uint32_t)data != ~number;
        if (number < COUNT && !seen[number]++)
            different++;
    }
    printf("%d events, %d different, %d wrong\n", got, different, wrong);
    printf("fewer: %d\n", epoll_wait(poller, events, 7, -1));
    got = epoll_wait(poller, events, 0, 0);
    printf("none: %d %s\n", got, strerror(errno));
    got = epoll_wait(poller, events, INT_MAX, 0);
    printf("too many: %d %s\n", got, strerror(errno));
    got = epoll_wait(poller, (struct epoll_event *)(memory + bytes), 5, 0);
    printf("nowhere: %d %s\n", got, strerror(errno));
    return 0;
}
