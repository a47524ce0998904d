// qsort, malloc, printf and strtod of floating point, time, and files.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t state = 0x2545f4914f6cdd1d;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sorting(void)
{
    enum { COUNT = 5000 };
    static double values[COUNT];
    for (int i = 0; i < COUNT; i++)
        values[i] = (double)(int64_t)next() / 1e7;
    qsort(values, COUNT, sizeof values[0], by_value);
    for (int i = 0; i < COUNT; i += 499)
        printf("%d: %.17g\n", i, values[i]);
}

static void allocation(void)
{
    static unsigned char *blocks[512];
    static size_t sizes[512];
    uint64_t sum = 0;
    for (int round = 0; round < 4000; round++) {
        int slot = next() % 512;
        if (blocks[slot]) {
            for (size_t i = 0; i < sizes[slot]; i += 97)
                sum = sum * 31 + blocks[slot][i];
            if (round % 3 == 0) {
                size_t wanted = next() % 9000 + 1;
                blocks[slot] = realloc(blocks[slot], wanted);
                if (wanted > sizes[slot])
                    memset(blocks[slot] + sizes[slot], round, wanted - sizes[slot]);
                sizes[slot] = wanted;
                continue;
            }
            free(blocks[slot]);
        }
        sizes[slot] = round % 50 == 0 ? 300000 : next() % 2000 + 1;
        blocks[slot] = malloc(sizes[slot]);
        memset(blocks[slot], round, sizes[slot]);
    }
    printf("allocation: %" PRIx64 "\n", sum);
    void *aligned = NULL;
    printf("posix_memalign: %d, %d\n", posix_memalign(&aligned, 4096, 100), (int)((uintptr_t)aligned & 4095));
    unsigned char *zeroed = calloc(100000, 3);
    for (int i = 0; i < 300000; i++)
        sum += zeroed[i];
    printf("calloc: %" PRIx64 "\n", sum);
}

static void conversion(void)
{
    static const char *texts[] = {
        "0.1", "1e308", "1e309", "-4.9e-324", "2.2250738585072011e-308", "3.14159265358979323846", "inf", "nan",
        "0x1.8p3", "123456789012345678901234567890", "1e-400", ".5e1x", "-0", "9007199254740993",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *end;
        errno = 0;
        double value = strtod(texts[i], &end);
        printf("%s: %.17g %a %g rest '%s' errno %d\n", texts[i], value, value, value, end, errno);
        printf("  %.3f %e %10.4g float %.9g\n", value, value, value, (double)strtof(texts[i], NULL));
    }
    printf("%ld %lu %lld %d\n", strtol("-9223372036854775809", NULL, 10), strtoul("0xffff", NULL, 0),
           strtoll("777", NULL, 8), atoi("  42x"));
    printf("[%5d] [%-5d] [%05d] [%+d] [%x] [%#o] [%8.3s] [%c] [%%] [%*d]\n", 42, 42, 42, 42, 255, 8, "abcdef", 'z', 6, 7);
    int a, b;
    double c;
    char word[16];
    int matched = sscanf("12 0x1f word 2.5e3", "%d %i %15s %lf", &a, &b, word, &c);
    printf("sscanf: %d %d %d %s %g\n", matched, a, b, word, c);
}

static void times(void)
{
    time_t then = 1000000007;
    struct tm tm;
    char text[64];
    gmtime_r(&then, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %j %a", &tm);
    printf("%s, back: %ld\n", text, (long)timegm(&tm));
    struct timespec now, resolution;
    printf("clock_gettime: %d %d\n", clock_gettime(CLOCK_MONOTONIC, &now), clock_getres(CLOCK_MONOTONIC, &resolution));
    time_t today = time(NULL);
    printf("after 2020: %d\n", today > 1577836800);
    struct timespec nap = { 0, 2000000 }, later;
    nanosleep(&nap, NULL);
    clock_gettime(CLOCK_MONOTONIC, &later);
    int64_t slept = (later.tv_sec - now.tv_sec) * INT64_C(1000000000) + later.tv_nsec - now.tv_nsec;
    printf("slept: %d\n", slept >= 2000000);
    printf("clock(): %d\n", clock() != (clock_t)-1);
}

static void files(void)
{
    char path[] = "libc-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w+");
    for (int i = 0; i < 3000; i++)
        fprintf(file, "line %d %.3f\n", i, i / 7.0);
    fflush(file);
    printf("position: %ld\n", ftell(file));
    rewind(file);
    char line[128];
    int count = 0;
    unsigned long hash = 5381;
    while (fgets(line, sizeof line, file)) {
        count++;
        for (char *c = line; *c; c++)
            hash = hash * 33 + (unsigned char)*c;
    }
    printf("lines: %d, hash %lx, eof %d\n", count, hash, feof(file) != 0);
    fseek(file, -20, SEEK_END);
    size_t got = fread(line, 1, sizeof line, file);
    line[got] = 0;
    printf("end: %zu '%s'\n", got, line);
    fclose(file);
    int removed = unlink(path);
    FILE *again = fopen(path, "r");
    printf("unlink: %d, open again: %d, errno %d\n", removed, again != NULL, errno);
}

int main(void)
{
    sorting();
    allocation();
    conversion();
    times();
    files();
    fprintf(stderr, "to stderr\n");
    return 7;
}
