// Loops that the compiler turns into vector code at -O3: integers, floats and bytes, inexact data.
#include "kernel.h"

enum { N = 8192 };
static float x[N], y[N];
static double d[N];
static int32_t a[N], b[N];
static uint8_t p[N], q[N];

__attribute__((noinline)) static void floats(float scale)
{
    for (int i = 0; i < N; i++)
        y[i] = y[i] * 0.999f + x[i] * scale;
}

__attribute__((noinline)) static void doubles(double scale)
{
    for (int i = 0; i < N; i++)
        d[i] = d[i] * scale + (double)x[i];
}

__attribute__((noinline)) static void integers(int32_t add)
{
    for (int i = 0; i < N; i++)
        a[i] = (a[i] * b[i] + add) ^ (b[i] >> 3);
}

__attribute__((noinline)) static uint32_t bytes(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < N; i++) {
        int difference = p[i] - q[i];
        sum += difference < 0 ? -difference : difference;
        p[i] = (p[i] + q[i] + 1) >> 1;
    }
    return sum;
}

__attribute__((noinline)) static int32_t greatest(void)
{
    int32_t most = a[0];
    for (int i = 1; i < N; i++)
        most = a[i] > most ? a[i] : most;
    return most;
}

int main(int argc, char **argv)
{
    for (int i = 0; i < N; i++) {
        x[i] = (float)(random_next() >> 40) / 3e6f;
        a[i] = random_next();
        b[i] = random_next() | 1;
        p[i] = random_next();
        q[i] = random_next();
    }
    uint64_t sum = 0;
    for (int round = rounds(argc, argv, 25000); round > 0; round--) {
        floats(1.0f / round);
        doubles(0.9);
        integers(round);
        sum = sum * 31 + bytes() + greatest();
    }
    double total = 0;
    for (int i = 0; i < N; i++)
        total += d[i] + y[i];
    printf("%016" PRIx64 " %.9g\n", sum, total);
    return 0;
}
