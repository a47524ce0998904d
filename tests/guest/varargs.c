// Variable arguments: integers, doubles and structures, in registers and on the stack.
#include <stdarg.h>
#include <stdio.h>

struct small { int a, b; };
struct large { long values[5]; };
struct floats { double x, y, z; };

__attribute__((noinline)) static double mixed(const char *types, ...)
{
    va_list arguments, again;
    va_start(arguments, types);
    va_copy(again, arguments);
    double sum = 0;
    for (const char *type = types; *type; type++) {
        switch (*type) {
        case 'i': sum = sum * 1.5 + va_arg(arguments, int); break;
        case 'l': sum = sum * 1.5 + va_arg(arguments, long); break;
        case 'd': sum = sum * 1.5 + va_arg(arguments, double); break;
        case 's': { struct small s = va_arg(arguments, struct small); sum += s.a * 2 - s.b; break; }
        case 'L': { struct large s = va_arg(arguments, struct large); sum += s.values[0] - s.values[4] * 3; break; }
        case 'f': { struct floats s = va_arg(arguments, struct floats); sum += s.x - s.y / s.z; break; }
        case 'p': sum += *va_arg(arguments, const int *); break;
        }
    }
    if (types[0] == 'i')
        sum += va_arg(again, int) * 1000.0;
    va_end(again);
    va_end(arguments);
    return sum;
}

__attribute__((noinline)) static struct floats spread(struct floats f, struct large l, struct small s, double d)
{
    return (struct floats){ f.x + l.values[1], f.y * s.b, f.z - d };
}

int main(void)
{
    struct small s = { 3, -4 };
    struct large l = { { 10, 20, 30, 40, 50 } };
    struct floats f = { 1.25, 2.5, -8 };
    int pointed = 77;
    printf("%.17g\n", mixed("iiii", 1, -2, 3, -4));
    printf("%.17g\n", mixed("dddddddddddd", 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.));
    printf("%.17g\n", mixed("iiiiiiiiiiiil", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13L));
    printf("%.17g\n", mixed("idididididididididid", 1, .1, 2, .2, 3, .3, 4, .4, 5, .5, 6, .6, 7, .7, 8, .8, 9, .9, 10, 1e5));
    printf("%.17g\n", mixed("sLfpidsLfpidd", s, l, f, &pointed, 1, 2., s, l, f, &pointed, 3, 4., 1e-3));
    struct floats r = spread(f, l, s, 0.125);
    printf("%g %g %g\n", r.x, r.y, r.z);
    char text[200];
    snprintf(text, sizeof text, "%d %s %f %c %ld %x %g %5.2f %lu %e %d %d %f %f %f %f %f %f %f", 1, "two", 3., '4', 5L, 6,
             7., 8., 9ul, 10., 11, 12, 13., 14., 15., 16., 17., 18., 19.);
    puts(text);
    return 0;
}
