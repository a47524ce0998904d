// execve from a thread among many, which run, wait, allocate and are about to begin: all others are gone, and the
// program that comes has the process's id.
#define _GNU_SOURCE
#include "exec_report.h"
#include <pthread.h>

static volatile int go_on = 1;

static void *spin(void *argument)
{
    volatile unsigned long *sum = argument;
    while (go_on)
        *sum += 1;
    return NULL;
}

static void *allocate(void *unused)
{
    (void)unused;
    while (go_on)
        free(malloc(1 + *(volatile int *)&go_on * 5000));
    return NULL;
}

static void *wait_for_ever(void *unused)
{
    (void)unused;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&mutex);
    while (go_on)
        pthread_cond_wait(&condition, &mutex);
    return NULL;
}

static void *end(void *unused)
{
    return unused;
}

static void *make_threads(void *unused)
{
    (void)unused;
    while (go_on) {
        pthread_t thread;
        go_on++;
        if (pthread_create(&thread, NULL, end, NULL) == 0)
            pthread_join(thread, NULL);
    }
    return NULL;
}

static void *become(void *number)
{
    char pid[20];
    snprintf(pid, sizeof pid, "%d", getpid());
    char *own[] = { "zero", "child", pid, NULL };
    if ((long)number % 3 == 0) {
        // An execve that fails leaves all as it was.
        execve("./missing", own, environ);
        execve("/", own, environ);
    }
    execve("/proc/self/exe", own, environ);
    came_back();
    return NULL;
}

static int threads(void)
{
    int fd = open("/proc/self/status", O_RDONLY);
    char text[4096] = "";
    ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    char *line = bytes > 0 ? strstr(text, "\nTgid:") : NULL;
    return line ? atoi(line + 6) : -1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "child"))
        return getpid() == atoi(argv[2]) && getpid() == syscall(SYS_gettid) && threads() == getpid() ? 7 : 8;
    int rounds = getenv("EMU_GUEST_ROUNDS") ? atoi(getenv("EMU_GUEST_ROUNDS")) : 25, good = 0;
    for (long round = 0; round < rounds; round++) {
        pid_t child = fork();
        if (child == 0) {
            void *(*const kinds[])(void *) = { spin, allocate, wait_for_ever, make_threads };
            static unsigned long sums[8];
            for (int i = 0; i < 8; i++) {
                pthread_t thread;
                if (pthread_create(&thread, NULL, kinds[i % 4], &sums[i]))
                    _exit(3);
            }
            pthread_t thread;
            if (round % 2 == 0 && pthread_create(&thread, NULL, become, (void *)round) == 0)
                for (;;)
                    pause();
            become((void *)round);
        }
        int status = -1;
        waitpid(child, &status, 0);
        good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
        if (!(WIFEXITED(status) && WEXITSTATUS(status) == 7))
            printf("round %ld: status %x\n", round, status);
    }
    printf("%s\n", good == rounds ? "all as they should" : "not all");
    return 0;
}
