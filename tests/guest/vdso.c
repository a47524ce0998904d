// The vDSO as programs look for it: by AT_SYSINFO_EHDR with either hash table, which is how musl and Go do it; by the
// C library's list of objects; and by the unwinder. Checks itself.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>

#define EXPECT(condition)                                                                                            \
    do {                                                                                                             \
        if (!(condition)) {                                                                                          \
            printf("line %d: %s\n", __LINE__, #condition);                                                           \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

static const char *base, *names;
static const Elf64_Sym *symbols;
static const uint32_t *sysv_hash, *gnu_hash;
static const Elf64_Half *versions;
static const Elf64_Verdef *definitions;

static void read_tables(void)
{
    base = (const char *)getauxval(AT_SYSINFO_EHDR);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
    EXPECT(base && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0);
    EXPECT(header->e_machine == EM_AARCH64 && header->e_type == ET_DYN && header->e_phentsize == sizeof(Elf64_Phdr));
    EXPECT((uintptr_t)base % 4096 == 0);
    const Elf64_Phdr *phdr = (const Elf64_Phdr *)(base + header->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    const char *bias = NULL;
    for (int i = 0; i < header->e_phnum; i++) {
        if (phdr[i].p_type == PT_LOAD) {
            EXPECT(!bias && phdr[i].p_flags == (PF_R | PF_X));
            bias = base + phdr[i].p_offset - phdr[i].p_vaddr;
        } else if (phdr[i].p_type == PT_DYNAMIC) {
            dynamic = (const Elf64_Dyn *)(base + phdr[i].p_offset);
        }
    }
    EXPECT(bias == base && dynamic);
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        const void *at = bias + dynamic->d_un.d_ptr;
        switch (dynamic->d_tag) {
        case DT_STRTAB: names = at; break;
        case DT_SYMTAB: symbols = at; break;
        case DT_HASH: sysv_hash = at; break;
        case DT_GNU_HASH: gnu_hash = at; break;
        case DT_VERSYM: versions = at; break;
        case DT_VERDEF: definitions = at; break;
        }
    }
    EXPECT(names && symbols && sysv_hash && gnu_hash && versions && definitions);
}

// Whether the symbol is defined with the version that arm64's vDSO has.
static int is_wanted(uint32_t index, const char *name)
{
    if (strcmp(names + symbols[index].st_name, name) != 0 || symbols[index].st_shndx == SHN_UNDEF)
        return 0;
    const Elf64_Verdef *definition = definitions;
    while ((definition->vd_flags & VER_FLG_BASE) || definition->vd_ndx != (versions[index] & 0x7fff)) {
        if (definition->vd_next == 0)
            return 0;
        definition = (const Elf64_Verdef *)((const char *)definition + definition->vd_next);
    }
    const Elf64_Verdaux *version = (const Elf64_Verdaux *)((const char *)definition + definition->vd_aux);
    EXPECT(definition->vd_hash == 0x75fcb89);
    return strcmp(names + version->vda_name, "LINUX_2.6.39") == 0;
}

static uint32_t by_sysv_hash(const char *name)
{
    uint32_t hash = 0;
    for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
        hash = (hash << 4) + *c;
        hash ^= hash >> 24 & 0xf0;
    }
    hash &= 0xfffffff;
    uint32_t buckets = sysv_hash[0];
    uint32_t index = sysv_hash[2 + hash % buckets];
    while (index && !is_wanted(index, name))
        index = sysv_hash[2 + buckets + index];
    return index;
}

static uint32_t by_gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        hash = hash * 33 + *c;
    uint32_t buckets = gnu_hash[0], first = gnu_hash[1], bloom_words = gnu_hash[2];
    const uint32_t *bucket = gnu_hash + 4 + 2 * bloom_words;
    const uint32_t *chain = bucket + buckets;
    for (uint32_t index = bucket[hash % buckets]; index >= first; index++) {
        uint32_t entry = chain[index - first];
        if ((entry | 1) == (hash | 1) && is_wanted(index, name))
            return index;
        if (entry & 1)
            break;
    }
    return 0;
}

static const void *find(const char *name)
{
    uint32_t index = by_sysv_hash(name);
    EXPECT(index && index == by_gnu_hash(name));
    EXPECT(ELF64_ST_TYPE(symbols[index].st_info) == STT_FUNC && symbols[index].st_size % 4 == 0);
    return base + symbols[index].st_value;
}

static int look_for_build_id(struct dl_phdr_info *info, size_t size, void *found)
{
    (void)size;
    if ((const char *)info->dlpi_addr != base)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const Elf64_Nhdr *note = (const Elf64_Nhdr *)(base + info->dlpi_phdr[i].p_vaddr);
        if (info->dlpi_phdr[i].p_type == PT_NOTE)
            EXPECT(note->n_type == NT_GNU_BUILD_ID && note->n_descsz == 20);
    }
    *(const char **)found = info->dlpi_name;
    return 1;
}

struct dwarf_eh_bases {
    void *text, *data, *function;
};
extern const void *_Unwind_Find_FDE(void *, struct dwarf_eh_bases *);

int main(void)
{
    read_tables();
    int (*clock_now)(clockid_t, struct timespec *) = find("__kernel_clock_gettime");
    int (*resolution)(clockid_t, struct timespec *) = find("__kernel_clock_getres");
    int (*time_of_day)(struct timeval *, void *) = find("__kernel_gettimeofday");
    const uint32_t *sigreturn = find("__kernel_rt_sigreturn");
    EXPECT(by_sysv_hash("__kernel_getpid") == 0 && by_gnu_hash("__kernel_getpid") == 0);
    EXPECT(sigreturn[0] == 0xd2801168 && sigreturn[1] == 0xd4000001);

    struct timespec before, between, after, step;
    EXPECT(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
    EXPECT(clock_now(CLOCK_MONOTONIC, &between) == 0);
    EXPECT(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
    long first = before.tv_sec * 1000000000 + before.tv_nsec, second = between.tv_sec * 1000000000 + between.tv_nsec;
    EXPECT(first <= second && second <= after.tv_sec * 1000000000 + after.tv_nsec);
    EXPECT(clock_now(77, &between) == -22);
    EXPECT(resolution(CLOCK_MONOTONIC, &step) == 0 && step.tv_sec == 0 && step.tv_nsec > 0);
    EXPECT(resolution(CLOCK_MONOTONIC, NULL) == 0);
    struct timeval now;
    EXPECT(time_of_day(&now, NULL) == 0 && labs(now.tv_sec - time(NULL)) <= 1 && now.tv_usec < 1000000);

    // The dynamic loader lists it by its name; a static program's C library lists only the program.
    const char *listed = NULL;
    if (dl_iterate_phdr(look_for_build_id, &listed)) {
        EXPECT(strcmp(listed, "linux-vdso.so.1") == 0);
        struct dwarf_eh_bases bases;
        EXPECT(_Unwind_Find_FDE((char *)clock_now + 4, &bases) && bases.function == (void *)clock_now);
        // None, so that unwinders look at its instructions, also for the address before.
        EXPECT(!_Unwind_Find_FDE((void *)sigreturn, &bases) && !_Unwind_Find_FDE((char *)sigreturn - 1, &bases));
        Dl_info info;
        EXPECT(dladdr(sigreturn, &info) && info.dli_sname && strcmp(info.dli_sname, "__kernel_rt_sigreturn") == 0);
    } else {
        EXPECT(((const Elf64_Ehdr *)getauxval(AT_PHDR))[-1].e_type == ET_EXEC);
    }
    printf("ok\n");
    return 0;
}
