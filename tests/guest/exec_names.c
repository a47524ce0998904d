// What a program is called: argv[0], AT_EXECFN, comm and /proc/self/exe, for every way to start it; and a program that
// is renamed or deleted while it runs.
#define _GNU_SOURCE
#include "exec_report.h"
#include <limits.h>
#include <sys/mman.h>

#ifndef BY_DESCRIPTORS
#define BY_DESCRIPTORS 0
#endif

static char *const arguments[] = { "zero", "child", NULL };

static const char *exe(void)
{
    static char link[PATH_MAX];
    ssize_t bytes = readlink("/proc/self/exe", link, sizeof link - 1);
    link[bytes < 0 ? 0 : bytes] = 0;
    char *slash = strrchr(link, '/');
    return slash ? slash + 1 : link;
}

static int memory_copy(unsigned flags)
{
    static char bytes[1 << 16];
    int fd = memfd_create("in memory", flags), from = open("./self", O_RDONLY);
    ssize_t count;
    while ((count = read(from, bytes, sizeof bytes)) > 0)
        if (write(fd, bytes, count) != count)
            exit(2);
    close(from);
    return fd;
}

// In the child that runs the file "gone".
static void survive(void)
{
    struct stat before, after;
    stat("gone", &before);
    rename("gone", "renamed");
    printf("  renamed: %s\n", exe());
    unlink("renamed");
    printf("  deleted: %s\n", exe());
    int same = stat("/proc/self/exe", &after) == 0 && after.st_ino == before.st_ino;
    char magic[4] = "";
    int fd = open("/proc/self/exe", O_RDONLY);
    same &= read(fd, magic, 4) == 4 && !memcmp(magic, "\177ELF", 4);
    close(fd);
    printf("  still the same: %d, executable %d\n", same, access("/proc/self/exe", X_OK));
    fflush(stdout);
    execve("/proc/self/exe", arguments, environ);
    came_back();
}

static void paths(void)
{
    char whole[PATH_MAX], link[PATH_MAX];
    IN_CHILD("relative", execve("./self", arguments, environ));
    IN_CHILD("bare", execve("self", arguments, environ));
    IN_CHILD("odd spelling", execve(".//./self", arguments, environ));
    IN_CHILD("link", execve("./link", arguments, environ));
    IN_CHILD("long name", execve("./a-name-longer-than-fifteen", arguments, environ));
    if (!getcwd(whole, sizeof whole - 10))
        exit(2);
    strcat(whole, "/self");
    IN_CHILD("absolute", {
        char *own[] = { "zero", "child whole", whole, NULL };
        execve(whole, own, environ);
    });
    IN_CHILD("no arguments", {
        char *none[] = { NULL };
        execve("./self", none, environ);
    });
    IN_CHILD("empty argv[0]", {
        char *empty[] = { "", "child", NULL };
        execve("./self", empty, environ);
    });
    IN_CHILD("argv[0] like an option", {
        char *option[] = { "-L", "child", "-h", "--", NULL };
        execve("./self", option, environ);
    });
    IN_CHILD("named like an option", execve("-h", arguments, environ));
    IN_CHILD("named like a command", execve("binfmt", arguments, environ));
    IN_CHILD("by execvp", {
        setenv("PATH", "/nowhere:.", 1);
        execvp("self", arguments);
    });
    IN_CHILD("by /proc/self/exe", execve("/proc/self/exe", arguments, environ));
    IN_CHILD("by a link to it", {
        if (symlink("/proc/self/exe", "own"))
            _exit(2);
        execve("./own", arguments, environ);
    });
    IN_CHILD("from /proc/self", {
        if (chdir("/proc/self"))
            _exit(2);
        execve("exe", arguments, environ);
    });
    IN_CHILD("by the thread", execve("/proc/thread-self/exe", arguments, environ));
    IN_CHILD("by the task", {
        snprintf(link, sizeof link, "/proc/%d/task/%d/exe", getpid(), getpid());
        char *own[] = { "zero", "child whole", link, NULL };
        execve(link, own, environ);
    });
}

static void descriptors(void)
{
    IN_CHILD("fexecve", fexecve(open("./self", O_RDONLY), arguments, environ));
    IN_CHILD("fexecve, closing", fexecve(open("./self", O_RDONLY | O_CLOEXEC), arguments, environ));
    IN_CHILD("fexecve of O_PATH", fexecve(open("./link", O_PATH), arguments, environ));
    IN_CHILD("fexecve at its end", {
        int fd = open("./self", O_RDONLY);
        lseek(fd, 0, SEEK_END);
        fexecve(fd, arguments, environ);
    });
    IN_CHILD("directory", execveat_(open(".", O_RDONLY), "self", arguments, environ, 0));
    IN_CHILD("directory, closing", execveat_(open(".", O_PATH | O_CLOEXEC), "link", arguments, environ, 0));
    IN_CHILD("directory not used", {
        char whole[PATH_MAX];
        if (!realpath("self", whole))
            _exit(2);
        char *own[] = { "zero", "child whole", whole, NULL };
        execveat_(open("/", O_RDONLY), whole, own, environ, 0);
    });
    IN_CHILD("no link to follow", execveat_(AT_FDCWD, "./self", arguments, environ, AT_SYMLINK_NOFOLLOW));
    IN_CHILD("memfd", fexecve(memory_copy(0), arguments, environ));
    IN_CHILD("memfd, closing", fexecve(memory_copy(MFD_CLOEXEC), arguments, environ));
    IN_CHILD("path of a descriptor", {
        char path[40];
        snprintf(path, sizeof path, "/proc/self/fd/%d", open("./self", O_RDONLY | O_CLOEXEC));
        execve(path, arguments, environ);
    });
    IN_CHILD("path of a memfd", {
        char path[40];
        snprintf(path, sizeof path, "/dev/fd/%d", memory_copy(MFD_CLOEXEC));
        execve(path, arguments, environ);
    });
    IN_CHILD("standard input closed", {
        close(0);
        execve("./self", arguments, environ);
    });
}

int main(int argc, char **argv)
{
    if (argc == 0 || !argv[0][0] || (argc > 1 && !strcmp(argv[1], "child"))) {
        report(argc, argv);
        printf("  exe '%s'\n", exe());
        return 5;
    }
    if (argc > 2 && !strcmp(argv[1], "child whole")) {
        // Where this is differs.
        printf("  whole path: %d\n", !strcmp((char *)getauxval(AT_EXECFN), argv[2]));
        return 6;
    }
    if (argc > 1 && !strcmp(argv[1], "survive"))
        survive();
    if (argc < 2 || strcmp(argv[1], "all")) {
        // What this is called differs.
        copy_self("self", 0755);
        char *all[] = { "./self", "all", NULL };
        execve("./self", all, environ);
        came_back();
    }
    copy_self("gone", 0755);
    if (symlink("self", "link") || link("self", "-h") || link("self", "binfmt") || link("self", "a-name-longer-than-fifteen"))
        return 2;
    // In two programs, because each child is translated anew.
    if (BY_DESCRIPTORS) {
        descriptors();
        return 0;
    }
    paths();
    IN_CHILD("a file that goes", {
        char *own[] = { "zero", "survive", NULL };
        execve("./gone", own, environ);
    });
    return 0;
}
