// Code that is rewritten while it is hot, in every way that a program may: the function about to be called, a later
// instruction of the loop that runs, a block in the middle of others, code under another mapping, code that is mapped
// over, moved, made executable without being published, and rewritten in the child of a fork. Checks itself.
// EMU_GUEST_SMALL asks for less of it.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef uint64_t function(uint64_t);
#define SIZE 65536ul
enum { RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC, RWX = PROT_READ | PROT_WRITE | PROT_EXEC };

static void expect(const char *what, uint64_t round, uint64_t got, uint64_t wanted)
{
    if (got != wanted) {
        printf("%s, round %lu: %lu, not %lu\n", what, round, got, wanted);
        exit(1);
    }
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

static uint32_t add(unsigned n)
{
    return 0x91000000 | (n & 0xfff) << 10; // add x0, x0, #n
}

enum { RET = 0xd65f03c0 };

static void write_adder(uint32_t *at, unsigned n)
{
    at[0] = add(n);
    at[1] = RET;
}

static uint64_t call(uint32_t *code, uint64_t argument)
{
    return ((function *)code)(argument);
}

// The function about to be called, and one on the same page that is never rewritten and calls it in a loop.
static void about_to_be_called(uint64_t rounds)
{
    uint32_t *code = map(RWX), *loop = code + 64, *callee = code + 32;
    const uint32_t words[] = {
        0xa9bf53fe,                    // stp x30, x20, [sp, -16]!
        0xd2800154,                    // mov x20, 10
        0x94000000 | (0x3ffffff & -34), // bl callee
        0xf1000694,                    // subs x20, x20, 1
        0x54ffffc1,                    // b.ne -8
        0xa8c153fe,                    // ldp x30, x20, [sp], 16
        RET,
    };
    memcpy(loop, words, sizeof words);
    publish(loop, sizeof words);
    for (uint64_t round = 0; round < rounds; round++) {
        write_adder(callee, round);
        publish(callee, 8);
        expect("about to be called", round, call(loop, 5), 5 + 10 * (round & 0xfff));
    }
    munmap(code, SIZE);
}

// A loop that rewrites one of its own later instructions in each turn: x1 turns, x2 the address, x3 the first word.
static void running_loop(uint64_t rounds)
{
    uint32_t *code = map(RWX);
    const uint32_t words[] = {
        0xb9000043, //  str w3, [x2]
        0xd50b7b22, //  dc cvau, x2
        0xd5033b9f, //  dsb ish
        0xd50b7522, //  ic ivau, x2
        0xd5033b9f, //  dsb ish
        0xd5033fdf, //  isb
        0x11100063, //  add w3, w3, 1 << 10
        add(0),     //  the one
        0xf1000421, //  subs x1, x1, 1
        0x54fffee1, //  b.ne the start
        RET,
    };
    memcpy(code, words, sizeof words);
    publish(code, sizeof words);
    typedef uint64_t rewriting(uint64_t, uint64_t, uint32_t *, uint32_t);
    for (uint64_t done = 0; done < rounds; done += 100)
        expect("running loop", done, ((rewriting *)code)(0, 100, code + 7, add(0)), 99 * 100 / 2);
    munmap(code, SIZE);
}

// Many blocks joined by branches, so that they are compiled together; one in the middle changes.
static void middle_of_many(uint64_t rounds)
{
    enum { BLOCKS = 12 };
    uint32_t *code = map(RWX), *at = code;
    uint32_t *places[BLOCKS];
    *at++ = 0xd2800641; // mov x1, 50
    uint32_t *start = at;
    for (int i = 0; i < BLOCKS; i++) {
        *at++ = 0xb4000041; // cbz x1, +8: never
        places[i] = at;
        *at++ = add(i);
    }
    *at++ = 0xf1000421;                                                 // subs x1, x1, 1
    *at = 0x54000001 | ((uint32_t)(start - at) & 0x7ffff) << 5;         // b.ne start
    at[1] = RET;
    publish(code, SIZE);
    unsigned values[BLOCKS], sum = 0;
    for (int i = 0; i < BLOCKS; i++)
        sum += values[i] = i;
    for (uint64_t round = 0; round < rounds; round++) {
        unsigned which = round * 7 % BLOCKS, value = round * 13 & 0xfff;
        sum = sum - values[which] + value;
        values[which] = value;
        *places[which] = add(value);
        publish(places[which], 4);
        for (int again = 0; again < 3; again++)
            expect("middle of many blocks", round, call(code, 1), 1 + 50ul * sum);
    }
    munmap(code, SIZE);
}

static void other_mapping(uint64_t rounds)
{
    int fd = memfd_create("code", 0);
    if (fd < 0 || ftruncate(fd, SIZE) != 0)
        exit(3);
    uint32_t *writable = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0), *executable = mmap(NULL, SIZE, RX, MAP_SHARED, fd, 0);
    if (writable == MAP_FAILED || executable == MAP_FAILED)
        exit(4);
    for (uint64_t round = 0; round < rounds; round++) {
        write_adder(writable + 100, round);
        publish(executable + 100, 8);
        for (int again = 0; again < 4; again++)
            expect("other mapping", round, call(executable + 100, 3), 3 + (round & 0xfff));
    }
    munmap(writable, SIZE);
    munmap(executable, SIZE);
    close(fd);
}

// Unmapped and mapped again at the same address, or mapped over; new code comes from a file, so nothing is written where
// it runs, and nothing is published.
static void mapped_over(uint64_t rounds)
{
    long page = sysconf(_SC_PAGESIZE);
    int fd = memfd_create("code", 0);
    if (fd < 0 || ftruncate(fd, 2 * page) != 0)
        exit(5);
    uint32_t words[2];
    for (int i = 0; i < 2; i++) {
        write_adder(words, 100 + i);
        if (pwrite(fd, words, sizeof words, i * page) != sizeof words)
            exit(6);
    }
    char *place = mmap(NULL, page, RX, MAP_PRIVATE, fd, 0);
    for (uint64_t round = 0; round < rounds; round++) {
        for (int again = 0; again < 4; again++)
            expect("mapped over", round, call((uint32_t *)place, 0), 100 + round % 2);
        if (round % 3 == 0)
            munmap(place, page);
        if (mmap(place, page, RX, MAP_PRIVATE | MAP_FIXED, fd, (round + 1) % 2 * page) != place)
            exit(7);
    }
    munmap(place, page);
    close(fd);
}

// Two pieces of code change places by mremap.
static void moved(uint64_t rounds)
{
    long page = sysconf(_SC_PAGESIZE);
    char *area = (char *)map(RWX);
    char *one = area, *other = area + page, *aside = area + 2 * page;
    write_adder((uint32_t *)one, 1);
    write_adder((uint32_t *)other, 2);
    publish(area, 2 * page);
    for (uint64_t round = 0; round < rounds; round++) {
        for (int again = 0; again < 4; again++)
            expect("moved", round, call((uint32_t *)one, 10) * 100 + call((uint32_t *)other, 20),
                   round % 2 ? 1221 : 1122);
        if (mremap(one, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, aside) != aside ||
            mremap(other, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, one) != one ||
            mremap(aside, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, other) != other)
            exit(8);
    }
    munmap(area, SIZE);
}

// Written, then made executable, without IC IVAU: the processor might still have the old code, but programs get away
// with it.
static void not_published(uint64_t rounds)
{
    uint32_t *code = map(RW);
    for (uint64_t round = 0; round < rounds; round++) {
        write_adder(code + 16, round);
        if (mprotect(code, SIZE, RX) != 0)
            exit(9);
        for (int again = 0; again < 4; again++)
            expect("not published", round, call(code + 16, 2), 2 + (round & 0xfff));
        if (mprotect(code, SIZE, RW) != 0)
            exit(10);
    }
    munmap(code, SIZE);
}

static void forked(uint64_t forks, uint64_t rounds)
{
    uint32_t *code = map(RWX);
    write_adder(code, 1);
    publish(code, 8);
    for (uint64_t i = 0; i < 2000; i++)
        expect("before the fork", i, call(code, i), i + 1);
    for (uint64_t n = 0; n < forks; n++) {
        fflush(stdout);
        pid_t child = fork();
        if (child < 0)
            exit(11);
        if (child == 0) {
            for (uint64_t round = 0; round < rounds; round++) {
                write_adder(code, round);
                publish(code, 8);
                for (int again = 0; again < 4; again++)
                    expect("in the child", round, call(code, 7), 7 + (round & 0xfff));
            }
            _exit(0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        expect("child", n, status, 0);
        expect("after the fork", n, call(code, 50), 51);
    }
    munmap(code, SIZE);
}

int main(void)
{
    uint64_t rounds = getenv("EMU_GUEST_SMALL") ? 300 : 10000;
    about_to_be_called(rounds);
    running_loop(rounds);
    // Long to compile.
    middle_of_many(rounds / 5);
    other_mapping(rounds);
    mapped_over(rounds);
    moved(rounds);
    not_published(rounds);
    forked(5, rounds / 5);
    printf("ok\n");
    return 0;
}
