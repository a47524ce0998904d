// Executes instruction words: reads records (see simd_against_qemu.rs) from standard input, and for each loads the
// registers, executes the word, and writes the record with the registers as they are then. Built for AArch64.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

struct record {
    uint32_t word, undefined;
    uint64_t nzcv, fpcr, fpsr, x[31], unused;
    unsigned __int128 v[32];
};
_Static_assert(sizeof(struct record) == 800, "the assembly below knows the layout");

enum { SLOTS = 8192, SLOT_WORDS = 4 };
static uint32_t code[SLOTS * SLOT_WORDS] __attribute__((aligned(65536)));
static struct record records[SLOTS];
static volatile uint32_t undefined;

void execute(struct record *record, uint32_t *slot);
extern char executed[];

// The slot reloads x16, which led to it, executes the word and branches to `executed`.
__asm__(
    ".text\n.global execute\n"
    "execute:\n"
    "  stp x29, x30, [sp, #-160]!\n  stp x19, x20, [sp, #16]\n  stp x21, x22, [sp, #32]\n  stp x23, x24, [sp, #48]\n"
    "  stp x25, x26, [sp, #64]\n  stp x27, x28, [sp, #80]\n  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n"
    "  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
    "  sub sp, sp, #32\n  str x0, [sp]\n  add x9, x0, #288\n"
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
    "  ldr q\\n, [x9], #16\n.endr\n"
    "  ldr x9, [x0, #16]\n  msr fpcr, x9\n  ldr x9, [x0, #24]\n  msr fpsr, x9\n  ldr x9, [x0, #8]\n  msr nzcv, x9\n"
    "  ldr x9, [x0, #160]\n  str x9, [sp, #8]\n  mov x16, x1\n"
    ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30\n"
    "  ldr x\\n, [x0, #(32 + 8 * \\n)]\n.endr\n"
    "  ldr x0, [x0, #32]\n  br x16\n"
    ".global executed\n"
    "executed:\n"
    "  str x0, [sp, #16]\n  ldr x0, [sp]\n"
    ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30\n"
    "  str x\\n, [x0, #(32 + 8 * \\n)]\n.endr\n"
    "  ldr x9, [sp, #16]\n  str x9, [x0, #32]\n"
    "  mrs x9, nzcv\n  str x9, [x0, #8]\n  mrs x9, fpcr\n  str x9, [x0, #16]\n  mrs x9, fpsr\n  str x9, [x0, #24]\n"
    "  msr fpcr, xzr\n  add x9, x0, #288\n"
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
    "  str q\\n, [x9], #16\n.endr\n"
    "  add sp, sp, #32\n"
    "  ldp x19, x20, [sp, #16]\n  ldp x21, x22, [sp, #32]\n  ldp x23, x24, [sp, #48]\n  ldp x25, x26, [sp, #64]\n"
    "  ldp x27, x28, [sp, #80]\n  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n"
    "  ldp d14, d15, [sp, #144]\n  ldp x29, x30, [sp], #160\n  ret\n");

static void on_undefined(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    undefined = 1;
    ((ucontext_t *)context)->uc_mcontext.pc += 4;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_undefined, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, 0);
    if (mprotect(code, sizeof code, PROT_READ | PROT_WRITE | PROT_EXEC)) return 1;
    size_t count;
    while ((count = fread(records, sizeof *records, SLOTS, stdin)) > 0) {
        for (size_t i = 0; i < count; i++) {
            uint32_t *slot = code + i * SLOT_WORDS;
            slot[0] = 0xf94007f0;  // ldr x16, [sp, #8]
            slot[1] = records[i].word;
            slot[2] = 0x14000000 | ((((intptr_t)executed - (intptr_t)&slot[2]) >> 2) & 0x3ffffff);
        }
        __builtin___clear_cache((char *)code, (char *)(code + count * SLOT_WORDS));
        for (size_t i = 0; i < count; i++) {
            undefined = 0;
            execute(&records[i], code + i * SLOT_WORDS);
            records[i].undefined = undefined;
        }
        if (fwrite(records, sizeof *records, count, stdout) != count) return 1;
    }
    return 0;
}
