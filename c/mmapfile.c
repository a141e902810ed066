//go:build unix

/* mmapfile.c: files mapped into memory, shared with the file and with whoever else maps it.
 *
 * Touching a page of a mapping that lies beyond the end of its file, or writing one for which the
 * disk has no room, is SIGBUS. Hence the order of all that is done here: a file is made longer, and
 * its blocks reserved, before a mapping covers them; and it is cut, which may fail, before the
 * mapping is, which does not. What can fail comes first, and is taken back where a later step
 * fails.
 *
 * There is no state, and no lock: mappings and files are the caller's.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zm_internal.h"

/* Fails with errno, which `call` has set. */
static int failed(const char *call, zm_cause_t *cause)
{
    if (cause)
        *cause = (zm_cause_t){call, errno};
    return ZM_ESYS;
}

static void *map(int fd, bool writable, size_t size)
{
    return mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* n rounded up to whole pages; n <= ZM_MAX_SIZE. */
static size_t whole_pages(size_t n)
{
    return (n + page_size() - 1) & ~(page_size() - 1);
}

static bool xfsz_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
}

/* Reserves the bytes [from, to) of a file of `had` bytes. Returns NULL or the system call that
 * failed, errno being set and undo to follow. Signals wait meanwhile: SIGXFSZ, which comes beside
 * EFBIG, would end the process, and on older kernels any other interrupts the reserving, over and
 * over where it is a profiler's.
 */
static const char *reserve(int fd, size_t from, size_t to, off_t had)
{
    if (from >= to)
        return NULL;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool not_ours = xfsz_pending();
    const char *call = zm__mmap_reserve(fd, from, to, (size_t)had);
    int err = errno;
    if (call && err == EFBIG && !not_ours && xfsz_pending()) {
        sigset_t xfsz;
        int number;
        sigemptyset(&xfsz);
        sigaddset(&xfsz, SIGXFSZ);
        sigwait(&xfsz, &number);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = err;
    return call;
}

/* Fails with errno, which `call` has set, the file being as long as it was. */
static int undo(int fd, off_t had, const char *call, zm_cause_t *cause)
{
    struct stat file;
    int err = failed(call, cause);
    if (fstat(fd, &file) == 0 && file.st_size > had && ftruncate(fd, had) != 0)
        err = failed("ftruncate", cause); /* the worse of the two */
    return err;
}

const char *zm__mmap_fill(int fd, size_t from, size_t to)
{
    static char zeros[65536]; /* not const, which would put them into the binary */
    while (from < to) {
        size_t n = to - from < sizeof zeros ? to - from : sizeof zeros;
        ssize_t written = pwrite(fd, zeros, n, (off_t)from);
        if (written <= 0) {
            if (written == 0)
                errno = ENOSPC;
            return "pwrite";
        }
        from += (size_t)written;
    }
    return NULL;
}

int zm_mmap_file(int fd, bool writable, size_t size, void **addr, zm_cause_t *cause)
{
    struct stat file;
    if (size > ZM_MAX_SIZE)
        return ZM_EINVAL;
    if (fstat(fd, &file) != 0)
        return failed("fstat", cause);
    off_t had = file.st_size;
    if (!writable && had < (off_t)size) {
        errno = ENXIO;
        return failed("mmap", cause);
    }
    const char *call = writable ? reserve(fd, 0, size, had) : NULL;
    if (call)
        return undo(fd, had, call, cause);
    void *p = size > 0 ? map(fd, writable, size) : NULL;
    if (p == MAP_FAILED)
        return writable ? undo(fd, had, "mmap", cause) : failed("mmap", cause);
    *addr = p;
    return ZM_OK;
}

int zm_mmap_resize(int fd, bool writable, void **addr, size_t old, size_t size, zm_cause_t *cause)
{
    struct stat file;
    if (old > ZM_MAX_SIZE || size > ZM_MAX_SIZE)
        return ZM_EINVAL;
    if (fstat(fd, &file) != 0)
        return failed("fstat", cause);
    off_t had = file.st_size;
    bool cut = had > (off_t)size;
    const char *call = reserve(fd, had < (off_t)old ? (size_t)had : old, size, had);
    if (call)
        return undo(fd, had, call, cause);
    void *p = *addr;
    if (size > old) { /* in place of the old mapping only where nothing can fail after it */
        p = old > 0 && !cut ? zm__mmap_grow(fd, writable, *addr, old, size)
                            : map(fd, writable, size);
        if (p == MAP_FAILED)
            return undo(fd, had, "mmap", cause);
    }
    if (cut && ftruncate(fd, (off_t)size) != 0) {
        int err = failed("ftruncate", cause);
        if (size > old)
            munmap(p, size);
        return err;
    }
    if (size > old && old > 0 && cut) {
        munmap(*addr, old);
    } else if (whole_pages(size) < whole_pages(old)) {
        /* pages that cannot be unmapped are lost, which harms nobody: they are not touched again */
        munmap((char *)p + whole_pages(size), whole_pages(old) - whole_pages(size));
    }
    *addr = size > 0 ? p : NULL;
    return ZM_OK;
}

int zm_mmap_free(void *addr, size_t size, zm_cause_t *cause)
{
    return size == 0 || munmap(addr, size) == 0 ? ZM_OK : failed("munmap", cause);
}

/* The calls below want whole pages: from the one that addr is in. */
static size_t into_page(const void *addr)
{
    return (uintptr_t)addr & (page_size() - 1);
}

int zm_mmap_sync(void *addr, size_t size, zm_cause_t *cause)
{
    size_t before = into_page(addr);
    if (size == 0 || msync((char *)addr - before, size + before, MS_SYNC) == 0)
        return ZM_OK;
    return failed("msync", cause);
}

int zm_mmap_advise(void *addr, size_t size, bool readahead, zm_cause_t *cause)
{
    size_t before = into_page(addr);
    if (size == 0)
        return ZM_OK;
    errno = posix_madvise((char *)addr - before, size + before,
                          readahead ? POSIX_MADV_NORMAL : POSIX_MADV_RANDOM);
    return errno == 0 ? ZM_OK : failed("madvise", cause);
}
