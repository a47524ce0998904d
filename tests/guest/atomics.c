// C11 atomics of 1, 2, 4 and 8 bytes, all operations and orders. Built for ARMv8.0 (exclusives) and with LSE.
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

static uint64_t state = 88172645463325252;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

#define WIDTH(TYPE, FORMAT)                                                                                          \
    static void test_##TYPE(void)                                                                                    \
    {                                                                                                                \
        static struct { TYPE before; _Atomic TYPE value; TYPE after; } cell;                                         \
        uint64_t hash = 0;                                                                                           \
        cell.before = cell.after = (TYPE)0x5a5a5a5a5a5a5a5a;                                                         \
        for (int i = 0; i < 300; i++) {                                                                              \
            TYPE operand = (TYPE)next(), expected = (TYPE)next(), old[12];                                           \
            int took[4];                                                                                             \
            old[0] = atomic_exchange(&cell.value, (TYPE)next());                                                     \
            old[1] = atomic_fetch_add(&cell.value, operand);                                                         \
            old[2] = atomic_fetch_sub_explicit(&cell.value, operand * 3, memory_order_relaxed);                      \
            old[3] = atomic_fetch_or_explicit(&cell.value, operand & 0x55, memory_order_acquire);                    \
            old[4] = atomic_fetch_and_explicit(&cell.value, ~operand | 0x0f, memory_order_release);                  \
            old[5] = atomic_fetch_xor_explicit(&cell.value, operand >> 1, memory_order_acq_rel);                     \
            took[0] = atomic_compare_exchange_strong(&cell.value, &expected, operand);                               \
            old[6] = expected;                                                                                       \
            took[1] = atomic_compare_exchange_strong(&cell.value, &expected, operand + 1);                           \
            old[7] = atomic_load(&cell.value);                                                                       \
            expected = atomic_load_explicit(&cell.value, memory_order_acquire);                                      \
            do                                                                                                       \
                took[2] = atomic_compare_exchange_weak_explicit(&cell.value, &expected, (TYPE)(operand ^ 3),         \
                                                                memory_order_acq_rel, memory_order_relaxed);         \
            while (!took[2]);                                                                                        \
            expected = (TYPE)(operand ^ 2);                                                                          \
            took[3] = atomic_compare_exchange_strong_explicit(&cell.value, &expected, 0, memory_order_release,       \
                                                              memory_order_relaxed);                                 \
            old[8] = expected;                                                                                       \
            atomic_store(&cell.value, (TYPE)(operand + 5));                                                          \
            old[9] = atomic_load_explicit(&cell.value, memory_order_relaxed);                                        \
            atomic_store_explicit(&cell.value, (TYPE)(operand - 5), memory_order_release);                           \
            atomic_thread_fence(memory_order_seq_cst);                                                               \
            old[10] = cell.value;                                                                                    \
            old[11] = ++cell.value;                                                                                  \
            for (int j = 0; j < 12; j++)                                                                             \
                hash = hash * 1099511628211u + old[j];                                                               \
            for (int j = 0; j < 4; j++)                                                                              \
                hash = hash * 31 + took[j];                                                                          \
            if (i % 60 == 0)                                                                                         \
                printf(#TYPE " %" FORMAT " %016" PRIx64 "\n", old[10], hash);                                        \
        }                                                                                                            \
        printf("%d %d\n", cell.before == (TYPE)0x5a5a5a5a5a5a5a5a, cell.after == (TYPE)0x5a5a5a5a5a5a5a5a);          \
    }

WIDTH(uint8_t, PRIu8)
WIDTH(uint16_t, PRIu16)
WIDTH(uint32_t, PRIu32)
WIDTH(uint64_t, PRIu64)
WIDTH(int8_t, PRId8)
WIDTH(int64_t, PRId64)

int main(void)
{
    test_uint8_t();
    test_uint16_t();
    test_uint32_t();
    test_uint64_t();
    test_int8_t();
    test_int64_t();
    atomic_flag flag = ATOMIC_FLAG_INIT;
    int first = atomic_flag_test_and_set(&flag), second = atomic_flag_test_and_set(&flag);
    atomic_flag_clear(&flag);
    printf("flag %d %d %d\n", first, second, atomic_flag_test_and_set_explicit(&flag, memory_order_acquire));
    return 0;
}
