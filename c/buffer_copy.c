/* buffer_copy.c: what keeps a file whole while its Buffer is changed in place.
 *
 * A Buffer that is sorted moves bytes that are committed. Done in the file, a process that dies
 * would leave neither the old records nor the new ones. So the Buffer goes on in a copy beside the
 * file, and the copy takes the file's place, by rename, when the Buffer is synced. Both are locked
 * meanwhile. The copy has no name until then, or, where the system cannot do that, one that is
 * removed when the Buffer is opened next.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zm_internal.h"

/* The copy's name, before it is that of the file. */
static int name_of(const zm_buffer_t *b, char name[PATH_MAX], zm_cause_t *cause)
{
    int n = snprintf(name, PATH_MAX, "%s.zmem-new", b->path);
    if (n > 0 && n < PATH_MAX)
        return ZM_OK;
    errno = ENAMETOOLONG;
    return zm__sys_error("open", cause);
}

/* Says so at once where the copy could not get its name: at zm_buffer_sync it would be too late. */
static int check_name(const char *name, zm_cause_t *cause)
{
    struct stat st;
    if (lstat(name, &st) == 0)
        errno = EEXIST;
    else if (errno == ENOENT)
        return ZM_OK;
    return zm__sys_error("open", cause);
}

/* Gives a file the owner and the mode of another. */
static int take_after(int fd, int model, zm_cause_t *cause)
{
    struct stat is, want;
    if (fstat(fd, &is) != 0 || fstat(model, &want) != 0)
        return zm__sys_error("fstat", cause);
    if ((is.st_uid != want.st_uid || is.st_gid != want.st_gid) &&
        fchown(fd, want.st_uid, want.st_gid) != 0)
        return zm__sys_error("fchown", cause);
    return fchmod(fd, want.st_mode & 07777) == 0 ? ZM_OK : zm__sys_error("fchmod", cause);
}

/* Makes the copy out of the new file fd. */
static int copy_into(zm_buffer_t *b, int fd, zm_cause_t *cause)
{
    size_t used = ZM__FILE_HEADER + b->len, size = zm__map_round(used);
    zm__reserved_t reserved;
    int err = take_after(fd, b->fd, cause);
    if (err)
        return err;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return zm__sys_error("flock", cause);
    if ((err = zm__file_write(fd, zm__buffer_file(b), ZM__FILE_HEADER, 0, cause)))
        return err; /* first, so that zm__buffer_sweep knows it */
    if ((err = zm__file_reserve(fd, 0, size, &reserved, cause)))
        return err;
    zm__reserved_keep(&reserved);
    char *p = zm__map_file(fd, true, size);
    if (!p)
        return zm__sys_error("mmap", cause);
    char *old = zm__buffer_file(b);
    size_t nold = ZM__FILE_HEADER + b->size;
    memcpy(p, old, used);
    b->old_fd = b->fd;
    zm__buffer_adopt(b, ZM_BUFFER_FILE, p + ZM__FILE_HEADER, size - ZM__FILE_HEADER, fd);
    zm__map_free(old, nold);
    return ZM_OK;
}

int zm_buffer_rewrite(zm_buffer_t *b, size_t from, bool *copied, zm_cause_t *cause)
{
    *copied = false;
    if (b->kind != ZM_BUFFER_FILE || b->old_fd >= 0 || from >= zm__buffer_committed(b))
        return ZM_OK;
    char name[PATH_MAX];
    int fd;
    bool named;
    int err = name_of(b, name, cause);
    if (!err)
        err = check_name(name, cause);
    if (!err)
        err = zm__file_beside(b->dir, name, &fd, &named, cause);
    if (err)
        return err;
    err = copy_into(b, fd, cause);
    if (!err) {
        b->named = named;
        *copied = true;
        return ZM_OK;
    }
    if (named)
        unlink(name);
    zm__buffer_unlock(fd);
    return err;
}

bool zm_buffer_rewrite_undo(zm_buffer_t *b)
{
    struct stat st;
    zm_buffer_t copy = *b;
    char *p = NULL;
    if (b->old_fd < 0 || fstat(b->old_fd, &st) != 0 ||
        (size_t)st.st_size < ZM__FILE_HEADER + b->len ||
        !(p = zm__map_file(b->old_fd, true, (size_t)st.st_size)))
        return false;
    size_t size = (size_t)st.st_size - ZM__FILE_HEADER;
    b->old_fd = -1;
    b->named = false;
    zm__buffer_adopt(b, ZM_BUFFER_FILE, p + ZM__FILE_HEADER, size, copy.old_fd);
    zm__map_free(zm__buffer_file(&copy), ZM__FILE_HEADER + copy.size);
    copy.old_fd = copy.fd;
    zm__buffer_discard(&copy);
    return true;
}

/* Waits until the names in a folder are on the disk. */
static int sync_dir(const char *dir, zm_cause_t *cause)
{
    int fd = zm__file_open(dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return zm__sys_error("open", cause);
    int err = ZM_OK;
    if (fsync(fd) != 0 && errno != EINVAL) /* not by this file system */
        err = zm__sys_error("fsync", cause);
    close(fd);
    return err;
}

/* Gives the copy the file's name, unless somebody has put another file there. */
static int replace(zm_buffer_t *b, zm_cause_t *cause)
{
    char name[PATH_MAX];
    struct stat copy, old;
    if (fstat(b->fd, &copy) != 0 || fstat(b->old_fd, &old) != 0)
        return zm__sys_error("fstat", cause);
    if (zm__file_is_at(b->path, &copy))
        return ZM_OK; /* done, by a call that failed later */
    if (!zm__file_is_at(b->path, &old))
        return zm__sys_error("stat", cause);
    int err = name_of(b, name, cause);
    if (!err && !b->named) {
        b->named = zm__file_link(b->fd, name); /* for good: a file is linked once */
        if (!b->named)
            err = zm__sys_error("linkat", cause);
    }
    if (!err && rename(name, b->path) != 0)
        err = zm__sys_error("rename", cause);
    return err;
}

int zm__buffer_publish(zm_buffer_t *b, zm_cause_t *cause)
{
    if (fsync(b->fd) != 0)
        return zm__sys_error("fsync", cause);
    int err = replace(b, cause);
    if (!err)
        err = sync_dir(b->dir, cause);
    if (!err) {
        zm__buffer_unlock(b->old_fd);
        b->old_fd = -1;
        b->named = false;
    }
    return err;
}

void zm__buffer_discard(zm_buffer_t *b)
{
    char name[PATH_MAX];
    if (b->named && name_of(b, name, NULL) == ZM_OK)
        unlink(name);
    zm__buffer_unlock(b->old_fd);
    b->old_fd = -1;
    b->named = false;
}

void zm__buffer_sweep(const zm_buffer_t *b)
{
    char name[PATH_MAX];
    struct stat st;
    if (name_of(b, name, NULL) != ZM_OK)
        return;
    int fd = zm__file_open(name, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return;
    /* Locked, it is a copy, or a Buffer, that somebody has open. */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_size == 0 || zm__buffer_is_file(fd)) &&
        flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlink(name);
    zm__buffer_unlock(fd);
}
