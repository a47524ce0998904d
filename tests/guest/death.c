// Ends in the way that its argument names.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile int sink;
static int *volatile nowhere;

static void jump(uintptr_t target)
{
    ((void (*)(void))target)();
}

static volatile int deep_enough; // never

static int overflow(int depth)
{
    if (deep_enough)
        return 0;
    volatile char frame[4096];
    frame[depth % 4096] = depth;
    return overflow(depth + 1) + frame[0];
}

static pthread_barrier_t together;

static void *read_null_together(void *argument)
{
    pthread_barrier_wait(&together);
    sink = *nowhere;
    return argument;
}

static void *overflow_in_thread(void *recurse)
{
    sink = ((int (*)(int))recurse)(0);
    return NULL;
}

int main(int argc, char **argv)
{
    static int (*volatile recurse)(int) = overflow;
    const char *how = argc > 1 ? argv[1] : "";
    if (strncmp(how, "exit-", 5) == 0)
        return atoi(how + 5);
    // What was written before a death must not be lost by the emulator.
    printf("about to %s\n", how);
    fflush(stdout);
    if (strcmp(how, "read-null") == 0)
        sink = *nowhere;
    else if (strcmp(how, "write-null") == 0)
        *nowhere = 1;
    else if (strcmp(how, "read-null-in-threads") == 0) {
        pthread_t thread;
        pthread_barrier_init(&together, NULL, 4);
        for (int i = 0; i < 4; i++)
            pthread_create(&thread, NULL, read_null_together, NULL);
        pthread_join(thread, NULL);
    } else if (strcmp(how, "read-kernel-half") == 0)
        sink = *(volatile int *)0xffff000000000000;
    else if (strcmp(how, "read-noncanonical") == 0)
        sink = *(volatile int *)0x00f0000000000000;
    else if (strcmp(how, "write-read-only") == 0)
        *(volatile char *)(uintptr_t)"constant" = 1;
    else if (strcmp(how, "udf") == 0)
        __asm__ volatile(".inst 0x00000000");
    else if (strcmp(how, "udf-1") == 0)
        __asm__ volatile(".inst 0x00001234");
    else if (strcmp(how, "unallocated") == 0)
        __asm__ volatile(".inst 0x0a00fc00"); // and w0, w0, w0, lsl 63
    else if (strcmp(how, "hvc") == 0)
        __asm__ volatile("hvc 0");
    else if (strcmp(how, "privileged") == 0)
        __asm__ volatile(".inst 0xd5381000"); // mrs x0, sctlr_el1
    else if (strcmp(how, "brk") == 0)
        __asm__ volatile("brk 0");
    else if (strcmp(how, "brk-1000") == 0)
        __asm__ volatile("brk 1000");
    else if (strcmp(how, "jump-null") == 0)
        jump(0);
    else if (strcmp(how, "jump-unmapped") == 0)
        jump(0x10000);
    else if (strcmp(how, "jump-high") == 0)
        jump(0xffffffffffff0000);
    else if (strcmp(how, "jump-data") == 0)
        jump((uintptr_t)&sink & ~3ul);
    else if (strcmp(how, "jump-stack") == 0)
        jump((uintptr_t)&argc & ~3ul);
    else if (strcmp(how, "jump-misaligned") == 0)
        jump((uintptr_t)main + 2);
    else if (strcmp(how, "jump-unmapped-page") == 0) {
        char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *(uint32_t *)code = 0xd65f03c0; // ret
        __builtin___clear_cache(code, code + 4);
        for (int i = 0; i < 3000; i++)
            jump((uintptr_t)code);
        munmap(code, 4096);
        jump((uintptr_t)code);
    } else if (strcmp(how, "jump-unexecutable-page") == 0) {
        char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *(uint32_t *)code = 0xd65f03c0; // ret
        __builtin___clear_cache(code, code + 4);
        for (int i = 0; i < 3000; i++)
            jump((uintptr_t)code);
        mprotect(code, 4096, PROT_READ | PROT_WRITE);
        jump((uintptr_t)code);
    } else if (strcmp(how, "fall-off-page") == 0) {
        uint32_t *code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < 1024; i++)
            code[i] = 0xd503201f; // nop
        mprotect(code + 1024, 4096, PROT_NONE);
        __builtin___clear_cache((char *)code, (char *)code + 4096);
        jump((uintptr_t)(code + 1000));
    } else if (strcmp(how, "bus") == 0) {
        // Beyond the end of a file's only page.
        int fd = fileno(tmpfile());
        if (ftruncate(fd, 10) != 0)
            return 99;
        char *map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
        sink = map[5000];
    } else if (strcmp(how, "abort") == 0)
        abort();
    else if (strcmp(how, "stack-overflow") == 0)
        sink = recurse(0);
    else if (strcmp(how, "stack-overflow-in-thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, overflow_in_thread, (void *)recurse);
        pthread_join(thread, NULL);
    } else if (strcmp(how, "exclusive-read-only") == 0)
        // A store that failed instead would make this an endless loop.
        __asm__ volatile("1: ldxrb w9, [%0]\n\tstxrb w10, w9, [%0]\n\tcbnz w10, 1b" : : "r"("constant") : "x9", "x10", "memory");
    else if (strcmp(how, "misaligned-exclusive") == 0)
        __asm__ volatile("ldxr x0, [%0]" : : "r"((uintptr_t)&argc | 1) : "x0");
    else if (strcmp(how, "misaligned-sp") == 0)
        __asm__ volatile("mov x9, sp\n\tsub sp, sp, 8\n\tldr x0, [sp]\n\tmov sp, x9" : : : "x0", "x9", "memory");
    else if (strcmp(how, "read-page-end") == 0) {
        char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(map + 4096, 4096);
        sink = *(volatile int *)(map + 4094);
    } else if (strcmp(how, "_exit") == 0)
        _exit(42);
    return 98;
}
