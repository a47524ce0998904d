// Stacks that change under the program: swapcontext as a ping-pong, coroutines that switch SP and x30 by hand, a stack
// that is copied elsewhere while its frames are open (as Go does it), and ten million open calls. Checks itself.
// EMU_GUEST_SMALL asks for less of it.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static void expect(const char *what, uint64_t got, uint64_t wanted)
{
    if (got != wanted) {
        printf("%s: %lu, not %lu\n", what, got, wanted);
        exit(1);
    }
}

// --- swapcontext ---

static ucontext_t here, there;
static uint64_t balls;

static void pong(void)
{
    for (;;) {
        balls++;
        swapcontext(&there, &here);
    }
}

static void ping_pong(int rounds)
{
    static char stack[65536];
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    makecontext(&there, pong, 0);
    for (int i = 0; i < rounds; i++)
        swapcontext(&here, &there);
    expect("swapcontext", balls, rounds);
}

// --- by hand ---

void switch_stacks(void **save, void *to);
__asm__(".pushsection .text\n.balign 16\n"
        "switch_stacks:\n"
        "stp x29, x30, [sp, -160]!\n"
        "stp x19, x20, [sp, 16]\n"
        "stp x21, x22, [sp, 32]\n"
        "stp x23, x24, [sp, 48]\n"
        "stp x25, x26, [sp, 64]\n"
        "stp x27, x28, [sp, 80]\n"
        "stp d8, d9, [sp, 96]\n"
        "stp d10, d11, [sp, 112]\n"
        "stp d12, d13, [sp, 128]\n"
        "stp d14, d15, [sp, 144]\n"
        "mov x9, sp\n"
        "str x9, [x0]\n"
        "mov sp, x1\n"
        "ldp x19, x20, [sp, 16]\n"
        "ldp x21, x22, [sp, 32]\n"
        "ldp x23, x24, [sp, 48]\n"
        "ldp x25, x26, [sp, 64]\n"
        "ldp x27, x28, [sp, 80]\n"
        "ldp d8, d9, [sp, 96]\n"
        "ldp d10, d11, [sp, 112]\n"
        "ldp d12, d13, [sp, 128]\n"
        "ldp d14, d15, [sp, 144]\n"
        "ldp x29, x30, [sp], 160\n"
        "ret\n"
        ".popsection\n");

enum { ROUTINES = 300, ROUTINE_STACK = 16384 };
static void *scheduler, *routines[ROUTINES];
static int current;
static uint64_t work[ROUTINES];

__attribute__((noinline)) static uint64_t yield_below(int depth, uint64_t value)
{
    if (depth > 0)
        return yield_below(depth - 1, value * 3 + 1) ^ value;
    switch_stacks(&routines[current], scheduler);
    return value;
}

static void routine(void)
{
    uint64_t value = current;
    for (int i = 0;; i++) {
        value = yield_below(i % 5, value) + i;
        work[current] = value;
    }
}

// The same without switching.
static uint64_t expected_work(int id, int turns)
{
    uint64_t value = id, last = 0;
    for (int i = 0; i < turns - 1; i++) {
        uint64_t values[8], v = value;
        int depth = i % 5;
        for (int d = depth; d > 0; d--) {
            values[d] = v;
            v = v * 3 + 1;
        }
        for (int d = 1; d <= depth; d++)
            v ^= values[d];
        last = value = v + i;
    }
    return last;
}

static void coroutines(int turns)
{
    char *stacks = mmap(NULL, ROUTINES * ROUTINE_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stacks == MAP_FAILED)
        exit(2);
    for (int i = 0; i < ROUTINES; i++) {
        uint64_t *frame = (uint64_t *)(stacks + (i + 1) * ROUTINE_STACK - 176);
        frame[1] = (uint64_t)routine;
        routines[i] = frame;
    }
    for (int turn = 0; turn < turns; turn++)
        for (int i = 0; i < ROUTINES; i++) {
            current = i;
            switch_stacks(&scheduler, routines[i]);
        }
    for (int i = 0; i < ROUTINES; i++)
        expect("coroutine", work[i], expected_work(i, turns));
    munmap(stacks, ROUTINES * ROUTINE_STACK);
}

// --- deep ---

// 1 + 2 + .. + n with n calls open; x2 is called at the bottom, on the same stack.
uint64_t count_down(uint64_t n, uint64_t argument, void (*bottom)(uint64_t), void *stack);
__asm__(".pushsection .text\n.balign 16\n"
        "count_down:\n"
        "stp x29, x30, [sp, -32]!\n"
        "stp x20, x21, [sp, 16]\n"
        "mov x20, sp\n"
        "mov sp, x3\n"
        "mov x21, x2\n"
        "bl 1f\n"
        "mov sp, x20\n"
        "ldp x20, x21, [sp, 16]\n"
        "ldp x29, x30, [sp], 32\n"
        "ret\n"
        "1: cbz x0, 2f\n"
        "stp x30, x0, [sp, -32]!\n"
        "sub x0, x0, 1\n"
        "bl 1b\n"
        "ldp x30, x9, [sp], 32\n"
        "add x0, x0, x9\n"
        "ret\n"
        "2: mov x0, x1\n"
        "cbz x21, 3f\n"
        "mov x9, x30\n"
        "str x9, [sp, -16]!\n"
        "blr x21\n" // may come back on another stack
        "ldr x30, [sp], 16\n"
        "mov x0, 0\n"
        "3: ret\n"
        ".popsection\n");

static void deep(uint64_t calls)
{
    uint64_t bytes = calls * 32 + 65536;
    char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        exit(3);
    expect("deep", count_down(calls, 0, NULL, stack + bytes), calls * (calls + 1) / 2);
    // Again, with the code hot from the start, and less deep.
    for (int i = 0; i < 10; i++)
        expect("less deep", count_down(calls / 50, 0, NULL, stack + bytes), calls / 50 * (calls / 50 + 1) / 2);
    munmap(stack, bytes);
}

// --- a stack that moves ---

static char *old_stack, *new_stack;
enum { MOVING = 65536 };

// Copies the stack with all that is open, leaves rubbish in the old one, and returns on the new one.
void move_stack(uint64_t argument);
__asm__(".pushsection .text\n.balign 16\n"
        ".globl move_stack\n"
        "move_stack:\n"
        "stp x30, xzr, [sp, -16]!\n"
        "mov x0, sp\n"
        "bl copy_stack\n"
        "mov sp, x0\n"
        "ldp x30, xzr, [sp], 16\n"
        "ret\n"
        ".popsection\n");

char *copy_stack(char *sp);
char *copy_stack(char *sp)
{
    // This function's own frame stays behind: what is above `sp` moves.
    size_t used = old_stack + MOVING - sp;
    char *moved = new_stack + MOVING - used;
    memcpy(moved, sp, used);
    for (char *at = sp + 16; at < old_stack + MOVING; at++)
        *at = 0x5a;
    // The caller's frame is still needed until it has left.
    return moved;
}

static void moving(int rounds)
{
    char *two = mmap(NULL, 2 * MOVING, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (two == MAP_FAILED)
        exit(4);
    for (int i = 0; i < rounds; i++) {
        old_stack = two + (i & 1) * MOVING;
        new_stack = two + !(i & 1) * MOVING;
        uint64_t n = i % 500;
        expect("moved stack", count_down(n, 0, move_stack, old_stack + MOVING), n * (n + 1) / 2);
    }
    munmap(two, 2 * MOVING);
}

int main(void)
{
    int small = getenv("EMU_GUEST_SMALL") != NULL;
    ping_pong(small ? 20000 : 1000000);
    coroutines(small ? 50 : 3000);
    deep(small ? 200000 : 10000000);
    moving(small ? 100 : 2000);
    printf("ok\n");
    return 0;
}
