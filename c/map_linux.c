/* map_linux.c: mappings that grow without being copied.
 *
 * Anonymous mappings start at a multiple of the size of a huge page, ask for such pages, and stay
 * aligned when they move, so that the kernel moves huge pages whole rather than splitting them.
 */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

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

void *zm__map_anon(size_t n)
{
    void *p = map_aligned(n, PROT_READ | PROT_WRITE);
    if (p)
        madvise(p, n, MADV_HUGEPAGE);
    return p;
}

static bool move(char *from, size_t n, char *to)
{
    return mremap(from, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED;
}

/* Moves n bytes of mappings from `from` to `to`, where a mapping of n bytes lies. Each part keeps
 * the advice that it was given. A part that the kernel does not move is copied, where `copy`;
 * without it, `to` maps the same file and has the bytes already. False, and nothing has changed,
 * where nothing is mapped at `from`.
 */
static bool move_parts(char *from, size_t n, char *to, bool copy)
{
    size_t page = zm__map_round(1);
    for (size_t done = 0, part = n; done < n;) {
        if (move(from + done, part, to + done)) {
            done += part;
            part = n - done;
        } else if (errno == EFAULT && part > page) {
            part = zm__map_round(part / 2); /* one mapping at most, some time */
        } else if (done == 0 && errno == EFAULT) {
            return false;
        } else { /* the kernel has no room for one mapping more, say */
            if (copy)
                memcpy(to + done, from + done, n - done);
            munmap(from + done, n - done);
            return true;
        }
    }
    return true;
}

void *zm__map_grow(int fd, bool writable, void *p, size_t old, size_t n)
{
    void *q = mremap(p, old, n, fd < 0 ? 0 : MREMAP_MAYMOVE);
    if (q != MAP_FAILED)
        return q;
    bool parts = errno == EFAULT; /* the kernel moves and grows one mapping at a time */
    if (fd >= 0 && !parts)
        return NULL;
    void *to = fd >= 0 ? zm__map_file(fd, writable, n)
               : parts ? zm__map_anon(n)
                       : map_aligned(n, PROT_NONE);
    if (!to)
        return NULL;
    if (parts ? move_parts(p, zm__map_round(old), to, fd < 0)
              : mremap(p, old, n, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED)
        return to;
    int err = errno;
    munmap(to, n);
    errno = err;
    return NULL;
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

void zm__map_populate_file(int fd, void *p, size_t n)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
        zm__map_populate(p, n);
}
