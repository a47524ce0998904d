// Atomics and the memory order between four threads: counters of every width, compare-and-swap lists, spin locks, and
// litmus tests whose forbidden outcomes must not be seen. Built with LSE and with exclusive loads and stores.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, ROUNDS = 20000, NODES = 64, LITMUS = 20000 };

static _Atomic uint8_t byte;
static _Atomic uint16_t half;
static _Atomic uint32_t word;
static _Atomic uint64_t doubleword, bits, largest;
static atomic_long tickets;

static void *count(void *argument)
{
    uint64_t number = (uint64_t)(long)argument;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        byte++;
        atomic_fetch_add_explicit(&half, 3, memory_order_relaxed);
        atomic_fetch_sub_explicit(&word, 5, memory_order_acq_rel);
        atomic_fetch_add_explicit(&doubleword, i, memory_order_release);
        atomic_fetch_xor(&bits, number << i % 60);
        uint64_t seen = largest;
        uint64_t mine = i * THREADS + number;
        while (seen < mine && !atomic_compare_exchange_weak(&largest, &seen, mine))
            ;
        tickets += atomic_exchange(&tickets, 0);
    }
    return NULL;
}

static void together(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, body, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

// A stack whose head carries a version, so that a node that comes back is told from one that never left.
static struct {
    _Atomic uint32_t next;
    _Atomic uint64_t value;
} nodes[NODES + 1];
static _Atomic uint64_t head;

static uint32_t pop(void)
{
    uint64_t old = atomic_load_explicit(&head, memory_order_acquire);
    for (;;) {
        uint32_t node = (uint32_t)old;
        if (node == 0)
            return 0;
        uint64_t new = ((old >> 32) + 1) << 32 | nodes[node].next;
        if (atomic_compare_exchange_weak_explicit(&head, &old, new, memory_order_acquire, memory_order_acquire))
            return node;
    }
}

static void push(uint32_t node)
{
    uint64_t old = atomic_load_explicit(&head, memory_order_relaxed), new;
    do {
        nodes[node].next = (uint32_t)old;
        new = ((old >> 32) + 1) << 32 | node;
    } while (!atomic_compare_exchange_weak_explicit(&head, &old, new, memory_order_release, memory_order_relaxed));
}

static void *shuffle(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t a = pop(), b = pop();
        // While a node is out of the stack it is this thread's alone.
        if (a)
            nodes[a].value = nodes[a].value + 1;
        if (b)
            nodes[b].value = nodes[b].value + 1;
        if (a)
            push(a);
        if (b)
            push(b);
    }
    return NULL;
}

static void stack(void)
{
    for (uint32_t node = 1; node <= NODES; node++)
        push(node);
    together(shuffle);
    uint64_t length = 0, total = 0;
    for (uint32_t node; (node = pop()) != 0; length++)
        total += nodes[node].value;
    printf("stack %lu %lu\n", (unsigned long)length, (unsigned long)total);
}

// A lock made of an exchange, and what it protects, which is not atomic.
static atomic_int locked;
static struct {
    long a, b;
} guarded;

static void *with_lock(void *argument)
{
    for (long i = 0; i < ROUNDS / 4; i++) {
        while (atomic_exchange_explicit(&locked, 1, memory_order_acquire))
            sched_yield();
        guarded.a += i;
        guarded.b -= i;
        atomic_store_explicit(&locked, 0, memory_order_release);
    }
    return argument;
}

// Each round of a litmus test begins for both threads at once and ends before either looks at the results.
static struct {
    _Alignas(64) atomic_int x;
    _Alignas(64) atomic_int y;
    _Alignas(64) atomic_int arrived;
} litmus;
static int saw[2];
static long forbidden;

static void meet(int goal)
{
    litmus.arrived++;
    for (int tries = 0; litmus.arrived < goal; tries++)
        if (tries % 1000 == 999)
            sched_yield();
}

static void *store_buffering(void *argument)
{
    long me = (long)argument;
    atomic_int *mine = me ? &litmus.y : &litmus.x, *other = me ? &litmus.x : &litmus.y;
    int goal = 0;
    for (int round = 0; round < LITMUS; round++) {
        meet(goal += 2);
        if (round % 2) {
            *mine = 1;
            saw[me] = *other;
        } else {
            atomic_store_explicit(mine, 1, memory_order_relaxed);
            atomic_thread_fence(memory_order_seq_cst);
            saw[me] = atomic_load_explicit(other, memory_order_relaxed);
        }
        meet(goal += 2);
        if (me == 0) {
            forbidden += saw[0] == 0 && saw[1] == 0;
            litmus.x = litmus.y = 0;
        }
    }
    return NULL;
}

static int payload[4];

static void *message_passing(void *argument)
{
    long me = (long)argument;
    int goal = 0;
    for (int round = 1; round <= LITMUS; round++) {
        meet(goal += 2);
        if (me == 0) {
            for (int i = 0; i < 4; i++)
                payload[i] = round;
            atomic_store_explicit(&litmus.x, round, memory_order_release);
        } else {
            while (atomic_load_explicit(&litmus.x, memory_order_acquire) != round)
                ;
            for (int i = 0; i < 4; i++)
                forbidden += payload[i] != round;
        }
        meet(goal += 2);
    }
    return NULL;
}

// Dekker's algorithm for two: mutual exclusion out of sequentially consistent loads and stores alone.
static atomic_int wants[2], turn;
static volatile long dekker_count;

static void *dekker(void *argument)
{
    int me = (int)(long)argument;
    for (int i = 0; i < LITMUS; i++) {
        wants[me] = 1;
        for (int tries = 1; wants[!me]; tries++) {
            if (turn != me) {
                wants[me] = 0;
                while (turn != me)
                    sched_yield();
                wants[me] = 1;
            }
            if (tries % 100 == 0)
                sched_yield();
        }
        dekker_count = dekker_count + 1;
        turn = !me;
        wants[me] = 0;
    }
    // The other may need the turn still.
    turn = !me;
    return NULL;
}

static void pair(const char *name, void *(*body)(void *))
{
    litmus.x = litmus.y = litmus.arrived = 0;
    forbidden = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, body, (void *)1);
    body((void *)0);
    pthread_join(thread, NULL);
    printf("%s: forbidden %ld\n", name, forbidden);
}

int main(void)
{
    together(count);
    printf("counters %u %u %u %lu %lx %lu\n", byte, half, word, (unsigned long)doubleword, (unsigned long)bits,
           (unsigned long)largest);
    stack();
    together(with_lock);
    printf("guarded %ld\n", guarded.a + guarded.b);
    printf("guarded %ld\n", guarded.a);
    pair("store buffering", store_buffering);
    pair("message passing", message_passing);
    pair("dekker", dekker);
    printf("dekker %ld\n", dekker_count);
    return 0;
}
