//go:build jemalloc

#define JEMALLOC_NO_DEMANGLE
#include <jemalloc/jemalloc.h>

#include "floor.h"

/* The volatile writes keep the compiler from removing the block and everything done to it. */
static inline void *block(size_t n)
{
    volatile char *b = je_calloc(1, n);
    b[0] = 1;
    b[n - 1] = 1;
    return (void *)b;
}

void floor_calloc_free(size_t n, long iters)
{
    void *volatile last = NULL;
    for (long i = 0; i < iters; i++) {
        void *b = block(n);
        last = b;
        je_free(b);
    }
    (void)last;
}

void floor_fill(void **live, size_t count, size_t n, const uint32_t *sizes, size_t mask)
{
    for (size_t i = 0; i < count; i++)
        live[i] = block(sizes ? sizes[i & mask] : n);
}

void floor_replace(void **live, size_t n, const uint32_t *order, size_t mask, long iters)
{
    for (long i = 0; i < iters; i++) {
        size_t j = order[(size_t)i & mask];
        void *b = block(n), *old = live[j];
        live[j] = b;
        je_free(old);
    }
}

void floor_mixed(void **live, size_t live_mask, const uint32_t *sizes, size_t sizes_mask,
                 size_t pos, long iters)
{
    for (long i = 0; i < iters; i++, pos++) {
        void *b = block(sizes[pos & sizes_mask]), *old = live[pos & live_mask];
        live[pos & live_mask] = b;
        je_free(old);
    }
}

void floor_drop(void **live, size_t count)
{
    for (size_t i = 0; i < count; i++)
        je_free(live[i]);
}

const char *floor_jemalloc_version(void)
{
    const char *version = NULL;
    size_t size = sizeof(version);
    if (je_mallctl("version", &version, &size, NULL, 0) != 0 || version == NULL)
        return "unknown";
    return version;
}
