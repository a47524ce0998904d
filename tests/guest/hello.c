// The smallest program that a person would write: output, arguments, one environment variable, an exit status.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    printf("hello, world\n");
    for (int i = 1; i < argc; i++)
        printf("argument %d: '%s'\n", i, argv[i]);
    const char *value = getenv("EMU_GUEST_VARIABLE");
    printf("variable: %s\n", value ? value : "(unset)");
    return argc;
}
