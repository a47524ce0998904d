// The frame of a signal to the byte, as arm64's kernel builds it, what a handler may change in it, and what
// rt_sigreturn refuses. arm64 only; prints "ok" last.
#define _GNU_SOURCE
#include <setjmp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>

#include "signal_check.h"
#include "signal_state.h"

enum {
    INFO = 0,
    CONTEXT = 128,
    STACK = CONTEXT + 16,
    MASK = CONTEXT + 40,
    MACHINE = CONTEXT + 176,
    REGISTERS = MACHINE + 8,
    SP = REGISTERS + 31 * 8,
    PC = SP + 8,
    PSTATE = PC + 8,
    EXTENSIONS = MACHINE + 288,
    FRAME_SIZE = CONTEXT + 176 + 288 + 4096,
};
#define FPSIMD 0x46508001u
#define ESR 0x45535201u

// What the handlers below are entered with.
struct entry {
    uint64_t x0, x1, x2, x29, x30, sp;
} entry;

void detailed_handler(int, siginfo_t *, void *);
void plain_handler(int);
__asm__(".text\n.macro ENTRY name, next\n.globl \\name\n\\name:\n"
        "adrp x9, entry\nadd x9, x9, :lo12:entry\nmov x10, sp\n"
        "stp x0, x1, [x9]\nstp x2, x29, [x9, 16]\nstp x30, x10, [x9, 32]\nb \\next\n.endm\n"
        "ENTRY detailed_handler, inspect\n"
        "ENTRY plain_handler, inspect_plain\n");

STATE_RUN(load, "", "ldr x3, [x9]");
STATE_RUN(store, "", "str x3, [x9, 8]");
STATE_RUN(call, "", "svc 0");

static uint64_t word(uint64_t base, int offset)
{
    return *(volatile uint64_t *)(base + offset);
}

static uint32_t half(uint64_t base, int offset)
{
    return *(volatile uint32_t *)(base + offset);
}

static int entered;
static uint64_t expected_sp, interrupted_sp, interrupted_x29, interrupted_x30;
static uint64_t frame_esr, frame_fault;
static bool has_esr;

static void inspect_common(void)
{
    uint64_t frame = entry.sp;
    entered++;
    CHECK(frame % 16 == 0, "sp %lx", frame);
    CHECK(entry.x29 == frame + FRAME_SIZE, "x29 %lx sp %lx", entry.x29, frame);
    const uint32_t *trampoline = (const uint32_t *)entry.x30;
    CHECK(trampoline[0] == 0xd2801168 && trampoline[1] == 0xd4000001, "%x %x", trampoline[0], trampoline[1]);
    interrupted_sp = word(frame, SP);
    interrupted_x29 = word(frame, REGISTERS + 29 * 8);
    interrupted_x30 = word(frame, REGISTERS + 30 * 8);
    CHECK(word(entry.x29, 0) == interrupted_x29 && word(entry.x29, 8) == interrupted_x30, "frame record");
    uint64_t top = expected_sp != 0 ? expected_sp : interrupted_sp;
    CHECK(((top - 16) & -16ul) - FRAME_SIZE == frame, "top %lx frame %lx", top, frame);
    CHECK(word(frame, CONTEXT) == 0 && word(frame, CONTEXT + 8) == 0, "uc_flags, uc_link");
    CHECK((word(frame, PSTATE) & ~0xf0001000ul) == 0, "pstate %lx", word(frame, PSTATE));
    CHECK(half(frame, EXTENSIONS) == FPSIMD && half(frame, EXTENSIONS + 4) == 528, "fpsimd_context");
    int next = EXTENSIONS + 528;
    has_esr = half(frame, next) == ESR;
    if (has_esr) {
        CHECK(half(frame, next + 4) == 16, "size of esr_context");
        frame_esr = word(frame, next + 8);
        next += 16;
    }
    CHECK(half(frame, next) == 0 && half(frame, next + 4) == 0, "terminator %x", half(frame, next));
    frame_fault = word(frame, MACHINE);
}

__attribute__((used)) void inspect(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    CHECK((uint64_t)info == entry.sp + INFO && (uint64_t)context == entry.sp + CONTEXT, "x1 and x2");
    CHECK(number == (int)entry.x0 && info->si_signo == number, "number");
    CHECK(half(entry.sp, INFO) == (uint32_t)number && half(entry.sp, INFO + 4) == 0, "siginfo");
    CHECK((int)half(entry.sp, INFO + 8) == info->si_code, "si_code");
    // The C library's idea of the frame and the offsets above are the same.
    CHECK((uint64_t)&uc->uc_stack == entry.sp + STACK && (uint64_t)&uc->uc_sigmask == entry.sp + MASK, "uc");
    CHECK((uint64_t)&uc->uc_mcontext == entry.sp + MACHINE, "uc_mcontext");
    CHECK((uint64_t)&uc->uc_mcontext.__reserved == entry.sp + EXTENSIONS, "__reserved");
    inspect_common();
}

__attribute__((used)) void inspect_plain(int number)
{
    CHECK(number == (int)entry.x0, "number");
    inspect_common();
}

static char alternate[65536] __attribute__((aligned(16)));

static void use_alternate(int flags)
{
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate, .ss_flags = flags };
    CHECK(sigaltstack(&stack, NULL) == 0, "sigaltstack");
}

static void act(int number, void *handler, int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = (void (*)(int))handler;
    action.sa_flags = flags;
    sigaction(number, &action, NULL);
}

static long raw_call(long number, long a, long b, long c)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8) : "memory");
    return x0;
}

static void layout(void)
{
    block(SIGUSR2);
    act(SIGUSR1, (void *)detailed_handler, SA_SIGINFO);
    raw_call(SYS_tgkill, getpid(), gettid(), SIGUSR1);
    CHECK(entered == 1 && !has_esr, "entered %d, esr %d", entered, has_esr);
    act(SIGUSR1, (void *)plain_handler, 0);
    raw_call(SYS_tgkill, getpid(), gettid(), SIGUSR1);
    CHECK(entered == 2 && !has_esr, "entered %d", entered);
    use_alternate(0);
    act(SIGUSR1, (void *)detailed_handler, SA_SIGINFO | SA_ONSTACK);
    expected_sp = (uint64_t)alternate + sizeof alternate;
    raw_call(SYS_tgkill, getpid(), gettid(), SIGUSR1);
    CHECK(entered == 3, "entered %d", entered);
    uint64_t frame = entry.sp;
    CHECK(word(frame, STACK) == (uint64_t)alternate && half(frame, STACK + 8) == 0, "uc_stack");
    CHECK(word(frame, STACK + 16) == sizeof alternate, "its size");
    CHECK(word(frame, MASK) == 1ul << (SIGUSR2 - 1), "mask %lx", word(frame, MASK));
    CHECK(word(frame, REGISTERS) == 0, "x0 is the result of tgkill: %lx", word(frame, REGISTERS));
    CHECK(word(frame, REGISTERS + 64) == SYS_tgkill, "x8 %ld", word(frame, REGISTERS + 64));
    CHECK(*(uint32_t *)(word(frame, PC) - 4) == 0xd4000001, "behind the SVC");
    unblock(SIGUSR2);
    done("layout");
}

// What the frame held, copied out by the handler of the states below.
static struct state seen;
static siginfo_t seen_info;
static uint64_t seen_pc, seen_mask, seen_sp;
static void (*edit)(ucontext_t *, struct fpsimd_context *);

static void capture(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct fpsimd_context *vectors = (struct fpsimd_context *)uc->uc_mcontext.__reserved;
    (void)number;
    seen_info = *info;
    for (int i = 0; i < 31; i++)
        seen.x[i] = uc->uc_mcontext.regs[i];
    seen.nzcv = uc->uc_mcontext.pstate;
    seen.fpcr = vectors->fpcr;
    seen.fpsr = vectors->fpsr;
    memcpy(seen.v, vectors->vregs, sizeof seen.v);
    seen_sp = uc->uc_mcontext.sp;
    seen_pc = uc->uc_mcontext.pc;
    memcpy(&seen_mask, &uc->uc_sigmask, 8);
    frame_fault = uc->uc_mcontext.fault_address;
    struct esr_context *syndrome = (struct esr_context *)((char *)vectors + 528);
    has_esr = syndrome->head.magic == ESR;
    frame_esr = has_esr ? syndrome->esr : 0;
    if (edit != NULL)
        edit(uc, vectors);
}

static struct state in, out, other_out;

static void compare_states(const struct state *expected, const struct state *actual, const char *what)
{
    for (int i = 0; i < 31; i++)
        CHECK(expected->x[i] == actual->x[i], "%s x%d: %lx, not %lx", what, i, actual->x[i], expected->x[i]);
    for (int i = 0; i < 64; i++)
        CHECK(expected->v[i / 2][i % 2] == actual->v[i / 2][i % 2], "%s v%d", what, i / 2);
    CHECK(expected->nzcv == actual->nzcv, "%s nzcv %lx, not %lx", what, actual->nzcv, expected->nzcv);
    CHECK(expected->fpcr == actual->fpcr, "%s fpcr %lx, not %lx", what, actual->fpcr, expected->fpcr);
    CHECK(expected->fpsr == actual->fpsr, "%s fpsr %lx, not %lx", what, actual->fpsr, expected->fpsr);
}

static void skip(ucontext_t *uc, struct fpsimd_context *vectors)
{
    (void)vectors;
    uc->uc_mcontext.pc += 4;
}

static void prepare(uint64_t seed)
{
    fill_state(&in, seed);
    in.sp = (uint64_t)&out;
    in.fpsr = seed % 3 == 1 ? 0x08000010 : seed % 3 == 2 ? 0x0000001f : 0;
    in.fpcr = (seed & 3) << 22 | (seed & 8 ? 1ul << 25 : 0) | (seed & 16 ? 1ul << 24 : 0);
    memset(&out, 0, sizeof out);
    memset(&seen, 0, sizeof seen);
}

static void faults(char *page)
{
    int count = rounds(3000, 100);
    use_alternate(0);
    on(SIGSEGV, capture, SA_ONSTACK);
    edit = skip;
    for (int i = 0; i < count && failures == 0; i++) {
        bool writes = i & 1, is_protected = i & 2, is_kernel = (i & 12) == 12;
        prepare(i);
        uint64_t address = (uint64_t)page + (is_protected ? 4096 : 0) + i % 500 * 8;
        if (is_kernel)
            address = 0xffff800000000000 + i % 500 * 8;
        in.x[9] = writes ? address - 8 : address;
        (writes ? run_store : run_load)(&in);
        CHECK(seen_pc == (uint64_t)(writes ? at_store : at_load), "pc %lx", seen_pc);
        CHECK(seen_sp == in.sp, "sp %lx", seen_sp);
        compare_states(&in, &seen, "frame");
        compare_states(&in, &out, "after");
        CHECK(seen_info.si_addr == (void *)address && frame_fault == address, "address %p %lx", seen_info.si_addr,
              frame_fault);
        int code = is_kernel || !is_protected ? SEGV_MAPERR : SEGV_ACCERR;
        CHECK(seen_info.si_code == code, "code %d, not %d", seen_info.si_code, code);
        CHECK(has_esr && frame_esr >> 26 == 0x24, "data abort from EL0: %lx", frame_esr);
        CHECK((frame_esr >> 6 & 1) == writes, "WnR: %lx at %lx", frame_esr, address);
        CHECK(frame_esr >> 25 & 1, "IL: %lx", frame_esr);
        uint32_t status = frame_esr & 0x3c;
        CHECK(status == (code == SEGV_ACCERR ? 0x0c : 0x04), "status %x", status);
    }
    done("faults");
}

static uint64_t edit_seed;

// Everything that a handler can change.
static void change(ucontext_t *uc, struct fpsimd_context *vectors)
{
    struct state want;
    fill_state(&want, edit_seed);
    memcpy(uc->uc_mcontext.regs, want.x, sizeof want.x);
    uc->uc_mcontext.sp = (uint64_t)&other_out;
    uc->uc_mcontext.pc += 4;
    uc->uc_mcontext.pstate = (uc->uc_mcontext.pstate & ~0xf0000000ul) | want.nzcv;
    memcpy(vectors->vregs, want.v, sizeof want.v);
    vectors->fpcr = (edit_seed & 3) << 22;
    vectors->fpsr = edit_seed & 4 ? 0x08000001 : 0x10;
    sigaddset(&uc->uc_sigmask, SIGUSR2);
    sigaddset(&uc->uc_sigmask, SIGKILL);
}

static void edits(char *page)
{
    struct state want;
    edit = change;
    for (int i = 0; i < rounds(3000, 100) && failures == 0; i++) {
        prepare(i);
        in.x[9] = (uint64_t)page;
        edit_seed = i * 7 + 3;
        run_load(&in);
        fill_state(&want, edit_seed);
        want.fpcr = (edit_seed & 3) << 22;
        want.fpsr = edit_seed & 4 ? 0x08000001 : 0x10;
        compare_states(&want, &other_out, "edited");
        CHECK(other_out.sp == (uint64_t)&other_out, "sp");
        sigset_t mask;
        sigprocmask(SIG_SETMASK, NULL, &mask);
        CHECK(sigismember(&mask, SIGUSR2) && !sigismember(&mask, SIGKILL) && !sigismember(&mask, SIGSEGV), "mask");
        unblock(SIGUSR2);
    }
    done("edits");
}

// A signal behind a system call: the same frame, and every register as the call left it.
static void calls(void)
{
    on(SIGUSR1, capture, SA_ONSTACK);
    edit = NULL;
    for (int i = 0; i < rounds(3000, 100) && failures == 0; i++) {
        prepare(i);
        in.x[8] = SYS_tgkill;
        in.x[0] = getpid(), in.x[1] = gettid(), in.x[2] = SIGUSR1;
        run_call(&in);
        in.x[0] = 0;
        CHECK(seen_pc == (uint64_t)past_call && seen_sp == in.sp, "pc %lx", seen_pc);
        compare_states(&in, &seen, "frame");
        compare_states(&in, &out, "after");
        CHECK(seen_info.si_code == SI_TKILL && seen_info.si_pid == getpid(), "code %d", seen_info.si_code);
    }
    done("calls");
}

static int edit_number;

static void edit_stack(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)number, (void)info;
    if (edit_number == 0)
        uc->uc_stack.ss_flags = SS_DISABLE;
    else
        uc->uc_stack.ss_size = 32768;
}

static void stack_edits(void)
{
    stack_t now;
    on(SIGUSR1, edit_stack, 0);
    use_alternate(0);
    edit_number = 0;
    raise(SIGUSR1);
    sigaltstack(NULL, &now);
    CHECK(now.ss_flags == SS_DISABLE && now.ss_sp == NULL, "flags %x", now.ss_flags);
    use_alternate(0);
    edit_number = 1;
    raise(SIGUSR1);
    sigaltstack(NULL, &now);
    CHECK(now.ss_flags == 0 && now.ss_size == 32768, "size %zu", now.ss_size);
    done("stack edits");
}

// What makes rt_sigreturn refuse the frame.
static void damage(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uint32_t *extensions = (uint32_t *)uc->uc_mcontext.__reserved;
    (void)number, (void)info;
    switch (edit_number) {
    case 0: extensions[0] = 0x12345678; break;               // unknown
    case 1: extensions[0] = extensions[1] = 0; break;        // no fpsimd_context at all
    case 2: extensions[1] = 512; break;                      // too short
    case 3: extensions[1] = 0; break;                        // no size
    case 4: uc->uc_mcontext.pstate = 5; break;               // EL1
    case 5: uc->uc_mcontext.pstate |= 0x10; break;           // AArch32
    case 6: uc->uc_mcontext.pstate |= 0x80; break;           // interrupts masked
    case 7: memcpy(extensions + 132, extensions, 528); break; // two of them
    case 8: extensions[132] = 0x1111, extensions[133] = 16; break;
    case 9: extensions[132] = 0, extensions[133] = 16; break; // a terminator with a size
    case 10: extensions[1] = 0xfffffff0; break;
    case 11: extensions[1] = 536; break;
    }
}

static int returns_damaged(void)
{
    signal(SIGSEGV, SIG_DFL);
    on(SIGUSR1, damage, 0);
    raise(SIGUSR1);
    return 42;
}

static int returns_from_nowhere(void)
{
    signal(SIGSEGV, SIG_DFL);
    __asm__ volatile("mov x9, sp\n\tmov x10, 0\n\tmov sp, x10\n\tmov x8, 139\n\tsvc 0\n\tmov sp, x9" : : : "x0", "x8", "x9", "x10", "memory");
    return 42;
}

static int returns_from_unaligned(void)
{
    signal(SIGSEGV, SIG_DFL);
    __asm__ volatile("mov x9, sp\n\tsub sp, sp, 8\n\tmov x8, 139\n\tsvc 0\n\tmov sp, x9" : : : "x0", "x8", "x9", "x10", "memory");
    return 42;
}

// The refusal is a signal like others: it can be caught.
static sigjmp_buf caught;

static void refused(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    siglongjmp(caught, number);
}

static void broken(void)
{
    for (edit_number = 0; edit_number < 12; edit_number++) {
        int end = end_of(returns_damaged);
        CHECK(end == -SIGSEGV, "damage %d: %d", edit_number, end);
    }
    CHECK(end_of(returns_from_nowhere) == -SIGSEGV, "no frame");
    CHECK(end_of(returns_from_unaligned) == -SIGSEGV, "unaligned");
    on(SIGSEGV, refused, 0);
    on(SIGUSR1, damage, 0);
    edit_number = 0;
    for (volatile int i = 0; i < 100; i++) {
        if (sigsetjmp(caught, 1) == 0) {
            raise(SIGUSR1);
            CHECK(false, "returned");
        }
    }
    // The frame's mask counts all the same, so that a handler whose own mask has SIGSEGV does not keep it from being caught.
    struct sigaction action = { .sa_sigaction = damage, .sa_flags = SA_SIGINFO, .sa_mask = set_of(SIGSEGV, SIGUSR2) };
    sigaction(SIGUSR1, &action, NULL);
    for (volatile int i = 0; i < 2; i++) {
        edit_number = i == 0 ? 0 : 4;
        if (sigsetjmp(caught, 0) == 0) {
            raise(SIGUSR1);
            CHECK(false, "returned");
        }
        CHECK(is_blocked(SIGSEGV) && !is_blocked(SIGUSR2) && !is_blocked(SIGUSR1), "the mask of the frame");
        unblock(SIGSEGV);
    }
    done("broken");
}

// A frame that does not fit on the alternate stack is SIGSEGV, which does not fit either.
static int no_room(void)
{
    char *small_stack = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(small_stack, 4096, PROT_NONE);
    small_stack += 4096;
    stack_t stack = { .ss_sp = small_stack, .ss_size = 8192 };
    CHECK(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    on(SIGUSR1, refused, SA_ONSTACK);
    on(SIGSEGV, capture, SA_ONSTACK);
    __asm__ volatile("mov x19, sp\n\tmov sp, %0\n\tmov x8, 131\n\tmov x0, %1\n\tmov x1, %2\n\tmov x2, 10\n\tsvc 0\n\tmov sp, x19"
                     : : "r"(small_stack + 4096), "r"((long)getpid()), "r"((long)gettid()) : "x0", "x1", "x2", "x8", "x19", "memory");
    return 42;
}

int main(void)
{
    char *page = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 4096);
    layout();
    expected_sp = 0;
    faults(page);
    edits(page);
    calls();
    stack_edits();
    broken();
    int end = end_of(no_room);
    CHECK(end == -SIGSEGV, "%d", end);
    return finish();
}
