// pthreads as programs use them: results, thread-local storage, mutexes, conditions, once, barriers, semaphores, keys with
// destructors, detached threads, affinity, names, and what the kernel says of each thread.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, ITEMS = 20000 };

static _Thread_local int initialised = 17;
static _Thread_local long zeroed[64];

static void *own_storage(void *argument)
{
    long number = (long)argument;
    int right = initialised == 17 && zeroed[0] == 0 && zeroed[63] == 0;
    for (int round = 0; round < 1000; round++) {
        initialised += number;
        zeroed[63] += number;
        if (round % 100 == 0)
            sched_yield();
    }
    right &= initialised == 17 + 1000 * number && zeroed[63] == 1000 * number;
    return (void *)(right ? number * number : -1);
}

static void results(void)
{
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, own_storage, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        int error = pthread_join(threads[i], &result);
        printf("thread %d: %d %ld\n", i, error, (long)result);
    }
    printf("own %d %ld\n", initialised, zeroed[63]);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int queue[8], queued, taken_from;
static long sums[2];

static void *produce(void *argument)
{
    for (int i = 0; i < ITEMS; i++) {
        pthread_mutex_lock(&lock);
        while (queued == 8)
            pthread_cond_wait(&not_full, &lock);
        queue[(taken_from + queued++) % 8] = i + 1;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&lock);
    }
    return argument;
}

static void *consume(void *argument)
{
    for (int i = 0; i < ITEMS; i++) {
        pthread_mutex_lock(&lock);
        while (queued == 0)
            pthread_cond_wait(&not_empty, &lock);
        sums[(long)argument] += queue[taken_from];
        taken_from = (taken_from + 1) % 8;
        queued--;
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void conditions(void)
{
    pthread_t threads[4];
    for (long i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, produce, NULL);
        pthread_create(&threads[2 + i], NULL, consume, (void *)i);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("queue %ld %d\n", sums[0] + sums[1], queued);

    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 5000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    pthread_mutex_lock(&lock);
    int error;
    do
        error = pthread_cond_timedwait(&not_empty, &lock, &soon);
    while (error == 0);
    printf("timed wait %s\n", strerrorname_np(error));
    pthread_mutex_unlock(&lock);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int begun, met;
static pthread_barrier_t barrier;
static atomic_int serials;

static void begin(void)
{
    begun++;
}

static void *meet(void *argument)
{
    pthread_once(&once, begin);
    for (int round = 1; round <= 100; round++) {
        met++;
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            serials++;
        // Nobody is a round ahead or behind.
        if (met < round * THREADS)
            return NULL;
        pthread_barrier_wait(&barrier);
    }
    return argument;
}

static void meetings(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, meet, &barrier);
    int complete = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        complete += result == &barrier;
    }
    printf("once %d, barrier %d %d %d\n", begun, complete, met, serials);
}

static pthread_key_t key;
static atomic_int destroyed;
static sem_t finished;

static void destroy(void *value)
{
    destroyed += (int)(long)value;
}

static void *detached(void *argument)
{
    pthread_setspecific(key, argument);
    sem_post(&finished);
    return NULL;
}

static void *with_key(void *argument)
{
    pthread_setspecific(key, argument);
    if ((long)argument % 2)
        pthread_exit((void *)1);
    return NULL;
}

static void destructors(void)
{
    pthread_key_create(&key, destroy);
    for (long i = 1; i <= 20; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, with_key, (void *)i);
        pthread_join(thread, NULL);
    }
    printf("destroyed %d\n", destroyed);
    sem_init(&finished, 0, 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, detached, (void *)1L))
            puts("no thread");
    }
    for (int i = 0; i < 100; i++)
        sem_wait(&finished);
    for (int i = 0; i < 1000 && destroyed < 310; i++)
        usleep(1000);
    printf("detached %d\n", destroyed);
}

static atomic_int stop;
static pid_t inner;

static void *known(void *argument)
{
    (void)argument;
    inner = (pid_t)syscall(SYS_gettid);
    prctl(PR_SET_NAME, "a name");
    cpu_set_t set;
    sem_post(&finished);
    int affinity = pthread_getaffinity_np(pthread_self(), sizeof set, &set);
    while (!stop)
        usleep(100);
    char name[16] = { 0 };
    pthread_getname_np(pthread_self(), name, sizeof name);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    printf("inside: %s, %d %d, blocked %d %d, heir %d\n", name, affinity, CPU_COUNT(&set) > 0,
           sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2), getppid() > 0);
    return NULL;
}

static void identity(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, known, NULL);
    sem_wait(&finished);
    char path[64], text[32] = { 0 };
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", inner);
    FILE *comm = fopen(path, "r");
    for (int i = 0; i < 1000 && strcmp(text, "a name\n"); i++) {
        rewind(comm);
        fflush(comm);
        fgets(text, sizeof text, comm);
    }
    fclose(comm);
    printf("outside: %s", text);
    printf("ids differ %d, same process %d\n", inner != gettid(), syscall(SYS_tgkill, getpid(), inner, 0) == 0);
    printf("main: %d\n", gettid() == getpid());
    printf("members %ld\n", syscall(SYS_membarrier, 0, 0, 0) >= 0 ? 1L : 0L);
    stop = 1;
    pthread_join(thread, NULL);
    for (int i = 0; i < 1000 && syscall(SYS_tgkill, getpid(), inner, 0) == 0; i++)
        usleep(1000);
    printf("gone: %ld", syscall(SYS_tgkill, getpid(), inner, 0));
    printf(" %s\n", strerrorname_np(errno));
}

static void *allocate(void *argument)
{
    long number = (long)argument;
    for (int i = 0; i < 300; i++) {
        size_t bytes = 1000 + (size_t)(i * 37 + number * 11) % 300000;
        unsigned char *memory = malloc(bytes);
        memset(memory, (int)number, bytes);
        unsigned char *map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        map[8191] = (unsigned char)number;
        mprotect(map + 4096, 4096, PROT_READ);
        if (map[0] != 0 || map[8191] != number || memory[bytes - 1] != number)
            return (void *)1L;
        munmap(map, 3 * 4096);
        free(memory);
    }
    return NULL;
}

static void memory(void)
{
    pthread_t threads[THREADS];
    long wrong = 0;
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, allocate, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        wrong += (long)result;
    }
    printf("memory %ld\n", wrong);
}

static void *held_by_dead(void *argument)
{
    pthread_mutex_lock(argument);
    return NULL;
}

static void robust(int shared)
{
    pthread_mutex_t *mutexes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
    for (int i = 0; i < 3; i++) {
        pthread_mutex_init(&mutexes[i], &attributes);
        pthread_t thread;
        pthread_create(&thread, NULL, held_by_dead, &mutexes[i]);
        pthread_join(thread, NULL);
        int error = pthread_mutex_lock(&mutexes[i]);
        printf("robust %d: %s", i, error ? strerrorname_np(error) : "locked");
        printf(" consistent %d", pthread_mutex_consistent(&mutexes[i]));
        printf(" unlock %d", pthread_mutex_unlock(&mutexes[i]));
        printf(" again %d\n", pthread_mutex_lock(&mutexes[i]));
    }
    munmap(mutexes, 4096);
}

int main(void)
{
    results();
    conditions();
    meetings();
    destructors();
    identity();
    memory();
    robust(0);
    robust(1);
    puts("ok");
    return 0;
}
