//go:build unix && !linux

/* mmapfile_posix.c: systems of which we know no more than POSIX says. Not all of them have
 * posix_fallocate.
 */
#include <sys/mman.h>

#include "zm_internal.h"

void *zm__mmap_grow(int fd, bool writable, void *addr, size_t old, size_t size)
{
    int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED)
        munmap(addr, old);
    return p;
}

const char *zm__mmap_reserve(int fd, size_t from, size_t to, size_t had)
{
    (void)from;
    return zm__mmap_fill(fd, had, to);
}
