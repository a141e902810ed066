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

void zm__unpoison_block(void *p)
{
    (void)p;
}
