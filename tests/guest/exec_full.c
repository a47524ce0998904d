// execve with no descriptor left, by path, through a script and by descriptor, with the limit where it was, low from
// the start and lowered since.
#define _GNU_SOURCE
#include "exec_report.h"
#include <sys/resource.h>

static char *const arguments[] = { "zero", "child", NULL };

// Takes what descriptors the limit allows, then one less if `spare`.
static void fill(rlim_t limit, int spare)
{
    struct rlimit now;
    getrlimit(RLIMIT_NOFILE, &now);
    if (limit != 0) {
        now.rlim_cur = limit;
        if (!spare)
            now.rlim_max = limit;
        if (setrlimit(RLIMIT_NOFILE, &now))
            _exit(2);
    }
    int last = -1, fd;
    while ((fd = dup(1)) >= 0)
        last = fd;
    if (errno != EMFILE)
        _exit(3);
    if (spare)
        close(last);
}

static void all_ways(const char *what, rlim_t limit, int spare)
{
    printf("%s\n", what);
    IN_CHILD("path", {
        fill(limit, spare);
        execve("./self", arguments, environ);
    });
    IN_CHILD("script", {
        fill(limit, spare);
        execve("./script", arguments, environ);
    });
    IN_CHILD("directory", {
        int directory = open(".", O_RDONLY);
        fill(limit, spare);
        execveat_(directory, "self", arguments, environ, 0);
    });
    IN_CHILD("descriptor", {
        int file = open("self", O_RDONLY);
        fill(limit, spare);
        fexecve(file, arguments, environ);
    });
    IN_CHILD("descriptor that is closed", {
        int file = open("self", O_RDONLY | O_CLOEXEC);
        fill(limit, spare);
        fexecve(file, arguments, environ);
    });
    IN_CHILD("own program", {
        fill(limit, spare);
        execve("/proc/self/exe", arguments, environ);
    });
    IN_CHILD("missing", {
        fill(limit, spare);
        execve("./missing", arguments, environ);
    });
    IN_CHILD("text", {
        fill(limit, spare);
        execve("./text", arguments, environ);
    });
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "child")) {
        int open_ones = 0;
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        for (rlim_t fd = 0; fd < limit.rlim_cur && fd < 512; fd++)
            open_ones += fcntl((int)fd, F_GETFD) >= 0;
        char comm[17] = "";
        prctl(PR_GET_NAME, comm);
        printf("  execfn '%s' comm '%s' open %d of %lu\n", (char *)getauxval(AT_EXECFN), comm, open_ones,
               (unsigned long)limit.rlim_cur);
        fflush(stdout);
        if (argc > 2)
            return 9;
        // Once more from here, where emu has had to do with little.
        char *again[] = { "zero", "child", "again", NULL };
        execve("./self", again, environ);
        came_back();
    }
    copy_self("self", 0755);
    write_text("script", "#!./self child\n");
    write_text("text", "text\n");
    all_ways("limit of 64", 64, 0);
    all_ways("limit of 20", 20, 0);
    all_ways("limit lowered to 20, one left", 20, 1);
    (void)argv;
    return 0;
}
