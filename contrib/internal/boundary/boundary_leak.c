//go:build leak

/* boundary_leak.c: who frees, under the leak tag. */
#include <string.h>

#include "boundary.h"
#include "zmem.h"

void *boundary_alloc(size_t n)
{
    zm_site_t *site = zm_site_of("C", 1, NULL, 0); /* this stack */
    void *p = zm_leak_calloc(n, 0, site);
    return p ? memset(p, 'c', n) : NULL;
}

int boundary_free(void *p, size_t n)
{
    return zm_leak_free(p, n, zm_site_of(NULL, 0, NULL, 0), NULL);
}
