/* alloc.c: blocks in and out, and the count of what is out.
 *
 * Every block comes from here: small ones with the whole size of their class, others as asked. No
 * lock is taken; limit.c has one counter for all threads; those of what is out are in shards, one
 * cache line each, to which threads are dealt in turn, so that threads that allocate at once seldom
 * write to the same line.
 */
#include <stdatomic.h>
#include <string.h>

#include "zm_internal.h"

#define SHARDS 64 /* a power of two */

typedef struct shard {
    _Alignas(ZM__CACHE_LINE) _Atomic int64_t bytes;
    _Atomic int64_t objects;
} shard_t;

static shard_t shards[SHARDS];

unsigned zm__thread(void)
{
    static atomic_uint threads;
    static _Thread_local unsigned number; /* + 1; 0: none yet */
    if (number == 0)
        number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    return number - 1;
}

/* In this thread's shard. */
void zm__count(uint64_t bytes, uint64_t objects)
{
    shard_t *s = &shards[zm__thread() % SHARDS];
    atomic_fetch_add_explicit(&s->bytes, (int64_t)bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->objects, (int64_t)objects, memory_order_relaxed);
}

/* Files are few and slow: one counter does. */
static _Atomic int64_t file_bytes;

void zm__count_file(int64_t bytes)
{
    atomic_fetch_add_explicit(&file_bytes, bytes, memory_order_relaxed);
}

int64_t zm_num_file_bytes(void)
{
    return atomic_load_explicit(&file_bytes, memory_order_relaxed);
}

/* The sums over shards and caches; unsigned, since a wrong size given to zm_free may make them wrap
 * around.
 */
static void sum(uint64_t *bytes, uint64_t *objects)
{
    zm__cache_counts(bytes, objects);
    for (size_t i = 0; i < SHARDS; i++) {
        *bytes += (uint64_t)atomic_load_explicit(&shards[i].bytes, memory_order_relaxed);
        *objects += (uint64_t)atomic_load_explicit(&shards[i].objects, memory_order_relaxed);
    }
}

int64_t zm_num_alloc_bytes(void)
{
    uint64_t bytes, objects;
    sum(&bytes, &objects);
    return (int64_t)bytes;
}

int64_t zm_num_allocs(void)
{
    uint64_t bytes, objects;
    sum(&bytes, &objects);
    return (int64_t)objects;
}

/* What to ask the backend for, so that n bytes fit. */
static size_t reserve_size(size_t n)
{
    return n <= ZM_SMALL_MAX ? zm__class_size(zm__class_of(n)) : n;
}

static size_t min_align(size_t n)
{
    return n <= 8 ? 8 : 16;
}

int zm_try_calloc(size_t n, size_t align, void **out)
{
    const zm__backend_t *b = zm__backend();
    if (!b)
        return zm_init();
    if (align > ZM_MAX_ALIGN || (align & (align - 1)))
        return ZM_EINVAL;
    if (n > ZM_MAX_SIZE)
        return ZM_ENOMEM;
    align = align > min_align(n) ? align : min_align(n);
    size_t size = reserve_size(n);
    if (!zm__charge(size))
        return ZM_ELIMIT;
    void *p = b->calloc(size, align);
    if (!p && zm_depot_trim(true))
        p = b->calloc(size, align);
    if (!p) {
        zm__uncharge(size);
        return ZM_ENOMEM;
    }
    zm__count(n, 1);
    *out = p;
    return ZM_OK;
}

void *zm_calloc_aligned(size_t n, size_t align)
{
    void *p = NULL;
    if (align > 0)
        zm_try_calloc(n, align, &p);
    return p;
}

void *zm_calloc(size_t n)
{
    void *p = NULL;
    zm_try_calloc(n, 0, &p);
    return p;
}

void zm_free(void *p, size_t n)
{
    const zm__backend_t *b = zm__backend();
    if (!p || !b)
        return;
    if (zm__is_sampled(p)) {
        if (zm__profile_free(p))
            zm__count(0 - (uint64_t)n, 0 - (uint64_t)1);
        return;
    }
    if (n > ZM_SMALL_MAX)
        zm_profile_remove(p);
    zm__count(0 - (uint64_t)n, 0 - (uint64_t)1);
    zm__unpoison_blocks(&p, 1);
    b->free(p);
    zm__uncharge(reserve_size(n));
}

int zm__alloc_batch(size_t n, void **out, size_t len)
{
    const zm__backend_t *b = zm__backend();
    if (!b)
        return zm_init();
    if (n > ZM_MAX_SIZE)
        return ZM_ENOMEM;
    size_t size = reserve_size(n);
    if (len > ZM_MAX_SIZE / size)
        return ZM_ENOMEM;
    if (zm__charge_some(size, len, len) < len)
        return ZM_ELIMIT;
    size_t got = b->fill(size, out, len);
    if (got < len && zm_depot_trim(true))
        got += b->fill(size, out + got, len - got);
    if (got < len) {
        b->flush(out, got);
        zm__uncharge(size * len);
        return ZM_ENOMEM;
    }
    zm__count((uint64_t)n * len, len);
    return ZM_OK;
}

int zm_calloc_batch(size_t n, void **out, size_t len)
{
    int err = zm__alloc_batch(n, out, len);
    for (size_t i = 0; i < len && err == ZM_OK; i++)
        memset(out[i], 0, n);
    return err;
}

/* Whether zm_free does not pass p on to the backend. */
static bool is_own(const void *p)
{
    return !p || zm__is_sampled(p);
}

void zm_free_batch(void *const *blocks, size_t n, size_t len)
{
    const zm__backend_t *b = zm__backend();
    size_t freed = 0;
    for (size_t i = 0, run; b && i < len; i += run + 1) { /* a run of blocks, then another kind */
        for (run = 0; i + run < len && !is_own(blocks[i + run]); run++) {
            if (n > ZM_SMALL_MAX)
                zm_profile_remove(blocks[i + run]);
        }
        if (i + run < len)
            zm_free(blocks[i + run], n);
        zm__unpoison_blocks(blocks + i, run);
        b->flush(blocks + i, run);
        freed += run;
    }
    if (freed) {
        zm__count(0 - (uint64_t)n * freed, 0 - (uint64_t)freed);
        zm__uncharge(reserve_size(n) * freed);
    }
}

size_t zm_good_size(size_t n)
{
    const zm__backend_t *b = zm__backend();
    if (!b || n > ZM_MAX_SIZE)
        return n;
    size_t good = n <= ZM_SMALL_MAX ? reserve_size(n) : b->good_size(n);
    return good <= ZM_MAX_SIZE ? good : n;
}

size_t zm_usable_size(const void *p)
{
    const zm__backend_t *b = zm__backend();
    if (zm__is_sampled(p))
        return zm__sampled_usable_size(p);
    return p && b ? b->usable_size(p) : 0;
}

int zm_memstats(zm_memstats_t *out)
{
    const zm__backend_t *b = zm__backend();
    zm_memstats_t s = {0};
    int err = b ? b->stats(&s) : zm_init();
    if (err == ZM_OK)
        *out = s;
    return err;
}

int zm_stats_text(char **text)
{
    const zm__backend_t *b = zm__backend();
    return b ? b->text(text) : zm_init();
}

void zm_text_free(char *text)
{
    zm__meta_free(text);
}

bool zm_return_idle(void)
{
    const zm__backend_t *b = zm__backend();
    return b && b->decay();
}

int zm_return_memory(void)
{
    const zm__backend_t *b = zm__backend();
    if (!b)
        return zm_init();
    zm_depot_trim(true);
    return b->purge();
}
