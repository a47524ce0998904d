// Programs that write programs: code written, called, rewritten and called again, on its own page, through a second
// mapping of the same memory, after unmapping and mapping anew, and after mprotect. Checks itself.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t function(uint64_t);
#define SIZE 65536ul

static void expect(const char *what, int round, uint64_t got, uint64_t wanted)
{
    if (got != wanted) {
        printf("%s, round %d: %lu, not %lu\n", what, round, got, wanted);
        exit(1);
    }
}

// add x0, x0, #n; ret
static void write_adder(uint32_t *at, uint32_t n)
{
    at[0] = 0x91000000 | n << 10;
    at[1] = 0xd65f03c0;
}

static void publish(void *start, size_t length)
{
    __builtin___clear_cache((char *)start, (char *)start + length);
}

static uint32_t *map(int protection)
{
    void *memory = mmap(NULL, SIZE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(2);
    return memory;
}

static void one_page(void)
{
    uint32_t *code = map(PROT_READ | PROT_WRITE | PROT_EXEC);
    for (int round = 0; round < 200; round++) {
        write_adder(code, round);
        publish(code, 8);
        for (int again = 0; again < 20; again++)
            expect("one page", round, ((function *)code)(1000), 1000 + round);
    }
    // Two functions on one page; a rewrite of one leaves the other right, also when it has become hot.
    write_adder(code + 64, 7);
    publish(code + 64, 8);
    uint64_t sum = 0;
    for (int i = 0; i < 20000; i++)
        sum = ((function *)(code + 64))(sum);
    expect("hot", 0, sum, 140000);
    for (int round = 0; round < 50; round++) {
        write_adder(code, round);
        publish(code, 8);
        expect("neighbour", round, ((function *)(code + 64))(((function *)code)(0)), round + 7);
    }
    // Code that is hot, then rewritten, then hot again.
    for (int round = 0; round < 5; round++) {
        write_adder(code + 64, round + 1);
        publish(code + 64, 8);
        sum = 0;
        for (int i = 0; i < 5000; i++)
            sum = ((function *)(code + 64))(sum);
        expect("hot and rewritten", round, sum, 5000 * (round + 1));
    }
    munmap(code, SIZE);
}

static void calls_between_pages(void)
{
    // A caller on one page, its callee on the next: the link between them must go when the callee is rewritten.
    uint32_t *code = map(PROT_READ | PROT_WRITE | PROT_EXEC);
    uint32_t *callee = code + 4096 / 4;
    code[0] = 0xaa1e03e9;                                // mov x9, x30
    code[1] = 0x94000000 | (uint32_t)(callee - code - 1); // bl callee
    code[2] = 0xd65f0120;                                // ret x9
    publish(code, 12);
    for (int round = 0; round < 100; round++) {
        write_adder(callee, round * 3);
        publish(callee, 8);
        for (int again = 0; again < 100; again++)
            expect("callee on another page", round, ((function *)code)(1), 1 + round * 3);
    }
    munmap(code, SIZE);
}

static void two_mappings(void)
{
    int fd = memfd_create("code", 0);
    if (fd < 0 || ftruncate(fd, SIZE) != 0)
        exit(3);
    uint32_t *writable = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint32_t *executable = mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (writable == MAP_FAILED || executable == MAP_FAILED)
        exit(4);
    for (int round = 0; round < 200; round++) {
        write_adder(writable + 16, round);
        // As JITs do it: the data cache by the address written, the instruction cache by the address executed.
        publish(writable + 16, 8);
        publish(executable + 16, 8);
        for (int again = 0; again < 30; again++)
            expect("two mappings", round, ((function *)(executable + 16))(5), 5 + round);
    }
    munmap(writable, SIZE);
    expect("writable mapping gone", 0, ((function *)(executable + 16))(5), 5 + 199);
    munmap(executable, SIZE);
    close(fd);
}

static void mapped_anew(void)
{
    uint32_t *code = map(PROT_READ | PROT_WRITE | PROT_EXEC);
    for (int round = 0; round < 100; round++) {
        write_adder(code, round);
        publish(code, 8);
        for (int again = 0; again < 30; again++)
            expect("mapped anew", round, ((function *)code)(9), 9 + round);
        if (round % 2)
            munmap(code, SIZE);
        if (mmap(code, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != code)
            exit(5);
        expect("zero after mapping", round, code[0], 0);
    }
    munmap(code, SIZE);
}

static void protected_between(void)
{
    uint32_t *code = map(PROT_READ | PROT_WRITE);
    for (int round = 0; round < 100; round++) {
        write_adder(code + 8, round);
        if (mprotect(code, SIZE, PROT_READ | PROT_EXEC) != 0)
            exit(6);
        publish(code + 8, 8);
        for (int again = 0; again < 30; again++)
            expect("write xor execute", round, ((function *)(code + 8))(3), 3 + round);
        if (mprotect(code, SIZE, PROT_READ | PROT_WRITE) != 0)
            exit(7);
    }
    // Moved by mremap: the code runs at its new address.
    write_adder(code + 8, 77);
    mprotect(code, SIZE, PROT_READ | PROT_EXEC);
    publish(code + 8, 8);
    expect("before mremap", 0, ((function *)(code + 8))(0), 77);
    uint32_t *moved = mremap(code, SIZE, 4 * SIZE, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED)
        exit(8);
    expect("after mremap", 0, ((function *)(moved + 8))(1), 78);
    munmap(moved, 4 * SIZE);
}

static void read_from_file(void)
{
    // Code that arrives by read(2) into executable memory.
    uint32_t adder[2], *code = map(PROT_READ | PROT_WRITE | PROT_EXEC);
    int ends[2];
    if (pipe(ends) != 0)
        exit(9);
    for (int round = 0; round < 50; round++) {
        write_adder(adder, round * 2);
        if (write(ends[1], adder, sizeof adder) != sizeof adder || read(ends[0], code, sizeof adder) != sizeof adder)
            exit(10);
        publish(code, 8);
        for (int again = 0; again < 30; again++)
            expect("read(2) into code", round, ((function *)code)(1), 1 + round * 2);
    }
    munmap(code, SIZE);
}

int main(void)
{
    one_page();
    calls_between_pages();
    two_mappings();
    mapped_anew();
    protected_between();
    read_from_file();
    printf("ok\n");
    return 0;
}
