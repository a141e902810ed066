/* backend_libc.c: the allocator of the C library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zm_internal.h"

/* What malloc aligns to by itself. */
#define MALLOC_ALIGN _Alignof(max_align_t)

static void *libc_calloc(size_t n, size_t align)
{
    if (align <= MALLOC_ALIGN)
        return calloc(1, n);
    void *p;
    if (posix_memalign(&p, align, n) != 0)
        return NULL;
    return memset(p, 0, n);
}

static size_t libc_fill(size_t n, void **out, size_t len)
{
    size_t i = 0;
    while (i < len && (out[i] = malloc(n)))
        i++;
    return i;
}

static void libc_flush(void *const *blocks, size_t len)
{
    for (size_t i = 0; i < len; i++)
        free(blocks[i]);
}

static void libc_settle(void)
{
}

static int libc_text(char **text)
{
    zm_memstats_t s = {0};
    int err = zm__libc_stats(&s);
    if (err)
        return err;
    size_t cap = 512;
    char *t = zm__meta_calloc(cap);
    if (!t)
        return ZM_ENOMEM;
    snprintf(t, cap,
             "libc allocator, in bytes\n"
             "  allocated %20llu\n  active    %20llu\n  mapped    %20llu\n  retained  %20llu\n",
             (unsigned long long)s.allocated, (unsigned long long)s.active,
             (unsigned long long)s.mapped, (unsigned long long)s.retained);
    *text = t;
    return ZM_OK;
}

static void libc_locks(zm__lock_op_t *op)
{
    (void)op;
}

const zm__backend_t zm__backend_libc = {
    .name = "libc",
    .calloc = libc_calloc,
    .free = free,
    .fill = libc_fill,
    .flush = libc_flush,
    .settle = libc_settle,
    .decay = zm__libc_decay,
    .good_size = zm__libc_good_size,
    .usable_size = zm__libc_usable_size,
    .stats = zm__libc_stats,
    .purge = zm__libc_purge,
    .text = libc_text,
    .locks = libc_locks,
};
