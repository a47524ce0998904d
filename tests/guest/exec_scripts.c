// #! lines as the kernel reads them: blanks, the one argument, the limit of 256 bytes, NULs, relative interpreters, and
// scripts that are each other's interpreters.
#define _GNU_SOURCE
#include "exec_report.h"

static char *const arguments[] = { "zero", "first", "", "last", NULL };

static void run(const char *what, const char *line, size_t bytes)
{
    write_file("script", line, bytes, 0755);
    IN_CHILD(what, execve("./script", arguments, environ));
}

static void run_text(const char *line)
{
    run(line, line, strlen(line));
}

// A line whose interpreter or argument ends at byte `end`.
static void run_long(const char *what, const char *start, size_t end, const char *rest)
{
    char line[600];
    size_t used = strlen(start);
    memcpy(line, start, used);
    memset(line + used, 'x', end - used);
    strcpy(line + end, rest);
    run(what, line, end + strlen(rest));
}

// An argument that begins behind the limit.
static void run_blank(void)
{
    char line[400];
    memset(line, ' ', sizeof line);
    memcpy(line, "#!./self", 8);
    strcpy(line + 300, "lost\n");
    run("blanks to the limit", line, 305);
}

static void chains(void)
{
    write_text("s1", "#!./self one\n");
    for (int i = 2; i <= 7; i++) {
        char name[8], line[32];
        sprintf(name, "s%d", i);
        sprintf(line, "#!./s%d a%d\n", i - 1, i);
        write_text(name, line);
    }
    for (int i = 1; i <= 7; i++) {
        char name[8];
        sprintf(name, "./s%d", i);
        IN_CHILD(name, execve(name, arguments, environ));
    }
    write_text("own", "#!./own\n");
    IN_CHILD("its own interpreter", execve("./own", arguments, environ));
}

static void descriptors(void)
{
    write_text("script", "#!./self an argument\n");
    if (mkdir("directory", 0755) || rename("script", "directory/script"))
        exit(2);
    int directory = open("directory", O_RDONLY), script = open("directory/script", O_RDONLY);
    int path = open("directory/script", O_PATH);
    IN_CHILD("by directory", execveat_(directory, "script", arguments, environ, 0));
    IN_CHILD("by descriptor", execveat_(script, "", arguments, environ, AT_EMPTY_PATH));
    IN_CHILD("by O_PATH", execveat_(path, "", arguments, environ, AT_EMPTY_PATH));
    IN_CHILD("by a path through the descriptor", {
        char name[40];
        sprintf(name, "/proc/self/fd/%d", script);
        execve(name, arguments, environ);
    });
    IN_CHILD("in another directory", {
        if (chdir("directory"))
            _exit(2);
        execve("./script", arguments, environ);
    });
    close(directory);
    close(script);
    close(path);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "one")) {
        report(argc, argv);
        return 7;
    }
    if (argc > 2 && argv[0][0] == '.') {
        report(argc, argv);
        return 8;
    }
    copy_self("self", 0755);
    run_text("#!./self\n");
    run_text("#!./self");
    run_text("#! \t ./self  \t \n");
    run_text("#!./self -a\n");
    run_text("#!./self\t-a b\tc  \nnot read");
    run_text("#!self -a\n");
    run_text("#!.//self -a");
    run("NUL behind the name", "#!./self\0 -a\n", 13);
    run("NUL in the argument", "#!./self -a\0b\n", 14);
    run("NUL before the end", "#!./self -a\0", 12);
    run_text("#!./self \xc3\xa4 \"quoted word\" $HOME\n");
    run_long("line break is byte 255", "#!./self -", 255, "\n");
    run_long("line break is byte 256", "#!./self -", 256, "\n");
    run_long("argument cut at byte 256", "#!./self -", 400, "\n");
    run_long("name of 256 bytes", "#!./", 256, "\n");
    run_long("name of 254 bytes", "#!./", 254, " x\n");
    run_long("name of 255 bytes", "#!./", 255, " x\n");
    run_blank();
    chains();
    descriptors();
    return 0;
}
