//go:build !linux

/* map_posix.c: mappings and files with nothing beyond POSIX: to grow is to copy, or to map anew. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "zm_internal.h"

void *zm__map_new(int fd, size_t n)
{
    void *p =
        mmap(NULL, n, PROT_READ | PROT_WRITE, fd < 0 ? MAP_PRIVATE | MAP_ANON : MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

void *zm__map_grow(void *p, size_t old, size_t n, int fd)
{
    void *q = zm__map_new(fd, n);
    if (!q)
        return NULL;
    if (fd < 0)
        memcpy(q, p, old);
    munmap(p, old);
    return q;
}

void zm__map_free(void *p, size_t n)
{
    munmap(p, n);
}

void zm__map_populate(void *p, size_t n)
{
    (void)p;
    (void)n;
}

int zm__file_tmp(const char *dir, int *fd, zm_cause_t *cause)
{
    return zm__file_tmp_named(dir, fd, cause);
}

int zm__file_reserve(int fd, size_t from, size_t to, zm_cause_t *cause)
{
    (void)from;
    return zm__file_zeros(fd, to, cause);
}
