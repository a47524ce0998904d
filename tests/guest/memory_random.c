// Random sequences of memory calls in one range of pages: what each call answers, and what each page is like after it.
// The same as the host's kernel gives to the same program. Arguments: how many sequences, of how many calls, and the
// first one's number.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define P 4096ul
#define PAGES 24
// Nothing else is this near.
#define FENCE 600
#define RW (PROT_READ | PROT_WRITE)
#define ONE_OF(list) list[random_below(sizeof list / sizeof *list)]

static char *base;
static int fd;
static uint64_t state;
static sigjmp_buf back;
static volatile int signalled;

static unsigned random_below(unsigned end)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(state >> 33) % end;
}

static int once_in(unsigned times)
{
    return random_below(times) == 0;
}

static void caught(int signal, siginfo_t *info, void *context)
{
    (void)context;
    signalled = signal * 16 + (info->si_code & 15);
    siglongjmp(back, 1);
}

static uint32_t read_word(char *at)
{
    signalled = 0;
    return sigsetjmp(back, 1) ? 0 : *(volatile uint32_t *)at;
}

static void write_word(char *at, uint32_t word)
{
    signalled = 0;
    if (sigsetjmp(back, 1) == 0)
        *(volatile uint32_t *)at = word;
}

static int run(char *at)
{
    signalled = 0;
    return sigsetjmp(back, 1) ? -1 : ((int (*)(void))at)();
}

// The first words of a page that has been written to are a function that returns its number.
#ifdef __aarch64__
#define FUNCTION(number) (0x52800000u | (number) << 5)
#define RETURN 0xd65f03c0u
#define IS_FUNCTION(word) (((word) & 0xffe0001fu) == 0x52800000u)
#define NUMBER(word) ((word) >> 5 & 0xffff)
#else
#define FUNCTION(number) (0xb8u | (number) << 8)
#define RETURN 0xc300u
#define IS_FUNCTION(word) (((word) & 0xff0000ffu) == 0xb8u)
#define NUMBER(word) ((word) >> 8 & 0xffff)
#endif

static void show_pages(int by_writing, int by_running)
{
    for (int i = 0; i < PAGES; i++) {
        char *at = base + i * P;
        unsigned char resident;
        int is_mapped = mincore(at, P, &resident) == 0;
        uint32_t word = read_word(at);
        if (signalled) {
            printf(" %c%d", is_mapped ? 'm' : '-', signalled);
            continue;
        }
        printf(" %s%x", is_mapped ? "" : "?", IS_FUNCTION(word) ? NUMBER(word) : 0xf0000 + word);
        if (by_writing) {
            write_word(at, word);
            printf(signalled ? "r%d" : "w", signalled);
        }
        if (by_running && IS_FUNCTION(word)) {
            int result = run(at);
            printf(signalled ? "n%d" : result == (int)NUMBER(word) ? "x" : "!%d", signalled ? signalled : result);
        }
    }
    putchar('\n');
}

static const char *shown(long result)
{
    static char text[24];
    if (result == -1)
        return strerrorname_np(errno);
    snprintf(text, sizeof text, "%ld", result <= 1 ? -result : (result - (long)base) / (long)P);
    return text;
}

// Where the kernel chooses a place it may be any: 1 says so.
static long only_at(long result, size_t bytes, char *place)
{
    if (result == -1 || result == (long)place)
        return result;
    munmap((void *)result, bytes);
    return 1;
}

static int protection(void)
{
    static const int all[] = {PROT_NONE, PROT_READ, RW, RW, RW | PROT_EXEC, PROT_READ | PROT_EXEC, PROT_WRITE};
    return ONE_OF(all);
}

static void map(char *at, size_t bytes)
{
    static const int ways[] = {MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE, 0, MAP_FIXED | MAP_POPULATE};
    static const int types[] = {MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED, MAP_SHARED_VALIDATE, 0};
    // One random number to a statement, for compilers differ in what they do first.
    int flags = ONE_OF(ways);
    flags |= ONE_OF(types);
    int prot = protection();
    int file = once_in(2) ? fd : once_in(30) ? 999 : -1;
    if (file == -1)
        flags |= MAP_ANONYMOUS;
    long offset = file == -1 ? 0 : once_in(60) ? 0x7ffffffffffff000 : random_below(20) * P;
    long result = only_at((long)mmap(at, bytes, prot, flags, file, offset), bytes, at);
    printf("mmap prot %x flags %x fd %d offset %lx: %s\n", prot, flags, file, offset, shown(result));
}

static void protect(char *at, size_t bytes)
{
    static const int more[] = {0, 0, 0, 0, 0, 0, PROT_GROWSDOWN, PROT_GROWSUP, 8, 0x1000};
    int prot = protection();
    prot |= ONE_OF(more);
    printf("mprotect %x: %s\n", prot, shown(mprotect(at, bytes, prot)));
}

static void move(char *at, size_t bytes)
{
    static const int all[] = {0, MREMAP_MAYMOVE, 3, 3, 3, 7, 7, 5, 4, 8};
    int flags = ONE_OF(all);
    // Of several mappings the kernel moves none to where it likes.
    if (flags == 5 && bytes > P)
        bytes = P;
    size_t new = random_below(3) ? bytes : random_below(8) * P, new_pages = (new + P - 1) / P;
    size_t to = random_below(PAGES);
    if (to + new_pages > PAGES)
        to = PAGES - new_pages;
    char *place = base + to * P + once_in(30);
    long result = syscall(SYS_mremap, at, bytes, new, flags, place);
    result = only_at(result, new, flags & MREMAP_FIXED ? place : at);
    printf("mremap to %zd of %zx flags %x: %s\n", to, new, flags, shown(result));
}

static void advise(char *at, size_t bytes)
{
    // 22 to 24 are MADV_POPULATE_READ, MADV_POPULATE_WRITE and MADV_DONTNEED_LOCKED, 102 and 103 MADV_GUARD_INSTALL
    // and MADV_GUARD_REMOVE.
    static const int all[] = {MADV_NORMAL, MADV_DONTNEED, MADV_DONTNEED, MADV_REMOVE, MADV_WILLNEED, 22, 23, 24, 102, 103,
                              MADV_DONTFORK, MADV_DOFORK, MADV_COLD, MADV_WIPEONFORK, MADV_KEEPONFORK, 9999};
    int advice = ONE_OF(all);
    printf("madvise %d: %s\n", advice, shown(madvise(at, bytes, advice)));
}

static void others(char *at, size_t bytes)
{
    unsigned char resident[PAGES + 1];
    memset(resident, 7, sizeof resident);
    int which = random_below(7), told = 0;
    int number = random_below(16);
    long result = which == 0   ? msync(at, bytes, number & 7)
                  : which == 1 ? mlock(at, bytes)
                  : which == 2 ? munlock(at, bytes)
                  : which == 3 ? mincore(at, bytes, resident)
                  : which == 4 ? remap_file_pages(at, bytes, 0, number, 0)
                               : ftruncate(fd, number * P);
    for (int i = 0; i <= PAGES; i++)
        told += resident[i] != 7;
    printf("%d with %d: %s", which, number, shown(result));
    printf(" %d\n", told);
}

static void write_functions(char *at, size_t bytes)
{
    static unsigned number;
    for (char *page = at; page < at + bytes; page += P) {
        number = number % 0xffff + 1;
        write_word(page, FUNCTION(number));
        if (!signalled)
            write_word(page + 4, RETURN);
    }
    // What has been written may be mapped anywhere.
    for (char *page = base; page < base + PAGES * P; page += P) {
        read_word(page);
        if (!signalled)
            __builtin___clear_cache(page, page + 8);
    }
    printf("written\n");
}

static void step(void)
{
    static void (*const acts[])(char *, size_t) = {map, map, map, map, 0, protect, protect, move, move, move,
                                                   advise, advise, others, write_functions, write_functions};
    int at = random_below(PAGES), count = random_below(6) ? 1 + random_below(6) : random_below(PAGES);
    if (at + count > PAGES)
        count = PAGES - at;
    char *start = base + at * P + once_in(50);
    size_t bytes = count * P;
    if (bytes > 0 && once_in(20))
        bytes -= random_below(P);
    void (*act)(char *, size_t) = ONE_OF(acts);
    printf("%d+%zx ", at, bytes);
    if (act == write_functions)
        act(base + at * P, bytes);
    else if (act)
        act(start, bytes);
    else
        printf("munmap: %s\n", shown(munmap(start, bytes)));
    int by_writing = random_below(2), by_running = random_below(2);
    show_pages(by_writing, by_running);
}

int main(int argc, char **argv)
{
    int is_small = getenv("EMU_GUEST_SMALL") != 0;
    int sequences = argc > 1 ? atoi(argv[1]) : 0, calls = argc > 2 ? atoi(argv[2]) : 0, first = argc > 3 ? atoi(argv[3]) : 0;
    // The tests of all programs have arguments that are no numbers.
    if (sequences == 0)
        sequences = is_small ? 8 : 24, calls = 40, first = 0;
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
    sigaction(SIGILL, &action, 0);
    fd = memfd_create("random", 0);
    base = (char *)mmap(0, (PAGES + 2 * FENCE) * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) + FENCE * P;
    for (int sequence = first; sequence < first + sequences; sequence++) {
        state = sequence;
        munmap(base, PAGES * P);
        if (ftruncate(fd, 0) || ftruncate(fd, 16 * P))
            return 1;
        printf("sequence %d\n", sequence);
        for (int call = 0; call < calls; call++)
            step();
    }
    return 0;
}
