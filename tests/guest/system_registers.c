// System instructions that a program may use: thread pointer, FPCR, FPSR, NZCV, cache geometry, the counter, DC ZVA,
// barriers and hints; HWCAP agrees with the ID registers that Linux shows. Checks itself.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define EXPECT(condition)                                                                                            \
    do {                                                                                                             \
        if (!(condition)) {                                                                                          \
            printf("line %d: %s\n", __LINE__, #condition);                                                           \
            exit(1);                                                                                                 \
        }                                                                                                            \
    } while (0)

#define READ(name)                                                                                                   \
    ({                                                                                                               \
        uint64_t value;                                                                                              \
        __asm__ volatile("mrs %0, " name : "=r"(value));                                                             \
        value;                                                                                                       \
    })
#define WRITE(name, value) __asm__ volatile("msr " name ", %0" : : "r"((uint64_t)(value)))

// The compiler may move a division past an MSR, but not this one.
static double divide(double a, double b)
{
    double quotient;
    __asm__ volatile("fdiv %d0, %d1, %d2" : "=w"(quotient) : "w"(a), "w"(b));
    return quotient;
}

static void clear_blocks(void)
{
    uint64_t dczid = READ("dczid_el0");
    if (dczid & 16)
        return; // DC ZVA is prohibited
    uint64_t block = 4ul << (dczid & 15);
    unsigned char *memory = aligned_alloc(4096, 8192);
    memset(memory, 0xcc, 8192);
    // Any address inside the block clears the whole block and nothing else.
    __asm__ volatile("dc zva, %0" : : "r"(memory + 4096 + block / 2 + 3) : "memory");
    for (unsigned i = 0; i < 8192; i++)
        EXPECT(memory[i] == (i >= 4096 && i < 4096 + block ? 0 : 0xcc));
    free(memory);
}

static void id_registers(void)
{
    unsigned long hwcap = getauxval(AT_HWCAP);
    EXPECT((hwcap & 3) == 3); // FP and ASIMD
    if (!(hwcap & 1 << 11))   // HWCAP_CPUID: MRS of an ID register works
        return;
    uint64_t isar0 = READ("id_aa64isar0_el1"), pfr0 = READ("id_aa64pfr0_el1"), isar1 = READ("id_aa64isar1_el1");
    EXPECT((pfr0 & 0xf) == 0x1 || (pfr0 & 0xf) == 0x2); // EL0 can run AArch64
    EXPECT(((isar0 >> 4 & 0xf) >= 1) == (hwcap >> 3 & 1));    // AES
    EXPECT(((isar0 >> 4 & 0xf) >= 2) == (hwcap >> 4 & 1));    // PMULL
    EXPECT(((isar0 >> 8 & 0xf) >= 1) == (hwcap >> 5 & 1));    // SHA1
    EXPECT(((isar0 >> 12 & 0xf) >= 1) == (hwcap >> 6 & 1));   // SHA2
    EXPECT(((isar0 >> 16 & 0xf) >= 1) == (hwcap >> 7 & 1));   // CRC32
    EXPECT(((isar0 >> 20 & 0xf) >= 2) == (hwcap >> 8 & 1));   // LSE
    EXPECT(((isar0 >> 28 & 0xf) >= 1) == (hwcap >> 12 & 1));  // RDM
    EXPECT(((isar0 >> 44 & 0xf) >= 1) == (hwcap >> 20 & 1));  // DP
    EXPECT(((isar0 >> 52 & 0xf) >= 1) == (hwcap >> 27 & 1));  // FLAGM
    EXPECT(((isar1 >> 20 & 0xf) >= 1) == (hwcap >> 15 & 1));  // LRCPC
    EXPECT(((isar1 >> 12 & 0xf) >= 1) == (hwcap >> 13 & 1));  // JSCVT
    (void)READ("midr_el1");
    (void)READ("mpidr_el1");
    (void)READ("revidr_el1");
}

int main(void)
{
    uint64_t thread = READ("tpidr_el0");
    EXPECT(thread != 0);
    // No library call while the thread pointer is another.
    WRITE("tpidr_el0", 0x123456789abcdef0);
    uint64_t read = READ("tpidr_el0");
    WRITE("tpidr_el0", thread);
    EXPECT(read == 0x123456789abcdef0);

    EXPECT(READ("fpcr") == 0);
    WRITE("fpcr", 1ul << 22); // round towards plus infinity
    EXPECT(READ("fpcr") == 1ul << 22);
    double up = divide(1, 3);
    WRITE("fpcr", 0);
    EXPECT(up > divide(1, 3));
    WRITE("fpsr", 0);
    EXPECT(READ("fpsr") == 0);
    divide(1, 0);
    EXPECT(READ("fpsr") == 2); // DZC
    divide(1, 3);
    EXPECT(READ("fpsr") == 0x12); // and IXC
    divide(0, 0);
    EXPECT(READ("fpsr") == 0x13); // and IOC
    WRITE("fpsr", 1ul << 27);
    EXPECT(READ("fpsr") == 1ul << 27); // QC

    uint64_t flags;
    __asm__ volatile("msr nzcv, %1\n\tmrs %0, nzcv" : "=r"(flags) : "r"(0xa0000000ul) : "cc");
    EXPECT(flags == 0xa0000000);

    uint64_t ctr = READ("ctr_el0");
    EXPECT((ctr & 0xf) >= 2 && (ctr >> 16 & 0xf) >= 2 && ctr >> 31 & 1);
    uint64_t frequency = READ("cntfrq_el0"), before = READ("cntvct_el0");
    EXPECT(frequency >= 1000000);
    for (volatile int i = 0; i < 200000; i++)
        ;
    EXPECT(READ("cntvct_el0") > before);

    clear_blocks();
    id_registers();
    unsigned char line[256];
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb\n\tdmb ish\n\tdmb ishld\n\tdmb ishst\n\t"
                     "dc cvac, %0\n\tdc civac, %0\n\tprfm pldl1keep, [%0]\n\tprfm pstl1strm, [%0, 64]\n\t"
                     "nop\n\tyield\n\twfe\n\tsev\n\tsevl\n\thint 34\n\thint 25\n\thint 29\n\thint 7\n\thint 127\n\tclrex"
                     :
                     : "r"(line)
                     : "memory", "x30", "cc");
    printf("ok\n");
    return 0;
}
