/* map_linux.c: mappings that grow without being copied, and files that never have a name.
 *
 * Anonymous mappings start at a multiple of the size of a huge page, ask for such pages, and stay
 * aligned when they move, so that the kernel moves huge pages whole rather than splitting them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zm_internal.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* Maps n anonymous bytes at a multiple of HUGE_PAGE; NULL with errno set where there are none. */
static void *map_aligned(size_t n, int protection)
{
    char *p = mmap(NULL, n + HUGE_PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)p % HUGE_PAGE;
    if (before)
        munmap(p, before);
    munmap(p + before + n, HUGE_PAGE - before);
    return p + before;
}

void *zm__map_new(int fd, size_t n)
{
    if (fd < 0) {
        void *p = map_aligned(n, PROT_READ | PROT_WRITE);
        if (p)
            madvise(p, n, MADV_HUGEPAGE);
        return p;
    }
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

void *zm__map_grow(void *p, size_t old, size_t n, int fd)
{
    void *q = mremap(p, old, n, fd < 0 ? 0 : MREMAP_MAYMOVE);
    if (q != MAP_FAILED)
        return q;
    if (fd >= 0)
        return NULL;
    void *to = map_aligned(n, PROT_NONE);
    if (!to)
        return NULL;
    q = mremap(p, old, n, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    if (q != MAP_FAILED)
        return q;
    int err = errno;
    munmap(to, n);
    errno = err;
    return NULL;
}

void zm__map_free(void *p, size_t n)
{
    munmap(p, n);
}

void zm__map_populate(void *p, size_t n)
{
#ifdef MADV_POPULATE_WRITE /* Linux 5.14 */
    size_t before = (uintptr_t)p % zm__map_round(1);
    madvise((char *)p - before, before + n, MADV_POPULATE_WRITE);
#else
    (void)p;
    (void)n;
#endif
}

int zm__file_tmp(const char *dir, int *fd, zm_cause_t *cause)
{
    *fd = zm__file_open(dir, O_TMPFILE | O_EXCL | O_RDWR, 0600);
    if (*fd >= 0)
        return ZM_OK;
    if (errno == EOPNOTSUPP || errno == EISDIR) /* not by this file system */
        return zm__file_tmp_named(dir, fd, cause);
    return zm__sys_error("open", cause);
}

int zm__file_reserve(int fd, size_t from, size_t to, zm_cause_t *cause)
{
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0)
        return zm__sys_error("lseek", cause);
    int failed = -1;
    if (!zm__file_beyond_limit(to)) {
        do
            failed = fallocate(fd, 0, (off_t)from, (off_t)(to - from));
        while (failed && errno == EINTR);
        if (failed && errno == EOPNOTSUPP)
            return zm__file_zeros(fd, to, cause);
    }
    if (!failed)
        return ZM_OK;
    int err = zm__sys_error("fallocate", cause);
    (void)!ftruncate(fd, end); /* it may have got some of the way */
    return err;
}
