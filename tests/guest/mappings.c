// mmap, munmap, mprotect, mremap, madvise, brk and shared mappings of files: what each call answers and what is in
// memory after it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul

static int failed(void *result)
{
    return result == MAP_FAILED ? errno : 0;
}

static void anonymous(void)
{
    char *map = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("mmap %d, aligned %d, zero %d\n", failed(map), (int)((uintptr_t)map % PAGE), map[5 * PAGE + 7]);
    memset(map, 'm', 16 * PAGE);
    printf("mprotect %d\n", mprotect(map + PAGE, PAGE, PROT_READ));
    int zeroes = open("/dev/zero", O_RDONLY);
    printf("write to read-only memory: %d", (int)pread(zeroes, map + PAGE, 10, 0));
    printf(" %s\n", strerrorname_np(errno));
    printf("munmap of the middle %d\n", munmap(map + 4 * PAGE, 2 * PAGE));
    printf("the rest: %c %c\n", map[3 * PAGE], map[6 * PAGE]);
    char *back = mmap(map + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("MAP_FIXED %d, zero %d\n", back == map + 4 * PAGE, *back);
    void *refused = mmap(map, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    printf("MAP_FIXED_NOREPLACE %s\n", strerrorname_np(failed(refused)));
    void *hint = mmap(map + 5 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("hint taken %d\n", hint == map + 5 * PAGE);
    printf("madvise %d", madvise(map, PAGE, MADV_DONTNEED));
    printf(", then %d\n", map[10]);
    printf("madvise unmapped: %d\n", madvise((void *)PAGE, PAGE, MADV_DONTNEED));
}

static void moving(void)
{
    char *map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < 4; i++)
        map[i * PAGE] = 'a' + i;
    // The page after it is taken, so it cannot grow where it is.
    char *fence = mmap(map + 4 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    errno = 0;
    void *stay = mremap(map, 4 * PAGE, 8 * PAGE, 0);
    printf("mremap in place %s\n", fence == MAP_FAILED || stay == MAP_FAILED ? "refused" : "done");
    char *moved = mremap(map, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    printf("mremap %d: %c%c%c%c %d\n", failed(moved), moved[0], moved[PAGE], moved[2 * PAGE], moved[3 * PAGE], moved[63 * PAGE]);
    char *smaller = mremap(moved, 64 * PAGE, 2 * PAGE, 0);
    printf("shrunk %d %c\n", smaller == moved, smaller[PAGE]);
    char *place = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *fixed = mremap(smaller, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + PAGE);
    printf("MREMAP_FIXED %d %c\n", fixed == place + PAGE, fixed[PAGE]);
    printf("mremap of nothing %s\n", strerrorname_np(failed(mremap(smaller, PAGE, 2 * PAGE, MREMAP_MAYMOVE))));
}

static void of_files(void)
{
    char path[] = "mappings-XXXXXX";
    int fd = mkstemp(path);
    for (int i = 0; i < 3000; i++)
        dprintf(fd, "%07d\n", i);
    char *shared = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
    char *second = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    printf("file %.7s %.7s\n", shared + 8 * 100, private);
    memcpy(shared + PAGE, "changed", 7);
    memcpy(private + 8, "private", 7);
    char read_back[17] = "";
    printf("pread %d", (int)pread(fd, read_back, 16, PAGE));
    printf(" %s\n", read_back);
    printf("second %.7s %.7s\n", second, second + 8);
    printf("msync %d\n", msync(shared, PAGE, MS_SYNC));
    printf("bad offset %s\n", strerrorname_np(failed(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100))));
    printf("bad descriptor %s\n", strerrorname_np(failed(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0))));
    printf("no length %s\n", strerrorname_np(failed(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))));
    printf("munmap of odd address %d", munmap(shared + 1, PAGE));
    printf(" %s\n", strerrorname_np(errno));
    int reader = open(path, O_RDONLY);
    printf("shared, writable, of a read-only descriptor: %s\n",
           strerrorname_np(failed(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, reader, 0))));
    unlink(path);
}

static void breaks(void)
{
    char *start = sbrk(0);
    printf("sbrk %d\n", sbrk(100000) == start);
    int zero = 1;
    for (int i = 0; i < 100000; i++)
        zero &= start[i] == 0;
    printf("zero %d\n", zero);
    memset(start, 'b', 100000);
    printf("shrink %d\n", sbrk(-100000) == start + 100000);
    printf("back %d\n", sbrk(0) == start);
    printf("again %d", sbrk(100000) == start);
    printf(", zero %d\n", start[70000]);
    printf("too much: %d", sbrk(0x7fffffffffff) == (void *)-1);
    printf(" %s\n", strerrorname_np(errno));
    printf("unmoved %d\n", sbrk(0) == start + 100000);
}

int main(void)
{
    anonymous();
    moving();
    of_files();
    breaks();
    return 0;
}
