// No library: a program whose file and memory are easy to say.
static char data[20000] = {[100] = 1, [19999] = 2};
static char bss[9000];
static long call3(long number, long a, long b, long c)
{
#ifdef __aarch64__
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#else
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
#endif
}
#ifdef __aarch64__
enum { WRITE = 64, EXIT = 94 };
#else
enum { WRITE = 1, EXIT = 231 };
#endif
void _start(void)
{
    volatile char *d = data, *b = bss;
    int sum = d[100] + d[19999];
    for (int i = 0; i < 9000; i++) sum += b[i];
    b[8999] = 1; d[5] = 1;
    call3(WRITE, 1, (long)"running\n", 8);
    call3(EXIT, 40 + (sum == 3 ? 2 : 1), 0, 0);
}
