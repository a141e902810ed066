//go:build unix

/* mmapfile.c: files mapped into memory, shared with the file and with whoever else maps it.
 *
 * Touching a page of a mapping that lies beyond the end of its file is SIGBUS. Hence the order of
 * all that is done here: a file is made longer before a mapping covers it; and it is cut, which may
 * fail, before the mapping is, which does not. What can fail comes first, and is taken back where a
 * later step fails.
 *
 * There is no state, and no lock: mappings and files are the caller's.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zm_internal.h"

/* Makes a file of r->had bytes `size` bytes long at least, and gives the bytes [from, size) blocks
 * where the flags say so.
 */
static int lengthen(int fd, int flags, size_t from, size_t size, zm__reserved_t *r,
                    zm_cause_t *cause)
{
    if (flags & ZM_MMAP_RESERVE)
        return from < size ? zm__file_reserve(fd, from, size, r, cause) : ZM_OK;
    r->longer = size > (size_t)r->had;
    return r->longer ? zm__file_extend(fd, size, cause) : ZM_OK;
}

/* Begins what lengthen goes on with: the length that the file has. */
static int look(int fd, zm__reserved_t *r, zm_cause_t *cause)
{
    struct stat file = {.st_size = 0};
    int failed = fstat(fd, &file);
    *r = (zm__reserved_t){.had = file.st_size};
    return failed ? zm__sys_error("fstat", cause) : ZM_OK;
}

int zm_mmap_file(int fd, int flags, size_t size, void **addr, zm_cause_t *cause)
{
    zm__reserved_t reserved;
    bool writable = flags & ZM_MMAP_WRITE;
    if (size > ZM_MAX_SIZE)
        return ZM_EINVAL;
    int err = look(fd, &reserved, cause);
    size_t had = (size_t)reserved.had;
    if (!err && writable) {
        err = lengthen(fd, flags, 0, size, &reserved, cause);
    } else if (!err && had < size) {
        errno = ENXIO;
        err = zm__sys_error("mmap", cause);
    }
    if (err)
        return err;
    void *p = NULL;
    if (size > 0 && !(p = zm__map_file(fd, writable, size))) {
        err = zm__sys_error("mmap", cause);
        zm__reserved_undo(fd, &reserved);
        return err;
    }
    zm__reserved_keep(&reserved);
    *addr = p;
    return ZM_OK;
}

int zm_mmap_resize(int fd, int flags, void **addr, size_t old, size_t size, zm_cause_t *cause)
{
    zm__reserved_t reserved;
    bool writable = flags & ZM_MMAP_WRITE;
    if (old > ZM_MAX_SIZE || size > ZM_MAX_SIZE)
        return ZM_EINVAL;
    int err = look(fd, &reserved, cause);
    size_t had = (size_t)reserved.had;
    if (!err)
        err = lengthen(fd, flags, had < old ? had : old, size, &reserved, cause);
    if (err)
        return err;
    bool cut = had > size;
    void *p = *addr;
    if (size > old) { /* in place of the old mapping only where nothing can fail after it */
        p = old > 0 && !cut ? zm__map_grow(fd, writable, *addr, old, size)
                            : zm__map_file(fd, writable, size);
        if (!p)
            err = zm__sys_error("mmap", cause);
    }
    if (!err && cut && ftruncate(fd, (off_t)size) != 0) {
        err = zm__sys_error("ftruncate", cause);
        if (size > old)
            zm__map_free(p, size);
    }
    if (err) {
        zm__reserved_undo(fd, &reserved);
        return err;
    }
    zm__reserved_keep(&reserved);
    size_t pages = zm__map_round(size), old_pages = zm__map_round(old);
    if (size > old && old > 0 && cut)
        zm__map_free(*addr, old);
    else if (pages < old_pages) /* what cannot be unmapped is lost: nobody touches it again */
        zm__map_free((char *)p + pages, old_pages - pages);
    *addr = size > 0 ? p : NULL;
    return ZM_OK;
}

int zm_mmap_reserve(int fd, size_t from, size_t to, zm_cause_t *cause)
{
    zm__reserved_t reserved;
    if (from > to || to > ZM_MAX_SIZE)
        return ZM_EINVAL;
    int err = look(fd, &reserved, cause);
    size_t had = (size_t)reserved.had;
    if (!err && to > had)
        err = ZM_EINVAL;
    if (!err && from < to && !(err = zm__file_reserve(fd, from, to, &reserved, cause)))
        zm__reserved_keep(&reserved);
    return err;
}

/* A call about pages that failed. ENOMEM says that they are not mapped. */
static int bad_pages(const char *call, zm_cause_t *cause)
{
    zm__sys_error(call, cause);
    return ZM_ESYS;
}

int zm_mmap_free(void *addr, size_t size, zm_cause_t *cause)
{
    return size == 0 || munmap(addr, size) == 0 ? ZM_OK : bad_pages("munmap", cause);
}

/* The calls below want whole pages: from the one that addr is in. */
static size_t into_page(const void *addr)
{
    return (uintptr_t)addr & (zm__map_round(1) - 1);
}

int zm_mmap_sync(void *addr, size_t size, zm_cause_t *cause)
{
    size_t before = into_page(addr);
    if (size == 0 || msync((char *)addr - before, size + before, MS_SYNC) == 0)
        return ZM_OK;
    return bad_pages("msync", cause);
}

int zm_mmap_advise(void *addr, size_t size, bool readahead, zm_cause_t *cause)
{
    size_t before = into_page(addr);
    if (size == 0)
        return ZM_OK;
    errno = posix_madvise((char *)addr - before, size + before,
                          readahead ? POSIX_MADV_NORMAL : POSIX_MADV_RANDOM);
    return errno == 0 ? ZM_OK : bad_pages("madvise", cause);
}
