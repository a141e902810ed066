/* mmapfile_linux.c: mremap, which moves page tables rather than pages, and fallocate. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "zm_internal.h"

void *zm__mmap_grow(int fd, bool writable, void *addr, size_t old, size_t size)
{
    (void)fd;
    (void)writable;
    return mremap(addr, old, size, MREMAP_MAYMOVE);
}

const char *zm__mmap_reserve(int fd, size_t from, size_t to, size_t had)
{
    if (fallocate(fd, 0, (off_t)from, (off_t)(to - from)) == 0)
        return NULL;
    return errno == EOPNOTSUPP || errno == ENOSYS ? zm__mmap_fill(fd, had, to) : "fallocate";
}
