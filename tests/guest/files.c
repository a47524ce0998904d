// Files: stat structures field by field, open flags whose bits differ between machines, directories, links, seeks,
// vectors, pipes, fcntl.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/statfs.h>
#include <unistd.h>

// One call, what it answered, and the error's name. Order matters: never two calls in one printf.
#define CALL(expression)                                                                                             \
    ({                                                                                                               \
        long answer = (long)(expression);                                                                            \
        printf("%s = %ld %s\n", #expression, answer < 0 ? -1 : answer, answer < 0 ? strerrorname_np(errno) : "");      \
        answer;                                                                                                      \
    })

static void show(const char *name, const struct stat *s)
{
    printf("%s: mode %o links %lu uid %d gid %d size %ld blocks %ld blksize %ld rdev %u:%u mtime %ld.%09ld atime %ld\n", name,
           s->st_mode, (unsigned long)s->st_nlink, s->st_uid == getuid(), s->st_gid == getgid(), (long)s->st_size,
           (long)s->st_blocks, (long)s->st_blksize, major(s->st_rdev), minor(s->st_rdev), (long)s->st_mtim.tv_sec,
           s->st_mtim.tv_nsec, (long)s->st_atim.tv_sec);
}

static void stats(void)
{
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0640);
    char block[9999];
    memset(block, 'x', sizeof block);
    printf("write %zd\n", write(fd, block, sizeof block));
    fsync(fd);
    struct timespec times[2] = { { 1111111111, 0 }, { 1222222222, 123456789 } };
    printf("futimens %d\n", futimens(fd, times));
    CALL(link("file", "hard"));
    CALL(symlink("file", "soft"));
    CALL(mkdir("directory", 0750));
    struct stat s, t;
    printf("fstat %d\n", fstat(fd, &s));
    show("file", &s);
    stat("soft", &t);
    printf("same file through the link: %d\n", s.st_ino == t.st_ino && s.st_dev == t.st_dev);
    lstat("soft", &t);
    printf("lstat: mode %o size %ld\n", t.st_mode, (long)t.st_size);
    printf("directory: %d", stat("directory", &t));
    printf(" mode %o\n", t.st_mode);
    stat("/dev/null", &t);
    printf("null: mode %o rdev %u:%u\n", t.st_mode, major(t.st_rdev), minor(t.st_rdev));
    printf("fstatat of the directory itself: %d\n", fstatat(fd, "", &t, AT_EMPTY_PATH));
    printf("inode kept %d\n", t.st_ino == s.st_ino);
    CALL(stat("missing", &t));
    struct statx x;
    printf("statx %d", statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x));
    printf(" mask %d mode %o size %llu links %u mtime %lld.%09u inode %d\n", (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS,
           x.stx_mode, (unsigned long long)x.stx_size, x.stx_nlink, (long long)x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec,
           x.stx_ino == s.st_ino);
    struct statfs f;
    CALL(statfs(".", &f));
    printf("block size %d\n", f.f_bsize > 0 && f.f_blocks > 0);
    printf("ftruncate %d", ftruncate(fd, 123));
    fstat(fd, &s);
    printf(" size %ld\n", (long)s.st_size);
    CALL(chmod("file", 0400));
    CALL(access("file", R_OK));
    CALL(access("file/x", R_OK));
    close(fd);
}

static void flags(void)
{
    CALL(open("file", O_RDONLY | O_DIRECTORY));
    CALL(open("directory", O_RDONLY | O_DIRECTORY));
    CALL(open("soft", O_RDONLY | O_NOFOLLOW));
    CALL(open("hard", O_RDONLY | O_NOFOLLOW));
    CALL(open("soft", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
    CALL(open("soft", O_PATH | O_NOFOLLOW));
    CALL(open("file", O_RDWR | O_CREAT | O_EXCL, 0600));
    CALL(open("directory", O_WRONLY));
    int fd = open("flags", O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0600);
    int got = fcntl(fd, F_GETFL);
    printf("F_GETFL: access %d append %d nonblock %d directory %d nofollow %d direct %d\n", got & O_ACCMODE,
           (got & O_APPEND) != 0, (got & O_NONBLOCK) != 0, (got & O_DIRECTORY) != 0, (got & O_NOFOLLOW) != 0,
           (got & O_DIRECT) != 0);
    printf("F_GETFD %d\n", fcntl(fd, F_GETFD));
    printf("F_SETFL %d", fcntl(fd, F_SETFL, 0));
    printf(" append now %d\n", (fcntl(fd, F_GETFL) & O_APPEND) != 0);
    int directory = open("directory", O_RDONLY | O_DIRECTORY);
    printf("directory flag kept: %d\n", (fcntl(directory, F_GETFL) & O_DIRECTORY) != 0);
    CALL(openat(directory, "inside", O_CREAT | O_WRONLY, 0600));
    int temporary = open(".", O_TMPFILE | O_RDWR, 0600);
    printf("O_TMPFILE %d\n", temporary >= 0 || errno == EOPNOTSUPP);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    printf("F_DUPFD_CLOEXEC %d %d\n", copy, fcntl(copy, F_GETFD));
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5 };
    printf("F_SETLK %d", fcntl(fd, F_SETLK, &lock));
    CALL(fcntl(fd, F_GETLK, &lock));
    printf("unlocked for us %d\n", lock.l_type == F_UNLCK);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void directories(void)
{
    struct dirent **entries;
    int count = scandir(".", &entries, NULL, by_name);
    for (int i = 0; i < count; i++)
        printf("entry %s type %d\n", entries[i]->d_name, entries[i]->d_type);
    char target[64] = "";
    CALL(readlink("soft", target, sizeof target));
    printf("target %s\n", target);
    CALL(rename("hard", "renamed"));
    CALL(unlink("renamed"));
    CALL(rmdir("directory"));
    CALL(unlink("directory/inside"));
    CALL(rmdir("directory"));
    char here[4096];
    mkdir("sub", 0700);
    CALL(chdir("sub"));
    printf("getcwd ends %s\n", strrchr(getcwd(here, sizeof here), '/'));
    printf("chdir back %d\n", chdir(".."));
}

static void data(void)
{
    // Where nothing is mapped; volatile, so that the compiler does not see what is wrong with it.
    void *volatile nowhere = (void *)16;
    int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct iovec out[3] = { { "abc", 3 }, { "", 0 }, { "defgh", 5 } };
    printf("writev %zd\n", writev(fd, out, 3));
    CALL(lseek(fd, -3, SEEK_END));
    CALL(lseek(fd, 1, SEEK_SET));
    char a[3] = "", b[8] = "";
    struct iovec in[2] = { { a, 2 }, { b, 7 } };
    printf("readv %zd", readv(fd, in, 2));
    printf(" %s %s\n", a, b);
    printf("pwrite %zd", pwrite(fd, "XY", 2, 3));
    CALL(pread(fd, b, 5, 1));
    printf("%.5s\n", b);
    CALL(lseek(fd, -100, SEEK_SET));
    CALL(pread(fd, nowhere, 4, 0));
    CALL(write(fd, nowhere, 4));
    CALL(write(999, "x", 1));
    int ends[2];
    printf("pipe2 %d", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
    CALL(read(ends[0], a, 1));
    printf("write to pipe %zd\n", write(ends[1], "pipe", 4));
    int waiting = 0;
    printf("FIONREAD %d", ioctl(ends[0], FIONREAD, &waiting));
    printf(" %d\n", waiting);
    struct pollfd polled[2] = { { ends[0], POLLIN, 0 }, { ends[1], POLLOUT, 0 } };
    CALL(poll(polled, 2, 100));
    printf("%d %d\n", polled[0].revents, polled[1].revents);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval limit = { 1, 0 };
    printf("select %d", select(ends[0] + 1, &set, NULL, NULL, &limit));
    printf(" %d\n", FD_ISSET(ends[0], &set) != 0);
    printf("dup3 %d isatty %d\n", dup3(ends[0], 50, O_CLOEXEC), isatty(fd));
}

int main(void)
{
    umask(022);
    stats();
    flags();
    directories();
    data();
    return 0;
}
