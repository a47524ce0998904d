// The errno of execve and execveat for everything that cannot be executed, found before the caller is lost.
#define _GNU_SOURCE
#include "exec_report.h"
#include <elf.h>
#include <limits.h>
#include <stddef.h>
#include <sys/mman.h>

static char *const arguments[] = { "zero", "child", NULL };

#define FAILS(what, call)                                                                                              \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        call;                                                                                                          \
        printf("%s: %s\n", what, errno_name(errno));                                                                   \
        fflush(stdout);                                                                                                \
    } while (0)

static void try(const char *what, const char *path)
{
    FAILS(what, execve(path, arguments, environ));
}

static void names(void)
{
    static char part[300], whole[PATH_MAX + 10];
    memset(part, 'x', sizeof part - 1);
    memset(whole, 'x', sizeof whole - 1);
    try("empty name", "");
    try("missing", "./missing");
    try("missing directory", "./missing/file");
    try("bare missing name", "missing");
    try("directory", ".");
    try("root", "/");
    try("device", "/dev/null");
    try("file of /proc", "/proc/self/status");
    try("long name", part);
    try("long path", whole);
    write_file("plain", "text", 4, 0644);
    try("not executable", "plain");
    try("below a file", "plain/file");
    try("slash behind a file", "./plain/");
    if (symlink("loop", "loop") || mkfifo("fifo", 0777) || symlink("missing", "dangling"))
        exit(2);
    try("link to itself", "loop");
    try("dangling link", "dangling");
    try("fifo", "fifo");
}

static void contents(const char *self)
{
    write_text("empty", "");
    try("empty", "./empty");
    write_text("text", "echo hello\n");
    try("text", "./text");
    write_text("magic", "\x7f" "ELF");
    try("magic only", "./magic");
    write_text("no-interpreter", "#!\n");
    try("#! alone", "./no-interpreter");
    write_text("blank-interpreter", "#! \t \n");
    try("#! and blanks", "./blank-interpreter");
    write_text("missing-interpreter", "#!/missing/interpreter -x\n");
    try("missing interpreter", "./missing-interpreter");
    write_text("crlf", "#!/bin/sh\r\n");
    try("carriage return", "./crlf");
    write_text("directory-interpreter", "#!/\n");
    try("directory as interpreter", "./directory-interpreter");
    write_text("plain-interpreter", "#!./plain\n");
    try("interpreter not executable", "./plain-interpreter");
    write_text("text-interpreter", "#!./text\n");
    try("text as interpreter", "./text-interpreter");

    int writer = open("busy", O_CREAT | O_WRONLY, 0755);
    copy_self("busy", 0755);
    close(writer);
    writer = open("busy", O_WRONLY);
    try("open for writing", "./busy");
    close(writer);
    (void)self;
}

// This program with something wrong in its header.
static void header(const char *what, size_t offset, unsigned value, size_t bytes)
{
    copy_self("odd", 0755);
    int fd = open("odd", O_WRONLY);
    if (pwrite(fd, &value, bytes, offset) != (ssize_t)bytes)
        exit(2);
    close(fd);
    try(what, "./odd");
}

static void headers(void)
{
    header("object file", offsetof(Elf64_Ehdr, e_type), ET_REL, 2);
    header("core dump", offsetof(Elf64_Ehdr, e_type), ET_CORE, 2);
    header("another machine", offsetof(Elf64_Ehdr, e_machine), EM_VAX, 2);
    header("no program headers", offsetof(Elf64_Ehdr, e_phnum), 0, 2);
    header("odd program headers", offsetof(Elf64_Ehdr, e_phentsize), 12, 2);
    header("too many program headers", offsetof(Elf64_Ehdr, e_phnum), 2000, 2);
}

// Just a header and the name of an interpreter.
static void interpreter(const char *what, const char *name)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr program[2];
        char name[64];
    } file = { 0 };
    int fd = open("/proc/self/exe", O_RDONLY);
    if (read(fd, &file.header, sizeof file.header) != sizeof file.header)
        exit(2);
    close(fd);
    file.header.e_phoff = sizeof file.header;
    file.header.e_phnum = 2;
    file.header.e_type = ET_EXEC;
    file.header.e_entry = 0x10000100;
    file.program[0] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = offsetof(__typeof__(file), name),
                                    .p_filesz = strlen(name) + 1, .p_memsz = strlen(name) + 1, .p_flags = PF_R };
    file.program[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_vaddr = 0x10000000, .p_filesz = sizeof file,
                                    .p_memsz = sizeof file, .p_flags = PF_R | PF_X, .p_align = 4096 };
    strcpy(file.name, name);
    write_file("dynamic", &file, sizeof file, 0755);
    try(what, "./dynamic");
}

static void interpreters(void)
{
    char text[200];
    memset(text, 'x', sizeof text);
    write_file("long-text", text, sizeof text, 0755);
    interpreter("missing loader", "/missing/loader");
    interpreter("text as loader", "./long-text");
    interpreter("directory as loader", "/");
}

static void pointers(void)
{
    // The program is there, so that it is the pointers that are wrong.
    copy_self("good", 0755);
    // Unknown to the compiler, which would refuse it.
    char *volatile hidden = (char *)8;
    char *wild = hidden;
    char *wild_list[] = { wild, NULL };
    FAILS("wild path", execve(wild, arguments, environ));
    FAILS("wild list", execve("./good", (char **)wild, environ));
    FAILS("wild argument", execve("./good", wild_list, environ));
    FAILS("wild environment", execve("./good", arguments, (char **)wild));
    char *big = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(big, 'x', (8 << 20) - 1);
    char *one[] = { "zero", big + (8 << 20) - (128 << 10) - 2, NULL };
    FAILS("argument of 128 KiB", execve("./good", one, environ));
    char *many[100] = { "zero" };
    for (int i = 1; i < 99; i++)
        many[i] = big + (8 << 20) - (120 << 10);
    FAILS("arguments of 11 MiB", execve("./good", many, environ));
}

static void descriptors(void)
{
    int directory = open(".", O_RDONLY), file = open("good", O_RDONLY), plain = open("plain", O_RDONLY);
    int text = open("text", O_PATH);
    FAILS("no descriptor", execveat_(12345, "", arguments, environ, AT_EMPTY_PATH));
    FAILS("no directory descriptor", execveat_(12345, "good", arguments, environ, 0));
    FAILS("a file as directory", execveat_(file, "good", arguments, environ, 0));
    FAILS("empty path, not allowed", execveat_(file, "", arguments, environ, 0));
    FAILS("unknown flag", execveat_(file, "", arguments, environ, 1));
    FAILS("directory by descriptor", execveat_(directory, "", arguments, environ, AT_EMPTY_PATH));
    FAILS("working directory", execveat_(AT_FDCWD, "", arguments, environ, AT_EMPTY_PATH));
    FAILS("not executable, by descriptor", execveat_(plain, "", arguments, environ, AT_EMPTY_PATH));
    FAILS("text, by descriptor", execveat_(text, "", arguments, environ, AT_EMPTY_PATH));
    FAILS("missing in directory", execveat_(directory, "missing", arguments, environ, 0));
    if (symlink("good", "link"))
        exit(2);
    FAILS("link not to follow", execveat_(directory, "link", arguments, environ, AT_SYMLINK_NOFOLLOW));
    write_text("script", "#!./good\n");
    int script = open("script", O_RDONLY | O_CLOEXEC);
    FAILS("script that will be closed", execveat_(script, "", arguments, environ, AT_EMPTY_PATH));
    int closing = open(".", O_RDONLY | O_CLOEXEC);
    FAILS("script in what will be closed", execveat_(closing, "script", arguments, environ, 0));
    int copy = open("good", O_RDWR);
    FAILS("open for writing, by descriptor", execveat_(file, "", arguments, environ, AT_EMPTY_PATH));
    close(copy);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "child")) {
        report(argc, argv);
        return 0;
    }
    names();
    contents(argv[0]);
    headers();
    interpreters();
    pointers();
    descriptors();
    return 0;
}
