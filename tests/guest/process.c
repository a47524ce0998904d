// What a process learns about itself: limits, ids, randomness, umask, times, arguments, environment, /proc/self.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("argv[%d] = '%s'\n", i, argv[i]);
    printf("argv ends %d\n", argv[argc] == NULL);
    for (char **entry = environ; *entry; entry++)
        printf("environment %s\n", *entry);
    setenv("ADDED", "1", 1);
    printf("getenv %s\n", getenv("ADDED"));

    unsigned char first[64] = { 0 }, second[64] = { 0 };
    printf("getrandom %zd %zd", getrandom(first, 64, 0), getrandom(second, 64, GRND_NONBLOCK));
    printf(" differ %d\n", memcmp(first, second, 64) != 0);

    struct rlimit limit, changed;
    printf("getrlimit %d", getrlimit(RLIMIT_NOFILE, &limit));
    printf(" sane %d\n", limit.rlim_cur > 0 && limit.rlim_cur <= limit.rlim_max);
    changed = limit;
    changed.rlim_cur = 100;
    printf("prlimit %d", prlimit(0, RLIMIT_NOFILE, &changed, NULL));
    getrlimit(RLIMIT_NOFILE, &limit);
    printf(" now %lu\n", (unsigned long)limit.rlim_cur);
    printf("bad resource %d", getrlimit(99, &limit));
    printf(" %d\n", errno == EINVAL);
    getrlimit(RLIMIT_STACK, &limit);
    printf("stack limit %d\n", limit.rlim_cur >= 65536);

    printf("pid %d tid %d ppid %d\n", getpid() > 1, gettid() == getpid(), getppid() > 0);
    printf("ids %d %d %d %d\n", getuid() == geteuid(), getgid() == getegid(), getpgrp() > 0, getsid(0) > 0);
    int first_mask = umask(027), second_mask = umask(first_mask);
    printf("umask %o\n", second_mask);
    struct tms t;
    printf("times %d\n", times(&t) != (clock_t)-1);
    struct rusage usage;
    printf("getrusage %d", getrusage(RUSAGE_SELF, &usage));
    printf(" %d\n", usage.ru_maxrss > 0);
    struct sysinfo info;
    printf("sysinfo %d", sysinfo(&info));
    printf(" %d\n", info.totalram > 0 && info.uptime > 0);
    printf("processors %d\n", sysconf(_SC_NPROCESSORS_ONLN) > 0);
    printf("page size %ld\n", sysconf(_SC_PAGESIZE));
    struct timespec now;
    for (int clock = 0; clock < 8; clock++) {
        printf("clock %d: %d", clock, clock_gettime(clock, &now));
        printf(" %d\n", now.tv_nsec >= 0 && now.tv_nsec < 1000000000);
    }
    printf("bad clock %d", clock_gettime(99, &now));
    printf(" %d\n", errno == EINVAL);
    printf("unknown call %ld", syscall(5000));
    printf(" %d\n", errno == ENOSYS);
    fflush(stdout);
    _exit(200);
}
