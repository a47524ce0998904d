// How much execve takes of arguments and environment, by the limit on the stack: refused while there is a caller to tell.
#define _GNU_SOURCE
#include "exec_report.h"
#include <sys/resource.h>

// What emu's own arguments may take.
#define MARGIN (8 << 10)

static void try(const char *what, rlim_t stack, long total, long each)
{
    // Each with its NUL and a pointer.
    long count = total / (each + 8);
    char **list = calloc(count + 3, sizeof *list), *text = malloc(each), *none[] = { NULL };
    memset(text, 'x', each - 1);
    text[each - 1] = 0;
    list[0] = "zero";
    list[1] = "child";
    for (long i = 0; i < count; i++)
        list[2 + i] = text;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit;
        getrlimit(RLIMIT_STACK, &limit);
        limit.rlim_cur = stack;
        if (setrlimit(RLIMIT_STACK, &limit))
            _exit(1);
        execve("/proc/self/exe", list, none);
        printf("%s\n", errno_name(errno));
        // In the environment.
        list[1] = NULL;
        execve("/proc/self/exe", (char *[]){ "zero", "child", NULL }, list + 2);
        printf("%s\n", errno_name(errno));
        fflush(stdout);
        _exit(2);
    }
    int status;
    waitpid(pid, &status, 0);
    printf("%s: %x\n", what, status);
    free(list);
    free(text);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "child")) {
        struct rlimit limit;
        getrlimit(RLIMIT_STACK, &limit);
        printf("%d arguments, stack %lld\n", argc, (long long)limit.rlim_cur);
        return 7;
    }
    try("little stack, most", 256 << 10, (128 << 10) - MARGIN, 1000);
    try("little stack, more", 256 << 10, (128 << 10) + 1100, 1000);
    try("1 MiB, most", 1 << 20, (256 << 10) - MARGIN, 1000);
    try("1 MiB, more", 1 << 20, (256 << 10) + 1100, 1000);
    try("8 MiB, most", 8 << 20, (2 << 20) - MARGIN, 1000);
    try("8 MiB, more", 8 << 20, (2 << 20) + 1100, 1000);
    try("1 MiB, most, of one letter", 1 << 20, (256 << 10) - MARGIN, 2);
    try("16 MiB, most", 16 << 20, (4 << 20) - MARGIN, 10000);
    try("16 MiB, more", 16 << 20, (4 << 20) + 11000, 10000);
    try("unlimited, most", RLIM_INFINITY, (6 << 20) - MARGIN, 100000);
    try("unlimited, more", RLIM_INFINITY, (6 << 20) + 110000, 100000);
    return 0;
}
