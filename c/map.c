/* map.c: what mappings and the files under them have in common on all systems.
 *
 * Disk blocks are reserved before a file is mapped: writing to a mapped page for which the disk has
 * no room is SIGBUS. Nothing here has state, or locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zm_internal.h"

size_t zm__map_round(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (n + page - 1) & ~(page - 1);
}

int zm__sys_error(const char *call, zm_cause_t *cause)
{
    if (errno == ENOMEM)
        return ZM_ENOMEM;
    if (cause)
        *cause = (zm_cause_t){call, errno};
    return ZM_ESYS;
}

int zm__file_open(const char *path, int flags, unsigned mode)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int zm__file_tmp_named(const char *dir, int *fd, zm_cause_t *cause)
{
    static const char name[] = "/zmem-XXXXXX";
    size_t len = strlen(dir);
    char *path = zm__meta_calloc(len + sizeof name);
    if (!path)
        return ZM_ENOMEM;
    memcpy(path, dir, len);
    do {
        memcpy(path + len, name, sizeof name);
        *fd = mkstemp(path);
    } while (*fd < 0 && errno == EINTR);
    int err = ZM_OK;
    if (*fd < 0) {
        err = zm__sys_error("mkstemp", cause);
    } else {
        unlink(path);
        fcntl(*fd, F_SETFD, FD_CLOEXEC);
    }
    zm__meta_free(path);
    return err;
}

bool zm__file_beyond_limit(size_t to)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        to <= limit.rlim_cur)
        return false;
    errno = EFBIG;
    return true;
}

int zm__file_zeros(int fd, size_t to, zm_cause_t *cause)
{
    static const char zeros[65536];
    struct stat st;
    if (fstat(fd, &st) != 0)
        return zm__sys_error("fstat", cause);
    for (size_t at = (size_t)st.st_size; at < to;) {
        size_t n = to - at < sizeof zeros ? to - at : sizeof zeros;
        ssize_t done = pwrite(fd, zeros, n, (off_t)at);
        if (done < 0 && errno != EINTR) {
            int err = zm__sys_error("write", cause);
            (void)!ftruncate(fd, st.st_size);
            return err;
        }
        at += done > 0 ? (size_t)done : 0;
    }
    return ZM_OK;
}

int zm__map_tmpfile(const char *dir, size_t n, void **out, int *fd, zm_cause_t *cause)
{
    int err;
    if ((err = zm__file_tmp(dir ? dir : "/tmp", fd, cause)))
        return err;
    err = zm__file_reserve(*fd, 0, n, cause);
    if (!err && !(*out = zm__map_new(*fd, n)))
        err = zm__sys_error("mmap", cause);
    if (err)
        close(*fd);
    return err;
}
