/* map.c: mappings: anonymous ones, and those of files. What differs between systems is in
 * map_linux.c and map_posix.c. Nothing here has state, or locks.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "zm_internal.h"

size_t zm__map_round(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (n + page - 1) & ~(page - 1);
}

void *zm__map_file(int fd, bool writable, size_t n)
{
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *p = mmap(NULL, n, protection, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

void zm__map_free(void *p, size_t n)
{
    munmap(p, n);
}

int zm__map_tmpfile(const char *dir, size_t n, void **out, int *fd, zm_cause_t *cause)
{
    zm__reserved_t reserved;
    int err;
    if ((err = zm__file_tmp(dir ? dir : "/tmp", fd, cause)))
        return err;
    err = zm__file_reserve(*fd, 0, n, &reserved, cause);
    if (!err && !(*out = zm__map_file(*fd, true, n)))
        err = zm__sys_error("mmap", cause);
    zm__reserved_keep(&reserved); /* an error ends the file */
    if (err)
        close(*fd);
    return err;
}
