// A bytecode interpreter with one switch: the indirect branch whose target changes each time.
#include "kernel.h"

enum { PUSH, ADD, SUB, MUL, XOR, LOAD, STORE, JUMP_IF, DECREMENT, SHIFT, DUP, END };

static uint64_t execute(const unsigned char *program, uint64_t counter)
{
    uint64_t stack[32], *top = stack, variables[8] = { counter, 1, 2, 3 };
    const unsigned char *at = program;
    for (;;) {
        switch (*at++) {
        case PUSH: *top++ = *at++; break;
        case ADD: top--; top[-1] += top[0]; break;
        case SUB: top--; top[-1] -= top[0]; break;
        case MUL: top--; top[-1] *= top[0]; break;
        case XOR: top--; top[-1] ^= top[0]; break;
        case LOAD: *top++ = variables[*at++]; break;
        case STORE: variables[*at++] = *--top; break;
        case JUMP_IF: top--; at = top[0] ? program + *at : at + 1; break;
        case DECREMENT: variables[*at++]--; break;
        case SHIFT: top[-1] >>= *at++; break;
        case DUP: top[0] = top[-1]; top++; break;
        case END: return variables[1] ^ variables[2] ^ variables[3];
        default: abort();
        }
    }
}

int main(int argc, char **argv)
{
    static const unsigned char program[] = {
        LOAD, 1, PUSH, 31, MUL, LOAD, 2, ADD, DUP, STORE, 1, SHIFT, 7, LOAD, 3, XOR, STORE, 2,
        LOAD, 2, LOAD, 1, SUB, PUSH, 17, ADD, STORE, 3, DECREMENT, 0, LOAD, 0, JUMP_IF, 0, END,
    };
    printf("%016" PRIx64 "\n", execute(program, rounds(argc, argv, 12000000)));
    return 0;
}
