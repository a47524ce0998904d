// Integer sort: quicksort by hand and the library's qsort with its calls through a pointer.
#include "kernel.h"

enum { COUNT = 200000 };
static int32_t values[COUNT];

static void quicksort(int32_t *from, int32_t *to)
{
    while (to - from > 16) {
        int32_t pivot = from[(to - from) / 2], *low = from, *high = to - 1;
        for (;;) {
            while (*low < pivot)
                low++;
            while (*high > pivot)
                high--;
            if (low >= high)
                break;
            int32_t swapped = *low;
            *low++ = *high;
            *high-- = swapped;
        }
        quicksort(from, low);
        from = low;
    }
    for (int32_t *at = from + 1; at < to; at++) {
        int32_t value = *at, *hole = at;
        while (hole > from && hole[-1] > value) {
            *hole = hole[-1];
            hole--;
        }
        *hole = value;
    }
}

static int compare(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (int round = rounds(argc, argv, 12); round > 0; round--) {
        for (int i = 0; i < COUNT; i++)
            values[i] = random_next();
        if (round % 2)
            quicksort(values, values + COUNT);
        else
            qsort(values, COUNT, sizeof values[0], compare);
        for (int i = 1; i < COUNT; i++)
            sum = sum * 31 + values[i] + (values[i - 1] > values[i]) * 1000003;
    }
    printf("%016" PRIx64 "\n", sum);
    return 0;
}
