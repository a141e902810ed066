/* buffer.c: a Buffer's control block, its memory, and how that grows.
 *
 * Invariants: start <= len <= cap <= size; cap is what size and max leave of each other, unless
 * what is there already is more. Where growing fails nothing of this has changed: new memory is
 * complete before the control block is written. A Buffer is for one thread at a time; but under
 * the leak tag others read it, so that its memory changes only under the lock of leak_buffer.c, and
 * len, which changes without, is written at once.
 */
#include <errno.h>
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

static void free_block(zm_buffer_t *b)
{
    zm__meta_free(b->dir);
    zm__meta_free(b->path);
    zm_free(b, sizeof *b);
}

int zm__buffer_block(const char *dir, size_t ndir, zm_buffer_t **out)
{
    void *p;
    int err = zm_try_calloc(sizeof(zm_buffer_t), 0, &p);
    if (err)
        return err;
    zm_buffer_t *b = p;
    *b = (zm_buffer_t){
        .len = ZM__BUFFER_START,
        .start = ZM__BUFFER_START,
        .max = ZM_MAX_SIZE,
        .spill = SIZE_MAX,
        .step = MAX_STEP,
        .dir = dir ? zm__meta_calloc(ndir + 1) : NULL,
        .fd = -1,
        .old_fd = -1,
    };
    if ((dir && !b->dir) || !zm__leak_buffer_add(b)) {
        free_block(b);
        return ZM_ENOMEM;
    }
    if (dir)
        memcpy(b->dir, dir, ndir);
    *out = b;
    return ZM_OK;
}

void zm__buffer_free(zm_buffer_t *b)
{
    zm__leak_buffer_remove(b);
    free_block(b);
}

/* Other threads may read it just then, under the leak tag. */
static void set_len(zm_buffer_t *b, size_t len)
{
    __atomic_store_n(&b->len, len, __ATOMIC_RELAXED);
}

/* What of a Buffer's memory is a file's, with its header. */
static int64_t file_size(const zm_buffer_t *b)
{
    size_t header = b->kind == ZM_BUFFER_FILE ? ZM__FILE_HEADER : 0;
    return b->kind >= ZM_BUFFER_TMP ? (int64_t)(header + b->size) : 0;
}

/* zm__buffer_adopt, the lock being held. */
static void adopt(zm_buffer_t *b, int kind, void *data, size_t size, int fd)
{
    zm__count_file(-file_size(b));
    b->kind = kind;
    b->data = data;
    b->size = size;
    zm__count_file(file_size(b));
    b->fd = fd;
    b->cap = most(b->len, least(size, b->max));
    zm__leak_buffer_count(b, kind <= ZM_BUFFER_ANON ? size : 0);
    ZM__CHECK(zm__check_buffer(b));
}

void zm__buffer_adopt(zm_buffer_t *b, int kind, void *data, size_t size, int fd)
{
    zm__leak_buffer_lock();
    adopt(b, kind, data, size, fd);
    zm__leak_buffer_unlock();
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
    if (!(*p = zm__map_anon(*n))) {
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

/* Makes b's mapping, which begins `header` bytes in front of its data, header + size bytes long,
 * whole pages. False with errno set where that fails.
 */
static bool grow_mapping(zm_buffer_t *b, size_t header, size_t size)
{
    zm__leak_buffer_lock();
    char *p = zm__map_grow(b->fd, true, (char *)b->data - header, header + b->size, header + size);
    if (p)
        adopt(b, b->kind, p + header, size, b->fd);
    zm__leak_buffer_unlock();
    return p;
}

static int grow_anon(zm_buffer_t *b, size_t size)
{
    size_t more = zm__map_round(size) - b->size;
    if (!zm__charge(more))
        return ZM_ELIMIT;
    zm__record_t sample; /* the old address may be another's as soon as the mapping has moved */
    bool sampled = zm__profile_take(b->data, &sample), grown = grow_mapping(b, 0, b->size + more);
    if (sampled)
        zm__profile_put(&sample, grown);
    if (!grown) {
        zm__uncharge(more);
        return ZM_ENOMEM;
    }
    zm__count(more, 0);
    return ZM_OK;
}

/* Has b go on in `size` bytes at p, and gives back the memory, not in a file, that it had, if any.
 */
static void move_to(zm_buffer_t *b, int kind, void *p, size_t size, int fd)
{
    void *old = b->data;
    size_t nold = b->size;
    if (old)
        memcpy(p, old, b->len);
    zm__buffer_adopt(b, kind, p, size, fd);
    if (old)
        give_back(old, nold);
}

/* From the heap, or from nothing, to other memory. */
static int grow_heap(zm_buffer_t *b, size_t size)
{
    void *p;
    int err = take(&size, &p);
    if (!err)
        move_to(b, size < MAP_FROM ? ZM_BUFFER_HEAP : ZM_BUFFER_ANON, p, size, -1);
    return err;
}

/* From memory, or from nothing, into a temporary file. */
static int grow_into_file(zm_buffer_t *b, size_t size, zm_cause_t *cause)
{
    void *p;
    int fd;
    size = zm__map_round(size);
    int err = zm__map_tmpfile(b->dir, size, &p, &fd, cause);
    if (!err)
        move_to(b, ZM_BUFFER_TMP, p, size, fd);
    return err;
}

static int grow_file(zm_buffer_t *b, size_t size, zm_cause_t *cause)
{
    size_t header = b->kind == ZM_BUFFER_FILE ? ZM__FILE_HEADER : 0;
    size_t old = header + b->size, want = zm__map_round(header + size);
    zm__reserved_t reserved;
    int err = zm__file_reserve(b->fd, old, want, &reserved, cause);
    if (err)
        return err;
    if (!grow_mapping(b, header, want - header)) {
        err = zm__sys_error("mmap", cause);
        zm__reserved_undo(b->fd, &reserved);
        return err;
    }
    zm__reserved_keep(&reserved);
    zm__map_populate_file(b->fd, (char *)b->data + (old - header), want - old);
    return ZM_OK;
}

static int grow(zm_buffer_t *b, size_t size, zm_cause_t *cause)
{
    if (b->kind >= ZM_BUFFER_TMP)
        return grow_file(b, size, cause);
    if (size > b->spill)
        return grow_into_file(b, size, cause);
    return b->kind == ZM_BUFFER_ANON ? grow_anon(b, size) : grow_heap(b, size);
}

/* Whether less might have succeeded. */
static bool lacks_room(int err, const zm_cause_t *cause)
{
    return err == ZM_ENOMEM || err == ZM_ELIMIT ||
           (err == ZM_ESYS &&
            (cause->code == ENOSPC || cause->code == EDQUOT || cause->code == EFBIG));
}

/* Doubles b, by at most MAX_STEP. Where there is no room for that the step is halved, down to what
 * is needed; the next one is twice what succeeded. So what is left of a disk is used up in a few
 * steps, and the end of it is found out at once.
 */
int zm_buffer_grow(zm_buffer_t *b, size_t n, zm_cause_t *cause)
{
    ZM__CHECK(zm__check_buffer(b));
    if (n <= b->cap - b->len)
        return ZM_OK;
    if (b->len > b->max || n > b->max - b->len)
        return b->max < ZM_MAX_SIZE ? ZM_ELIMIT : ZM_ENOMEM;
    zm_cause_t why = {NULL, 0};
    size_t need = b->len + n, step = least(b->size, b->step);
    int err;
    for (;; step /= 2) {
        size_t size = least(most(need, b->size + step), b->max);
        if (b->kind < ZM_BUFFER_TMP && need <= b->spill)
            size = least(size, b->spill);
        err = grow(b, size, &why);
        if (size == need || !lacks_room(err, &why))
            break;
    }
    if (err && cause)
        *cause = why;
    if (!err)
        b->step = least(most(2 * step, ZM__BUFFER_MIN), MAX_STEP);
    return err;
}

/* ---- Making, setting, releasing -------------------------------------------------------------- */

int zm_buffer_new(size_t capacity, zm_buffer_t **out)
{
    if (capacity > ZM_MAX_SIZE)
        return ZM_ENOMEM;
    zm_buffer_t *b;
    int err = zm__buffer_block(NULL, 0, &b);
    if (err)
        return err;
    err = grow_heap(b, most(capacity, ZM__BUFFER_MIN));
    if (err)
        zm__buffer_free(b);
    else
        *out = b;
    return err;
}

int zm_buffer_new_tmp(const char *dir, size_t capacity, zm_buffer_t **out, zm_cause_t *cause)
{
    if (capacity > ZM_MAX_SIZE)
        return ZM_ENOMEM;
    zm_buffer_t *b;
    int err = zm__buffer_block(dir, dir ? strlen(dir) : 0, &b);
    if (err)
        return err;
    err = grow_into_file(b, most(capacity, ZM__BUFFER_MIN), cause);
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
    ZM__CHECK(zm__check_buffer(b));
}

void zm_buffer_reset(zm_buffer_t *b)
{
    set_len(b, b->start);
    b->cap = least(b->size, b->max);
    if (b->kind == ZM_BUFFER_FILE)
        zm__buffer_commit(b);
    ZM__CHECK(zm__check_buffer(b));
}

int zm_buffer_release(zm_buffer_t *b, zm_cause_t *cause)
{
    if (!b)
        return ZM_OK;
    ZM__CHECK(zm__check_buffer(b));
    int err = ZM_OK;
    zm__count_file(-file_size(b));
    zm__leak_buffer_remove(b); /* first, so that nobody reads what is freed next */
    if (b->kind == ZM_BUFFER_FILE) {
        err = zm__buffer_close(b, cause);
    } else if (b->kind == ZM_BUFFER_TMP) {
        zm__map_free(b->data, b->size);
        close(b->fd);
    } else {
        give_back(b->data, b->size);
    }
    free_block(b);
    return err;
}

/* ---- Bytes and records ----------------------------------------------------------------------- */

void *zm_buffer_add(zm_buffer_t *b, size_t n, zm_cause_t *cause)
{
    if (n > b->cap - b->len && zm_buffer_grow(b, n, cause))
        return NULL;
    char *p = (char *)b->data + b->len;
    set_len(b, b->len + n);
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
    if (!err) {
        zm__count_file((int64_t)zm__map_round(most(n, 1)));
        close(fd); /* the mapping keeps the file */
    }
    return err;
}

void zm_buffer_scratch_free(const zm_buffer_t *b, void *p, size_t n)
{
    if (!p)
        return;
    if (b && b->kind >= ZM_BUFFER_TMP) {
        zm__count_file(-(int64_t)zm__map_round(most(n, 1)));
        zm__map_free(p, zm__map_round(most(n, 1)));
    } else {
        give_back(p, n < MAP_FROM ? n : zm__map_round(n));
    }
}
