// What `emu --demo` runs: a Mandelbrot set in text, a prime sieve and a sum of square roots, with the kernel reached by
// bare system calls. Needs no C library; the command that built `demo.aarch64` from it is in `build.sh`.

enum { SYS_WRITE = 64, SYS_EXIT_GROUP = 94, SYS_CLOCK_GETTIME = 113, SYS_UNAME = 160 };
enum { CLOCK_MONOTONIC = 1 };
enum { WIDTH = 76, HEIGHT = 26, MAX_STEPS = 400, SIEVE_LIMIT = 2000000 };

struct timespec {
    long seconds, nanoseconds;
};

static long kernel(long number, long first, long second, long third) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    register long x2 __asm__("x2") = third;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

static char page[4096];
static long used;

static void flush(void) {
    for (long at = 0; at < used;) {
        long written = kernel(SYS_WRITE, 1, (long)(page + at), used - at);
        if (written <= 0) kernel(SYS_EXIT_GROUP, 1, 0, 0);
        at += written;
    }
    used = 0;
}

static void put(char c) {
    page[used++] = c;
    if (used == sizeof page) flush();
}

static void put_text(const char *text) {
    while (*text) put(*text++);
}

static void put_number(unsigned long number, int digits) {
    char text[20];
    int length = 0;
    do {
        text[length++] = (char)('0' + number % 10);
        number /= 10;
    } while (number || length < digits);
    while (length) put(text[--length]);
}

static void mandelbrot(void) {
    static const char shades[] = " .,:;-~=+*oxOX#%";
    for (int row = 0; row < HEIGHT; row++) {
        for (int column = 0; column < WIDTH; column++) {
            double a = -2.2 + 3.1 * column / WIDTH;
            double b = -1.25 + 2.5 * (row + 0.5) / HEIGHT;
            double x = 0, y = 0;
            int steps = 0;
            while (steps < MAX_STEPS && x * x + y * y < 4) {
                double next = x * x - y * y + a;
                y = 2 * x * y + b;
                x = next;
                steps++;
            }
            put(steps == MAX_STEPS ? '@' : shades[steps < 16 ? steps : 15]);
        }
        put('\n');
    }
}

static unsigned char composite[SIEVE_LIMIT];

static unsigned long primes(void) {
    unsigned long count = 0;
    for (long n = 2; n < SIEVE_LIMIT; n++) {
        if (composite[n]) continue;
        count++;
        for (long multiple = n * n; multiple < SIEVE_LIMIT; multiple += n) composite[multiple] = 1;
    }
    return count;
}

static unsigned long millionths_of_root_sum(void) {
    double sum = 0;
    for (int n = 1; n <= 10000; n++) sum += __builtin_sqrt(n);
    return (unsigned long)(sum * 1e6);
}

void _start(void) {
    static char names[6][65];
    struct timespec before, after;
    kernel(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&before, 0);
    mandelbrot();
    kernel(SYS_UNAME, (long)names, 0, 0);
    put_text("This is a program for ");
    put_text(names[4]);
    put_text(".\nPrimes below ");
    put_number(SIEVE_LIMIT, 1);
    put_text(": ");
    put_number(primes(), 1);
    put_text("\nSum of the square roots of 1 to 10000: ");
    unsigned long sum = millionths_of_root_sum();
    put_number(sum / 1000000, 1);
    put('.');
    put_number(sum % 1000000, 6);
    kernel(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&after, 0);
    put_text("\nAll that took ");
    long us = (after.seconds - before.seconds) * 1000000 + (after.nanoseconds - before.nanoseconds) / 1000;
    put_number((unsigned long)us / 1000, 1);
    put_text(" ms.\n");
    flush();
    kernel(SYS_EXIT_GROUP, 0, 0, 0);
}
