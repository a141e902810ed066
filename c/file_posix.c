//go:build !linux

/* file_posix.c: files with nothing beyond POSIX: blocks are reserved by writing zeros, and every
 * file has a name for a moment, at least.
 */
#include <errno.h>

#include "zm_internal.h"

bool zm__file_allocate(int fd, off_t from, off_t to)
{
    (void)fd;
    (void)from;
    (void)to;
    errno = EOPNOTSUPP;
    return false;
}

void zm__file_punch(int fd, off_t from, off_t to)
{
    (void)fd;
    (void)from;
    (void)to;
}

int zm__file_tmp(const char *dir, int *fd, zm_cause_t *cause)
{
    return zm__file_tmp_named(dir, fd, cause);
}

int zm__file_beside(const char *dir, const char *name, int *fd, bool *named, zm_cause_t *cause)
{
    (void)dir;
    return zm__file_new(name, fd, named, cause);
}

bool zm__file_link(int fd, const char *name)
{
    (void)fd;
    (void)name;
    errno = EOPNOTSUPP;
    return false;
}
