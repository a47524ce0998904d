// Dense matrix product in double precision, on data whose products are inexact.
#include "kernel.h"

enum { N = 256 };
static double a[N][N], b[N][N], c[N][N];

int main(int argc, char **argv)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)(random_next() >> 11) / 3e15;
            b[i][j] = 1.0 / (1.0 + (i * 7 + j * 3) % 101);
        }
    for (int round = rounds(argc, argv, 20); round > 0; round--)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = c[i][j] * 1e-3;
                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
    double trace = 0;
    for (int i = 0; i < N; i++)
        trace += c[i][i] + c[i][N - 1 - i];
    printf("%.17g\n", trace);
    return 0;
}
