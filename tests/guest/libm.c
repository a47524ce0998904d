// libm's common functions to the last bit. The reference is qemu-aarch64 with this same binary: the host's libm picks
// other code (fma) and its last bits differ.
#include <fenv.h>
#include <math.h>
#include <stdio.h>

static const double values[] = {
    0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 0.1, 1e-10, 1e10, 1e300, 1e-300, 5e-324, 2.2250738585072014e-308,
    1.7976931348623157e308, 0.7853981633974483, 3.141592653589793, 100.25, -7.75, 1.0 / 3, 12345.678, 709.5, -745.2,
    INFINITY, -INFINITY, NAN,
};
enum { COUNT = sizeof values / sizeof values[0] };

typedef double one(double);
typedef double two(double, double);
typedef float one_f(float);

static const struct { const char *name; one *function; one_f *narrow; } unary[] = {
    { "sin", sin, sinf }, { "cos", cos, cosf }, { "tan", tan, tanf }, { "asin", asin, asinf }, { "acos", acos, acosf },
    { "atan", atan, atanf }, { "sinh", sinh, sinhf }, { "cosh", cosh, coshf }, { "tanh", tanh, tanhf },
    { "asinh", asinh, asinhf }, { "acosh", acosh, acoshf }, { "atanh", atanh, atanhf }, { "exp", exp, expf },
    { "exp2", exp2, exp2f }, { "expm1", expm1, expm1f }, { "log", log, logf }, { "log2", log2, log2f },
    { "log10", log10, log10f }, { "log1p", log1p, log1pf }, { "sqrt", sqrt, sqrtf }, { "cbrt", cbrt, cbrtf },
    { "floor", floor, floorf }, { "ceil", ceil, ceilf }, { "trunc", trunc, truncf }, { "round", round, roundf },
    { "rint", rint, rintf }, { "nearbyint", nearbyint, nearbyintf }, { "fabs", fabs, fabsf }, { "erf", erf, erff },
    { "erfc", erfc, erfcf }, { "tgamma", tgamma, tgammaf }, { "lgamma", lgamma, lgammaf },
};

static const struct { const char *name; two *function; } binary[] = {
    { "pow", pow }, { "atan2", atan2 }, { "fmod", fmod }, { "hypot", hypot }, { "fmin", fmin }, { "fmax", fmax },
    { "fdim", fdim }, { "copysign", copysign }, { "nextafter", nextafter }, { "remainder", remainder },
};

int main(void)
{
    for (unsigned f = 0; f < sizeof unary / sizeof unary[0]; f++) {
        for (int i = 0; i < COUNT; i++) {
            feclearexcept(FE_ALL_EXCEPT);
            double result = unary[f].function(values[i]);
            int raised = fetestexcept(FE_ALL_EXCEPT);
            float narrow = unary[f].narrow((float)values[i]);
            printf("%s(%a) = %a [%x] %a\n", unary[f].name, values[i], result, raised, (double)narrow);
        }
    }
    for (unsigned f = 0; f < sizeof binary / sizeof binary[0]; f++)
        for (int i = 0; i < COUNT; i++)
            for (int j = 0; j < COUNT; j++)
                printf("%s(%a, %a) = %a\n", binary[f].name, values[i], values[j], binary[f].function(values[i], values[j]));
    for (int i = 0; i < COUNT; i++) {
        int exponent;
        double fraction = frexp(values[i], &exponent), whole, part = modf(values[i], &whole);
        printf("frexp %a modf %a %a ldexp %a fma %a\n", fraction, whole, part, ldexp(values[i], 3),
               fma(values[i], 1.1, -0.7));
        if (isfinite(values[i]))
            printf("exponent %d\n", exponent);
        if (fabs(values[i]) < 1e9)
            printf("lround %ld lrint %ld\n", lround(values[i]), lrint(values[i]));
    }
    static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    for (int m = 0; m < 4; m++) {
        fesetround(modes[m]);
        volatile double third = 1.0, three = 3.0;
        printf("mode %d: %a %a %ld %a\n", m, third / three, rint(-2.5), lrint(2.5), sqrt(2.0));
    }
    return 0;
}
