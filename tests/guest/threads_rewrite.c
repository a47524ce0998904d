// Code that some threads run while another one rewrites it, as the architecture wants it done: the writer stores, cleans
// and invalidates (DC CVAU, DSB, IC IVAU, DSB, ISB) and then announces the version with a store-release; a runner that
// has seen a version with a load-acquire, and has done an ISB, must never run an older one. Between the announcements the
// runners call and loop freely, so that the code is hot, translated, and left while it changes. Checks itself.
// EMU_GUEST_SMALL asks for less of it.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC, RWX = PROT_READ | PROT_WRITE | PROT_EXEC };
enum { RET = 0xd65f03c0, MOST_RUNNERS = 4, SIZE = 4096 };

// Versions are 16 bits wide: what MOVZ loads.
typedef uint64_t function(uint64_t);

static uint32_t *executed;         // where runners execute
static uint32_t *written;          // where the writer stores: the same memory, or another mapping of it
static uint32_t *callers;          // never rewritten: calls the page directly
static _Atomic uint64_t announced; // the version that everybody must see
static _Atomic uint64_t resting;   // runners that are out of the code and wait for the next version
static _Atomic int stop;
static int runners;

static void fail(const char *what, uint64_t got, uint64_t wanted)
{
    printf("%s: version %lu, but %lu was announced\n", what, got, wanted);
    fflush(stdout);
    _exit(1);
}

static void synchronize(void)
{
    __asm__ volatile("isb" ::: "memory");
}

static uint32_t load_version(uint64_t version)
{
    return 0xd2800000 | (uint32_t)(version & 0xffff) << 5; // movz x0, #version
}

// Words of the page by index.
enum { PLAIN = 0, TAIL = 16, LOOP = 32, ASKING = 64, WORDS = 128 };

static uint32_t branch(uint32_t op, int from, int to)
{
    return op | ((uint32_t)(to - from) & 0x3ffffff);
}

// The page of one version: each of its functions gives the version.
static void fill(uint32_t *page, uint64_t version)
{
    page[PLAIN] = load_version(version);
    page[PLAIN + 1] = RET;
    // By a branch to another block, in which the version stands.
    page[TAIL] = 0xd503201f;                                     // nop
    page[TAIL + 1] = branch(0x14000000, TAIL + 1, TAIL + 4);     // b +3
    page[TAIL + 4] = load_version(version);
    page[TAIL + 5] = RET;
    // Runs long: x0 turns, in each of which the version is loaded anew.
    const uint32_t loop[] = {
        0xaa0003e1,            // mov x1, x0
        load_version(version), // <-
        0xf1000421,            // subs x1, x1, #1
        0x54ffffc1,            // b.ne <-
        RET,
    };
    memcpy(page + LOOP, loop, sizeof loop);
    // Looks itself for a version newer than the one in x1, with the handshake inside the code that changes: x0 is where
    // the version is announced. Ends with the version loaded after the ISB.
    const uint32_t asking[] = {
        0xc8dffc02,            // ldar x2, [x0]    <-
        0xeb01005f,            // cmp x2, x1
        0x54ffffc0,            // b.eq <-
        0xd5033fdf,            // isb
        0xaa0203e1,            // mov x1, x2
        load_version(version), //
        RET,
    };
    memcpy(page + ASKING, asking, sizeof asking);
}

// Direct calls from a page that stays.
static void fill_callers(uint32_t *at)
{
    const int to[] = {PLAIN, TAIL};
    for (int i = 0; i < 2; i++, at += 8) {
        at[0] = 0xa9bf7bfd; // stp x29, x30, [sp, #-16]!
        at[1] = 0x94000000 | ((uint32_t)(executed + to[i] - (at + 1)) & 0x3ffffff);
        at[2] = 0xa8c17bfd; // ldp x29, x30, [sp], #16
        at[3] = RET;
    }
    __builtin___clear_cache((char *)callers, (char *)(callers + 16));
}

// All that a runner does with one version; `seen` was announced before the last ISB. Newer versions are right too.
static void run_all(uint64_t seen, uint64_t turn)
{
    struct { const char *name; uint64_t version; } got[] = {
        {"through a pointer", ((function *)(executed + PLAIN))(0)},
        {"by a branch", ((function *)(executed + TAIL))(0)},
        {"direct call", ((function *)callers)(0)},
        {"direct call, by a branch", ((function *)(callers + 8))(0)},
        {"loop", ((function *)(executed + LOOP))(turn % 16 == 0 ? 2000 : 3)},
    };
    for (unsigned i = 0; i < sizeof got / sizeof *got; i++)
        if (got[i].version < seen)
            fail(got[i].name, got[i].version, seen);
}

// Never rests: the code changes under it.
static void *runner(void *unused)
{
    (void)unused;
    for (uint64_t turn = 0; !atomic_load_explicit(&stop, memory_order_relaxed); turn++) {
        uint64_t seen = atomic_load_explicit(&announced, memory_order_acquire);
        synchronize();
        run_all(seen, turn);
    }
    return NULL;
}

// Waits inside the code that changes.
static void *asker(void *unused)
{
    (void)unused;
    uint64_t last = 1;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        register uint64_t x0 __asm__("x0") = (uint64_t)&announced;
        register uint64_t x1 __asm__("x1") = last;
        __asm__ volatile("blr %2" : "+r"(x0), "+r"(x1) : "r"(executed + ASKING) : "x2", "x30", "cc", "memory");
        if (x0 < x1)
            fail("after an ISB in the code itself", x0, x1);
        last = x1;
    }
    return NULL;
}

// Gets out of the page before it goes: rests until the next version is there.
static void *polite(void *unused)
{
    (void)unused;
    uint64_t last = 0;
    for (;;) {
        uint64_t seen;
        while ((seen = atomic_load_explicit(&announced, memory_order_acquire)) == last)
            if (atomic_load_explicit(&stop, memory_order_relaxed))
                return NULL;
            else
                sched_yield();
        synchronize();
        for (uint64_t turn = 1; turn < 20; turn++)
            run_all(seen, turn);
        last = seen;
        atomic_fetch_add(&resting, 1);
    }
}

static void start(pthread_t *threads, void *(*body)(void *), void *(*last)(void *))
{
    stop = 0;
    resting = 0;
    for (int i = 0; i < runners; i++)
        if (pthread_create(&threads[i], NULL, i == runners - 1 ? last : body, NULL) != 0)
            exit(2);
}

static void end(pthread_t *threads)
{
    stop = 1;
    for (int i = 0; i < runners; i++)
        pthread_join(threads[i], NULL);
}

static void announce(uint64_t version)
{
    atomic_store_explicit(&announced, version, memory_order_release);
}

static void publish(uint32_t *page)
{
    __builtin___clear_cache((char *)page, (char *)(page + WORDS));
}

static void *map(void *place, int protection, int flags, int fd)
{
    void *memory = mmap(place, SIZE, protection, flags, fd, 0);
    if (memory == MAP_FAILED)
        exit(3);
    return memory;
}

// Word by word, so that a runner finds whole instructions of one version or another.
static void store_page(uint32_t *page, uint64_t version)
{
    uint32_t words[WORDS] = {0};
    fill(words, version);
    for (int i = 0; i < WORDS; i++)
        if (page[i] != words[i])
            __atomic_store_n(page + i, words[i], __ATOMIC_RELAXED);
}

static void rewritten_under_runners(uint64_t rounds)
{
    pthread_t threads[MOST_RUNNERS];
    store_page(written, 1);
    publish(executed);
    fill_callers(callers);
    announce(1);
    start(threads, runner, asker);
    for (uint64_t version = 2; version <= rounds; version++) {
        store_page(written, version);
        publish(executed);
        announce(version);
        if (version % 8 == 0)
            sched_yield();
    }
    // The asker waits for a version that is newer.
    stop = 1;
    store_page(written, rounds + 1);
    publish(executed);
    announce(rounds + 1);
    end(threads);
}

enum how { UNMAPPED, MAPPED_OVER, PROTECTED };

static void replaced_between_runs(enum how how, uint64_t rounds)
{
    pthread_t threads[MOST_RUNNERS];
    announced = 0;
    start(threads, polite, polite);
    int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    for (uint64_t version = 1; version <= rounds; version++) {
        if (how == UNMAPPED && munmap(executed, SIZE) != 0)
            exit(4);
        if (how == PROTECTED) {
            if (mprotect(executed, SIZE, RW) != 0)
                exit(5);
        } else {
            map(executed, RW, anonymous | MAP_FIXED, -1);
        }
        store_page(executed, version);
        if (mprotect(executed, SIZE, RX) != 0)
            exit(6);
        publish(executed);
        if (version == 1)
            fill_callers(callers);
        resting = 0;
        announce(version);
        while (resting != (uint64_t)runners)
            sched_yield();
    }
    end(threads);
}

int main(void)
{
    // 10000 in all, and 6 times a tenth of one part's.
    uint64_t rounds = getenv("EMU_GUEST_SMALL") ? 400 : 2500;
    int private = MAP_PRIVATE | MAP_ANONYMOUS;
    for (runners = 2; runners <= MOST_RUNNERS; runners += 2) {
        written = executed = map(NULL, RWX, private, -1);
        callers = map(NULL, RWX, private, -1);
        rewritten_under_runners(rounds);
        replaced_between_runs(PROTECTED, rounds / 10);
        replaced_between_runs(MAPPED_OVER, rounds / 10);
        replaced_between_runs(UNMAPPED, rounds / 10);

        int fd = memfd_create("code", 0);
        if (fd < 0 || ftruncate(fd, SIZE) != 0)
            exit(7);
        written = map(NULL, RW, MAP_SHARED, fd);
        executed = map(executed, RX, MAP_SHARED | MAP_FIXED, fd);
        rewritten_under_runners(rounds);
        munmap(written, SIZE);
        munmap(executed, SIZE);
        munmap(callers, SIZE);
        close(fd);
    }
    printf("ok\n");
    return 0;
}
