// What memory calls do at the edges of mappings: holes in what is moved, what a child is without, code whose contents
// are thrown away, segments that have moved. The same answers as the host's kernel gives to the same program.
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
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096ul
#define ANY (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)
#define RWX (RW | PROT_EXEC)
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static const char *name(long result)
{
    return result == -1 ? strerrorname_np(errno) : "ok";
}

#define SHOW(call) printf("%s: %s\n", #call, name((long)(call)))

static long move(void *from, size_t old, size_t new, int flags, void *to)
{
    return syscall(SYS_mremap, from, old, new, flags, to);
}

// `pages` pages at a place of which nothing else is near.
static char *room(int pages)
{
    char *all = mmap(0, (pages + 1024) * P, PROT_NONE, ANY | MAP_NORESERVE, -1, 0);
    munmap(all + 512 * P, pages * P);
    return all + 512 * P;
}

static void map(char *at, int pages, int prot)
{
    if (mmap(at, pages * P, prot, ANY | MAP_FIXED, -1, 0) != at)
        perror("mmap");
}

// Which pages there are.
static void pages(const char *what, char *at, int count)
{
    unsigned char resident;
    printf("%s ", what);
    for (int i = 0; i < count; i++)
        putchar(mincore(at + i * P, P, &resident) == 0 ? 'x' : '-');
    putchar('\n');
}

static sigjmp_buf back;
static volatile int code;

static void caught(int signal, siginfo_t *info, void *context)
{
    (void)context;
    code = signal * 100 + info->si_code;
    siglongjmp(back, 1);
}

static int touch(char *at)
{
    code = 0;
    if (sigsetjmp(back, 1) == 0)
        *(volatile char *)at;
    return code;
}

static void in_child(void (*act)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        act();
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("ended %x\n", status);
}

static void moves(void)
{
    // A, B, a hole, C.
    char *m = room(64), *to = m + 32 * P;
    map(m, 2, RW);
    map(m + 2 * P, 2, PROT_READ);
    map(m + 6 * P, 2, RW);
    map(to, 12, PROT_READ);
    m[6 * P] = 'c';
    // Several mappings, and the hole in them, move if their length stays (since Linux 6.17).
    long moved = move(m, 8 * P, 8 * P, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    printf("with a hole: %s\n", name(moved));
    pages("from", m, 8);
    pages("to", to, 12);
    if (moved != -1) {
        printf("what was under the hole: %d, behind it %c\n", touch(to + 4 * P), to[6 * P]);
        move(to, 8 * P, 8 * P, MREMAP_MAYMOVE | MREMAP_FIXED, m);
        munmap(m + 4 * P, 2 * P);
    }
    printf("from a hole: %s\n", name(move(m + 5 * P, 3 * P, 3 * P, MREMAP_MAYMOVE | MREMAP_FIXED, to)));
    printf("larger: %s\n", name(move(m, 4 * P, 5 * P, MREMAP_MAYMOVE, 0)));
    printf("as it is: %s\n", name(move(m, 8 * P, 8 * P, 0, 0)));
    printf("shrinks and moves: %s\n", name(move(m + 2 * P, 6 * P, P, MREMAP_MAYMOVE | MREMAP_FIXED, to)));
    pages("from", m, 8);
    map(m + 6 * P, 2, RW);
    printf("shrinks: %s\n", name(move(m, 8 * P, P, 0, 0)));
    pages("left", m, 8);
    // What is wrong with the arguments comes before what is not there.
    printf("over itself: %s\n", name(move(m + 20 * P, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, m + 21 * P)));
    printf("odd hint: %s\n", name(move(m, P, P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, to + 1)));
    printf("hint over it: %s\n", name(move(m, P, P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, m)));
    printf("private once more: %s\n", name(move(m, 0, P, 0, 0)));
    printf("endless: %s\n", name(move(m, 1ul << 50, P, 0, 0)));
}

static void ranges(void)
{
    char *m = room(16);
    map(m, 2, RW);
    map(m + 4 * P, 2, RW);
    unsigned char told[8];
    memset(told, 7, sizeof told);
    SHOW(mincore(m, 6 * P, told));
    printf("told %d %d %d\n", told[0] != 7, told[1] != 7, told[2] != 7);
    SHOW(msync(m + 2 * P, P, MS_SYNC | MS_ASYNC));
    SHOW(msync(m + 2 * P, P, 8));
    SHOW(mprotect(m, 0, 0x1000));
    SHOW(mprotect(m + 2 * P, 3 * P, RW | PROT_GROWSDOWN));
    SHOW(mprotect(m + 2 * P, 3 * P, RW | PROT_GROWSUP));
    SHOW(mprotect(m + 2 * P, P, RW | PROT_GROWSDOWN));
    SHOW(madvise(m + 2 * P, 4 * P, MADV_POPULATE_WRITE));
    mprotect(m + 4 * P, P, PROT_READ);
    SHOW(madvise(m + 2 * P, 4 * P, MADV_POPULATE_WRITE));
    SHOW((long)mmap(m, P, RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE, 999, 0));
    SHOW((long)mmap(m + 1, 1ul << 60, RW, ANY | MAP_FIXED, -1, 0));
    SHOW((long)mmap(m + 1, P, RW, MAP_PRIVATE | MAP_FIXED, 999, 0));
    // All of it or nothing.
    char *sealed = room(8);
    map(sealed, 2, RW);
    map(sealed + 2 * P, 2, PROT_READ);
    if (syscall(462, sealed + 2 * P, P, 0) == 0)
        SHOW(munmap(sealed, 4 * P));
    else
        munmap(sealed + P, 2 * P), puts("munmap(sealed, 4 * P): EPERM"), map(sealed + P, 2, RW);
    pages("sealed", sealed, 4);
}

static char *apart;

static void without(void)
{
    pages("in the child", apart, 4);
    printf("touched %d, %d\n", touch(apart + P), touch(apart + 2 * P));
    SHOW((long)mmap(apart + P, 2 * P, RW, ANY | MAP_FIXED_NOREPLACE, -1, 0));
    pages("again", apart, 4);
}

static void children(void)
{
    apart = room(8);
    map(apart, 4, RW);
    SHOW(madvise(apart + P, 2 * P, MADV_DONTFORK));
    in_child(without);
    SHOW(madvise(apart, 4 * P, MADV_DOFORK));
    in_child(without);
    SHOW(madvise(apart, 2 * P, MADV_DONTFORK));
    apart = (char *)move(apart, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, apart + 2 * P);
    in_child(without);
}

#ifdef __aarch64__
static const uint32_t seven[] = {0x528000e0, 0xd65f03c0};
#else
static const uint32_t seven[] = {0x000007b8, 0x0000c300};
#endif

static void put(char *at, const uint32_t *function)
{
    memcpy(at, function, sizeof seven);
    __builtin___clear_cache(at, at + sizeof seven);
}

// How a call ends of what has been thrown away: zeros are no instruction of arm64's, and not tried on others.
static int call(char *at)
{
    int result = -SIGILL * 100 - ILL_ILLOPC;
    if (touch(at))
        return -code;
#ifdef __aarch64__
    result = sigsetjmp(back, 1) == 0 ? ((int (*)(void))at)() : -code;
#endif
    return result;
}

static void code_goes(int advice)
{
    char *m = mmap(0, P, RWX, ANY, -1, 0);
    put(m, seven);
    int sum = 0;
    for (int i = 0; i < 1000; i++)
        sum += ((int (*)(void))m)();
    printf("code %d, ", sum);
    if (madvise(m, P, advice))
        printf("kept (%s)\n", strerrorname_np(errno));
    else
        printf("gone %d\n", call(m));
    munmap(m, P);
}

// Code in a file that loses it, by whatever way.
static void code_of_files(void)
{
    int fd = memfd_create("code", 0);
    if (ftruncate(fd, 4 * P))
        perror("ftruncate");
    char *data = mmap(0, 4 * P, RW, MAP_SHARED, fd, 0);
    char *there = mmap(0, 4 * P, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    for (int i = 0; i < 3; i++) {
        put(data + i * P, seven);
        __builtin___clear_cache(there + i * P, there + i * P + sizeof seven);
    }
    int sum = 0;
    for (int i = 0; i < 3000; i++)
        sum += ((int (*)(void))(there + i % 3 * P))();
    printf("code in a file %d\n", sum);
    SHOW(madvise(data, P, MADV_REMOVE));
    printf("removed %d\n", call(there));
    SHOW(fallocate(fd, 3, P, P));
    printf("a hole %d\n", call(there + P));
    SHOW(ftruncate(fd, P));
    printf("shorter %d\n", call(there + 2 * P));
    SHOW(ftruncate(fd, 4 * P));
    printf("longer %d\n", call(there + 2 * P));
}

static void segments(void)
{
    int id = shmget(IPC_PRIVATE, 4 * P, 0600);
    char *m = room(32), *a = shmat(id, m, 0);
    // Moved, it is detached where it is.
    printf("moved %d\n", move(a, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_FIXED, m + 8 * P) == (long)m + 8 * (long)P);
    SHOW(shmdt(a));
    SHOW(shmdt(m + 8 * P));
    pages("detached", m + 8 * P, 4);
    // What lies in the middle of it is not.
    a = shmat(id, m, 0);
    map(a + P, 1, RW);
    SHOW(shmdt(a));
    pages("middle", a, 4);
    SHOW((long)mmap(a + P, P, RW, ANY | MAP_FIXED_NOREPLACE, -1, 0));
    SHOW((long)mmap(a + P, P, RW, ANY | MAP_FIXED, -1, 0));
    // Nor need its first page be there.
    a = shmat(id, m + 16 * P, 0);
    munmap(a, P);
    SHOW(shmdt(a));
    pages("rest", a, 4);
    shmctl(id, IPC_RMID, 0);
}

static void growing(void)
{
    char *m = room(2048);
    char *down = m + 1024 * P;
    mmap(down, P, RW, ANY | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
    // Hints are not followed into the gap below it.
    char *near = mmap(down - 10 * P, P, RW, ANY, -1, 0), *far = mmap(down - 300 * P, P, RW, ANY, -1, 0);
    printf("near %d, far %d\n", near == down - 10 * P, far == down - 300 * P);
}

static void heap(void)
{
    char *end = (char *)(((uintptr_t)sbrk(0) + P - 1) & -P);
    brk(end);
    char *wall = mmap(end + 8 * P, P, PROT_NONE, ANY | MAP_FIXED_NOREPLACE, -1, 0);
    printf("wall %d\n", wall == end + 8 * P);
    SHOW(brk(wall));
    SHOW(brk(wall - P + 1));
    SHOW(brk(wall - P));
    SHOW(brk(end));
}

static void replaced(void)
{
    struct rlimit limit = {64ul << 20, RLIM_INFINITY};
    getrlimit(RLIMIT_DATA, &limit);
    limit.rlim_cur = 64ul << 20;
    setrlimit(RLIMIT_DATA, &limit);
    size_t bytes = 40ul << 20;
    char *m = mmap(0, bytes, RW, ANY, -1, 0);
    printf("first %d\n", m != MAP_FAILED);
    // What it replaces counts no more.
    SHOW((long)mmap(m, bytes, RW, ANY | MAP_FIXED, -1, 0));
    SHOW((long)mmap(0, bytes, RW, ANY, -1, 0));
}

int main(void)
{
    setvbuf(stdout, 0, _IOLBF, 0);
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
    sigaction(SIGILL, &action, 0);
    moves();
    ranges();
    children();
    code_goes(MADV_DONTNEED);
    code_goes(102);
    code_of_files();
    segments();
    growing();
    heap();
    in_child(replaced);
    return 0;
}
