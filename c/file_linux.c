/* file_linux.c: blocks reserved and given back by fallocate, and files that never have a name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "zm_internal.h"

static bool allocate(int fd, int mode, off_t from, off_t to)
{
    for (int tries = 0; tries < ZM__MAX_TRIES; tries++) {
        if (fallocate(fd, mode, from, to - from) == 0)
            return true;
        if (errno != EINTR)
            return false;
    }
    return false;
}

bool zm__file_allocate(int fd, off_t from, off_t to)
{
    return allocate(fd, 0, from, to);
}

void zm__file_punch(int fd, off_t from, off_t to)
{
    allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to);
}

/* Whether O_TMPFILE failed since this file system, or kernel, has none. */
static bool no_tmpfile(int err)
{
    return err == EOPNOTSUPP || err == EISDIR;
}

int zm__file_tmp(const char *dir, int *fd, zm_cause_t *cause)
{
    *fd = zm__file_open(dir, O_TMPFILE | O_EXCL | O_RDWR, 0600);
    if (*fd >= 0)
        return ZM_OK;
    return no_tmpfile(errno) ? zm__file_tmp_named(dir, fd, cause) : zm__sys_error("open", cause);
}

/* The folder in which the kernel has a name for each open file. */
#define OPEN_FILES "/proc/self/fd"

int zm__file_beside(const char *dir, const char *name, int *fd, bool *named, zm_cause_t *cause)
{
    *fd = -1;
    *named = false;
    if (access(OPEN_FILES, X_OK) != 0)
        return zm__file_new(name, fd, named, cause);
    *fd = zm__file_open(dir, O_TMPFILE | O_RDWR, 0600);
    if (*fd >= 0)
        return ZM_OK;
    return no_tmpfile(errno) ? zm__file_new(name, fd, named, cause) : zm__sys_error("open", cause);
}

bool zm__file_link(int fd, const char *name)
{
    char from[sizeof OPEN_FILES + 16];
    snprintf(from, sizeof from, OPEN_FILES "/%d", fd);
    return linkat(AT_FDCWD, from, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
}
