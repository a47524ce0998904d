// Faults as runtimes use them, in code that is hot: null checks, stacks that overflow, files that shrink, wild jumps; with
// exact codes and addresses. And what ends the process after all. `signal_fault_memory.c` has what collectors do,
// `signal_fault_states.c` looks at the registers.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "signal_check.h"
#include "signal_pages.h"

#ifdef __aarch64__
#define PC(context) (((ucontext_t *)(context))->uc_mcontext.pc)
__asm__(".text\n.globl probe\nprobe:\nldrb w0, [x0]\nret\n.globl probe_failed\nprobe_failed:\nmov w0, -1\nret\n");
#else
#define PC(context) (((ucontext_t *)(context))->uc_mcontext.gregs[REG_RIP])
__asm__(".text\n.globl probe\nprobe:\nmovzbl (%rdi), %eax\nret\n.globl probe_failed\nprobe_failed:\nmov $-1, %eax\nret\n");
#endif

// The byte at an address, or -1: the handler edits the PC.
int probe(const char *address);
extern char probe_failed[];

static volatile int faults, last_code;
static void *volatile last_address;
static sigjmp_buf escape;

static void jump_out(int number, siginfo_t *info, void *context)
{
    (void)context;
    faults++;
    last_code = info->si_code;
    last_address = info->si_addr;
    siglongjmp(escape, number);
}

static void edit_pc(int number, siginfo_t *info, void *context)
{
    (void)number;
    faults++;
    last_code = info->si_code;
    last_address = info->si_addr;
    CHECK((char *)PC(context) == (char *)probe, "pc %lx", (long)PC(context));
    PC(context) = (uintptr_t)probe_failed;
}

struct node {
    long pad[3], value;
};

__attribute__((noinline)) static long sum_of(struct node *volatile const *nodes, int count)
{
    long sum = 0;
    for (int i = 0; i < count; i++)
        sum += nodes[i]->value;
    return sum;
}

static void null_checks(void)
{
    static struct node nodes[64];
    static struct node *volatile pointers[64];
    for (int i = 0; i < 64; i++) {
        nodes[i].value = i * 3;
        pointers[i] = &nodes[i];
    }
    on(SIGSEGV, jump_out, 0);
    int total = rounds(5000, 300);
    faults = 0;
    for (volatile int i = 0; i < total; i++) {
        pointers[i % 64] = NULL;
        if (sigsetjmp(escape, 1) == 0) {
            sum_of(pointers, 64);
            CHECK(false, "no fault in round %d", i);
        }
        CHECK(last_code == SEGV_MAPERR && last_address == (void *)24, "%d %p", last_code, last_address);
        pointers[i % 64] = &nodes[i % 64];
        CHECK(sum_of(pointers, 64) == 3 * 63 * 32, "sum");
    }
    CHECK(faults == total, "%d faults", faults);
    done("null checks");
}

static void probes(void)
{
    char *pages = map_pages(64, PROT_READ | PROT_WRITE);
    for (int i = 0; i < 64; i++) {
        pages[i * PAGE + i] = i;
        if (i % 3 == 1)
            mprotect(pages + i * PAGE, PAGE, PROT_NONE);
        if (i % 3 == 2)
            munmap(pages + i * PAGE, PAGE);
    }
    on(SIGSEGV, edit_pc, 0);
    int total = rounds(20000, 1000);
    for (int i = 0; i < total; i++) {
        int page = i % 64;
        char *address = pages + page * PAGE + page;
        int got = probe(address);
        CHECK(got == (page % 3 == 0 ? page : -1), "page %d: %d", page, got);
        if (page % 3 != 0)
            CHECK(last_address == address && last_code == (page % 3 == 1 ? SEGV_ACCERR : SEGV_MAPERR), "page %d: %p %d",
                  page, last_address, last_code);
    }
    // Every kind of wrong address.
    uintptr_t wrong[] = { 0, 1, PAGE - 1, (uintptr_t)1 << 47, 0x0000ffffffffffff, 0xffff000000000000, 0xffffffffffffffff };
    for (int j = 0; j < 200; j++)
        for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
            CHECK(probe((char *)wrong[i]) == -1, "%lx", (long)wrong[i]);
    munmap(pages, 64 * PAGE);
    done("probes");
}

// Overflow of a stack, found on another; left by longjmp.
static char *overflow_low, *overflow_high;

static void overflowed(int number, siginfo_t *info, void *context)
{
    (void)context;
    char *address = info->si_addr;
    CHECK(address >= overflow_low - 65536 && address < overflow_high, "%p not in %p", address, overflow_low);
    faults++;
    siglongjmp(escape, number);
}

static volatile int deep_enough; // never

__attribute__((noinline)) static int overflow(int depth)
{
    volatile char frame[512];
    if (deep_enough)
        return 0;
    frame[depth % 512] = depth;
    return overflow(depth + 1) + frame[depth % 512];
}

static void *overflow_often(void *argument)
{
    stack_t stack = { .ss_sp = map_pages(16, PROT_READ | PROT_WRITE), .ss_size = 16 * PAGE };
    sigaltstack(&stack, NULL);
    for (volatile int i = 0; i < rounds(200, 20); i++)
        if (sigsetjmp(escape, 1) == 0)
            overflow(0);
    return argument;
}

static void stack_overflows(void)
{
    // A thread's stack, with a guard page of our own below.
    overflow_low = map_pages(33, PROT_READ | PROT_WRITE);
    mprotect(overflow_low, PAGE, PROT_NONE);
    overflow_high = overflow_low + PAGE;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, overflow_low + PAGE, 32 * PAGE);
    on(SIGSEGV, overflowed, SA_ONSTACK);
    faults = 0;
    CHECK(pthread_create(&thread, &attributes, overflow_often, NULL) == 0, "create");
    pthread_join(thread, NULL);
    CHECK(faults == rounds(200, 20), "%d", faults);
    // The program's own, which grows until its limit.
    faults = 0;
    overflow_low = NULL;
    overflow_low += 65536;
    overflow_high = (char *)&attributes;
    stack_t stack = { .ss_sp = map_pages(16, PROT_READ | PROT_WRITE), .ss_size = 16 * PAGE };
    sigaltstack(&stack, NULL);
    for (volatile int i = 0; i < 3; i++)
        if (sigsetjmp(escape, 1) == 0)
            overflow(0);
    CHECK(faults == 3, "%d", faults);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    done("stack overflows");
}

// A file that shrinks under its mapping.
static char *file_map;
static int file;

static void grow_file(int number, siginfo_t *info, void *context)
{
    (void)context;
    faults++;
    CHECK(number == SIGBUS && info->si_code == BUS_ADRERR, "code %d", info->si_code);
    last_address = info->si_addr;
    if (ftruncate(file, 4 * PAGE) != 0)
        abort();
}

static void shrunk_files(void)
{
    char name[] = "/tmp/signal_faults.XXXXXX";
    file = mkstemp(name);
    unlink(name);
    if (ftruncate(file, 4 * PAGE) != 0)
        exit(99);
    file_map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    on(SIGBUS, grow_file, 0);
    faults = 0;
    int total = rounds(1000, 100);
    for (int i = 0; i < total; i++) {
        file_map[3 * PAGE + 1] = 1;
        if (ftruncate(file, PAGE + 10) != 0)
            exit(99);
        if (i & 1)
            file_map[2 * PAGE + 5] = 7;
        else
            CHECK(*(volatile char *)(file_map + 2 * PAGE + 5) == 0, "read");
        CHECK(faults == i + 1 && last_address == file_map + 2 * PAGE + 5, "%d faults, %p", faults, last_address);
        CHECK(file_map[3 * PAGE + 1] == 0, "what was cut off is gone");
    }
    // A system call with such a pointer fails instead.
    if (ftruncate(file, PAGE) != 0)
        exit(99);
    int ends[2];
    if (pipe(ends) != 0)
        exit(99);
    CHECK(write(ends[1], file_map + 2 * PAGE, 10) == -1 && errno == EFAULT && faults == total, "EFAULT");
    done("shrunk files");
}

// Execution where there is no code; the handler returns to the caller.
static void return_to_caller(int number, siginfo_t *info, void *context)
{
    faults++;
    last_code = info->si_code + number * 1000;
    last_address = info->si_addr;
    CHECK((void *)PC(context) == info->si_addr, "pc %lx address %p", (long)PC(context), info->si_addr);
#ifdef __aarch64__
    ucontext_t *uc = context;
    uc->uc_mcontext.pc = uc->uc_mcontext.regs[30];
    uc->uc_mcontext.regs[0] = 77;
#else
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    registers[REG_RIP] = *(greg_t *)registers[REG_RSP];
    registers[REG_RSP] += 8;
    registers[REG_RAX] = 77;
#endif
}

static void wild_jumps(void)
{
    char *pages = map_pages(3, PROT_READ | PROT_WRITE);
    mprotect(pages + PAGE, PAGE, PROT_NONE);
    munmap(pages + 2 * PAGE, PAGE);
    on(SIGSEGV, return_to_caller, 0);
    int total = rounds(2000, 200);
    faults = 0;
    for (int i = 0; i < total; i++) {
        char *target = i % 4 == 3 ? NULL : pages + i % 4 * PAGE + 16 * (i % 200);
        int (*volatile function)(void) = (int (*)(void))(uintptr_t)target;
        CHECK(function() == 77, "result");
        CHECK(last_address == target, "%p, not %p", last_address, target);
        int code = i % 4 <= 1 ? SEGV_ACCERR : SEGV_MAPERR;
        CHECK(last_code == SIGSEGV * 1000 + code, "%d: %d, not %d", i % 4, last_code, code);
    }
    CHECK(faults == total, "%d", faults);
    munmap(pages, 2 * PAGE);
    done("wild jumps");
}

// Undefined instructions and breakpoints, skipped.
#ifdef __aarch64__
__asm__(".text\n.globl undefined\nundefined:\nudf 7\nmov w0, 11\nret\n"
        ".globl breakpoint\nbreakpoint:\nbrk 5\nmov w0, 12\nret\n");
enum { UNDEFINED_BYTES = 4, BREAKPOINT_BYTES = 4, ILL_CODE = ILL_ILLOPC, TRAP_CODE = TRAP_BRKPT };
#else
__asm__(".text\n.globl undefined\nundefined:\nud2\nmov $11, %eax\nret\n"
        ".globl breakpoint\nbreakpoint:\nint3\nmov $12, %eax\nret\n");
enum { UNDEFINED_BYTES = 2, BREAKPOINT_BYTES = 0, ILL_CODE = ILL_ILLOPN, TRAP_CODE = SI_KERNEL };
#endif
int undefined(void);
int breakpoint(void);

static void skip_instruction(int number, siginfo_t *info, void *context)
{
    faults++;
    if (number == SIGILL)
        CHECK(info->si_code == ILL_CODE && info->si_addr == (void *)PC(context) && (uintptr_t)PC(context) == (uintptr_t)undefined,
              "code %d %p", info->si_code, info->si_addr);
    else
        CHECK(info->si_code == TRAP_CODE && (uintptr_t)PC(context) - (BREAKPOINT_BYTES == 0) == (uintptr_t)breakpoint, "code %d pc %lx",
              info->si_code, (long)PC(context));
#ifdef __aarch64__
    if (number == SIGTRAP)
        CHECK(info->si_addr == (void *)breakpoint, "%p", info->si_addr);
#endif
    PC(context) += number == SIGILL ? UNDEFINED_BYTES : BREAKPOINT_BYTES;
}

static void traps(void)
{
    on(SIGILL, skip_instruction, 0);
    on(SIGTRAP, skip_instruction, 0);
    faults = 0;
    int total = rounds(5000, 300);
    for (int i = 0; i < total; i++) {
        CHECK(undefined() == 11, "undefined");
        CHECK(breakpoint() == 12, "breakpoint");
    }
    CHECK(faults == 2 * total, "%d", faults);
    done("traps");
}

// Faults while a timer interrupts: neither loses the other.
static volatile int ticks;

static void tick(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    ticks++;
    CHECK(probe((char *)16) == -1, "a fault in the handler");
}

static void with_timer(void)
{
    // The handler of the fault is not interrupted: a fault meanwhile would find SIGSEGV blocked.
    struct sigaction action = { .sa_sigaction = edit_pc, .sa_flags = SA_SIGINFO, .sa_mask = set_of(SIGALRM, 0) };
    sigaction(SIGSEGV, &action, NULL);
    on(SIGALRM, tick, 0);
    struct itimerval period = { { 0, 200 }, { 0, 200 } };
    faults = 0;
    setitimer(ITIMER_REAL, &period, NULL);
    int total = 0;
    while (ticks < rounds(300, 30)) {
        CHECK(probe((char *)8) == -1, "probe");
        total++;
    }
    memset(&period, 0, sizeof period);
    setitimer(ITIMER_REAL, &period, NULL);
    CHECK(faults == total + ticks, "%d, not %d and %d", faults, total, ticks);
    done("with a timer");
}

// What ends the process.
static int *volatile nowhere = (int *)16;

static void fault_again(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    *nowhere = 1;
}

static int in_handler(void)
{
    on(SIGSEGV, fault_again, 0);
    return *nowhere;
}

static int in_handler_of_another(void)
{
    on(SIGSEGV, fault_again, 0);
    on(SIGUSR1, fault_again, 0);
    raise(SIGUSR1);
    return 0;
}

static volatile int depth;

static void nest(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    if (++depth < 30)
        *nowhere = 1;
    siglongjmp(escape, number);
}

static int nested(void)
{
    on(SIGSEGV, nest, SA_NODEFER);
    for (volatile int i = 0; i < 50; i++) {
        depth = 0;
        if (sigsetjmp(escape, 1) == 0)
            *nowhere = 1;
        if (depth != 30)
            return 1;
    }
    return 0;
}

static int reset(void)
{
    on(SIGSEGV, edit_pc, SA_RESETHAND);
    return probe((char *)16) == -1 ? probe((char *)16) : 99;
}

static int blocked(void)
{
    on(SIGSEGV, edit_pc, 0);
    block(SIGSEGV);
    return probe((char *)16);
}

static int ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    return probe((char *)16);
}

static int bus_ignored(void)
{
    signal(SIGBUS, SIG_IGN);
    return file_map[2 * PAGE];
}

static int ill_blocked(void)
{
    block(SIGILL);
    return undefined();
}

static int trap_ignored(void)
{
    signal(SIGTRAP, SIG_IGN);
    return breakpoint();
}

static void nothing(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
}

// The stack overflows and there is no other for the handler.
static int no_stack(void)
{
    struct rlimit small = { 256 << 10, 256 << 10 };
    setrlimit(RLIMIT_STACK, &small);
    on(SIGSEGV, nothing, 0);
    return overflow(0);
}

static void overflow_here(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    overflow(0);
}

static void leave(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    _exit(44);
}

// Below the alternate stack the thread is not on it, so that a handler which asks for it begins at its top again.
static int fill_alternate(int flags)
{
    char *pages = map_pages(9, PROT_READ | PROT_WRITE);
    mprotect(pages, PAGE, PROT_NONE);
    stack_t stack = { .ss_sp = pages + PAGE, .ss_size = 8 * PAGE };
    sigaltstack(&stack, NULL);
    on(SIGSEGV, leave, flags);
    on(SIGUSR1, overflow_here, SA_ONSTACK);
    raise(SIGUSR1);
    return 0;
}

static int alternate_full(void)
{
    return fill_alternate(0);
}

static int alternate_again(void)
{
    return fill_alternate(SA_ONSTACK);
}

static int no_room(void)
{
    char *pages = map_pages(8, PROT_NONE);
    stack_t stack = { .ss_sp = pages, .ss_size = 8 * PAGE };
    sigaltstack(&stack, NULL);
    on(SIGUSR1, nothing, SA_ONSTACK);
    raise(SIGUSR1);
    return 0;
}

static int alternate_unmapped(void)
{
    signal(SIGSEGV, SIG_DFL);
    return no_room();
}

// The frame has no room, but the handler of SIGSEGV has.
static void said(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    _exit(info->si_code == SI_KERNEL && info->si_addr == NULL ? 33 : 34);
}

static int alternate_unmapped_but_for_segv(void)
{
    on(SIGSEGV, said, 0);
    return no_room();
}

// The handler of SIGSEGV blocks nothing, so that others come at once.
static volatile int others;

static void count_other(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    others++;
}

static void raise_another(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    raise(SIGUSR2);
    _exit(others == 1 ? 34 : 35);
}

static int others_come_at_once(void)
{
    on(SIGSEGV, raise_another, SA_NODEFER);
    on(SIGUSR2, count_other, 0);
    return no_room();
}

static void ends(void)
{
    static const struct {
        const char *name;
        int (*body)(void);
        int end;
    } cases[] = {
        { "in its handler", in_handler, -SIGSEGV },
        { "in another's handler", in_handler_of_another, -SIGSEGV },
        { "nested", nested, 0 },
        { "SA_RESETHAND", reset, -SIGSEGV },
        { "blocked", blocked, -SIGSEGV },
        { "ignored", ignored, -SIGSEGV },
        { "SIGBUS ignored", bus_ignored, -SIGBUS },
        { "SIGILL blocked", ill_blocked, -SIGILL },
        { "SIGTRAP ignored", trap_ignored, -SIGTRAP },
        { "no stack", no_stack, -SIGSEGV },
        { "alternate stack full", alternate_full, -SIGSEGV },
        { "alternate stack full, and again", alternate_again, 44 },
        { "alternate stack unmapped", alternate_unmapped, -SIGSEGV },
        { "and SIGSEGV elsewhere", alternate_unmapped_but_for_segv, 33 },
        { "and others come at once", others_come_at_once, 34 },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        int end = end_of(cases[i].body);
        CHECK(end == cases[i].end, "%s: %d", cases[i].name, end);
    }
    done("ends");
}

int main(void)
{
    null_checks();
    probes();
    stack_overflows();
    shrunk_files();
    wild_jumps();
    traps();
    with_timer();
    ends();
    return finish();
}
