// Faults by which collectors and virtual machines manage memory, in code that is hot: write barriers, memory that is mapped
// when it is touched, polls of a page that is taken away.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#include "signal_check.h"
#include "signal_pages.h"

static volatile int faults;

// A collector's write barrier: pages are read-only until the first store.
enum { BARRIER_PAGES = 64 };
static char *barrier;
static volatile int dirty[BARRIER_PAGES];

static void open_page(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    uintptr_t page = ((char *)info->si_addr - barrier) / PAGE;
    CHECK(page < BARRIER_PAGES && info->si_code == SEGV_ACCERR, "%p %d", info->si_addr, info->si_code);
    dirty[page]++;
    mprotect(barrier + page * PAGE, PAGE, PROT_READ | PROT_WRITE);
}

__attribute__((noinline)) static void store_all(uint64_t *words, long count, uint64_t add)
{
    for (long i = 0; i < count; i++)
        words[i] = words[i] * 3 + add;
}

static void write_barriers(void)
{
    barrier = map_pages(BARRIER_PAGES, PROT_READ | PROT_WRITE);
    on(SIGSEGV, open_page, 0);
    long words = BARRIER_PAGES * PAGE / 8;
    uint64_t expected = 0;
    for (int epoch = 0; epoch < rounds(60, 4); epoch++) {
        memset((void *)dirty, 0, sizeof dirty);
        mprotect(barrier, BARRIER_PAGES * PAGE, PROT_READ);
        store_all((uint64_t *)barrier, words, epoch);
        expected = expected * 3 + epoch;
        for (int i = 0; i < BARRIER_PAGES; i++)
            CHECK(dirty[i] == 1, "page %d: %d faults", i, dirty[i]);
        for (long i = 0; i < words; i++)
            CHECK(((uint64_t *)barrier)[i] == expected, "word %ld", i);
        // By library functions, which store in their own ways.
        mprotect(barrier, BARRIER_PAGES * PAGE, PROT_READ);
        memset(barrier + 5, epoch, BARRIER_PAGES * PAGE - 10);
        mprotect(barrier, BARRIER_PAGES * PAGE, PROT_READ);
        memmove(barrier + 1, barrier, BARRIER_PAGES * PAGE - 1);
        store_all((uint64_t *)barrier, 0, 0);
        memset(barrier, 0, BARRIER_PAGES * PAGE);
        expected = 0;
    }
    done("write barriers");
}

// Memory that appears when it is touched, at the address that the kernel tells.
static char *lazy;
enum { LAZY_PAGES = 1024 };

static void bring_page(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    uintptr_t page = ((char *)info->si_addr - lazy) / PAGE;
    CHECK(page < LAZY_PAGES, "%p", info->si_addr);
    faults++;
    uint32_t *words = mmap(lazy + page * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    for (int i = 0; i < PAGE / 4; i++)
        words[i] = page * 1000 + i;
}

static void lazy_pages(void)
{
    for (int turn = 0; turn < rounds(6, 1); turn++) {
        lazy = map_pages(LAZY_PAGES, PROT_NONE);
        if (turn % 2)
            munmap(lazy, LAZY_PAGES * PAGE);
        on(SIGSEGV, bring_page, 0);
        faults = 0;
        uint64_t sum = 0;
        for (int i = 0; i < LAZY_PAGES * PAGE / 4; i += 7)
            sum += ((uint32_t *)lazy)[i];
        uint64_t expected = 0;
        for (int i = 0; i < LAZY_PAGES * PAGE / 4; i += 7)
            expected += (uint32_t)(i / 1024 * 1000 + i % 1024);
        CHECK(sum == expected && faults == LAZY_PAGES, "sum %ld faults %d", (long)sum, faults);
        munmap(lazy, LAZY_PAGES * PAGE);
    }
    done("lazy pages");
}

// Threads that poll a page, which is taken away to stop them.
static char *poll_page;
static int parked, released, finished;

static void park(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    CHECK(info->si_addr == poll_page && info->si_code == SEGV_ACCERR, "%p %d", info->si_addr, info->si_code);
    int turn = __atomic_load_n(&released, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&parked, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&released, __ATOMIC_SEQ_CST) == turn)
        sched_yield();
}

__attribute__((noinline)) static uint64_t step(uint64_t x)
{
    return x * 6364136223846793005 + 1442695040888963407;
}

static void *poller_without_calls(void *argument)
{
    uint64_t x = 1, count = 0;
    while (!__atomic_load_n(&finished, __ATOMIC_RELAXED)) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        x += *(volatile char *)poll_page;
        count++;
    }
    // The same again without polls.
    uint64_t y = 1;
    for (uint64_t i = 0; i < count; i++)
        y ^= y << 13, y ^= y >> 7, y ^= y << 17;
    *(bool *)argument = x == y;
    return NULL;
}

static void *poller_with_calls(void *argument)
{
    uint64_t x = 1, count = 0;
    while (!__atomic_load_n(&finished, __ATOMIC_RELAXED)) {
        x = step(x) + *(volatile char *)poll_page;
        count++;
    }
    uint64_t y = 1;
    for (uint64_t i = 0; i < count; i++)
        y = step(y);
    *(bool *)argument = x == y;
    return NULL;
}

static void safepoint_polls(void)
{
    poll_page = map_pages(1, PROT_READ);
    on(SIGSEGV, park, 0);
    pthread_t threads[2];
    bool right[2] = { false, false };
    pthread_create(&threads[0], NULL, poller_without_calls, &right[0]);
    pthread_create(&threads[1], NULL, poller_with_calls, &right[1]);
    for (int i = 0; i < rounds(300, 50); i++) {
        mprotect(poll_page, PAGE, PROT_NONE);
        while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) != 2)
            sched_yield();
        mprotect(poll_page, PAGE, PROT_READ);
        parked = 0;
        __atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&finished, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        CHECK(right[i], "thread %d", i);
    }
    done("safepoint polls");
}

int main(void)
{
    write_barriers();
    lazy_pages();
    safepoint_polls();
    return finish();
}
