//go:build zmem_check

/* check_on.c: the check build: what is verified of structs that several files know, and what
 * happens where it does not hold.
 *
 * A check costs as much as what it looks at: a magazine, the chunks of an Allocator or the records
 * from one slot up to a free one on a slow path, everything when memory is given back. It takes no
 * memory but libc's, so that it changes nothing of what it verifies.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zm_internal.h"

void zm__check_failed(const char *file, int line, const char *what, const char *format, ...)
{
    char text[1024];
    const size_t most = sizeof text - 1;
    va_list args;
    va_start(args, format);
    int len = snprintf(text, most, "zmem: check: %s:%d: ", file, line);
    size_t n = len < 0 ? 0 : (size_t)len < most ? (size_t)len : most;
    len = vsnprintf(text + n, most - n, format, args);
    n += len < 0 ? 0 : (size_t)len < most - n ? (size_t)len : most - n - 1;
    len = snprintf(text + n, most - n, "; not so: %s", what);
    n += len < 0 ? 0 : (size_t)len < most - n ? (size_t)len : most - n - 1;
    va_end(args);
    text[n++] = '\n';
    (void)!write(STDERR_FILENO, text, n);
    abort();
}

/* ---- Sets ------------------------------------------------------------------------------------ */

zm__set_t zm__set_new(size_t most)
{
    size_t size = 16;
    while (size < 2 * most)
        size *= 2;
    return (zm__set_t){calloc(size, sizeof(uintptr_t)), size - 1};
}

bool zm__set_add(zm__set_t *set, uintptr_t word)
{
    size_t i = (size_t)zm__mix(word) & set->mask;
    if (!set->table)
        return true;
    for (; set->table[i]; i = (i + 1) & set->mask) {
        if (set->table[i] == word)
            return false;
    }
    set->table[i] = word;
    return true;
}

/* ---- Shelves --------------------------------------------------------------------------------- */

void zm__check_shelf(unsigned cls, const zm_shelf_t *s)
{
    ZM__MUST(s->loaded && s->previous, "shelf of class %u: loaded %p, previous %p", cls,
             (void *)s->loaded, (void *)s->previous);
    ZM__MUST(s->loaded != s->previous || s->loaded == &zm_no_magazine,
             "shelf of class %u: magazine %p is both loaded and previous", cls, (void *)s->loaded);
    ZM__MUST(s->cap == s->loaded->cap, "shelf of class %u: cap %u, the loaded magazine's %u", cls,
             s->cap, s->loaded->cap);
    ZM__MUST(s->len <= s->cap, "shelf of class %u: len %u, cap %u", cls, s->len, s->cap);
    zm__check_magazine(cls, s->loaded, s->len);
    zm__check_magazine(cls, s->previous, s->previous->len);
    zm__set_t set = zm__set_new(s->len + (size_t)s->previous->len);
    for (size_t i = 0; i < s->len; i++)
        (void)zm__set_add(&set, (uintptr_t)zm__blocks(s->loaded)[i]);
    for (size_t i = 0; i < s->previous->len; i++)
        ZM__MUST(zm__set_add(&set, (uintptr_t)zm__blocks(s->previous)[i]),
                 "shelf of class %u: block %p is in both magazines", cls,
                 zm__blocks(s->previous)[i]);
    free(set.table);
}

/* ---- Buffers --------------------------------------------------------------------------------- */

void zm__check_buffer(const zm_buffer_t *b)
{
    const void *at = b;
    ZM__MUST(b->kind >= ZM_BUFFER_HEAP && b->kind <= ZM_BUFFER_FILE, "Buffer %p is of kind %d", at,
             b->kind);
    ZM__MUST(b->data, "Buffer %p has no memory", at);
    ZM__MUST(
        b->start == ZM__BUFFER_START && b->start <= b->len && b->len <= b->cap && b->cap <= b->size,
        "Buffer %p: start %zu, len %zu, cap %zu, size %zu", at, b->start, b->len, b->cap, b->size);
    size_t least = b->size < b->max ? b->size : b->max;
    ZM__MUST(b->max >= b->start && b->max <= ZM_MAX_SIZE && b->cap >= least,
             "Buffer %p: cap %zu, size %zu, max %zu", at, b->cap, b->size, b->max);
    bool file = b->kind >= ZM_BUFFER_TMP;
    ZM__MUST(file ? b->fd >= 0 : b->fd == -1, "Buffer %p is of kind %d, with the descriptor %d", at,
             b->kind, b->fd);
    size_t header = b->kind == ZM_BUFFER_FILE ? ZM__FILE_HEADER : 0;
    ZM__MUST(b->kind == ZM_BUFFER_HEAP || zm__map_round(header + b->size) == header + b->size,
             "Buffer %p of kind %d: a mapping of %zu bytes is no whole pages", at, b->kind,
             header + b->size);
    ZM__MUST(b->step > 0 && (b->kind == ZM_BUFFER_FILE) == (b->path != NULL),
             "Buffer %p of kind %d: step %zu, path %p", at, b->kind, b->step, (void *)b->path);
    ZM__MUST(b->old_fd == -1 ? !b->named : b->kind == ZM_BUFFER_FILE && b->old_fd != b->fd,
             "Buffer %p of kind %d: a copy in %d of %d, named %d", at, b->kind, b->fd, b->old_fd,
             b->named);
    if (b->kind == ZM_BUFFER_FILE)
        zm__check_buffer_file(b);
}

/* ---- Records --------------------------------------------------------------------------------- */

static void check_table(const zm__records_t *t)
{
    const void *at = t;
    ZM__MUST((t->cap & (t->cap - 1)) == 0 && !t->table == (t->cap == 0),
             "records %p: cap %zu, table %p", at, t->cap, (void *)t->table);
    ZM__MUST(t->len <= t->cap / 4 * 3, "records %p: len %zu, cap %zu", at, t->len, t->cap);
}

static void check_record(const zm__records_t *t, size_t i)
{
    const zm__record_t *r = &t->table[i];
    ZM__MUST(zm__record_find(t, r->block) == r,
             "records %p: block %#zx in slot %zu of %zu is not found from its home",
             (const void *)t, (size_t)r->block, i, t->cap);
    ZM__MUST(r->alloc_site && r->weight > 0,
             "records %p: block %#zx has site %p and stands for %llu", (const void *)t,
             (size_t)r->block, (const void *)r->alloc_site, (unsigned long long)r->weight);
}

void zm__check_run(const zm__records_t *t, size_t i)
{
    check_table(t);
    for (size_t n = 0; t->table[i].block; i = (i + 1) & (t->cap - 1), n++) {
        ZM__MUST(n < t->cap, "records %p: none of %zu slots is free", (const void *)t, t->cap);
        check_record(t, i);
    }
}

void zm__check_records(const zm__records_t *t)
{
    size_t n = 0;
    check_table(t);
    for (size_t i = 0; i < t->cap; i++)
        n += t->table[i].block != 0;
    ZM__MUST(n == t->len, "records %p: len %zu, %zu slots are in use", (const void *)t, t->len, n);
    for (size_t i = 0; i < t->cap; i++) {
        if (t->table[i].block)
            check_record(t, i);
    }
}

/* ---- Allocators ------------------------------------------------------------------------------ */

#define HEAD sizeof(zm_window_t)

/* Whether n bytes at p are of those that were carved of the Allocator's chunks. */
static bool is_carved(const zm_allocator_t *a, const void *p, size_t n)
{
    const zm__chunk_t *c = a->first;
    for (; c; c = c->next) {
        size_t at = (uintptr_t)p - (uintptr_t)c->base;
        if (at < c->carved)
            return n <= c->carved - at;
    }
    return false;
}

void zm__check_window(const zm_allocator_t *a, const zm_window_t *w)
{
    uint64_t used = __atomic_load_n(&w->used, __ATOMIC_RELAXED);
    ZM__MUST((uintptr_t)w % ZM__CACHE_LINE == 0, "window %p does not start at a cache line",
             (const void *)w);
    ZM__MUST(w->size >= HEAD && w->size % 8 == 0 && is_carved(a, w, w->size),
             "window %p of %llu bytes is in no chunk of Allocator %p", (const void *)w,
             (unsigned long long)w->size, (const void *)a);
    ZM__MUST(used >= HEAD && used % 8 == 0, "window %p of %llu bytes: used %llu", (const void *)w,
             (unsigned long long)w->size, (unsigned long long)used);
}

static void check_chunk(const zm_allocator_t *a, const zm__chunk_t *c)
{
    ZM__MUST(c->base && (uintptr_t)c->base % 16 == 0, "chunk %p of Allocator %p is at %p",
             (const void *)c, (const void *)a, (const void *)c->base);
    ZM__MUST(c->carved <= c->size && c->dirty <= c->size && c->idle <= c->carved,
             "chunk %p of Allocator %p: size %zu, carved %zu, dirty %zu, idle %zu", (const void *)c,
             (const void *)a, c->size, c->carved, c->dirty, c->idle);
}

/* The list of spare windows, none of which is a slot's. */
static void check_spare(const zm_allocator_t *a)
{
    uint64_t idle = 0;
    for (const zm_window_t *w = a->spare; w; w = w->next) {
        zm__check_window(a, w);
        ZM__MUST(w->used == HEAD, "spare window %p of Allocator %p: used %llu", (const void *)w,
                 (const void *)a, (unsigned long long)w->used);
        for (size_t i = 0; i < ZM_NUM_WINDOWS; i++) {
            const zm_window_t *other = a->windows[i];
            ZM__MUST((uintptr_t)w + w->size <= (uintptr_t)other ||
                         (uintptr_t)w >= (uintptr_t)other + other->size,
                     "spare window %p of Allocator %p lies in the window %p of slot %zu",
                     (const void *)w, (const void *)a, (const void *)other, i);
        }
        idle += w->size - HEAD;
        ZM__MUST(idle <= a->idle, "Allocator %p: spare windows of %llu bytes and more, idle %llu",
                 (const void *)a, (unsigned long long)idle, (unsigned long long)a->idle);
    }
    ZM__MUST(idle == a->idle, "Allocator %p: spare windows of %llu bytes, idle %llu",
             (const void *)a, (unsigned long long)idle, (unsigned long long)a->idle);
}

void zm__check_allocator(const zm_allocator_t *a, bool whole)
{
    uint64_t size = 0, used = 0, left = a->idle;
    bool current = !a->current, grown = !a->grown;
    ZM__MUST(!a->current == !a->first, "Allocator %p: current chunk %p, the list begins at %p",
             (const void *)a, (void *)a->current, (void *)a->first);
    for (const zm__chunk_t *c = a->first; c; c = c->next) {
        check_chunk(a, c);
        size += c->size;
        used += c->carved - c->idle;
        current = current || c == a->current;
        grown = grown || c == a->grown;
        ZM__MUST(size <= a->allocated,
                 "Allocator %p: chunks of %llu bytes and more, allocated %llu", (const void *)a,
                 (unsigned long long)size, (unsigned long long)a->allocated);
    }
    ZM__MUST(size == a->allocated, "Allocator %p: chunks of %llu bytes, allocated %llu",
             (const void *)a, (unsigned long long)size, (unsigned long long)a->allocated);
    ZM__MUST(current, "Allocator %p: the current chunk %p is not in the list", (const void *)a,
             (void *)a->current);
    ZM__MUST(grown, "Allocator %p: the chunk grown last, %p, is not in the list", (const void *)a,
             (void *)a->grown);
    for (size_t i = 0; i < ZM_NUM_WINDOWS; i++) {
        const zm_window_t *w = __atomic_load_n(&a->windows[i], __ATOMIC_RELAXED);
        ZM__MUST(w, "Allocator %p has no window in slot %zu", (const void *)a, i);
        if (w->size == 0) /* full, as there is none */
            continue;
        zm__check_window(a, w);
        uint64_t taken = __atomic_load_n(&w->used, __ATOMIC_RELAXED);
        left += taken < w->size ? w->size - taken : 0;
    }
    ZM__MUST(left <= used, "Allocator %p: %llu bytes are used, of which %llu are left",
             (const void *)a, (unsigned long long)used, (unsigned long long)left);
    if (whole)
        check_spare(a);
}

void zm__check_cursor(const zm_cursor_t *k, const zm_window_t *w)
{
    ZM__MUST((uintptr_t)w % ZM__CACHE_LINE == 0 && w->used == HEAD && k->left >= 0 &&
                 (size_t)k->left <= w->size - HEAD,
             "cursor %p has %td bytes left of a window of %llu at %p", (const void *)k, k->left,
             (unsigned long long)w->size, (const void *)w);
}

/* ---- All there is ---------------------------------------------------------------------------- */

void zm__check_drain(void)
{
    int64_t bytes, objects;
    zm__check_held(zm_num_held_bytes());
    zm__check_sampled();
    (void)zm__check_tracked(false);
    zm__check_sites(false, &bytes, &objects);
}

void zm__check_rest(void)
{
    int64_t held = zm_num_held_bytes(), live = zm_num_alloc_bytes(), blocks = zm_num_allocs();
    int64_t parked = (int64_t)(zm__check_depots() + zm__check_caches());
    zm__check_drain();
    live -= (int64_t)zm__check_tracked(true);
    ZM__MUST(live >= 0 && held >= parked + live,
             "%lld bytes are held, %lld of them parked, and %lld live", (long long)held,
             (long long)parked, (long long)live);
    ZM__MUST(blocks > 0 || held == parked, "%lld bytes are held, %lld of them parked, none live",
             (long long)held, (long long)parked);
}
