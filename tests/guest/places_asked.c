// Asks for places up to and beyond the end of an address space with as many bits as the argument says.
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define P 4096ul
#define ANY (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static int bad;
#define CHECK(what) \
    do { \
        if (!(what)) { \
            bad = 1; \
            printf("line %d: %s (%s)\n", __LINE__, #what, strerrorname_np(errno)); \
        } \
    } while (0)

int main(int argc, char **argv)
{
    int bits = argc > 1 ? atoi(argv[1]) : 47;
    uintptr_t end = 1ul << bits;
    for (int bit = 20; bit < bits; bit++) {
        void *hint = (void *)((1ul << bit) + 0x5000000);
        char *at = mmap(hint, P, RW, ANY, -1, 0);
        CHECK(at == hint);
        *at = 1;
        CHECK(mmap(hint, P, RW, ANY | MAP_FIXED, -1, 0) == hint && *at == 0);
        CHECK(mmap(hint, P, RW, ANY | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
        CHECK(munmap(at, P) == 0);
    }
    // Beyond the end a hint says nothing, and a demand cannot be met.
    char *elsewhere = mmap((void *)end, P, RW, ANY, -1, 0);
    CHECK(elsewhere != MAP_FAILED && (uintptr_t)elsewhere < end);
    elsewhere = mmap((void *)(end - P), 2 * P, RW, ANY, -1, 0);
    CHECK(elsewhere != MAP_FAILED && (uintptr_t)elsewhere < end);
    CHECK(mmap((void *)end, P, RW, ANY | MAP_FIXED, -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap((void *)end, P, RW, ANY | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mremap(elsewhere, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)end) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(0, end, PROT_NONE, ANY | MAP_NORESERVE, -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap(0, end / 8, PROT_NONE, ANY | MAP_NORESERVE, -1, 0) != MAP_FAILED);
    // Nothing is put into low memory that is not asked for there.
    for (int i = 0; i < 100; i++)
        CHECK((uintptr_t)mmap(0, 16 << 20, PROT_NONE, ANY | MAP_NORESERVE, -1, 0) > 1ul << 32);
    if (!bad)
        puts("ok");
    return bad;
}
