//go:build !leak

/* boundary.c: who frees, without the leak tag. */
#include <string.h>

#include "boundary.h"
#include "zmem.h"

void *boundary_alloc(size_t n)
{
    void *p = zm_calloc(n);
    return p ? memset(p, 'c', n) : NULL;
}

int boundary_free(void *p, size_t n)
{
    zm_free(p, n);
    return ZM_OK;
}
