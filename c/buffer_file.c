/* buffer_file.c: Buffers in files that stay: opening, committing, closing. zmem.h has the format.
 *
 * The file is mapped from its first byte, the Buffer's data being what is behind the header. The
 * committed length is one aligned word that is stored at once: a process that is killed leaves the
 * length before or the one after. On disk it follows the bytes that it counts, as they are synced
 * first. Whoever has the file open holds a lock on it, and gives it up before the descriptor is
 * closed: a process that was forked meanwhile has a copy of that until it calls exec.
 *
 * Opening changes the file last, when nothing can fail any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zm_internal.h"

static const char magic[8] = "zmem.buf";

enum { VERSION = 1, MAGIC_AT = 0, VERSION_AT = 8, COMMITTED_AT = 16, HEADER_USED = 24 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int corrupt(const char *what, zm_cause_t *cause)
{
    if (cause)
        *cause = (zm_cause_t){what, 0};
    return ZM_ECORRUPT;
}

static void set_committed(zm_buffer_t *b, size_t len)
{
    uint64_t word;
    zm__put_le64(&word, len);
    __atomic_store_n((uint64_t *)(void *)(zm__buffer_file(b) + COMMITTED_AT), word,
                     __ATOMIC_RELEASE);
}

size_t zm__buffer_committed(const zm_buffer_t *b)
{
    return (size_t)zm__le64(zm__buffer_file(b) + COMMITTED_AT);
}

void zm__buffer_commit(zm_buffer_t *b)
{
    char word[8];
    set_committed(b, b->len);
    zm__put_le64(word, b->len);
    if (b->old_fd >= 0)
        (void)zm__file_write(b->old_fd, word, sizeof word, COMMITTED_AT, NULL);
}

int zm_buffer_sync(zm_buffer_t *b, zm_cause_t *cause)
{
    if (b->kind != ZM_BUFFER_FILE)
        return ZM_OK;
    ZM__CHECK(zm__check_buffer(b));
    if (msync(zm__buffer_file(b), ZM__FILE_HEADER + b->len, MS_SYNC) != 0)
        return zm__sys_error("msync", cause);
    size_t before = zm__buffer_committed(b);
    set_committed(b, b->len);
    if (msync(zm__buffer_file(b), ZM__FILE_HEADER, MS_SYNC) != 0) {
        set_committed(b, before);
        return zm__sys_error("msync", cause);
    }
    return b->old_fd >= 0 ? zm__buffer_publish(b, cause) : ZM_OK;
}

int zm__buffer_unlock(int fd)
{
    flock(fd, LOCK_UN);
    return close(fd);
}

int zm__buffer_close(zm_buffer_t *b, zm_cause_t *cause)
{
    int err = zm_buffer_sync(b, cause);
    zm__map_free(zm__buffer_file(b), ZM__FILE_HEADER + b->size);
    if (!err && ftruncate(b->fd, (off_t)(ZM__FILE_HEADER + b->len)) != 0)
        err = zm__sys_error("ftruncate", cause);
    if (b->old_fd >= 0)
        zm__buffer_discard(b);
    if (zm__buffer_unlock(b->fd) != 0 && !err)
        err = zm__sys_error("close", cause);
    return err;
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

/* Opens the file; *made says whether there was none. A symbolic link to nothing is not there for
 * open, and there for O_EXCL.
 */
static int open_or_make(const char *path, int *fd, bool *made, zm_cause_t *cause)
{
    for (int tries = 0; tries < ZM__MAX_TRIES; tries++) {
        *made = false;
        if ((*fd = zm__file_open(path, O_RDWR, 0)) >= 0)
            return ZM_OK;
        if (errno != ENOENT)
            break;
        *made = true;
        if ((*fd = zm__file_open(path, O_RDWR | O_CREAT | O_EXCL, 0666)) >= 0)
            return ZM_OK;
        if (errno != EEXIST) /* else somebody has made it meanwhile */
            break;
        errno = ENOENT;
    }
    return zm__sys_error("open", cause);
}

/* Opens the file and locks it. */
static int open_locked(const char *path, int *fd, bool *made, struct stat *st, zm_cause_t *cause)
{
    int err = open_or_make(path, fd, made, cause);
    if (err)
        return err;
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        err = errno == EWOULDBLOCK ? ZM_EBUSY : zm__sys_error("flock", cause);
    else if (fstat(*fd, st) != 0)
        err = zm__sys_error("fstat", cause);
    else if (!S_ISREG(st->st_mode))
        err = corrupt("not a regular file", cause);
    else if (st->st_nlink == 0)
        err = ZM_EBUSY; /* whoever made it failed, and has removed it, or has replaced it */
    else if (!zm__file_is_at(path, st)) /* replaced, but it has another name */
        err = errno == ESTALE ? ZM_EBUSY : zm__sys_error("stat", cause);
    if (err) {
        if (*made && err != ZM_EBUSY)
            unlink(path);
        zm__buffer_unlock(*fd);
    }
    return err;
}

static bool has_magic(const char *header)
{
    return memcmp(header + MAGIC_AT, magic, sizeof magic) == 0;
}

bool zm__buffer_is_file(int fd)
{
    char header[HEADER_USED];
    return zm__file_read(fd, header, sizeof header) == HEADER_USED && has_magic(header);
}

/* Reads the header of a file of `size` bytes; *len is the committed length. */
static int read_header(int fd, uint64_t size, size_t *len, zm_cause_t *cause)
{
    char header[HEADER_USED];
    ssize_t n = zm__file_read(fd, header, sizeof header);
    if (n < 0)
        return zm__sys_error("pread", cause);
    if (n < HEADER_USED || !has_magic(header))
        return corrupt("no Buffer file", cause);
    if (zm__le64(header + VERSION_AT) != VERSION)
        return ZM_EVERSION;
    uint64_t committed = zm__le64(header + COMMITTED_AT);
    if (committed < ZM__BUFFER_START || committed > ZM_MAX_SIZE)
        return corrupt("impossible length in its header", cause);
    if (size < ZM__FILE_HEADER || committed > size - ZM__FILE_HEADER)
        return corrupt("shorter than its header says", cause);
    *len = (size_t)committed;
    return ZM_OK;
}

static int write_header(int fd, zm_cause_t *cause)
{
    char header[ZM__FILE_HEADER] = {0};
    memcpy(header + MAGIC_AT, magic, sizeof magic);
    zm__put_le64(header + VERSION_AT, VERSION);
    zm__put_le64(header + COMMITTED_AT, ZM__BUFFER_START);
    return zm__file_write(fd, header, sizeof header, 0, cause);
}

/* Gives b the open file of `had` bytes, with room for `capacity` bytes behind its header. Blocks
 * are reserved from the first byte on, as the file may have been copied to where it has holes. What
 * is behind the committed length is no part of the Buffer: it is cut, or cleared, last.
 */
static int map_file(zm_buffer_t *b, int fd, size_t had, size_t capacity, zm_cause_t *cause)
{
    size_t end = ZM__FILE_HEADER + b->len, size = zm__map_round(ZM__FILE_HEADER + capacity);
    zm__reserved_t reserved;
    int err = zm__file_reserve(fd, 0, size, &reserved, cause);
    if (err)
        return err;
    char *p = zm__map_file(fd, true, size);
    if (!p)
        err = zm__sys_error("mmap", cause);
    else if (had > size && ftruncate(fd, (off_t)size) != 0)
        err = zm__sys_error("ftruncate", cause);
    if (err) {
        if (p)
            zm__map_free(p, size);
        zm__reserved_undo(fd, &reserved);
        return err;
    }
    zm__reserved_keep(&reserved);
    zm__file_clear(fd, p, end, least(had, size));
    zm__buffer_adopt(b, ZM_BUFFER_FILE, p + ZM__FILE_HEADER, size - ZM__FILE_HEADER, fd);
    return ZM_OK;
}

/* Remembers where the file is, and its folder, whatever links lead there. */
static int set_path(zm_buffer_t *b, const char *path, zm_cause_t *cause)
{
    char real[PATH_MAX];
    if (!realpath(path, real))
        return zm__sys_error("realpath", cause);
    size_t n = strlen(real) + 1, ndir = (size_t)(strrchr(real, '/') - real) + 1;
    b->path = zm__meta_calloc(n);
    b->dir = zm__meta_calloc(ndir + 1);
    if (!b->path || !b->dir)
        return ZM_ENOMEM;
    memcpy(b->path, real, n);
    memcpy(b->dir, real, ndir);
    return ZM_OK;
}

int zm_buffer_open(const char *path, size_t capacity, zm_buffer_t **out, zm_cause_t *cause)
{
    if (capacity > ZM_MAX_SIZE - ZM__FILE_HEADER)
        return ZM_ENOMEM;
    zm_buffer_t *b;
    int err = zm__buffer_block(NULL, 0, &b);
    if (err)
        return err;
    int fd;
    bool made;
    struct stat st;
    err = open_locked(path, &fd, &made, &st, cause);
    if (err) {
        zm__buffer_free(b);
        return err;
    }
    size_t had = (size_t)st.st_size;
    err = had == 0 ? write_header(fd, cause) : read_header(fd, had, &b->len, cause);
    if (!err)
        err = set_path(b, path, cause);
    if (capacity < b->len)
        capacity = b->len;
    if (!err)
        err = map_file(b, fd, had > 0 ? had : ZM__FILE_HEADER,
                       capacity < ZM__BUFFER_MIN ? ZM__BUFFER_MIN : capacity, cause);
    if (err) {
        if (made)
            unlink(path);
        else if (had == 0)
            (void)!ftruncate(fd, 0);
        zm__buffer_unlock(fd);
        zm__buffer_free(b);
        return err;
    }
    zm__buffer_sweep(b);
    *out = b;
    return ZM_OK;
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
void zm__check_buffer_file(const zm_buffer_t *b)
{
    const char *header = (const char *)b->data - ZM__FILE_HEADER;
    uint64_t version = zm__le64(header + VERSION_AT), committed = zm__le64(header + COMMITTED_AT);
    ZM__MUST(memcmp(header + MAGIC_AT, magic, sizeof magic) == 0 && version == VERSION,
             "the file of Buffer %p begins otherwise, or is of version %llu", (const void *)b,
             (unsigned long long)version);
    ZM__MUST(committed >= ZM__BUFFER_START && committed <= b->len,
             "Buffer %p has committed %llu bytes, and has %zu", (const void *)b,
             (unsigned long long)committed, b->len);
}
#endif
