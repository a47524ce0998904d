// Calls and returns that do not pair: returns past the call or to the caller's caller, calls left by a branch, returns
// that are jumps, BL to the next instruction, chains of returns; and calls with many targets. Checks itself.
// EMU_GUEST_SMALL asks for less of it.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void expect(const char *what, uint64_t got, uint64_t wanted)
{
    if (got != wanted) {
        printf("%s: %lx, not %lx\n", what, got, wanted);
        exit(1);
    }
}

typedef uint64_t function(uint64_t);

// Each keeps its caller's return address in x9 to x11 or on the stack.
function past_the_call, by_argument, left_by_br, ret_x5, next_instruction, unbalanced, grandparent, chain, tail, changed;
__asm__(".pushsection .text\n.balign 16\n"
        // The callee returns 4 after its return address; what is there stops.
    "past_the_call: mov x9, x30\n"
    "bl 1f\n"
    "brk 1\n"
    "add x0, x0, 2\n"
    "ret x9\n"
    "1: add x30, x30, 4\n"
    "add x0, x0, 1\n"
    "ret\n"
    // The callee returns to one of four places after the call.
    "by_argument: mov x9, x30\n"
    "bl 1f\n"
    "add x0, x0, 1\n"
    "add x0, x0, 16\n"
    "add x0, x0, 256\n"
    "add x0, x0, 4096\n"
    "ret x9\n"
    "1: and x10, x0, 3\n"
    "add x30, x30, x10, lsl 2\n"
    "ret\n"
    // Called by BL, left by BR x30; called by BR, left by RET.
    "left_by_br: mov x9, x30\n"
    "bl 1f\n"
    "adr x10, 2f\n"
    "adr x30, 3f\n"
    "br x10\n"
    "1: add x0, x0, 3\n"
    "br x30\n"
    "2: add x0, x0, 5\n"
    "ret\n"
    "3: add x0, x0, 7\n"
    "ret x9\n"
    // Called through x30's register, returns through x5.
    "ret_x5: mov x9, x30\n"
    "adr x30, 1f\n"
    "blr x30\n"
    "add x0, x0, 9\n"
    "ret x9\n"
    "1: mov x5, x30\n"
    "mov x30, 0\n"
    "add x0, x0, 1\n"
    "ret x5\n"
    // The address of the next instruction, as old position-independent code has it.
    "next_instruction: mov x9, x30\n"
    "bl 1f\n"
    "1: adr x10, 1b\n"
    "sub x10, x30, x10\n"
    "add x0, x0, x10\n"
    "bl 2f\n"
    "2: bl 3f\n"
    "3: add x0, x0, 1\n"
    "ret x9\n"
    // More calls than returns: four levels down, one return up.
    "unbalanced: mov x9, x30\n"
    "bl 1f\n"
    "brk 2\n"
    "1: bl 2f\n"
    "brk 3\n"
    "2: bl 3f\n"
    "brk 4\n"
    "3: bl 4f\n"
    "add x0, x0, 1\n"
    "ret x9\n"
    "4: add x0, x0, 2\n"
    "ret\n"
    // The callee's callee returns to the outermost.
    "grandparent: str x30, [sp, -16]!\n"
    "bl 1f\n"
    "add x0, x0, 1\n"
    "ldr x30, [sp], 16\n"
    "ret\n"
    "1: str x30, [sp, -16]!\n"
    "bl 2f\n"
    "brk 5\n"
    "2: ldr x30, [sp], 16\n"
    "tbz x0, 0, 3f\n"
    "add x0, x0, 10\n"
    "3: ret\n"
    // Return addresses put on the stack by hand, taken one after the other.
    "chain: str x30, [sp, -16]!\n"
    "adr x9, 1f\n"
    "adr x10, 2f\n"
    "adr x11, 3f\n"
    "str x11, [sp, -16]!\n"
    "str x9, [sp, -16]!\n"
    "str x10, [sp, -16]!\n"
    "str x9, [sp, -16]!\n"
    "ldr x30, [sp], 16\n"
    "ret\n"
    "1: add x0, x0, 1\n"
    "ldr x30, [sp], 16\n"
    "ret\n"
    "2: lsl x0, x0, 1\n"
    "ldr x30, [sp], 16\n"
    "ret\n"
    "3: eor x0, x0, 4\n"
    "ldr x30, [sp], 16\n"
    "ret\n"
    // Two functions that call each other by B until the argument is used up.
    "tail: mov x1, 0\n"
    "1: cbz x0, 3f\n"
    "sub x0, x0, 1\n"
    "add x1, x1, 1\n"
    "b 2f\n"
    "nop\n"
    "2: cbz x0, 3f\n"
    "sub x0, x0, 1\n"
    "add x1, x1, 2\n"
    "b 1b\n"
    "3: mov x0, x1\n"
    "ret\n"
    // The callee changes its caller's saved return address.
    "changed: stp x30, x19, [sp, -16]!\n"
    "mov x19, 0\n"
    "bl 1f\n"
    "add x0, x0, 100\n"
    "2: ldp x30, x19, [sp], 16\n"
    "ret\n"
    "1: str x30, [sp, -16]!\n"
    "bl 3f\n"
    "ldr x30, [sp], 16\n"
    "ret\n"
    "3: tbz x0, 2, 4f\n"
    "adr x9, 2b\n"
    "str x9, [sp]\n"
    "4: add x0, x0, 1\n"
    "ret\n"
        ".popsection\n");

// 512 functions of three instructions, and a table of them.
extern char many[];
__asm__(".pushsection .text\n.balign 16\n"
        ".globl many\n"
        "many:\n"
        ".set n, 0\n"
        ".rept 512\n"
        "add x0, x0, #n\n"
        "ror x0, x0, #((n % 63) + 1)\n"
        "ret\n"
        ".set n, n + 1\n"
        ".endr\n"
        ".popsection\n");

static uint64_t one_of_many(uint64_t value, unsigned n)
{
    value += n;
    unsigned by = n % 63 + 1;
    return value >> by | value << (64 - by);
}

__attribute__((noinline)) static int odd(unsigned n);
__attribute__((noinline)) static int even(unsigned n)
{
    int result = n == 0 ? 1 : odd(n - 1);
    __asm__ volatile("" : "+r"(result)); // no tail call
    return result;
}
__attribute__((noinline)) static int odd(unsigned n)
{
    int result = n == 0 ? 0 : even(n - 1);
    __asm__ volatile("" : "+r"(result));
    return result;
}

// An interpreter whose every operation jumps to the next.
static uint64_t interpret(const unsigned char *code, uint64_t steps)
{
    static const void *const labels[] = { &&add, &&subtract, &&rotate, &&exclusive, &&multiply, &&skip, &&back, &&nothing };
    uint64_t value = 1, at = 0;
#define NEXT                                                                                                         \
    do {                                                                                                             \
        if (steps-- == 0)                                                                                            \
            return value;                                                                                            \
        goto *labels[code[at++ & 1023] & 7];                                                                         \
    } while (0)
    NEXT;
add: value += at; NEXT;
subtract: value -= at * 3; NEXT;
rotate: value = value << 7 | value >> 57; NEXT;
exclusive: value ^= value >> 11; NEXT;
multiply: value *= 0x9e3779b97f4a7c15; NEXT;
skip: at += value & 3; NEXT;
back: at -= value & 1; NEXT;
nothing: NEXT;
}

static uint64_t interpret_by_switch(const unsigned char *code, uint64_t steps)
{
    uint64_t value = 1, at = 0;
    while (steps--) {
        unsigned op = code[at++ & 1023] & 7;
        if (op == 0) value += at;
        else if (op == 1) value -= at * 3;
        else if (op == 2) value = value << 7 | value >> 57;
        else if (op == 3) value ^= value >> 11;
        else if (op == 4) value *= 0x9e3779b97f4a7c15;
        else if (op == 5) at += value & 3;
        else if (op == 6) at -= value & 1;
    }
    return value;
}

int main(void)
{
    uint64_t rounds = getenv("EMU_GUEST_SMALL") ? 3000 : 200000;
    for (uint64_t i = 0; i < rounds; i++) {
        static const uint64_t sums[] = { 4369, 4368, 4352, 4096 };
        expect("past the call", past_the_call(i), i + 3);
        expect("return by argument", by_argument(i), i + sums[i & 3]);
        expect("left by BR", left_by_br(i), i + 15);
        expect("RET x5", ret_x5(i), i + 10);
        expect("BL to the next", next_instruction(i), i + 1);
        expect("unbalanced", unbalanced(i), i + 3);
        expect("to the grandparent", grandparent(i), i + 1 + (i & 1 ? 10 : 0));
        expect("chain of returns", chain(i), ((i + 1) * 2 + 1) ^ 4);
        expect("changed return address", changed(i), i + 1 + (i & 4 ? 0 : 100));
    }
    expect("tail calls", tail(rounds * 20), rounds * 30);
    expect("mutual recursion", even(100000) + 2 * odd(100000) + 4 * odd(99999), 5);
    uint64_t value = 1, expected = 1;
    for (uint64_t i = 0, next = 1; i < rounds * 10; i++) {
        next = next * 6364136223846793005 + 1442695040888963407;
        unsigned n = next >> 40 & 511;
        value = ((function *)(many + 12 * n))(value);
        expected = one_of_many(expected, n);
    }
    expect("many targets", value, expected);
    unsigned char code[1024];
    for (int i = 0, state = 1; i < 1024; i++) {
        state = state * 1103515245u + 12345;
        code[i] = state >> 16;
    }
    expect("interpreter", interpret(code, rounds * 20), interpret_by_switch(code, rounds * 20));
    printf("ok\n");
    return 0;
}
