// The guest half of the vector generator: for each request it loads every register, executes one instruction word, and
// records the registers and memory after it. State goes in and out through signal frames: the word is followed by BRK,
// the handler reads the frame that BRK left and writes the next request's state into it before it returns.
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define SCRATCH 0x100000000000ul
#define SCRATCH_SIZE 0x20000ul
#define CODE (SCRATCH + 0x80000)
#define BRK 0xd4200000u
#define MAX_CHANGED 256

struct state {
    uint64_t x[31], sp, pc, nzcv;
    uint32_t fpcr, fpsr;
    uint64_t v[32][2];
};

struct request {
    uint64_t word;
    struct state state;
};

struct changed {
    uint32_t offset, value;
};

struct response {
    uint64_t signal;
    struct state state;
    uint64_t changed_count;
    struct changed changed[MAX_CHANGED];
};

static struct request *requests;
static size_t count, done;
static int started;
static unsigned char *pristine;
static unsigned char *const scratch = (unsigned char *)SCRATCH;
static uint32_t *const code = (uint32_t *)CODE;

static struct fpsimd_context *vector_frame(ucontext_t *context)
{
    struct _aarch64_ctx *record = (struct _aarch64_ctx *)context->uc_mcontext.__reserved;
    while (record->magic != FPSIMD_MAGIC) {
        if (record->magic == 0)
            _exit(10);
        record = (struct _aarch64_ctx *)((char *)record + record->size);
    }
    // A record after this one would overrule it (the generator switches SVE off).
    struct _aarch64_ctx *after = (struct _aarch64_ctx *)((char *)record + record->size);
    if (after->magic != 0)
        _exit(11);
    return (struct fpsimd_context *)record;
}

static void save(ucontext_t *context, struct state *state)
{
    mcontext_t *m = &context->uc_mcontext;
    struct fpsimd_context *v = vector_frame(context);
    memcpy(state->x, m->regs, sizeof state->x);
    state->sp = m->sp;
    state->pc = m->pc;
    state->nzcv = m->pstate & 0xf0000000;
    state->fpcr = v->fpcr;
    state->fpsr = v->fpsr;
    memcpy(state->v, v->vregs, sizeof state->v);
}

static void load(ucontext_t *context, const struct state *state)
{
    mcontext_t *m = &context->uc_mcontext;
    struct fpsimd_context *v = vector_frame(context);
    memcpy(m->regs, state->x, sizeof state->x);
    m->sp = state->sp;
    m->pc = CODE;
    m->pstate = (m->pstate & ~0xf0000c00ul) | state->nzcv; // and BTYPE clear
    v->fpcr = state->fpcr;
    v->fpsr = state->fpsr;
    memcpy(v->vregs, state->v, sizeof state->v);
}

static void record_memory(struct response *response)
{
    response->changed_count = 0;
    for (size_t page = 0; page < SCRATCH_SIZE; page += 4096) {
        if (memcmp(scratch + page, pristine + page, 4096) == 0)
            continue;
        for (size_t i = page; i < page + 4096; i++) {
            if (scratch[i] == pristine[i])
                continue;
            if (response->changed_count < MAX_CHANGED)
                response->changed[response->changed_count++] = (struct changed){ i, scratch[i] };
            scratch[i] = pristine[i];
        }
    }
}

static void handler(int number, siginfo_t *info, void *opaque)
{
    (void)info;
    ucontext_t *context = opaque;
    if (started) {
        static struct response response;
        memset(&response, 0, sizeof response);
        response.signal = number;
        save(context, &response.state);
        record_memory(&response);
        fwrite(&response, offsetof(struct response, changed), 1, stdout);
        fwrite(response.changed, sizeof response.changed[0], response.changed_count, stdout);
        done++;
    }
    started = 1;
    if (done == count) {
        fflush(stdout);
        _exit(0);
    }
    code[0] = requests[done].word;
    __builtin___clear_cache((char *)code, (char *)(code + 1));
    load(context, &requests[done].state);
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void map(void *address, size_t size, int protection)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(address, size, protection, flags, -1, 0) != address)
        exit(2);
}

int main(void)
{
    size_t capacity = 0;
    for (;;) {
        if (count == capacity)
            requests = realloc(requests, (capacity = capacity * 2 + 1024) * sizeof *requests);
        if (fread(&requests[count], sizeof *requests, 1, stdin) != 1)
            break;
        count++;
    }
    map(scratch, SCRATCH_SIZE, PROT_READ | PROT_WRITE);
    map(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
    pristine = malloc(SCRATCH_SIZE);
    uint64_t random = 0;
    for (size_t i = 0; i < SCRATCH_SIZE; i += 8) {
        uint64_t word = splitmix64(&random);
        memcpy(pristine + i, &word, 8);
    }
    memcpy(scratch, pristine, SCRATCH_SIZE);
    for (int i = 0; i < 1024; i++)
        code[i] = BRK;
    __builtin___clear_cache((char *)code, (char *)code + 4096);

    stack_t stack = { .ss_sp = malloc(1 << 18), .ss_size = 1 << 18 };
    sigaltstack(&stack, NULL);
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigfillset(&action.sa_mask);
    static const int signals[] = { SIGTRAP, SIGILL, SIGSEGV, SIGBUS, SIGFPE };
    for (int i = 0; i < 5; i++)
        sigaction(signals[i], &action, NULL);
    __asm__ volatile("brk 0");
    return 3;
}
