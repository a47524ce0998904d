// The C library's string functions on short and long strings, as text-handling programs mix them.
#include "kernel.h"
#include <string.h>

static char text[65536], copy[65536];

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = random_next() % 23 ? 'a' + random_next() % 26 : ' ';
    uint64_t sum = 0;
    for (int round = rounds(argc, argv, 6000); round > 0; round--) {
        memcpy(copy, text, sizeof text);
        copy[round * 37 % 60000] = '#';
        sum += strchr(copy, '#') - copy;
        sum += strlen(copy);
        sum += memcmp(copy, text, sizeof text) < 0;
        sum = sum * 31 + (strstr(copy, "qzx") != NULL);
        memset(copy + round * 11 % 60000, '.', 100);
        // Words: many short calls.
        char word[64];
        for (char *at = text; *at;) {
            size_t length = strcspn(at, " ");
            if (length < sizeof word) {
                memcpy(word, at, length);
                word[length] = 0;
                sum += strlen(word) + (strcmp(word, "hello") < 0) + (strrchr(word, 'e') != NULL);
            }
            at += length + (at[length] == ' ');
        }
        memmove(copy + 1, copy, sizeof copy - 2);
        sum = sum * 31 + (memchr(copy, '.', sizeof copy) != NULL);
    }
    printf("%016" PRIx64 "\n", sum);
    return 0;
}
