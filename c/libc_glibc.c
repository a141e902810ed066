//go:build linux && !musl

/* libc_glibc.c: glibc's extensions to malloc. */
#include <features.h>
#if !defined(__GLIBC__) || !__GLIBC_PREREQ(2, 33)
#error "zmem needs glibc 2.33 or later here: with another C library build with -tags musl"
#endif
#include <malloc.h>

#include "zm_internal.h"

/* malloc adds a word in front of each block and rounds the sum to 16. */
size_t zm__libc_good_size(size_t n)
{
    size_t word = sizeof(size_t);
    return ((n + word + 15) & ~(size_t)15) - word;
}

size_t zm__libc_usable_size(const void *p)
{
    return malloc_usable_size((void *)(uintptr_t)p);
}

/* mallinfo2 (glibc 2.33): arena is what was taken with sbrk or for a thread's arena, hblkhd what
 * was mapped a block at a time, fordblks the free part of arena. glibc does not know how much of
 * the free part is resident, so that resident is an upper bound.
 */
int zm__libc_stats(zm_memstats_t *out)
{
    struct mallinfo2 m = mallinfo2();
    out->allocated = m.uordblks + m.hblkhd;
    out->active = m.arena + m.hblkhd;
    out->resident = out->active;
    out->mapped = out->active;
    return ZM_OK;
}

int zm__libc_purge(void)
{
    malloc_trim(0); /* its result says only whether there was anything to give back */
    return ZM_OK;
}

bool zm__libc_decay(void)
{
    return zm__decay(zm__libc_purge);
}
