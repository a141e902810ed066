//go:build !linux

/* map_posix.c: mappings with nothing beyond POSIX: to grow is to copy, or to map anew. */
#include <string.h>
#include <sys/mman.h>

#include "zm_internal.h"

void *zm__map_anon(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void *zm__map_grow(int fd, bool writable, void *p, size_t old, size_t n)
{
    void *q = fd < 0 ? zm__map_anon(n) : zm__map_file(fd, writable, n);
    if (!q)
        return NULL;
    if (fd < 0)
        memcpy(q, p, old);
    munmap(p, old);
    return q;
}

void zm__map_populate(void *p, size_t n)
{
    (void)p;
    (void)n;
}

void zm__map_populate_file(int fd, void *p, size_t n)
{
    (void)fd;
    (void)p;
    (void)n;
}
