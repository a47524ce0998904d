// Lookups in a binary tree that does not fit in the nearest caches: loads that depend on loads.
#include "kernel.h"

enum { NODES = 1 << 17 };
static struct node { struct node *child[2]; uint32_t key, value; } nodes[NODES];

int main(int argc, char **argv)
{
    struct node *root = NULL;
    for (uint32_t i = 0; i < NODES; i++) {
        struct node *made = &nodes[i], **at = &root;
        made->key = random_next();
        made->value = i;
        while (*at)
            at = &(*at)->child[made->key > (*at)->key];
        *at = made;
    }
    uint64_t sum = 0;
    for (int i = rounds(argc, argv, 2000000); i > 0; i--) {
        uint32_t key = i % 2 ? nodes[random_next() % NODES].key : random_next();
        const struct node *at = root;
        while (at && at->key != key)
            at = at->child[key > at->key];
        sum = sum * 31 + (at ? at->value : 7);
    }
    printf("%016" PRIx64 "\n", sum);
    return 0;
}
