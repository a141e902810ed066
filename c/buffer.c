/* buffer.c: a Buffer's control block, its memory, and how that grows.
 *
 * Invariants: start <= len <= cap <= size; cap is what size and max leave of each other, unless
 * what is there already is more. Where growing fails nothing of this has changed: new memory is
 * complete before the control block is written. There are no locks: a Buffer is for one thread at a
 * time.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "zm_internal.h"

#define MAP_FROM ((size_t)2 << 20) /* bytes from which memory is mapped, not from the heap */
#define MAX_STEP ((size_t)1 << 30) /* the most that it grows by when less would do */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* ---- The control block ----------------------------------------------------------------------- */

zm_buffer_t *zm__buffer_block(const char *dir, size_t ndir)
{
    zm_buffer_t *b = zm__leak_calloc(sizeof *b);
    char *copy = dir ? zm__meta_calloc(ndir + 1) : NULL;
    if (!b || (dir && !copy)) {
        zm__meta_free(copy);
        if (b)
            zm__leak_free(b, sizeof *b);
        return NULL;
    }
    if (dir)
        memcpy(copy, dir, ndir);
    *b = (zm_buffer_t){
        .len = ZM__BUFFER_START,
        .start = ZM__BUFFER_START,
        .max = ZM_MAX_SIZE,
        .spill = SIZE_MAX,
        .dir = copy,
        .fd = -1,
    };
    return b;
}

void zm__buffer_free(zm_buffer_t *b)
{
    zm__meta_free(b->dir);
    zm__leak_free(b, sizeof *b);
}

/* What b holds and the counters know of, its control block aside. */
static size_t counted(const zm_buffer_t *b)
{
    return b->kind <= ZM_BUFFER_ANON ? b->size : 0;
}

void zm__buffer_adopt(zm_buffer_t *b, int kind, void *data, size_t size, int fd)
{
    size_t before = counted(b);
    b->kind = kind;
    b->data = data;
    b->size = size;
    b->fd = fd;
    b->cap = most(b->len, least(size, b->max));
    size_t now = counted(b);
    zm__leak_add(b, (uint64_t)now - before, (uint64_t)(now > 0) - (before > 0));
}

void zm_buffer_attribute(const zm_buffer_t *b, zm_site_t *site)
{
    size_t bytes = counted(b);
    zm__leak_attribute(b, (uint64_t)bytes + sizeof *b, 1 + (bytes > 0), site);
}

/* ---- Memory that is not in a file ------------------------------------------------------------ */

/* Sets *p to zero bytes, counted; *n is rounded up to what there are. The heap is asked for a batch
 * of one, which reuses pages: jemalloc's calloc gets such sizes as new pages from the system, at
 * ten times the cost.
 */
static int take(size_t *n, void **p)
{
    if (*n < MAP_FROM)
        return zm_calloc_batch(*n, p, 1);
    *n = zm__map_round(*n);
    if (!zm__charge(*n))
        return ZM_ELIMIT;
    if (!(*p = zm__map_new(-1, *n))) {
        zm__uncharge(*n);
        return ZM_ENOMEM;
    }
    zm__count(*n, 1);
    return ZM_OK;
}

static void give_back(void *p, size_t n)
{
    if (n < MAP_FROM) {
        zm_free(p, n);
        return;
    }
    zm_profile_remove(p);
    zm__count(0 - (uint64_t)n, 0 - (uint64_t)1);
    zm__map_free(p, n);
    zm__uncharge(n);
}

/* ---- Growing: to `size` bytes, which is more than there are ---------------------------------- */

static int grow_memory(zm_buffer_t *b, size_t size)
{
    size_t old = b->size;
    void *p;
    if (b->kind == ZM_BUFFER_ANON) {
        size = zm__map_round(size);
        if (!zm__charge(size - old))
            return ZM_ELIMIT;
        if (!(p = zm__map_grow(b->data, old, size, -1))) {
            zm__uncharge(size - old);
            return ZM_ENOMEM;
        }
        zm__count(size - old, 0);
    } else {
        int err = take(&size, &p);
        if (err)
            return err;
        if (b->data) {
            memcpy(p, b->data, b->len);
            give_back(b->data, old);
        }
    }
    zm__buffer_adopt(b, size < MAP_FROM ? ZM_BUFFER_HEAP : ZM_BUFFER_ANON, p, size, -1);
    return ZM_OK;
}

/* From memory, or from nothing, into a temporary file. */
static int grow_into_file(zm_buffer_t *b, size_t size, zm_cause_t *cause)
{
    void *p;
    int fd;
    size = zm__map_round(size);
    int err = zm__map_tmpfile(b->dir, size, &p, &fd, cause);
    if (err)
        return err;
    void *old = b->data;
    size_t nold = b->size;
    if (old)
        memcpy(p, old, b->len);
    zm__buffer_adopt(b, ZM_BUFFER_TMP, p, size, fd);
    if (old)
        give_back(old, nold);
    return ZM_OK;
}

static int grow_file(zm_buffer_t *b, size_t size, zm_cause_t *cause)
{
    size_t header = b->kind == ZM_BUFFER_FILE ? ZM__FILE_HEADER : 0;
    size_t old = header + b->size, want = zm__map_round(header + size);
    int err = zm__file_reserve(b->fd, old, want, cause);
    if (err)
        return err;
    char *p = zm__map_grow((char *)b->data - header, old, want, b->fd);
    if (!p) {
        err = zm__sys_error("mmap", cause);
        (void)!ftruncate(b->fd, (off_t)old);
        return err;
    }
    zm__buffer_adopt(b, b->kind, p + header, want - header, b->fd);
    return ZM_OK;
}

static int grow(zm_buffer_t *b, size_t size, zm_cause_t *cause)
{
    if (b->kind >= ZM_BUFFER_TMP)
        return grow_file(b, size, cause);
    return size > b->spill ? grow_into_file(b, size, cause) : grow_memory(b, size);
}

int zm_buffer_grow(zm_buffer_t *b, size_t n, zm_cause_t *cause)
{
    if (n <= b->cap - b->len)
        return ZM_OK;
    if (b->len > b->max || n > b->max - b->len)
        return b->max < ZM_MAX_SIZE ? ZM_ELIMIT : ZM_ENOMEM;
    size_t need = b->len + n;
    size_t size = least(most(need, b->size + least(b->size, MAX_STEP)), b->max);
    if (b->kind < ZM_BUFFER_TMP && need <= b->spill)
        size = least(size, b->spill);
    int err = grow(b, size, cause);
    return err && need < size ? grow(b, need, cause) : err;
}

/* ---- Making, setting, releasing -------------------------------------------------------------- */

zm_buffer_t *zm_buffer_new(size_t capacity)
{
    if (capacity > ZM_MAX_SIZE)
        return NULL;
    zm_buffer_t *b = zm__buffer_block(NULL, 0);
    if (b && grow_memory(b, most(capacity, ZM__BUFFER_MIN))) {
        zm__buffer_free(b);
        b = NULL;
    }
    return b;
}

int zm_buffer_new_tmp(const char *dir, size_t capacity, zm_buffer_t **out, zm_cause_t *cause)
{
    if (capacity > ZM_MAX_SIZE)
        return ZM_ENOMEM;
    zm_buffer_t *b = zm__buffer_block(dir, dir ? strlen(dir) : 0);
    if (!b)
        return ZM_ENOMEM;
    int err = grow_into_file(b, most(capacity, ZM__BUFFER_MIN), cause);
    if (err)
        zm__buffer_free(b);
    else
        *out = b;
    return err;
}

int zm_buffer_set_spill(zm_buffer_t *b, size_t threshold, const char *dir)
{
    if (b->kind >= ZM_BUFFER_TMP)
        return ZM_EINVAL;
    char *copy = NULL;
    if (dir) {
        size_t n = strlen(dir) + 1;
        if (!(copy = zm__meta_calloc(n)))
            return ZM_ENOMEM;
        memcpy(copy, dir, n);
    }
    zm__meta_free(b->dir);
    b->dir = copy;
    b->spill = threshold;
    return ZM_OK;
}

void zm_buffer_set_max(zm_buffer_t *b, size_t max)
{
    b->max = max == 0 ? ZM_MAX_SIZE : most(least(max, ZM_MAX_SIZE), b->start);
    b->cap = most(b->len, least(b->size, b->max));
}

void zm_buffer_reset(zm_buffer_t *b)
{
    b->len = b->start;
    b->cap = least(b->size, b->max);
    if (b->kind == ZM_BUFFER_FILE)
        zm__buffer_commit(b);
}

int zm_buffer_release(zm_buffer_t *b, zm_cause_t *cause)
{
    if (!b)
        return ZM_OK;
    int err = ZM_OK;
    switch (b->kind) {
    case ZM_BUFFER_FILE:
        err = zm__buffer_close(b, cause);
        break;
    case ZM_BUFFER_TMP:
        zm__map_free(b->data, b->size);
        close(b->fd);
        break;
    default:
        zm__leak_add(b, 0 - (uint64_t)b->size, 0 - (uint64_t)1);
        give_back(b->data, b->size);
    }
    zm__buffer_free(b);
    return err;
}

/* ---- Bytes and records ----------------------------------------------------------------------- */

void *zm_buffer_add(zm_buffer_t *b, size_t n, zm_cause_t *cause)
{
    if (n > b->cap - b->len && zm_buffer_grow(b, n, cause))
        return NULL;
    char *p = (char *)b->data + b->len;
    b->len += n;
    return p;
}

void *zm_buffer_add_record(zm_buffer_t *b, size_t n, zm_cause_t *cause)
{
    char *p = n <= ZM_MAX_SIZE ? zm_buffer_add(b, n + 8, cause) : NULL;
    if (!p)
        return NULL;
    zm__put_le64(p, n);
    return p + 8;
}

void *zm_buffer_next(const zm_buffer_t *b, size_t *off, size_t *n)
{
    size_t at = *off ? *off : b->start;
    if (at < b->start || at > b->len || b->len - at < 8)
        return NULL;
    char *p = (char *)b->data + at;
    uint64_t len = zm__le64(p);
    if (len > b->len - at - 8)
        return NULL;
    *n = (size_t)len;
    *off = at + 8 + *n;
    return p + 8;
}

/* ---- Scratch memory -------------------------------------------------------------------------- */

int zm_buffer_scratch(const zm_buffer_t *b, size_t n, void **out, zm_cause_t *cause)
{
    if (n > ZM_MAX_SIZE)
        return ZM_ENOMEM;
    if (!b || b->kind < ZM_BUFFER_TMP)
        return take(&n, out);
    int fd;
    int err = zm__map_tmpfile(b->dir, zm__map_round(most(n, 1)), out, &fd, cause);
    if (!err)
        close(fd); /* the mapping keeps the file */
    return err;
}

void zm_buffer_scratch_free(const zm_buffer_t *b, void *p, size_t n)
{
    if (!p)
        return;
    if (b && b->kind >= ZM_BUFFER_TMP)
        zm__map_free(p, zm__map_round(most(n, 1)));
    else
        give_back(p, n < MAP_FROM ? n : zm__map_round(n));
}
