/* allocator.c: many small blocks from large chunks, freed together.
 *
 * An Allocator has a list of chunks. Under its lock, pieces are carved off them: large blocks, the
 * memory of cursors, and windows, from which threads then allocate small blocks by one atomic add.
 * There are several windows, made when first needed, and a thread chooses by the address of its
 * stack, so that threads that allocate at once seldom add to the same word. A window's counter is
 * its own, and 64 bits wide: however often adding to it fails, nothing else changes.
 *
 * What is carved is cleared below the chunk's dirty mark: all of a chunk that came uncleared, or as
 * far as it was carved when Reset, which keeps chunks, was called last.
 *
 * Locking: an Allocator's lock guards all of it but its windows' counters; `refs_lock` guards the
 * table by ref. Where both are held, to look at Allocators that may be released meanwhile,
 * `refs_lock` is taken first.
 */
#include <string.h>

#include "zm_internal.h"

#define MIN_CHUNK 512
#define MAX_CHUNK ((size_t)ZM_MAX_ALLOC)
#define MIN_WINDOW 4096
#define MAX_WINDOW 65536  /* of larger ones, less is lost at the end, but more with idle threads */
#define MAX_CURSOR 262144 /* a cursor gives back what it does not need */
#define MIN_SPARE 256     /* bytes; less is not worth being kept */

/* Chunks of these sizes are asked for without calloc, to be cleared by us as they are used:
 * jemalloc answers calloc with new pages of the system there, at a fault each. Smaller ones can
 * start at a cache line, and larger ones are new pages anyhow, which need no clearing. */
#define MIN_REUSED 4096
#define MAX_REUSED ((size_t)4 << 20)
#define HEAD sizeof(zm_window_t)

typedef zm__chunk_t chunk_t;

_Static_assert(HEAD == ZM__CACHE_LINE, "a window's head fills a cache line");

/* Full, in the slots for which there is none yet. */
static zm_window_t no_window = {.used = HEAD};

/* ---- The table by ref ----------------------------------------------------------------------- */

#define BUCKETS 1024 /* a power of two */

static pthread_mutex_t refs_lock = PTHREAD_MUTEX_INITIALIZER;
static zm_allocator_t *refs[BUCKETS];
static uint64_t last_ref;

void zm__refs_locks(zm__lock_op_t *op)
{
    op(&refs_lock);
}

/* The table's is held. An Allocator that is not in it is in nobody's hands but its owner's. */
void zm__allocator_locks(zm__lock_op_t *op)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (zm_allocator_t *a = refs[i]; a; a = a->ref_next)
            op(&a->lock);
    }
}

void zm__allocator_show(zm_allocator_t *a)
{
    pthread_mutex_lock(&refs_lock);
    a->ref = ++last_ref;
    a->ref_next = refs[a->ref % BUCKETS];
    refs[a->ref % BUCKETS] = a;
    pthread_mutex_unlock(&refs_lock);
}

void zm__allocator_hide(zm_allocator_t *a)
{
    pthread_mutex_lock(&refs_lock);
    zm_allocator_t **at = &refs[a->ref % BUCKETS];
    while (*at && *at != a)
        at = &(*at)->ref_next;
    if (*at)
        *at = a->ref_next;
    pthread_mutex_unlock(&refs_lock);
}

uint64_t zm_allocator_ref(const zm_allocator_t *a)
{
    return a->ref;
}

/* refs_lock is held. */
static zm_allocator_t *find(uint64_t ref)
{
    zm_allocator_t *a = refs[ref % BUCKETS];
    while (a && a->ref != ref)
        a = a->ref_next;
    return a;
}

zm_allocator_t *zm_allocator_from(uint64_t ref)
{
    pthread_mutex_lock(&refs_lock);
    zm_allocator_t *a = find(ref);
    pthread_mutex_unlock(&refs_lock);
    return a;
}

/* ---- Chunks: the lock is held, or nobody else has the Allocator -------------------------------
 */

static size_t round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* zm_allocator_grown looks first without the lock. */
static void set_grown(zm_allocator_t *a, chunk_t *c)
{
    __atomic_store_n(&a->grown, c, __ATOMIC_RELAXED);
}

static void count_chunk(zm_allocator_t *a, size_t size)
{
    a->allocated += size;
    if (a->site)
        zm__site_count(a->site, (int64_t)size, 1);
}

static void chunk_free(zm_allocator_t *a, chunk_t *c)
{
    a->allocated -= c->size;
    if (a->grown == c)
        set_grown(a, NULL);
    if (a->site)
        zm__site_count(a->site, -(int64_t)c->size, -1);
    zm_free(c->base, c->size);
    zm__meta_free(c);
}

/* Frees the list that starts at *from. */
static void chunks_free(zm_allocator_t *a, chunk_t **from)
{
    chunk_t *c = *from;
    *from = NULL;
    while (c) {
        chunk_t *next = c->next;
        chunk_free(a, c);
        c = next;
    }
}

/* Makes a chunk of that size, which is in no list yet. */
static int chunk_new(zm_allocator_t *a, size_t size, chunk_t **out)
{
    chunk_t *c = zm__meta_calloc(sizeof *c);
    if (!c)
        return ZM_ENOMEM;
    void *base = NULL;
    bool reused = size >= MIN_REUSED && size <= MAX_REUSED;
    int err = reused ? zm__alloc_batch(size, &base, 1)
                     : zm_try_calloc(size, size < MIN_REUSED ? ZM__CACHE_LINE : 16, &base);
    if (err) {
        zm__meta_free(c);
        return err;
    }
    c->base = base;
    c->size = size;
    c->dirty = reused ? size : 0;
    count_chunk(a, size);
    *out = c;
    return ZM_OK;
}

/* Adds a chunk with room for `need` bytes: twice the last one if there is memory for that. */
static int chunk_add(zm_allocator_t *a, size_t need, chunk_t **out)
{
    chunk_t **at = a->current ? &a->current : &a->first;
    size_t size = a->first_size;
    for (; *at; at = &(*at)->next)
        size = (*at)->size < MAX_CHUNK / 2 ? 2 * (*at)->size : MAX_CHUNK;
    while (size < need && size < MAX_CHUNK)
        size *= 2;
    if (size < need)
        size = need; /* 1 GiB and an alignment */
    int err = chunk_new(a, size, out);
    if (err && need < size)
        err = chunk_new(a, need, out);
    if (!err) {
        *at = *out;
        set_grown(a, *out);
        if (!a->current)
            a->current = *out;
    }
    return err;
}

/* Bytes to skip so that the next piece of the chunk is aligned. */
static size_t padding(const chunk_t *c, size_t align)
{
    return (size_t)(-((uintptr_t)c->base + c->carved) & (align - 1));
}

static bool has_room(const chunk_t *c, size_t n, size_t align)
{
    size_t room = c->size - c->carved, pad = padding(c, align);
    return pad <= room && n <= room - pad;
}

/* Finds the chunk that has room for n aligned bytes, if need be a new one. What is small moves on
 * to it for good.
 */
static int chunk_for(zm_allocator_t *a, size_t n, size_t align, chunk_t **out)
{
    chunk_t *c = a->current;
    while (c && !has_room(c, n, align))
        c = c->next;
    /* A new chunk may start at any multiple of 16; n is at most 1 GiB, and so is align. */
    size_t need = round_up(n + (align > 16 ? align : 0), MIN_CHUNK);
    int err = c ? ZM_OK : chunk_add(a, need, &c);
    if (err)
        return err;
    if (n + align <= ZM_WINDOW_MAX_ALLOC + 2 * HEAD)
        a->current = c;
    *out = c;
    return ZM_OK;
}

/* A piece of a chunk, the first bytes of which are to be cleared. Large blocks and cursors do that
 * after the lock is let go, as it takes longer than all else that is done under it.
 */
typedef struct piece {
    unsigned char *base;
    size_t size;
    size_t dirty;
} piece_t;

static void *clear(piece_t p)
{
    return p.dirty ? memset(p.base, 0, p.dirty) : p.base;
}

/* How many of the n bytes at `from` are to be cleared. */
static size_t dirty_at(const chunk_t *c, size_t from, size_t n)
{
    return from >= c->dirty ? 0 : c->dirty - from < n ? c->dirty - from : n;
}

/* Takes n bytes, for which it has room, off the chunk. */
static piece_t carve(zm_allocator_t *a, chunk_t *c, size_t n, size_t align)
{
    size_t from = c->carved, start = from + padding(c, align);
    c->carved = start + n;
    c->idle += start - from;
    if (!a->site)
        return (piece_t){c->base + start, n, dirty_at(c, start, n)};
    /* The leak tracker shows all that is carved, what is skipped as well. */
    memset(c->base + from, 0, dirty_at(c, from, c->carved - from));
    return (piece_t){c->base + start, n, 0};
}

/* ---- Windows: the lock is held, but window_start does without -------------------------------- */

/* n is a multiple of 8. */
static void *window_take(zm_window_t *w, size_t n)
{
    uint64_t end = __atomic_add_fetch(&w->used, n, __ATOMIC_RELAXED);
    return end <= w->size ? (unsigned char *)w + (end - n) : NULL;
}

/* Takes memory for a window of `most` bytes, if that is not much of the chunk, with room for n
 * bytes, at most ZM_WINDOW_MAX_ALLOC and a multiple of 8.
 */
static int window_new(zm_allocator_t *a, size_t n, size_t most, piece_t *out)
{
    zm_window_t *w = a->spare;
    if (w && n <= w->size - HEAD) {
        a->spare = w->next;
        a->idle -= w->size - HEAD;
        *out = (piece_t){(unsigned char *)w, w->size, HEAD};
        return ZM_OK;
    }
    chunk_t *c;
    int err = chunk_for(a, HEAD + n, ZM__CACHE_LINE, &c);
    if (err)
        return err;
    size_t size = c->size / 8, room = c->size - c->carved - padding(c, ZM__CACHE_LINE);
    size = size < MIN_WINDOW ? MIN_WINDOW : size > most ? most : size;
    if (room - HEAD - n < size) /* what would be left is no window for the likes of n */
        size = room & ~(size_t)7;
    c->idle += HEAD;
    *out = carve(a, c, size, ZM__CACHE_LINE);
    return ZM_OK;
}

static zm_window_t *window_start(piece_t p)
{
    zm_window_t *w = clear(p);
    w->used = HEAD;
    w->size = p.size;
    return w;
}

/* Keeps a window of which nothing was used, and all but the head is zero, for the next one. It
 * comes first unless the first is larger, so that there is no search.
 */
static void window_keep(zm_allocator_t *a, zm_window_t *w)
{
    zm_window_t **at = a->spare && a->spare->size > w->size ? &a->spare->next : &a->spare;
    w->next = *at;
    *at = w;
    a->idle += w->size - HEAD;
}

/* ---- Allocators -------------------------------------------------------------------------------
 */

static void windows_end(zm_allocator_t *a)
{
    for (size_t i = 0; i < ZM_NUM_WINDOWS; i++)
        a->windows[i] = &no_window;
    a->spare = NULL;
    a->idle = 0;
}

int zm__allocator_new(size_t size, zm_site_t *site, zm_allocator_t **out)
{
    if (!zm__backend())
        return ZM_EBACKEND;
    zm_allocator_t *a = size <= ZM_MAX_SIZE ? zm__meta_calloc(sizeof *a) : NULL;
    if (!a)
        return ZM_ENOMEM;
    a->first_size = MIN_CHUNK;
    while (a->first_size < size)
        a->first_size *= 2;
    a->site = site;
    int err = chunk_new(a, a->first_size, &a->first);
    if (err) {
        zm__meta_free(a);
        return err;
    }
    a->current = a->first;
    set_grown(a, a->first);
    pthread_mutex_init(&a->lock, NULL);
    windows_end(a);
    zm__allocator_show(a);
    *out = a;
    return ZM_OK;
}

int zm_allocator_new(size_t size, zm_allocator_t **out)
{
    return zm__allocator_new(size, NULL, out);
}

void zm_allocator_release(zm_allocator_t *a)
{
    if (!a)
        return;
    ZM__CHECK(zm__check_allocator(a, true));
    zm__allocator_hide(a);
    chunks_free(a, &a->first);
    pthread_mutex_destroy(&a->lock);
    zm__meta_free(a);
}

void zm__allocator_set_site(zm_allocator_t *a, zm_site_t *site)
{
    pthread_mutex_lock(&a->lock);
    ZM__CHECK(zm__check_allocator(a, true));
    for (chunk_t *c = a->first; c; c = c->next) {
        if (a->site)
            zm__site_count(a->site, -(int64_t)c->size, -1);
        if (site)
            zm__site_count(site, (int64_t)c->size, 1);
    }
    a->site = site;
    pthread_mutex_unlock(&a->lock);
}

/* The slot of this thread: threads have stacks apart. */
static zm_window_t **slot_of(zm_allocator_t *a)
{
    char here;
    uint32_t page = (uint32_t)((uintptr_t)&here >> 12);
    return &a->windows[page * 0x9e3779b1u >> (32 - ZM_WINDOW_BITS)];
}

int zm_allocator_refill(zm_allocator_t *a, zm_window_t **slot, size_t n, size_t most, void **out)
{
    n = round_up(n, 8);
    int err = ZM_OK;
    pthread_mutex_lock(&a->lock);
    zm_window_t *current = __atomic_load_n(slot, __ATOMIC_RELAXED);
    void *p = current ? window_take(current, n) : NULL;
    if (!p) { /* nobody else has refilled it meanwhile */
        chunk_t *c = a->current;
        piece_t piece;
        if (c && !has_room(c, HEAD + n, ZM__CACHE_LINE) && has_room(c, n, 8)) {
            p = clear(carve(a, c, n, 8));
        } else if (!(err = window_new(a, n, most, &piece))) {
            zm_window_t *w = window_start(piece);
            p = window_take(w, n);
            __atomic_store_n(slot, w, __ATOMIC_RELEASE);
        }
        ZM__CHECK(zm__check_allocator(a, false));
    }
    pthread_mutex_unlock(&a->lock);
    if (!err)
        *out = p;
    return err;
}

/* What is wrong with the arguments of an allocation. */
static int check(size_t n, size_t align)
{
    if (align == 0 || align > ZM_MAX_ALIGN || (align & (align - 1)))
        return ZM_EINVAL;
    return n > ZM_MAX_ALLOC ? ZM_ENOMEM : ZM_OK;
}

int zm_allocator_try_allocate(zm_allocator_t *a, size_t n, size_t align, void **out)
{
    int err = check(n, align);
    if (err)
        return err;
    n = n ? round_up(n, 8) : 8;
    if (align <= 8 && n <= ZM_WINDOW_MAX_ALLOC) {
        zm_window_t **slot = slot_of(a);
        void *p = window_take(__atomic_load_n(slot, __ATOMIC_ACQUIRE), n);
        if (!p)
            return zm_allocator_refill(a, slot, n, MAX_WINDOW, out);
        *out = p;
        return ZM_OK;
    }
    align = align < 8 ? 8 : align;
    chunk_t *c;
    piece_t p = {NULL, 0, 0};
    pthread_mutex_lock(&a->lock);
    err = chunk_for(a, n, align, &c);
    if (!err)
        p = carve(a, c, n, align);
    ZM__CHECK(zm__check_allocator(a, false));
    pthread_mutex_unlock(&a->lock);
    if (!err)
        *out = clear(p);
    return err;
}

void *zm_allocator_allocate_aligned(zm_allocator_t *a, size_t n, size_t align)
{
    void *p = NULL;
    zm_allocator_try_allocate(a, n, align, &p);
    return p;
}

void *zm_allocator_allocate(zm_allocator_t *a, size_t n)
{
    return zm_allocator_allocate_aligned(a, n, 8);
}

void *zm_allocator_copy(zm_allocator_t *a, const void *src, size_t n)
{
    void *p = zm_allocator_allocate(a, n);
    return p && n ? memcpy(p, src, n) : p;
}

void zm_allocator_reset(zm_allocator_t *a)
{
    ZM__CHECK(zm__check_allocator(a, true));
    for (chunk_t *c = a->first; c; c = c->next) {
        if (c->dirty < c->carved)
            c->dirty = c->carved;
        c->carved = c->idle = 0;
    }
    a->current = a->first;
    windows_end(a);
    ZM__CHECK(zm__check_allocator(a, true));
}

void zm_allocator_trim(zm_allocator_t *a, size_t max)
{
    ZM__CHECK(zm__check_allocator(a, true));
    chunk_t **at = &a->first, *last = NULL;
    bool current_stays = false;
    for (; *at && (*at)->size <= max; at = &(*at)->next) {
        last = *at;
        max -= last->size;
        current_stays = current_stays || last == a->current;
    }
    chunks_free(a, at);
    if (!current_stays)
        a->current = last;
    windows_end(a);
    ZM__CHECK(zm__check_allocator(a, true));
}

uint64_t zm_allocator_size(zm_allocator_t *a)
{
    uint64_t size = 0;
    pthread_mutex_lock(&a->lock);
    for (chunk_t *c = a->first; c; c = c->next)
        size += c->carved - c->idle;
    size -= a->idle;
    for (size_t i = 0; i < ZM_NUM_WINDOWS; i++) {
        const zm_window_t *w = __atomic_load_n(&a->windows[i], __ATOMIC_ACQUIRE);
        uint64_t used = __atomic_load_n(&w->used, __ATOMIC_RELAXED);
        size -= used < w->size ? w->size - used : 0;
    }
    pthread_mutex_unlock(&a->lock);
    return size;
}

void *zm_allocator_grown(zm_allocator_t *a, size_t *size)
{
    const chunk_t *c = NULL;
    if (__atomic_load_n(&a->grown, __ATOMIC_RELAXED)) {
        pthread_mutex_lock(&a->lock);
        c = a->grown;
        set_grown(a, NULL);
        pthread_mutex_unlock(&a->lock);
    }
    *size = c ? c->size : 0;
    return c ? c->base : NULL;
}

uint64_t zm_allocator_allocated(zm_allocator_t *a)
{
    pthread_mutex_lock(&a->lock);
    uint64_t n = a->allocated;
    pthread_mutex_unlock(&a->lock);
    return n;
}

/* ---- Cursors ----------------------------------------------------------------------------------
 */

void zm_cursor_open(zm_cursor_t *k, zm_allocator_t *a)
{
    *k = (zm_cursor_t){.allocator = a};
}

int zm_cursor_try_allocate(zm_cursor_t *k, size_t n, size_t align, void **out)
{
    int err = check(n, align);
    if (err)
        return err;
    size_t left = (size_t)k->left;
    n = n ? n : 1;
    if (n <= left) {
        size_t pad = (size_t)((uintptr_t)(k->base + (left - n)) & (align - 1));
        if (pad <= left - n) {
            k->left -= (ptrdiff_t)(n + pad);
            *out = k->base + k->left;
            return ZM_OK;
        }
    }
    if (n + align > ZM_WINDOW_MAX_ALLOC)
        return zm_allocator_try_allocate(k->allocator, n, align, out);
    piece_t p;
    pthread_mutex_lock(&k->allocator->lock);
    err = window_new(k->allocator, round_up(n + align, 8), MAX_CURSOR, &p);
    ZM__CHECK(zm__check_allocator(k->allocator, false));
    pthread_mutex_unlock(&k->allocator->lock);
    if (err)
        return err;
    zm_window_t *w = window_start(p);
    zm_cursor_close(k);
    k->base = (unsigned char *)(w + 1);
    k->left = (ptrdiff_t)(w->size - HEAD);
    return zm_cursor_try_allocate(k, n, align, out);
}

void *zm_cursor_allocate(zm_cursor_t *k, size_t n, size_t align)
{
    void *p = NULL;
    zm_cursor_try_allocate(k, n, align, &p);
    return p;
}

void zm_cursor_close(zm_cursor_t *k)
{
    if (k->left >= MIN_SPARE) {
        zm_window_t *w = (zm_window_t *)(void *)k->base - 1;
        ZM__CHECK(zm__check_cursor(k, w));
        *w = (zm_window_t){.used = HEAD, .size = (HEAD + (size_t)k->left) & ~(size_t)7};
        pthread_mutex_lock(&k->allocator->lock);
        window_keep(k->allocator, w);
        pthread_mutex_unlock(&k->allocator->lock);
    }
    k->left = 0;
}

/* ---- What is in Allocators, for leak.c ----------------------------------------------------------
 *
 * With refs_lock held no Allocator goes away, since it is hidden first; with its own, no chunk
 * does, and what is carved is clear.
 */

size_t zm__allocator_chunks(zm_leak_block_t *out, size_t cap)
{
    size_t n = 0;
    pthread_mutex_lock(&refs_lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (zm_allocator_t *a = refs[i]; a; a = a->ref_next) {
            pthread_mutex_lock(&a->lock);
            for (const chunk_t *c = a->site ? a->first : NULL; c; c = c->next, n++) {
                if (n < cap)
                    out[n] = (zm_leak_block_t){(uintptr_t)c->base, c->carved, a->site, a->ref, 0};
            }
            pthread_mutex_unlock(&a->lock);
        }
    }
    pthread_mutex_unlock(&refs_lock);
    return n;
}

bool zm__allocator_read(const zm_leak_block_t *chunk, size_t offset, void *out, size_t n)
{
    bool ok = false;
    pthread_mutex_lock(&refs_lock);
    zm_allocator_t *a = find(chunk->ref);
    if (a) {
        pthread_mutex_lock(&a->lock);
        const chunk_t *c = a->first;
        while (c && (uintptr_t)c->base != chunk->block)
            c = c->next;
        ok = c && offset <= c->carved && n <= c->carved - offset;
        if (ok)
            memcpy(out, c->base + offset, n);
        pthread_mutex_unlock(&a->lock);
    }
    pthread_mutex_unlock(&refs_lock);
    return ok;
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
void zm__check_hidden(const zm_allocator_t *a)
{
    ZM__MUST(zm_allocator_from(a->ref) != a, "Allocator %p waits in a pool, and has the ref %llu",
             (const void *)a, (unsigned long long)a->ref);
}

void zm__check_chunks(int64_t *bytes, int64_t *objects)
{
    pthread_mutex_lock(&refs_lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (zm_allocator_t *a = refs[i]; a; a = a->ref_next) {
            ZM__MUST(a->ref % BUCKETS == i, "Allocator %p with the ref %llu is in bucket %zu",
                     (void *)a, (unsigned long long)a->ref, i);
            if (!a->site)
                continue;
            *bytes += (int64_t)a->allocated;
            for (const chunk_t *c = a->first; c; c = c->next)
                ++*objects;
        }
    }
    pthread_mutex_unlock(&refs_lock);
}
#endif
