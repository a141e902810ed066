/* buffer_file.c: Buffers in files that stay: opening, committing, closing. zmem.h has the format.
 *
 * The file is mapped from its first byte, the Buffer's data being what is behind the header. The
 * committed length is one aligned word that is stored at once: a process that is killed leaves the
 * length before or the one after. On disk it follows the bytes that it counts, as they are synced
 * first. Whoever has the file open holds a lock on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zm_internal.h"

static const char magic[8] = "zmem.buf";

enum { VERSION = 1, MAGIC_AT = 0, VERSION_AT = 8, COMMITTED_AT = 16, HEADER_USED = 24 };

static int corrupt(const char *what, zm_cause_t *cause)
{
    if (cause)
        *cause = (zm_cause_t){what, 0};
    return ZM_ECORRUPT;
}

void zm__buffer_commit(zm_buffer_t *b)
{
    uint64_t word;
    zm__put_le64(&word, b->len);
    char *at = (char *)b->data - ZM__FILE_HEADER + COMMITTED_AT;
    __atomic_store_n((uint64_t *)(void *)at, word, __ATOMIC_RELEASE);
}

int zm_buffer_sync(zm_buffer_t *b, zm_cause_t *cause)
{
    if (b->kind != ZM_BUFFER_FILE)
        return ZM_OK;
    char *file = (char *)b->data - ZM__FILE_HEADER;
    if (msync(file, ZM__FILE_HEADER + b->len, MS_SYNC) != 0)
        return zm__sys_error("msync", cause);
    zm__buffer_commit(b);
    if (msync(file, ZM__FILE_HEADER, MS_SYNC) != 0)
        return zm__sys_error("msync", cause);
    return ZM_OK;
}

int zm__buffer_close(zm_buffer_t *b, zm_cause_t *cause)
{
    int err = zm_buffer_sync(b, cause);
    zm__map_free((char *)b->data - ZM__FILE_HEADER, ZM__FILE_HEADER + b->size);
    if (!err && ftruncate(b->fd, (off_t)(ZM__FILE_HEADER + b->len)) != 0)
        err = zm__sys_error("ftruncate", cause);
    if (close(b->fd) != 0 && !err)
        err = zm__sys_error("close", cause);
    return err;
}

/* Opens the file and locks it; *made says whether there was none. */
static int open_locked(const char *path, int *fd, bool *made, struct stat *st, zm_cause_t *cause)
{
    do {
        *made = false;
        *fd = zm__file_open(path, O_RDWR, 0);
        if (*fd < 0 && errno == ENOENT) {
            *made = true;
            *fd = zm__file_open(path, O_RDWR | O_CREAT | O_EXCL, 0666);
        }
    } while (*fd < 0 && *made && errno == EEXIST); /* somebody else has made it meanwhile */
    if (*fd < 0)
        return zm__sys_error("open", cause);
    int err = ZM_OK;
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        err = errno == EWOULDBLOCK ? ZM_EBUSY : zm__sys_error("flock", cause);
    else if (fstat(*fd, st) != 0)
        err = zm__sys_error("fstat", cause);
    else if (!S_ISREG(st->st_mode))
        err = corrupt("not a regular file", cause);
    else if (st->st_nlink == 0)
        err = ZM_EBUSY; /* whoever made it failed, and has removed it */
    if (err) {
        if (*made && err != ZM_EBUSY)
            unlink(path);
        close(*fd);
    }
    return err;
}

/* Reads the header of a file of `size` bytes; *len is the committed length. */
static int read_header(int fd, uint64_t size, size_t *len, zm_cause_t *cause)
{
    char header[HEADER_USED];
    ssize_t n;
    do
        n = pread(fd, header, sizeof header, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return zm__sys_error("read", cause);
    if (n < HEADER_USED || memcmp(header + MAGIC_AT, magic, sizeof magic) != 0)
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
    if (zm__file_beyond_limit(sizeof header))
        return zm__sys_error("write", cause);
    ssize_t n;
    do
        n = pwrite(fd, header, sizeof header, 0);
    while (n < 0 && errno == EINTR);
    if (n == sizeof header)
        return ZM_OK;
    if (n >= 0)
        errno = ENOSPC; /* what a second call would say of the rest */
    return zm__sys_error("write", cause);
}

/* Gives b the open file, with room for `capacity` bytes behind its header. Blocks are reserved from
 * the first byte on, as the file may have been copied to where it has holes.
 */
static int map_file(zm_buffer_t *b, int fd, size_t capacity, zm_cause_t *cause)
{
    off_t end = (off_t)(ZM__FILE_HEADER + b->len);
    if (ftruncate(fd, end) != 0) /* so that what is added later starts as zeroes */
        return zm__sys_error("ftruncate", cause);
    size_t size = zm__map_round(ZM__FILE_HEADER + capacity);
    int err = zm__file_reserve(fd, 0, size, cause);
    if (err)
        return err;
    char *p = zm__map_new(fd, size);
    if (!p) {
        err = zm__sys_error("mmap", cause);
        (void)!ftruncate(fd, end);
        return err;
    }
    zm__buffer_adopt(b, ZM_BUFFER_FILE, p + ZM__FILE_HEADER, size - ZM__FILE_HEADER, fd);
    return ZM_OK;
}

int zm_buffer_open(const char *path, size_t capacity, zm_buffer_t **out, zm_cause_t *cause)
{
    if (capacity > ZM_MAX_SIZE - ZM__FILE_HEADER)
        return ZM_ENOMEM;
    const char *slash = strrchr(path, '/');
    zm_buffer_t *b = zm__buffer_block(slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    if (!b)
        return ZM_ENOMEM;
    int fd;
    bool made;
    struct stat st;
    int err = open_locked(path, &fd, &made, &st, cause);
    if (err) {
        zm__buffer_free(b);
        return err;
    }
    bool empty = st.st_size == 0;
    err = empty ? write_header(fd, cause) : read_header(fd, (uint64_t)st.st_size, &b->len, cause);
    if (capacity < b->len)
        capacity = b->len;
    if (!err)
        err = map_file(b, fd, capacity < ZM__BUFFER_MIN ? ZM__BUFFER_MIN : capacity, cause);
    if (err) {
        if (made)
            unlink(path);
        else if (empty)
            (void)!ftruncate(fd, 0);
        close(fd);
        zm__buffer_free(b);
        return err;
    }
    *out = b;
    return ZM_OK;
}
