// Pages for the tests of faults.
#ifndef SIGNAL_PAGES_H
#define SIGNAL_PAGES_H

#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

__attribute__((unused)) static char *map_pages(int count, int protection)
{
    char *pages = mmap(NULL, (size_t)count * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        exit(99);
    return pages;
}

#endif
