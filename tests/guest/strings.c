// libc's string functions at every alignment and many lengths, each ending at a page that cannot be touched.
#define _GNU_SOURCE
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static unsigned char *source, *target; // each the last byte + 1 before a PROT_NONE page
enum { PAGE = 65536, LONGEST = 300 };

static uint64_t hash = 0xcbf29ce484222325;

static void note(uint64_t value)
{
    for (int i = 0; i < 8; i++)
        hash = (hash ^ (value >> 8 * i & 255)) * 0x100000001b3;
}

static void note_bytes(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
}

static unsigned char *before_guard(void)
{
    unsigned char *base = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + PAGE, PAGE, PROT_NONE) != 0)
        exit(1);
    return base + PAGE;
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void fill(unsigned char *end, size_t count, unsigned seed)
{
    for (size_t i = 1; i <= count; i++)
        end[-(ptrdiff_t)i] = (seed = seed * 1103515245 + 12345) >> 16 | 1;
}

static void copying(size_t length, int gap)
{
    fill(source, length + gap, length * 7 + gap);
    memset(target - 2 * LONGEST, 0xee, 2 * LONGEST);
    memcpy(target - length, source - length - gap, length);
    note_bytes(target - length - 32, length + 32);
    memcpy(target - length - gap, source - length, length);
    note_bytes(target - length - gap - 16, length + gap + 16);
    memmove(target - length - gap, target - length, length);
    note_bytes(target - length - gap, length + gap);
    memmove(target - length, target - length - gap, length);
    note_bytes(target - length - gap, length + gap);
    memset(target - length - gap, length + gap, length);
    note_bytes(target - length - gap - 8, length + gap + 8);
    memset(target - length, 0, length);
    note_bytes(target - length - 8, length + 8);
    note((uintptr_t)mempcpy(target - length, source - length, length) - (uintptr_t)target);
}

static void comparing(size_t length, int gap)
{
    fill(source, length, 99);
    fill(target, length + gap, 1);
    unsigned char *a = source - length, *b = target - length - gap;
    memcpy(b, a, length);
    note(sign(memcmp(a, b, length)));
    if (length) {
        for (size_t at = 0; at < length; at += 1 + length / 5) {
            b[at] ^= 0x80;
            note(sign(memcmp(a, b, length)));
            note(sign(memcmp(b, a, length)));
            b[at] ^= 0x80;
        }
        a[length - 1] = b[length - 1] = 0;
        note(sign(strcmp((char *)a, (char *)b)));
        if (length > 2) {
            b[length / 2] ^= 0x40;
            note(sign(strcmp((char *)a, (char *)b)));
            note(sign(strncmp((char *)a, (char *)b, length / 2)));
            note(sign(strncmp((char *)a, (char *)b, length)));
            b[length - 2] = 0;
            note(sign(strcmp((char *)b, (char *)a)));
        }
    }
    note(sign(strncmp((char *)a, (char *)a, length)));
}

static void searching(size_t length)
{
    unsigned char *text = source - length - 1;
    memset(text, 'a', length);
    text[length] = 0;
    note(strlen((char *)text));
    note(strnlen((char *)text, length / 2));
    note(strnlen((char *)text, length + 1));
    note(memchr(text, 'x', length) == NULL);
    note((unsigned char *)memchr(text, 0, length + 1) - text);
    note((unsigned char *)strchr((char *)text, 0) - text);
    note((unsigned char *)rawmemchr(text, 0) - text);
    note(strchr((char *)text, 'x') == NULL);
    note(strrchr((char *)text, 'x') == NULL);
    note((unsigned char *)strchrnul((char *)text, 'x') - text);
    for (size_t at = 0; at < length; at += 1 + length / 7) {
        text[at] = 'x';
        note((unsigned char *)memchr(text, 'x', length) - text);
        note((unsigned char *)memrchr(text, 'x', length) - text);
        note((unsigned char *)strchr((char *)text, 'x') - text);
        note((unsigned char *)strrchr((char *)text, 'x') - text);
        note(strcspn((char *)text, "xyz"));
        note(strspn((char *)text, "a"));
        note((unsigned char *)strstr((char *)text, "x") - text);
        note((unsigned char *)strpbrk((char *)text, "zyx") - text);
    }
    memset(target - 2 * LONGEST, 0x55, 2 * LONGEST);
    note((unsigned char *)stpcpy((char *)target - length - 1, (char *)text) - target);
    note_bytes(target - length - 9, length + 9);
    strcpy((char *)target - length - 1, (char *)text);
    strncpy((char *)target - length, (char *)text, length);
    note_bytes(target - length - 9, length + 9);
}

int main(void)
{
    source = before_guard();
    target = before_guard();
    for (size_t length = 0; length < LONGEST; length += length < 140 ? 1 : 13) {
        for (int gap = 0; gap < 33; gap += 1 + (length > 64) * 3)
            copying(length, gap);
        for (int gap = 0; gap < 17; gap++)
            comparing(length, gap);
        searching(length);
        if (length % 10 == 0)
            printf("%zu: %016" PRIx64 "\n", length, hash);
    }
    // Long ones: the loops that copy and clear by cache line.
    for (size_t length = 1000; length < PAGE; length = length * 3 + 1) {
        fill(source, length, length);
        memset(target - length, 0, length);
        memcpy(target - length, source - length, length - 5);
        note_bytes(target - length, length);
        memmove(target - length, target - length + 3, length - 3);
        note_bytes(target - length, length);
        memset(target - length + 1, 0, length - 1);
        note_bytes(target - length, length);
        printf("%zu: %016" PRIx64 "\n", length, hash);
    }
    char text[] = "a,b;;c", *save;
    for (char *token = strtok_r(text, ",;", &save); token; token = strtok_r(NULL, ",;", &save))
        printf("token %s\n", token);
    char *copy = strdup("duplicate");
    printf("%s %d %d %s\n", copy, strcasecmp("HeLLo", "hEllO"), strncasecmp("abcX", "ABCy", 3), strcasestr("A Needle", "needle"));
    printf("%s\n", (char *)memmem("haystack with pin", 17, "pin", 3));
    return 0;
}
