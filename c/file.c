/* file.c: the files under mappings: opened, made longer, their blocks on the disk reserved.
 *
 * The disk may have no block for a mapped page. Writing to that page is SIGBUS when the disk is
 * full. So Buffers reserve blocks before a mapping covers them, and so do mapped files that ask for
 * it. The free space is looked at first: a request beyond it is refused, and takes nothing, not
 * even for a moment. A failed call gives back its blocks: the file is cut to its old end, and holes
 * are punched again.
 *
 * Signals wait while a file is made longer or written. SIGXFSZ, which comes beside EFBIG, would
 * end the process; any other one may interrupt fallocate, over and over where it is a profiler's.
 * Nothing here has state, or locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "zm_internal.h"

int zm__sys_error(const char *call, zm_cause_t *cause)
{
    if (cause)
        *cause = (zm_cause_t){call, errno};
    return errno == ENOMEM ? ZM_ENOMEM : ZM_ESYS;
}

/* ---- Signals wait ------------------------------------------------------------------------------
 */

typedef struct quiet {
    sigset_t before;
    bool pending; /* SIGXFSZ was, before: it is not ours to take */
} quiet_t;

static bool xfsz_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
}

static void quiet_begin(quiet_t *q)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &q->before);
    q->pending = xfsz_pending();
}

static void quiet_end(const quiet_t *q)
{
    int err = errno;
    if (!q->pending && xfsz_pending()) {
        sigset_t xfsz;
        int number;
        sigemptyset(&xfsz);
        sigaddset(&xfsz, SIGXFSZ);
        sigwait(&xfsz, &number);
    }
    pthread_sigmask(SIG_SETMASK, &q->before, NULL);
    errno = err;
}

/* ---- Opening, reading and writing --------------------------------------------------------------
 */

int zm__file_open(const char *path, int flags, unsigned mode)
{
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < ZM__MAX_TRIES; tries++) {
        fd = open(path, flags | O_CLOEXEC, mode);
        if (fd < 0 && errno != EINTR)
            break;
    }
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
    *fd = -1;
    for (int tries = 0; *fd < 0 && tries < ZM__MAX_TRIES; tries++) {
        memcpy(path + len, name, sizeof name);
        *fd = mkostemp(path, O_CLOEXEC);
        if (*fd < 0 && errno != EINTR)
            break;
    }
    int err = ZM_OK;
    if (*fd < 0)
        err = zm__sys_error("mkostemp", cause);
    else
        unlink(path);
    zm__meta_free(path);
    return err;
}

int zm__file_new(const char *name, int *fd, bool *named, zm_cause_t *cause)
{
    *fd = zm__file_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    *named = *fd >= 0;
    return *named ? ZM_OK : zm__sys_error("open", cause);
}

bool zm__file_is_at(const char *path, const struct stat *file)
{
    struct stat there;
    bool any = stat(path, &there) == 0;
    if (any && there.st_dev == file->st_dev && there.st_ino == file->st_ino)
        return true;
    if (any || errno == ENOENT || errno == ENOTDIR)
        errno = ESTALE;
    return false;
}

ssize_t zm__file_read(int fd, void *p, size_t n)
{
    ssize_t got = -1;
    for (int tries = 0; got < 0 && tries < ZM__MAX_TRIES; tries++) {
        got = pread(fd, p, n, 0);
        if (got < 0 && errno != EINTR)
            break;
    }
    return got;
}

/* Writes n bytes at p to the file. A disk that is full ends it with a write of nothing. */
static bool write_all(int fd, const char *p, size_t n, size_t to)
{
    int tries = 0;
    while (n > 0) {
        ssize_t done = pwrite(fd, p, n, (off_t)to);
        if (done > 0) {
            p += done;
            n -= (size_t)done;
            to += (size_t)done;
        } else if (done == 0) {
            errno = ENOSPC;
            return false;
        } else if (errno != EINTR || ++tries == ZM__MAX_TRIES) {
            return false;
        }
    }
    return true;
}

int zm__file_write(int fd, const void *p, size_t n, size_t to, zm_cause_t *cause)
{
    quiet_t q;
    quiet_begin(&q);
    bool ok = write_all(fd, p, n, to);
    quiet_end(&q);
    return ok ? ZM_OK : zm__sys_error("pwrite", cause);
}

/* ---- Making a file longer ----------------------------------------------------------------------
 */

int zm__file_extend(int fd, size_t to, zm_cause_t *cause)
{
    quiet_t q;
    quiet_begin(&q);
    int failed = ftruncate(fd, (off_t)to);
    quiet_end(&q);
    if (failed && errno == EINVAL && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
        errno = EBADF; /* as all other calls say of a file that is not open for writing */
    return failed ? zm__sys_error("ftruncate", cause) : ZM_OK;
}

/* Adds the hole [from, to), which is behind those that r has. */
static bool hole_add(zm__reserved_t *r, off_t from, off_t to)
{
    if (r->nholes == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 16;
        zm__hole_t *holes = zm__meta_calloc(cap * sizeof *holes);
        if (!holes)
            return false;
        if (r->nholes)
            memcpy(holes, r->holes, r->nholes * sizeof *holes);
        zm__meta_free(r->holes);
        r->holes = holes;
        r->cap = cap;
    }
    r->holes[r->nholes++] = (zm__hole_t){from, to};
    return true;
}

/* Lists the holes in [from, to) of a file; none where the file system does not tell. Returns NULL,
 * or the call that failed, errno being set. The file's offset stays what it was.
 */
static const char *find_holes(int fd, off_t from, off_t to, zm__reserved_t *r)
{
    const char *failed = NULL;
    off_t offset = lseek(fd, 0, SEEK_CUR);
    if (offset < 0)
        return "lseek";
    while (from < to) {
        off_t hole = lseek(fd, from, SEEK_HOLE);
        if (hole < 0 && errno != ENXIO && errno != EINVAL)
            failed = "lseek";
        if (hole < 0 || hole >= to)
            break;
        off_t data = lseek(fd, hole, SEEK_DATA);
        if (data < 0 && errno != ENXIO) {
            failed = "lseek";
            break;
        }
        from = data < 0 || data > to ? to : data;
        if (from > hole && !hole_add(r, hole, from)) {
            errno = ENOMEM;
            failed = "lseek";
            break;
        }
        if (from <= hole) /* somebody has written there meanwhile */
            from = hole + 1;
    }
    int err = errno;
    lseek(fd, offset, SEEK_SET);
    errno = err;
    return failed;
}

/* Whether the disk has n free bytes, as far as it tells. */
static bool has_room(int fd, uint64_t n)
{
    struct statvfs fs;
    if (n == 0 || fstatvfs(fd, &fs) != 0 || fs.f_blocks == 0) /* a tmpfs without a bound has 0 */
        return true;
    uint64_t blocks = geteuid() == 0 ? fs.f_bfree : fs.f_bavail;
    return n / fs.f_frsize <= blocks;
}

static bool unsupported(int err)
{
    return err == EOPNOTSUPP || err == ENOSYS || err == ENOTSUP;
}

/* Makes the file `to` bytes long by writing zeros, for file systems that reserve nothing. */
static const char *fill(int fd, size_t from, size_t to)
{
    static const char zeros[65536];
    while (from < to) {
        size_t n = to - from < sizeof zeros ? to - from : sizeof zeros;
        if (!write_all(fd, zeros, n, from))
            return "pwrite";
        from += n;
    }
    return NULL;
}

/* zm__file_reserve, where it returns NULL or the call that failed, errno being set. */
static const char *reserve(int fd, size_t from, size_t to, zm__reserved_t *r)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return "fstat";
    r->had = st.st_size;
    size_t had = (size_t)st.st_size;
    const char *failed =
        from < had ? find_holes(fd, (off_t)from, (off_t)(to < had ? to : had), r) : NULL;
    if (failed)
        return failed;
    uint64_t missing = to > had ? to - had : 0;
    for (size_t i = 0; i < r->nholes; i++)
        missing += (uint64_t)(r->holes[i].to - r->holes[i].from);
    if (!has_room(fd, missing)) {
        errno = ENOSPC;
        return "fallocate";
    }
    while (r->filled < r->nholes) {
        const zm__hole_t *hole = &r->holes[r->filled++];
        if (!zm__file_allocate(fd, hole->from, hole->to)) {
            if (!unsupported(errno))
                return "fallocate";
            break; /* holes stay holes */
        }
    }
    r->longer = to > had;
    if (!r->longer || zm__file_allocate(fd, (off_t)had, (off_t)to))
        return NULL;
    return unsupported(errno) ? fill(fd, had, to) : "fallocate";
}

int zm__file_reserve(int fd, size_t from, size_t to, zm__reserved_t *r, zm_cause_t *cause)
{
    *r = (zm__reserved_t){.had = 0};
    quiet_t q;
    quiet_begin(&q);
    const char *failed = reserve(fd, from, to, r);
    if (failed)
        zm__reserved_undo(fd, r);
    quiet_end(&q);
    return failed ? zm__sys_error(failed, cause) : ZM_OK;
}

void zm__reserved_undo(int fd, zm__reserved_t *r)
{
    int err = errno;
    if (r->longer)
        (void)!ftruncate(fd, r->had); /* even where it is as long: blocks may lie behind its end */
    for (size_t i = 0; i < r->filled; i++)
        zm__file_punch(fd, r->holes[i].from, r->holes[i].to);
    zm__reserved_keep(r);
    errno = err;
}

void zm__reserved_keep(zm__reserved_t *r)
{
    zm__meta_free(r->holes);
    *r = (zm__reserved_t){.had = r->had};
}

void zm__file_clear(int fd, void *p, size_t from, size_t to)
{
    while (from < to) {
        off_t data = lseek(fd, (off_t)from, SEEK_DATA), end = -1;
        if (data < 0 && errno == ENXIO)
            return;
        if (data >= 0)
            end = lseek(fd, data, SEEK_HOLE);
        if (end <= data) { /* it does not tell */
            data = (off_t)from;
            end = (off_t)to;
        }
        size_t stop = (size_t)end < to ? (size_t)end : to;
        if ((size_t)data < stop)
            memset((char *)p + data, 0, stop - (size_t)data);
        from = (size_t)end;
    }
}
