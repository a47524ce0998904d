// Reaches a directory from "/" step by step, by descriptors and by chdir, and writes and reads a file in it: what is
// there must not depend on the way. What a step finds is looked at first, as careful programs do.
//
//     path_steps DIRECTORY
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            perror(#condition); \
            return 1; \
        } \
    } while (0)

int main(int count, char **arguments)
{
    CHECK(count == 2);
    char path[PATH_MAX], text[16] = "";
    snprintf(path, sizeof path, "%s/made", arguments[1]);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(file >= 0 && write(file, "found", 5) == 5);
    struct stat one, other;
    CHECK(fstat(file, &one) == 0);

    int dir = open("/", O_PATH | O_DIRECTORY);
    CHECK(dir >= 0 && chdir("/") == 0);
    char *copy = strdup(arguments[1]);
    for (char *step = strtok(copy, "/"); step != NULL; step = strtok(NULL, "/")) {
        CHECK(fstatat(dir, step, &other, AT_SYMLINK_NOFOLLOW) == 0);
        int next = openat(dir, step, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        CHECK(next >= 0 && close(dir) == 0);
        CHECK(access(step, X_OK) == 0 && chdir(step) == 0);
        dir = next;
    }
    CHECK(fstatat(dir, "made", &other, 0) == 0 && other.st_ino == one.st_ino && other.st_dev == one.st_dev);
    CHECK(stat("made", &other) == 0 && other.st_ino == one.st_ino && other.st_dev == one.st_dev);
    CHECK(openat(dir, "not there", O_RDONLY) == -1);
    int again = openat(dir, "made", O_RDONLY);
    CHECK(again >= 0 && read(again, text, sizeof text) == 5 && strcmp(text, "found") == 0);
    CHECK(unlink(path) == 0);
    puts("found");
    return 0;
}
