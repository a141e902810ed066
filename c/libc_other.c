//go:build !linux || musl

/* libc_other.c: a C library of which we know no more than the standard says. */
#include "zm_internal.h"

size_t zm__libc_good_size(size_t n)
{
    return n;
}

size_t zm__libc_usable_size(const void *p)
{
    (void)p;
    return 0;
}

int zm__libc_stats(zm_memstats_t *out)
{
    out->allocated = (uint64_t)zm_num_alloc_bytes();
    return ZM_OK;
}

int zm__libc_purge(void)
{
    return ZM_OK; /* what free does not give back, nothing does */
}

bool zm__libc_decay(void)
{
    return false;
}
