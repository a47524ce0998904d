// Code written through a second mapping and published at the address written, not at the one executed, as some programs
// do by mistake: caches tagged by physical addresses do not tell the two apart. Checks itself.
// EMU_GUEST_SMALL asks for less of it.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t function(uint64_t);
#define SIZE 65536ul

int main(void)
{
    uint64_t rounds = getenv("EMU_GUEST_SMALL") ? 300 : 10000;
    int fd = memfd_create("code", 0);
    if (fd < 0 || ftruncate(fd, SIZE) != 0)
        return 2;
    uint32_t *writable = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint32_t *executable = mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (writable == MAP_FAILED || executable == MAP_FAILED)
        return 3;
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t n = round & 0xfff;
        writable[100] = 0x91000000 | n << 10; // add x0, x0, #n
        writable[101] = 0xd65f03c0;           // ret
        __builtin___clear_cache((char *)(writable + 100), (char *)(writable + 102));
        for (int again = 0; again < 4; again++) {
            uint64_t got = ((function *)(executable + 100))(3);
            if (got != 3 + n) {
                printf("round %lu: %lu, not %lu\n", round, got, 3 + n);
                return 1;
            }
        }
    }
    printf("ok\n");
    return 0;
}
