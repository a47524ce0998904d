// Takes all memory that it is given, in ever smaller pieces, works, gives it back, and goes on.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 20000 };
static struct { void *at; size_t bytes; } taken[MOST];

// Code that has not run before, so that it must be translated now.
#define WORK(n) \
    __attribute__((noinline)) static unsigned work##n(unsigned x) \
    { \
        for (unsigned i = 0; i < 3000; i++) \
            x = (x ^ (x >> (n % 7 + 1))) * (2654435761u + n) + (i & n); \
        return x; \
    }
#define WORKS(n) WORK(n##0) WORK(n##1) WORK(n##2) WORK(n##3) WORK(n##4) WORK(n##5) WORK(n##6) WORK(n##7)
WORKS(1) WORKS(2) WORKS(3) WORKS(4)
#define NAMES(n) work##n##0, work##n##1, work##n##2, work##n##3, work##n##4, work##n##5, work##n##6, work##n##7
static unsigned (*const all[])(unsigned) = {NAMES(1), NAMES(2), NAMES(3), NAMES(4)};

static int fill(void)
{
    int count = 0;
    for (size_t bytes = 1ul << 46; bytes >= 4096 && count < MOST; bytes /= 2) {
        void *at;
        while (count < MOST && (at = mmap(0, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) != MAP_FAILED) {
            taken[count].at = at;
            taken[count++].bytes = bytes;
        }
        if (errno != ENOMEM)
            printf("error %s\n", strerrorname_np(errno));
    }
    return count;
}

static void *thread(void *argument)
{
    return argument;
}

int main(void)
{
    unsigned sum = 0;
    for (int round = 0; round < 3; round++) {
        int count = fill();
        if (count == MOST || count == 0)
            printf("%d pieces\n", count);
        // Whatever these say, the program goes on.
        void *more = malloc(100 << 20);
        free(more);
        pthread_t id;
        if (pthread_create(&id, 0, thread, 0) == 0)
            pthread_join(id, 0);
        pid_t child = fork();
        if (child == 0)
            _exit(3);
        if (child > 0)
            waitpid(child, 0, 0);
        for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
            sum += all[i](round);
        for (int i = 0; i < count; i++)
            if (munmap(taken[i].at, taken[i].bytes))
                perror("munmap");
        char *room = mmap(0, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (room == MAP_FAILED)
            perror("room");
        else {
            memset(room, 1, 8 << 20);
            munmap(room, 8 << 20);
        }
    }
    printf("%x\nok\n", sum);
    return 0;
}
