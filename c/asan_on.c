//go:build asan

/* asan_on.c: under AddressSanitizer, cached blocks are poisoned while they are free. */
#include <sanitizer/asan_interface.h>

#include "zm_internal.h"

void zm__poison(void *p, size_t n)
{
    if (n > 0)
        (void)*(volatile char *)p; /* reported where it is poisoned: a block freed twice */
    __asan_poison_memory_region(p, n);
}

void zm__unpoison(void *p, size_t n)
{
    __asan_unpoison_memory_region(p, n);
}

void zm__poison_blocks(void *const *blocks, size_t n, size_t len)
{
    for (size_t i = 0; i < len; i++)
        __asan_poison_memory_region(blocks[i], n);
}

void zm__unpoison_blocks(void *const *blocks, size_t len)
{
    for (size_t i = 0; i < len; i++)
        __asan_unpoison_memory_region(blocks[i], zm_usable_size(blocks[i]));
}
