// The auxiliary vector and the initial stack, as the kernel's binfmt_elf builds them. Checks itself.
#define _GNU_SOURCE
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define EXPECT(condition)                                                                                            \
    do {                                                                                                             \
        if (!(condition)) {                                                                                          \
            printf("line %d: %s\n", __LINE__, #condition);                                                           \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

extern char **environ;
extern const Elf64_Ehdr __ehdr_start;
extern void _start(void);

int main(int argc, char **argv)
{
    // argc, argv, 0, environment, 0, auxiliary vector, 0: one after the other.
    EXPECT(((long *)argv)[-1] == argc);
    EXPECT((uintptr_t)(argv - 1) % 16 == 0);
    EXPECT(environ == argv + argc + 1);
    char **end = environ;
    while (*end)
        end++;
    Elf64_auxv_t *vector = (Elf64_auxv_t *)(end + 1);
    int seen[64] = { 0 };
    for (; vector->a_type != AT_NULL; vector++) {
        if (vector->a_type < 64)
            EXPECT(seen[vector->a_type]++ == 0);
        EXPECT(getauxval(vector->a_type) == vector->a_un.a_val);
    }
    static const int wanted[] = {
        AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS, AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID, AT_HWCAP,
        AT_HWCAP2, AT_CLKTCK, AT_RANDOM, AT_SECURE, AT_EXECFN, AT_PLATFORM, AT_MINSIGSTKSZ, AT_SYSINFO_EHDR,
    };
    for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!seen[wanted[i]])
            printf("auxiliary vector lacks %d\n", wanted[i]);
        EXPECT(seen[wanted[i]]);
    }
    EXPECT(getauxval(AT_PAGESZ) == 4096);
    EXPECT(strcmp((const char *)getauxval(AT_PLATFORM), "aarch64") == 0);
    EXPECT(getauxval(AT_CLKTCK) == 100);
    EXPECT(getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid());
    EXPECT(getauxval(AT_SECURE) == 0 && getauxval(AT_FLAGS) == 0);
    EXPECT(getauxval(AT_PHENT) == sizeof(Elf64_Phdr));
    EXPECT(getauxval(AT_PHNUM) == __ehdr_start.e_phnum);
    EXPECT(getauxval(AT_PHDR) == (uintptr_t)&__ehdr_start + __ehdr_start.e_phoff);
    EXPECT(getauxval(AT_ENTRY) == (uintptr_t)_start);
    EXPECT(getauxval(AT_MINSIGSTKSZ) >= 4688);
    EXPECT(strcmp((const char *)getauxval(AT_EXECFN), argv[0]) == 0);
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    int nonzero = 0;
    for (int i = 0; i < 16; i++)
        nonzero += random[i] != 0;
    EXPECT(nonzero > 4);
    EXPECT((getauxval(AT_BASE) == 0) == (__ehdr_start.e_type == ET_EXEC));
    if (getauxval(AT_BASE))
        EXPECT(memcmp((const void *)getauxval(AT_BASE), "\177ELF\2\1\1", 7) == 0);
    printf("ok\n");
    return 0;
}
