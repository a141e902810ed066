//go:build asan

/* asan_on.c: under AddressSanitizer, cached blocks are poisoned while they are free. */
#include <sanitizer/asan_interface.h>

#include "zm_internal.h"

void zm__poison(void *p, size_t n)
{
    __asan_poison_memory_region(p, n);
}

void zm__unpoison(void *p, size_t n)
{
    __asan_unpoison_memory_region(p, n);
}

void zm__unpoison_block(void *p)
{
    __asan_unpoison_memory_region(p, zm_usable_size(p));
}
