//go:build !asan

/* asan_off.c: without AddressSanitizer there is nothing to poison. */
#include "zm_internal.h"

void zm__poison(void *p, size_t n)
{
    (void)p;
    (void)n;
}

void zm__unpoison(void *p, size_t n)
{
    (void)p;
    (void)n;
}

void zm__poison_blocks(void *const *blocks, size_t n, size_t len)
{
    (void)blocks;
    (void)n;
    (void)len;
}

void zm__unpoison_blocks(void *const *blocks, size_t len)
{
    (void)blocks;
    (void)len;
}
