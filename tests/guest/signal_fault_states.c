// Every register, the flags and the address at faults of all kinds of accesses, in code that has become hot. arm64 only;
// prints "ok" last. What an instruction that faults would have loaded is not there yet, and no base has moved.
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>
#include <sys/ucontext.h>

#include "signal_check.h"
#include "signal_state.h"

__asm__(".arch_extension lse\n");

STATE_RUN(ldr_post, "", "ldr x3, [x9], 16");
STATE_RUN(ldr_pre, "", "ldr x3, [x9, 16]!");
STATE_RUN(ldr_itself, "", "ldr x9, [x9]");
STATE_RUN(ldr_index, "", "ldr x3, [x9, x10, lsl 3]");
STATE_RUN(ldrb, "", "ldrb w3, [x9]");
STATE_RUN(ldrsh, "", "ldrsh x3, [x9, 2]");
STATE_RUN(ldrsw, "", "ldrsw x3, [x9], 4");
STATE_RUN(ldtr, "", "ldtr x3, [x9]");
STATE_RUN(ldp, "", "ldp x3, x4, [x9], 16");
STATE_RUN(ldpsw, "", "ldpsw x3, x4, [x9]");
STATE_RUN(ldp_q, "", "ldp q3, q4, [x9], 32");
STATE_RUN(ldr_q, "", "ldr q3, [x9, 32]!");
STATE_RUN(ldr_s, "", "ldr s3, [x9]");
STATE_RUN(ld1, "", "ld1 {v0.16b-v3.16b}, [x9], 64");
STATE_RUN(ld1_lane, "", "ld1 {v3.s}[2], [x9], 4");
STATE_RUN(ld1r, "", "ld1r {v3.4s}, [x9], x10");
STATE_RUN(ld2, "", "ld2 {v3.2d, v4.2d}, [x9]");
STATE_RUN(ld4, "", "ld4 {v0.4s-v3.4s}, [x9], x10");
STATE_RUN(ldar, "", "ldar x3, [x9]");
STATE_RUN(ldxr, "", "ldxr x3, [x9]");
STATE_RUN(ldaxp, "", "ldaxp x3, x4, [x9]");
STATE_RUN(str_post, "", "str x3, [x9], -8");
STATE_RUN(str_itself, "", "str x9, [x9, 8]");
STATE_RUN(strb, "", "strb w3, [x9]");
STATE_RUN(stp, "", "stp x3, x4, [x9], 16");
STATE_RUN(stp_q, "", "stp q3, q4, [x9, -32]!");
STATE_RUN(stlr, "", "stlr x3, [x9]");
STATE_RUN(str_q, "", "str q3, [x9, x10, lsl 4]");
STATE_RUN(st1, "", "st1 {v4.16b-v7.16b}, [x9], 64");
STATE_RUN(st1_lane, "", "st1 {v4.h}[5], [x9], 2");
STATE_RUN(st3, "", "st3 {v4.8b-v6.8b}, [x9]");
STATE_RUN(st4, "", "st4 {v4.4s-v7.4s}, [x9], 64");
STATE_RUN(dc_zva, "", "dc zva, x9");
STATE_RUN(ldadd, "", "ldaddal x3, x4, [x9]");
STATE_RUN(ldset, "", "ldsetb w3, w4, [x9]");
STATE_RUN(stadd, "", "stadd x3, [x9]");
STATE_RUN(swp, "", "swp w3, w4, [x9]");
STATE_RUN(cas, "", "casal x3, x4, [x9]");
STATE_RUN(casp, "", "caspal x4, x5, x6, x7, [x9]");
STATE_RUN(prefetch, "", "prfm pldl1keep, [x9]\nnop");

enum kind { READS, WRITES, DOES_BOTH };

static const struct test {
    const char *name;
    void (*run)(const struct state *);
    const char *at, *past;
    enum kind kind;
    // How many bytes it takes, and from where relative to X9.
    int bytes, offset;
} tests[] = {
#define TEST(name, kind, bytes, offset) { #name, run_##name, at_##name, past_##name, kind, bytes, offset }
    TEST(ldr_post, READS, 8, 0),    TEST(ldr_pre, READS, 8, 16),   TEST(ldr_itself, READS, 8, 0),
    TEST(ldr_index, READS, 8, 16),  TEST(ldrb, READS, 1, 0),       TEST(ldrsh, READS, 2, 2),
    TEST(ldrsw, READS, 4, 0),       TEST(ldtr, READS, 8, 0),       TEST(ldp, READS, 16, 0),
    TEST(ldpsw, READS, 8, 0),       TEST(ldp_q, READS, 32, 0),     TEST(ldr_q, READS, 16, 32),
    TEST(ldr_s, READS, 4, 0),       TEST(ld1, READS, 64, 0),       TEST(ld1_lane, READS, 4, 0),
    TEST(ld1r, READS, 4, 0),        TEST(ld2, READS, 32, 0),       TEST(ld4, READS, 64, 0),
    TEST(ldar, READS, -8, 0),       TEST(ldxr, READS, -8, 0),      TEST(ldaxp, READS, -16, 0),
    TEST(str_post, WRITES, 8, 0),   TEST(str_itself, WRITES, 8, 8), TEST(strb, WRITES, 1, 0),
    TEST(stp, WRITES, 16, 0),       TEST(stp_q, WRITES, 32, -32),  TEST(stlr, WRITES, -8, 0),
    TEST(str_q, WRITES, 16, 32),    TEST(st1, WRITES, 64, 0),      TEST(st1_lane, WRITES, 2, 0),
    TEST(st3, WRITES, 24, 0),       TEST(st4, WRITES, 64, 0),      TEST(dc_zva, WRITES, -64, 0),
    TEST(ldadd, DOES_BOTH, -8, 0),  TEST(ldset, DOES_BOTH, -1, 0), TEST(stadd, DOES_BOTH, -8, 0),
    TEST(swp, DOES_BOTH, -4, 0),    TEST(cas, DOES_BOTH, -8, 0),   TEST(casp, DOES_BOTH, -16, 0),
};

static struct state in, out, seen;
static siginfo_t seen_info;
static uint64_t seen_pc, seen_sp, seen_esr, seen_far;
static int faults;
static const char *go_on_at;

static void capture(int number, siginfo_t *info, void *context)
{
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
    struct fpsimd_context *vectors = (struct fpsimd_context *)machine->__reserved;
    (void)number;
    faults++;
    seen_info = *info;
    memcpy(seen.x, machine->regs, sizeof seen.x);
    memcpy(seen.v, vectors->vregs, sizeof seen.v);
    seen.nzcv = machine->pstate;
    seen.fpcr = vectors->fpcr;
    seen.fpsr = vectors->fpsr;
    seen_sp = machine->sp;
    seen_pc = machine->pc;
    seen_far = machine->fault_address;
    struct esr_context *syndrome = (struct esr_context *)(machine->__reserved + vectors->head.size);
    seen_esr = syndrome->head.magic == ESR_MAGIC ? syndrome->esr : 0;
    machine->pc = (uint64_t)go_on_at;
}

static void compare(const char *name, const struct state *expected, const struct state *actual)
{
    for (int i = 0; i < 31; i++)
        CHECK(expected->x[i] == actual->x[i], "%s: x%d %lx, not %lx", name, i, actual->x[i], expected->x[i]);
    for (int i = 0; i < 64; i++)
        CHECK(expected->v[i / 2][i % 2] == actual->v[i / 2][i % 2], "%s: v%d[%d] %lx, not %lx", name, i / 2, i % 2,
              actual->v[i / 2][i % 2], expected->v[i / 2][i % 2]);
    CHECK(expected->nzcv == (actual->nzcv & 0xf0000000), "%s: nzcv %lx, not %lx", name, actual->nzcv, expected->nzcv);
    CHECK(expected->fpcr == actual->fpcr, "%s: fpcr %lx, not %lx", name, actual->fpcr, expected->fpcr);
    CHECK(expected->fpsr == actual->fpsr, "%s: fpsr %lx, not %lx", name, actual->fpsr, expected->fpsr);
}

enum { PAGE = 4096 };
// A page that can be written, one that faults, one that can be written, one that faults.
static char *pages;

static void one(const struct test *test, int round, bool is_mapped, bool is_read_only)
{
    int bytes = test->bytes < 0 ? -test->bytes : test->bytes;
    char *bad = pages + (is_mapped ? 1 : 3) * PAGE;
    // At the bad page's start, in it, or reaching into it from the page before.
    char *address = bad + round % 3 * 64;
    char *fault = address;
    if (round % 3 == 2 && test->bytes > 1) {
        address = bad - 1 - (unsigned)round / 3 % (bytes - 1);
        fault = bad;
    }
    fill_state(&in, round);
    in.fpsr = round & 1 ? 0x10 : 0x08000000;
    in.sp = (uint64_t)&out;
    in.x[9] = (uint64_t)address - test->offset;
    in.x[10] = 2;
    memset(&out, 0, sizeof out);
    go_on_at = test->past;
    int before = faults;
    test->run(&in);
    CHECK(faults == before + 1, "%s: %d faults", test->name, faults - before);
    CHECK(seen_pc == (uint64_t)test->at && seen_sp == in.sp, "%s: pc %lx", test->name, seen_pc);
    compare(test->name, &in, &seen);
    compare(test->name, &in, &out);
    int code = is_mapped ? SEGV_ACCERR : SEGV_MAPERR;
    CHECK(seen_info.si_signo == SIGSEGV && seen_info.si_code == code, "%s: code %d", test->name, seen_info.si_code);
    // Which byte of an access it is that faults is the processor's affair.
    uint64_t at = (uint64_t)seen_info.si_addr;
    CHECK(at == seen_far && at >= (uint64_t)fault && at < (uint64_t)fault + bytes, "%s: address %lx, not %p", test->name,
          at, fault);
    bool writes = test->kind == WRITES || (test->kind == DOES_BOTH && is_read_only);
    CHECK(seen_esr >> 26 == 0x24 && (seen_esr >> 6 & 1) == writes, "%s: esr %lx", test->name, seen_esr);
}

static void accesses(void)
{
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        const struct test *test = &tests[i];
        mprotect(pages + PAGE, PAGE, PROT_NONE);
        for (int round = 0; round < rounds(1200, 30); round++) {
            one(test, round, round & 1, false);
            // While it does not fault, it is hot.
            if (round % 100 == 99 && test->kind == READS) {
                in.x[9] = (uint64_t)pages + 256;
                for (int j = 0; j < 50; j++)
                    test->run(&in);
            }
        }
        mprotect(pages + PAGE, PAGE, PROT_READ);
        for (int round = 0; test->kind != READS && round < rounds(600, 30); round++)
            one(test, round, true, true);
        if (failures != 0)
            printf("  in %s\n", test->name);
    }
    mprotect(pages + PAGE, PAGE, PROT_NONE);
    // A prefetch faults never.
    int before = faults;
    for (int round = 0; round < rounds(1000, 30); round++) {
        fill_state(&in, round);
        in.sp = (uint64_t)&out;
        in.x[9] = round & 1 ? (uint64_t)pages + PAGE : (uint64_t)round;
        run_prefetch(&in);
        compare("prefetch", &in, &out);
    }
    CHECK(faults == before, "%d", faults - before);
    done("accesses");
}

STATE_RUN(sum_loop, "", "ldr x3, [x9, x4, lsl 3]\nadds x5, x5, x3\nadc x6, x6, xzr\nadd x4, x4, 1\ncmp x4, x10\n"
                        "b.ne at_sum_loop");

// A loop that loads until it faults: what it has counted and summed is there.
static void sums(void)
{
    uint64_t *words = (uint64_t *)pages;
    for (int i = 0; i < 512; i++)
        words[i] = (i + 1) * 0x9e3779b97f4a7c15;
    for (int round = 0; round < rounds(2000, 100); round++) {
        int count = round % 500;
        fill_state(&in, round);
        in.sp = (uint64_t)&out;
        in.x[9] = (uint64_t)(words + 512 - count);
        in.x[10] = round & 1 ? 1 << 20 : (uint64_t)-5;
        in.x[4] = in.x[5] = in.x[6] = 0;
        go_on_at = past_sum_loop;
        struct state expected = in;
        for (int i = 512 - count; i < 512; i++) {
            expected.x[3] = words[i];
            expected.x[6] += __builtin_add_overflow(expected.x[5], words[i], &expected.x[5]);
            expected.x[4]++;
            uint64_t difference = expected.x[4] - in.x[10];
            expected.nzcv = (difference >> 63) << 31 | (uint64_t)(expected.x[4] >= in.x[10]) << 29;
        }
        run_sum_loop(&in);
        CHECK(seen_pc == (uint64_t)at_sum_loop && seen_info.si_addr == pages + PAGE, "pc %lx", seen_pc);
        compare("sum", &expected, &seen);
        compare("sum", &expected, &out);
    }
    done("sums");
}

STATE_RUN(copy_loop, "copy_loop:\nldr q0, [x9], 16\nadd v1.2d, v0.2d, v2.2d\nadd v2.2d, v2.2d, v0.2d\nsubs x11, x11, 3\n",
          "str q1, [x10], 16\ncset x12, hi\nb.hi copy_loop");

// A loop that loads, computes and then faults in a store.
static void copies(void)
{
    uint64_t *words = (uint64_t *)(pages + 2 * PAGE), *target = (uint64_t *)pages;
    for (int i = 0; i < 512; i++)
        words[i] = (i + 1) * 0xc2b2ae3d27d4eb4f;
    for (int round = 0; round < rounds(2000, 100); round++) {
        int count = round % 200;
        fill_state(&in, round);
        in.sp = (uint64_t)&out;
        in.x[9] = (uint64_t)words;
        in.x[10] = (uint64_t)(target + 512 - 2 * count);
        in.x[11] = 10000 + round;
        go_on_at = past_copy_loop;
        struct state expected = in;
        memset(target, 0, PAGE);
        run_copy_loop(&in);
        for (int i = 0; i <= count; i++) {
            for (int lane = 0; lane < 2; lane++) {
                expected.v[0][lane] = words[2 * i + lane];
                expected.v[1][lane] = expected.v[0][lane] + expected.v[2][lane];
                expected.v[2][lane] += expected.v[0][lane];
                if (i < count)
                    CHECK(target[512 - 2 * count + 2 * i + lane] == expected.v[1][lane], "stored %d", i);
            }
            expected.x[9] += 16;
            expected.x[11] -= 3;
            if (i < count) {
                expected.x[10] += 16;
                expected.x[12] = 1;
            }
        }
        expected.nzcv = 1ul << 29; // C: no borrow
        CHECK(seen_pc == (uint64_t)at_copy_loop && seen_info.si_addr == pages + PAGE, "pc %lx", seen_pc);
        compare("copy", &expected, &seen);
        compare("copy", &expected, &out);
    }
    done("copies");
}

STATE_RUN(flags_add, "adds x3, x4, x5\n", "ldr x6, [x9]\nadc x7, xzr, xzr");
STATE_RUN(flags_sub, "subs w3, w4, w5\n", "str x6, [x9]\ncset x7, lt");
STATE_RUN(flags_logic, "ands x3, x4, x5\n", "ldr x6, [x9]\ncset x7, eq");
STATE_RUN(flags_fp, "fcmp d4, d5\n", "ldr x6, [x9]\ncset x7, gt");
STATE_RUN(flags_conditional, "cmp x4, x5\nccmp x5, x7, 9, ne\n", "ldr x6, [x9]\ncset x7, eq");
STATE_RUN(divide, "fdiv d3, d4, d5\nfcvtzs x3, d5\n", "ldr x6, [x9]");

static uint64_t flags_of_sub(uint64_t a, uint64_t b, int bits)
{
    uint64_t mask = bits == 64 ? ~0ul : 0xffffffff;
    a &= mask, b &= mask;
    uint64_t r = (a - b) & mask, top = 1ul << (bits - 1);
    return (uint64_t)!!(r & top) << 31 | (uint64_t)(r == 0) << 30 | (uint64_t)(a >= b) << 29 |
           (uint64_t)!!((a ^ b) & (a ^ r) & top) << 28;
}

static void flags(void)
{
    static const double numbers[] = { 1, 3, -2.5, 0, __builtin_inf(), __builtin_nan("") };
    for (int round = 0; round < rounds(3000, 300); round++) {
        struct state expected;
        fill_state(&in, round);
        in.sp = (uint64_t)&out;
        in.x[9] = (uint64_t)pages + PAGE + round % 500 * 8;
        if (round % 7 == 0)
            in.x[5] = in.x[4];
        if (round % 11 == 0)
            in.x[7] = in.x[5];
        uint64_t a = in.x[4], b = in.x[5];
        double x = numbers[round % 6], y = numbers[round / 6 % 6];
        memcpy(&in.v[4][0], &x, 8);
        memcpy(&in.v[5][0], &y, 8);

        expected = in;
        uint64_t r = a + b;
        expected.x[3] = r;
        expected.nzcv = (r >> 63) << 31 | (uint64_t)(r == 0) << 30 | (uint64_t)(r < a) << 29 | ((~(a ^ b) & (a ^ r)) >> 63) << 28;
        go_on_at = at_flags_add + 4;
        run_flags_add(&in);
        compare("add", &expected, &seen);
        expected.x[7] = r < a;
        compare("add", &expected, &out);

        expected = in;
        expected.x[3] = (uint32_t)(a - b);
        expected.nzcv = flags_of_sub(a, b, 32);
        go_on_at = at_flags_sub + 4;
        run_flags_sub(&in);
        compare("sub", &expected, &seen);
        expected.x[7] = (int32_t)a < (int32_t)b;
        compare("sub", &expected, &out);

        expected = in;
        expected.x[3] = a & b;
        expected.nzcv = ((a & b) >> 63) << 31 | (uint64_t)((a & b) == 0) << 30;
        go_on_at = at_flags_logic + 4;
        run_flags_logic(&in);
        compare("logic", &expected, &seen);
        expected.x[7] = (a & b) == 0;
        compare("logic", &expected, &out);

        expected = in;
        expected.nzcv = (x < y ? 8ul : x == y ? 6 : x > y ? 2 : 3) << 28;
        go_on_at = at_flags_fp + 4;
        run_flags_fp(&in);
        compare("fcmp", &expected, &seen);
        expected.x[7] = x > y;
        compare("fcmp", &expected, &out);

        expected = in;
        expected.nzcv = a != b ? flags_of_sub(in.x[5], in.x[7], 64) : 9ul << 28;
        go_on_at = at_flags_conditional + 4;
        run_flags_conditional(&in);
        compare("ccmp", &expected, &seen);
        expected.x[7] = expected.nzcv >> 30 & 1;
        compare("ccmp", &expected, &out);

        // The exceptions that the division has raised are in FPSR.
        expected = in;
        double quotient = 10.0 / 3.0;
        x = 10, y = 3;
        memcpy(&in.v[4][0], &x, 8);
        memcpy(&in.v[5][0], &y, 8);
        expected = in;
        memcpy(&expected.v[3][0], &quotient, 8);
        expected.v[3][1] = 0;
        expected.x[3] = 3;
        expected.fpsr = 0x10;
        go_on_at = past_divide;
        run_divide(&in);
        compare("divide", &expected, &seen);
        compare("divide", &expected, &out);
    }
    done("flags");
}

STATE_RUN(unaligned_exclusive, "", "ldxr x3, [x9]");
STATE_RUN(unaligned_acquire, "", "ldaxr w3, [x9]");

// Alignment is SIGBUS where an instruction asks for it.
static void alignment(void)
{
    on(SIGBUS, capture, SA_ONSTACK);
    for (int round = 0; round < rounds(1000, 100); round++) {
        fill_state(&in, round);
        in.sp = (uint64_t)&out;
        in.x[9] = (uint64_t)pages + round % 100 * 8 + 1 + round % 3;
        bool acquire = round & 1;
        go_on_at = acquire ? past_unaligned_acquire : past_unaligned_exclusive;
        int before = faults;
        (acquire ? run_unaligned_acquire : run_unaligned_exclusive)(&in);
        CHECK(faults == before + 1 && seen_info.si_signo == SIGBUS && seen_info.si_code == BUS_ADRALN, "code %d",
              seen_info.si_code);
        CHECK(seen_info.si_addr == (void *)in.x[9] && seen_far == in.x[9], "address %p", seen_info.si_addr);
        CHECK(seen_esr >> 26 == 0x24 && (seen_esr & 0x3f) == 0x21, "esr %lx", seen_esr);
        compare("alignment", &in, &seen);
        compare("alignment", &in, &out);
    }
    done("alignment");
}

STATE_RUN(jump, "", "blr x9");
STATE_RUN(jump_only, "", "br x9");

// Jumps to nowhere: PC and FAR are there, and the link register is set.
static void jumps(void)
{
    for (int round = 0; round < rounds(1000, 100); round++) {
        bool misaligned = round % 5 == 0, links = round & 1;
        fill_state(&in, round);
        in.sp = (uint64_t)&out;
        in.x[9] = (uint64_t)pages + PAGE + round % 500 * 8 + (misaligned ? 2 : 0);
        go_on_at = links ? past_jump : past_jump_only;
        struct state expected = in;
        if (links)
            expected.x[30] = (uint64_t)past_jump;
        (links ? run_jump : run_jump_only)(&in);
        CHECK(seen_pc == in.x[9] && seen_info.si_addr == (void *)in.x[9], "pc %lx", seen_pc);
        if (misaligned)
            CHECK(seen_info.si_signo == SIGBUS && seen_info.si_code == BUS_ADRALN && seen_esr >> 26 == 0x22, "esr %lx", seen_esr);
        else
            CHECK(seen_info.si_signo == SIGSEGV && seen_info.si_code == SEGV_ACCERR && seen_esr >> 26 == 0x20 && seen_far == in.x[9],
                  "esr %lx", seen_esr);
        compare("jump", &expected, &seen);
        compare("jump", &expected, &out);
    }
    done("jumps");
}

int main(void)
{
    static char alternate[65536];
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
    sigaltstack(&stack, NULL);
    pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + PAGE, PAGE, PROT_NONE);
    munmap(pages + 3 * PAGE, PAGE);
    on(SIGSEGV, capture, SA_ONSTACK);
    accesses();
    sums();
    copies();
    flags();
    alignment();
    jumps();
    return finish();
}
