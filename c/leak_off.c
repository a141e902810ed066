//go:build !leak

/* leak_off.c: without the leak tag, blocks that stand for more than themselves are just blocks. */
#include "zm_internal.h"

void *zm__leak_calloc(size_t n)
{
    return zm_calloc(n);
}

void zm__leak_add(const void *block, uint64_t bytes, uint64_t objects)
{
    (void)block, (void)bytes, (void)objects;
}

void zm__leak_attribute(const void *block, uint64_t bytes, uint64_t objects, zm_site_t *site)
{
    (void)block, (void)bytes, (void)objects, (void)site;
}

void zm__leak_free(void *block, size_t n)
{
    zm_free(block, n);
}
