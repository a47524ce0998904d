// The memory calls with every flag and their corners: errors, holes, growth, limits of a range. The same answers as the
// host's kernel gives to the same program.
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
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096ul
#define ANY (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static const char *name(long result)
{
    return result == -1 ? strerrorname_np(errno) : "ok";
}

static const char *mapped(void *result)
{
    return name(result == MAP_FAILED ? -1 : 0);
}

#define SHOW(call) printf("%s: %s\n", #call, name((long)(call)))
#define SHOW_MAP(call) printf("%s: %s\n", #call, mapped(call))

// How a child that does `act` ends.
static void in_child(const char *what, void (*act)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        act();
        _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    printf("%s: %s %d\n", what, WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static int file_of(size_t bytes)
{
    char path[] = "memory-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    if (ftruncate(fd, bytes))
        perror("ftruncate");
    for (size_t page = 0; page < bytes / P; page++) {
        char mark = 'A' + page;
        if (pwrite(fd, &mark, 1, page * P) != 1)
            perror("pwrite");
    }
    return fd;
}

static void flags(void)
{
    int fd = file_of(4 * P);
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_SHARED_VALIDATE, fd, 0));
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_SHARED_VALIDATE | 0x800000, fd, 0));
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_SHARED | 0x800000, fd, 0));
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_SHARED_VALIDATE | MAP_FIXED_NOREPLACE, fd, 0));
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0));
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_SHARED | MAP_GROWSDOWN | MAP_ANONYMOUS, -1, 0));
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_PRIVATE | MAP_HUGETLB, fd, 0));
    SHOW_MAP(mmap(0, 3 * P, RW, ANY | MAP_POPULATE | MAP_STACK | MAP_NORESERVE | MAP_NONBLOCK, -1, 0));
    SHOW_MAP(mmap(0, P, RW, 0, fd, 0));
    SHOW_MAP(mmap(0, P, RW, MAP_ANONYMOUS, -1, 0));
    SHOW_MAP(mmap(0, P, PROT_READ, MAP_PRIVATE, fd, 1ul << 62));
    SHOW_MAP(mmap(0, 0, PROT_READ, MAP_PRIVATE, -1, 0));
    SHOW_MAP(mmap(0, 0, PROT_READ, MAP_PRIVATE, fd, 0));
    SHOW_MAP(mmap((void *)(1ul << 62), P, RW, ANY | MAP_FIXED, -1, 0));
    SHOW_MAP(mmap((void *)-P, P, RW, ANY | MAP_FIXED_NOREPLACE, -1, 0));
    SHOW_MAP(mmap((void *)(1ul << 62), P, RW, ANY, -1, 0));
    char *locked = mmap(0, 2 * P, RW, ANY | MAP_LOCKED, -1, 0);
    unsigned char vec[2] = {0};
    printf("MAP_LOCKED %s, mincore %d", mapped(locked), mincore(locked, 2 * P, vec));
    printf(", resident %d %d\n", vec[0] & 1, vec[1] & 1);
    close(fd);
}

static void ranges(void)
{
    char *m = mmap(0, 8 * P, RW, ANY, -1, 0);
    memset(m, 1, 8 * P);
    munmap(m + 4 * P, P);
    SHOW(mprotect(m + 2 * P, 4 * P, PROT_READ));
    // The part before the hole has changed, the part behind it has not.
    int zero = open("/dev/zero", O_RDONLY);
    printf("before %s\n", name(read(zero, m + 3 * P, 1)));
    printf("behind %s\n", name(read(zero, m + 5 * P, 1)));
    SHOW(mprotect(m + 2 * P, 2 * P, RW));
    SHOW(mprotect(m + 1, P, RW));
    SHOW(mprotect(m, P, RW | 0x1000));
    SHOW(mprotect(m, P, RW | PROT_GROWSDOWN));
    SHOW(mprotect(m, P, RW | PROT_GROWSDOWN | PROT_GROWSUP));
    SHOW(mprotect(m, 0, RW));
    SHOW(mprotect(m, -P, RW));
    SHOW(madvise(m + 2 * P, 4 * P, MADV_DONTNEED));
    printf("%d %d\n", m[3 * P], m[5 * P]);
    SHOW(madvise(m, P, 9999));
    SHOW(madvise(m + 4 * P, P, 9999));
    SHOW(madvise(m + 4 * P, P, MADV_NORMAL));
    SHOW(madvise(m, 0, 9999));
    SHOW(madvise(m + 1, P, MADV_NORMAL));
    SHOW(madvise(m, -P, MADV_NORMAL));
    int all[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_FREE, MADV_DONTFORK, MADV_DOFORK,
                 MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
                 MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, 22, 23, 24, 102, 103, MADV_REMOVE};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        printf("madvise %d: %s\n", all[i], name(madvise(m, P, all[i])));
    SHOW(msync(m, 2 * P, MS_SYNC));
    SHOW(msync(m + 3 * P, 2 * P, MS_ASYNC));
    SHOW(msync(m, P, MS_SYNC | MS_ASYNC));
    SHOW(msync(m + 1, P, MS_SYNC));
    unsigned char vec[8];
    SHOW(mincore(m, 2 * P, vec));
    SHOW(mincore(m + 3 * P, 2 * P, vec));
    SHOW(mincore(m + 1, P, vec));
    SHOW(mincore(m, P, (void *)8));
    SHOW(munmap(m, 0));
    SHOW(munmap(m + 1, P));
    SHOW(munmap((void *)(1ul << 50), P));
    SHOW(munmap(m, 8 * P));
    SHOW(munmap(m, 8 * P));
    close(zero);
}

static void locks(void)
{
    char *m = mmap(0, 6 * P, RW, ANY, -1, 0);
    munmap(m + 3 * P, P);
    SHOW(mlock(m, 3 * P));
    SHOW(mlock(m + 10, 10));
    SHOW(mlock(m + 2 * P, 3 * P));
    SHOW(munlock(m, 3 * P));
    SHOW(munlock(m, 5 * P));
    SHOW(mlock(m, 0));
    SHOW(syscall(SYS_mlock2, m, P, 1));
    SHOW(syscall(SYS_mlock2, m, P, 2));
    SHOW(mlockall(0));
    SHOW(mlockall(8));
    SHOW(mlockall(MCL_ONFAULT));
    SHOW(munlockall());
    SHOW(mlock((void *)-P, 2 * P));
}

static void moves(void)
{
    char *m = mmap(0, 16 * P, PROT_NONE, ANY, -1, 0);
    char *a = mmap(m, 4 * P, RW, ANY | MAP_FIXED, -1, 0);
    for (int i = 0; i < 4; i++)
        a[i * P] = 'a' + i;
    munmap(m + 4 * P, 12 * P);
    printf("grows in place %d", mremap(a, 4 * P, 6 * P, 0) == a);
    printf(", %c %d\n", a[3 * P], a[5 * P]);
    printf("shrinks in place %d\n", mremap(a, 6 * P, 4 * P, 0) == a);
    SHOW_MAP(mremap(a, 4 * P, 4 * P, 8));
    SHOW_MAP(mremap(a, 4 * P, 4 * P, MREMAP_FIXED, m + 8 * P));
    SHOW_MAP(mremap(a, 4 * P, 4 * P, MREMAP_FIXED | MREMAP_MAYMOVE, a + P));
    SHOW_MAP(mremap(a, 4 * P, 4 * P, MREMAP_FIXED | MREMAP_MAYMOVE, a + 8 * P + 1));
    SHOW_MAP(mremap(a + 1, P, 2 * P, MREMAP_MAYMOVE));
    SHOW_MAP(mremap(a, 4 * P, 0, MREMAP_MAYMOVE));
    SHOW_MAP(mremap(a, 0, 4 * P, MREMAP_MAYMOVE));
    SHOW_MAP(mremap(a, 4 * P, 5 * P, MREMAP_DONTUNMAP | MREMAP_MAYMOVE));
    SHOW_MAP(mremap(a, 4 * P, 4 * P, MREMAP_DONTUNMAP));
    SHOW_MAP(mremap(a, 4 * P, 1ul << 60, MREMAP_MAYMOVE));
    char *twin = mremap(a, 4 * P, 4 * P, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, 0);
    printf("DONTUNMAP %s: %c, left %d\n", mapped(twin), twin[P], a[P]);
    char *there = mremap(twin, 4 * P, 2 * P, MREMAP_FIXED | MREMAP_MAYMOVE, a + P);
    printf("shrinks and moves %d: %c %c %d\n", there == a + P, a[P], a[2 * P], a[3 * P]);
    char *large = mremap(a + P, 2 * P, 1000 * P, MREMAP_MAYMOVE);
    printf("grows and moves: %c %c %d\n", large[0], large[P], large[999 * P]);
    // Shared mappings are made once more.
    int fd = file_of(4 * P);
    char *shared = mmap(0, 4 * P, RW, MAP_SHARED, fd, 0);
    char *again = mremap(shared + P, 0, 2 * P, MREMAP_MAYMOVE);
    printf("once more %s: %c %c\n", mapped(again), again[0], again[P]);
    again[1] = 'x';
    printf("the same %d\n", shared[P + 1] == 'x');
    // The file gets shorter and longer.
    printf("shorter %d\n", ftruncate(fd, P));
    static char *gone;
    gone = shared + 2 * P;
    void touch_gone(void) { *(volatile char *)gone; }
    in_child("beyond the end", touch_gone);
    printf("longer %d", ftruncate(fd, 4 * P));
    printf(", %d\n", shared[2 * P]);
    close(fd);
}

static void other_pages(void)
{
    int fd = file_of(8 * P);
    char *m = mmap(0, 4 * P, RW, MAP_SHARED, fd, 0);
    SHOW(remap_file_pages(m, P, 0, 3, 0));
    printf("%c%c%c%c\n", m[0], m[P], m[2 * P], m[3 * P]);
    SHOW(remap_file_pages(m + P, 2 * P, 0, 6, 0));
    printf("%c%c%c%c\n", m[0], m[P], m[2 * P], m[3 * P]);
    SHOW(remap_file_pages(m, P, PROT_READ, 0, 0));
    SHOW(remap_file_pages(m, 0, 0, 0, 0));
    char *private = mmap(0, P, RW, ANY, -1, 0);
    SHOW(remap_file_pages(private, P, 0, 0, 0));
    munmap(private, P);
    SHOW(remap_file_pages(private, P, 0, 0, 0));
    close(fd);
}

static volatile char *deep;

static void touch_deep(void)
{
    *deep = 1;
}

static void growing(void)
{
    char *m = mmap(0, 4096 * P, PROT_NONE, ANY, -1, 0);
    munmap(m, 4096 * P);
    char *g = mmap(m + 4090 * P, 2 * P, RW, ANY | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    g[0] = 1;
    // It grows by touching what is below, as far as one likes up to the stack's limit.
    g[-(long)P] = 2;
    g[-30 * (long)P] = 3;
    printf("grown: %d %d %d\n", g[-(long)P], g[-30 * (long)P], g[-20 * (long)P]);
    SHOW(munmap(g - 30 * P, P));
    SHOW(mprotect(g, P, RW | PROT_GROWSDOWN));
    char *over = mmap(g - 20 * P, 2 * P, RW, ANY | MAP_FIXED, -1, 0);
    printf("over it %d, %d\n", over == g - 20 * P, g[-20 * (long)P]);
    SHOW_MAP(mmap(g - 10 * P, P, RW, ANY | MAP_FIXED_NOREPLACE, -1, 0));
    SHOW(munmap(g - 40 * P, 42 * P));
    // Not into the gap above another mapping.
    char *wall = mmap(m + 3000 * P, P, RW, ANY | MAP_FIXED, -1, 0);
    g = mmap(m + 3300 * P, P, RW, ANY | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    deep = wall + 100 * P;
    in_child("into the gap", touch_deep);
    deep = wall + 290 * P;
    in_child("above the gap", touch_deep);
}

static void segments(void)
{
    int id = shmget(IPC_PRIVATE, 3 * P, 0600);
    char *a = shmat(id, 0, 0), *b = shmat(id, 0, SHM_RDONLY);
    a[P] = 5;
    printf("twice %d\n", b[P]);
    char *room = mmap(0, 8 * P, RW, ANY, -1, 0);
    SHOW(shmat(id, room, 0));
    SHOW(shmat(id, room + 1, 0));
    SHOW(shmat(id, 0, SHM_REMAP));
    char *over = shmat(id, room + P, SHM_REMAP);
    printf("over %d: %d\n", over == room + P, room[2 * P]);
    SHOW(shmdt(over));
    SHOW(shmdt(over));
    munmap(room, 8 * P);
    char *rounded = shmat(id, room + 2 * P + 100, SHM_RND);
    printf("rounded %d\n", rounded == room + 2 * P);
    SHOW(shmdt(a));
    SHOW(shmdt(b));
    SHOW(shmctl(id, IPC_RMID, 0));
}

static void advice_for_a_process(void)
{
    int self = syscall(SYS_pidfd_open, getpid(), 0);
    char *m = mmap(0, 4 * P, RW, ANY, -1, 0);
    memset(m, 1, 4 * P);
    struct iovec parts[] = {{m, P}, {m + 2 * P, P}};
    printf("cold %ld\n", syscall(SYS_process_madvise, self, parts, 2, MADV_COLD, 0));
    long done = syscall(SYS_process_madvise, self, parts, 2, MADV_DONTNEED, 0);
    int zeros = (m[0] == 0) + (m[P] == 1) + (m[2 * P] == 0);
    printf("dontneed: %d\n", done == 2 * (long)P ? zeros == 3 : m[0] == 1);
    printf("flags %s\n", name(syscall(SYS_process_madvise, self, parts, 2, MADV_COLD, 1)));
    printf("list %s\n", name(syscall(SYS_process_madvise, self, 8, 2, MADV_COLD, 0)));
    close(self);
}

static void persona(void)
{
    int old = personality(0xffffffff);
    printf("personality %d\n", personality(old | ADDR_NO_RANDOMIZE) == old);
    printf("kept %d\n", (personality(0xffffffff) & ADDR_NO_RANDOMIZE) != 0);
    personality(old);
}

static void touch_below_stack(void)
{
    // Far below whatever the limit lets it have.
    volatile char here = 0;
    *(volatile char *)((uintptr_t)&here - (40ul << 20)) = 1;
}

int main(void)
{
    setvbuf(stdout, 0, _IOLBF, 0);
    flags();
    ranges();
    locks();
    moves();
    other_pages();
    growing();
    segments();
    advice_for_a_process();
    persona();
    in_child("below the stack", touch_below_stack);
    return 0;
}
