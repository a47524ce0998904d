// Limits on memory, as the program sets them for itself and for what it starts.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB (1ul << 20)
#define ANY (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static const char *mapped(void *result)
{
    return result == MAP_FAILED ? strerrorname_np(errno) : "ok";
}

static void set(int resource, rlim_t soft)
{
    struct rlimit limit;
    getrlimit(resource, &limit);
    limit.rlim_cur = soft;
    printf("set %d\n", setrlimit(resource, &limit));
}

static void in_child(const char *what, void (*act)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        act();
        fflush(stdout);
        _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    printf("%s: %s %d\n", what, WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void address_space(void)
{
    set(RLIMIT_AS, 400 * MB);
    printf("too much: %s\n", mapped(mmap(0, 500 * MB, PROT_NONE, ANY, -1, 0)));
    char *parts[64];
    int count = 0;
    while (count < 64 && (parts[count] = mmap(0, 16 * MB, PROT_NONE, ANY, -1, 0)) != MAP_FAILED)
        count++;
    printf("as expected %d, then %s\n", count > 15 && count < 26, strerrorname_np(errno));
    printf("over what is there: %s\n", mapped(mmap(parts[0], 16 * MB, RW, ANY | MAP_FIXED, -1, 0)));
    printf("larger: %s\n", mapped(mremap(parts[1], 16 * MB, 64 * MB, MREMAP_MAYMOVE)));
    void *old = sbrk(0);
    printf("the heap: %d\n", sbrk(64 * MB) == old);
    for (int i = 0; i < 8; i++)
        munmap(parts[i], 16 * MB);
    printf("again: %s\n", mapped(mmap(0, 100 * MB, PROT_NONE, ANY, -1, 0)));
}

static void data(void)
{
    set(RLIMIT_DATA, 64 * MB);
    printf("private: %s\n", mapped(mmap(0, 100 * MB, RW, ANY, -1, 0)));
    printf("shared: %s\n", mapped(mmap(0, 100 * MB, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0)));
    void *nothing = mmap(0, 100 * MB, PROT_NONE, ANY, -1, 0);
    printf("without rights: %s\n", mapped(nothing));
    printf("with rights: %d", mprotect(nothing, 100 * MB, RW));
    printf(" %s\n", strerrorname_np(errno));
    printf("less: %d\n", mprotect(nothing, 30 * MB, RW));
    void *old = sbrk(0);
    printf("the heap: %d\n", sbrk(100 * MB) == old);
    printf("%s\n", strerrorname_np(errno));
}

static void no_heap(void)
{
    set(RLIMIT_DATA, 0);
    printf("private: %s\n", mapped(mmap(0, MB, RW, ANY, -1, 0)));
    void *old = sbrk(0);
    printf("the heap: %d\n", sbrk(MB) == old);
    struct rlimit none = {0, 0};
    printf("set %d\n", setrlimit(RLIMIT_DATA, &none));
    printf("private: %s\n", mapped(mmap(0, MB, RW, ANY, -1, 0)));
    printf("growing: %s\n", mapped(mmap(0, MB, RW, ANY | MAP_GROWSDOWN, -1, 0)));
}

// What else is wrong comes before what is too much.
static void errors(void)
{
    int fd = open("/proc/self/exe", O_RDONLY);
    set(RLIMIT_AS, 0);
    printf("a page: %s\n", mapped(mmap(0, 4096, RW, ANY, -1, 0)));
    printf("no file: %s\n", mapped(mmap(0, 4096, RW, MAP_PRIVATE, 999, 0)));
    printf("not writable: %s\n", mapped(mmap(0, 4096, RW, MAP_SHARED, fd, 0)));
    printf("no type: %s\n", mapped(mmap(0, 4096, RW, 0, fd, 0)));
}

__attribute__((noinline)) static int deep(long bytes)
{
    volatile char frame[16384];
    frame[0] = bytes & 1;
    if (bytes > 0)
        frame[1] = deep(bytes - (long)sizeof frame);
    return frame[0] + frame[1];
}

static void use_24(void)
{
    deep(24 * MB);
}

static void use_4(void)
{
    deep(4 * MB);
}

static void raise_and_use(void)
{
    set(RLIMIT_STACK, 32 * MB);
    fflush(stdout);
    deep(24 * MB);
}

static void lower_and_use(void)
{
    set(RLIMIT_STACK, MB);
    fflush(stdout);
    deep(4 * MB);
}

static char *self;

static void show_inherited(void)
{
    struct rlimit as, stack;
    getrlimit(RLIMIT_AS, &as);
    getrlimit(RLIMIT_STACK, &stack);
    printf("inherited %lu %lu\n", (unsigned long)as.rlim_cur / MB, (unsigned long)stack.rlim_cur / MB);
    printf("too much: %s\n", mapped(mmap(0, 500 * MB, PROT_NONE, ANY, -1, 0)));
    printf("enough: %s\n", mapped(mmap(0, 100 * MB, PROT_NONE, ANY, -1, 0)));
    fflush(stdout);
    deep(12 * MB);
}

static void start_again(void)
{
    set(RLIMIT_AS, 400 * MB);
    set(RLIMIT_STACK, 16 * MB);
    fflush(stdout);
    execl(self, self, "again", (char *)0);
    perror("execl");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "again") == 0) {
        show_inherited();
        return 9;
    }
    self = argv[0];
    struct rlimit wrong = {2, 1};
    printf("wrong %d", setrlimit(RLIMIT_AS, &wrong));
    printf(" %s\n", strerrorname_np(errno));
    set(RLIMIT_STACK, 8 * MB);
    in_child("address space", address_space);
    in_child("data", data);
    in_child("no heap", no_heap);
    in_child("errors", errors);
    in_child("too deep", use_24);
    in_child("deep", use_4);
    in_child("deeper with more", raise_and_use);
    in_child("deep with less", lower_and_use);
    in_child("another program", start_again);
    return 0;
}
