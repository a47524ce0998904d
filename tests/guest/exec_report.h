// What the programs about execve share: one line about how this process was started, and telling a child's end.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static inline void report(int argc, char **argv)
{
    char comm[17] = "";
    prctl(PR_GET_NAME, comm);
    int lowest = open("/", O_RDONLY);
    printf("  execfn '%s' comm '%s' secure %lu lowest %d argv", (char *)getauxval(AT_EXECFN), comm, getauxval(AT_SECURE),
           lowest);
    for (int i = 0; i < argc; i++)
        printf(" '%s'", argv[i]);
    puts("");
    fflush(stdout);
    close(lowest);
}

static inline const char *errno_name(int error)
{
    switch (error) {
    case 0: return "none";
    case E2BIG: return "E2BIG";
    case EACCES: return "EACCES";
    case EBADF: return "EBADF";
    case EFAULT: return "EFAULT";
    case EINVAL: return "EINVAL";
    case EIO: return "EIO";
    case EISDIR: return "EISDIR";
    case ELIBBAD: return "ELIBBAD";
    case ELOOP: return "ELOOP";
    case EMFILE: return "EMFILE";
    case ENAMETOOLONG: return "ENAMETOOLONG";
    case ENOENT: return "ENOENT";
    case ENOEXEC: return "ENOEXEC";
    case ENOTDIR: return "ENOTDIR";
    case EPERM: return "EPERM";
    case ETXTBSY: return "ETXTBSY";
    default: return strerror(error);
    }
}

// To be called in the child when execve has come back.
static inline void came_back(void)
{
    printf("  errno %s\n", errno_name(errno));
    fflush(stdout);
    _exit(99);
}

// Runs what follows in a child, and says how the child ends.
#define IN_CHILD(name, ...)                                                                                            \
    do {                                                                                                               \
        printf("%s\n", name);                                                                                          \
        fflush(stdout);                                                                                                \
        pid_t child_ = fork();                                                                                         \
        if (child_ == 0) {                                                                                             \
            __VA_ARGS__;                                                                                               \
            came_back();                                                                                               \
        }                                                                                                              \
        int status_ = -1;                                                                                              \
        waitpid(child_, &status_, 0);                                                                                  \
        printf("  status %x\n", status_);                                                                              \
        fflush(stdout);                                                                                                \
    } while (0)

static inline void write_file(const char *path, const void *bytes, size_t count, int mode)
{
    unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, count) != (ssize_t)count || fchmod(fd, mode) != 0 || close(fd) != 0) {
        printf("cannot write %s: %s\n", path, strerror(errno));
        exit(2);
    }
}

static inline void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text), 0755);
}

static inline int execveat_(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    return (int)syscall(SYS_execveat, dir, path, argv, envp, flags);
}

// Copies this program.
static inline void copy_self(const char *to, int mode)
{
    static char bytes[1 << 16];
    unlink(to);
    int from = open("/proc/self/exe", O_RDONLY), fd = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0700);
    ssize_t count;
    while ((count = read(from, bytes, sizeof bytes)) > 0)
        if (write(fd, bytes, count) != count)
            exit(2);
    fchmod(fd, mode);
    close(from);
    close(fd);
}
