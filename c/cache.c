/* cache.c: blocks for one thread at a time, without a lock, an atomic or a call into the backend.
 *
 * A cache has a shelf of two magazines for each size class. Allocating takes a block from the
 * loaded one, freeing puts one there; where that cannot be, the two change places; where that does
 * not help either, one is exchanged at the depot.
 *
 * Whoever uses a cache owns it for that while. The Go package has one for each P and does by
 * itself what zm_cache_calloc and zm_cache_free do here; only the calls to the depot come to C.
 * Caches are in one list, which only grows, so that their counters can be summed up at any time.
 */
#include <stdatomic.h>
#include <string.h>

#include "zm_internal.h"

/* A cache begins at a multiple of this, so that its lines stand where zm_layout.h wants them in
 * their pages.
 */
#define CACHE_ALIGN 2048
_Static_assert(sizeof(zm_cache_t) <= CACHE_ALIGN, "a cache reaches into another's place");

static _Atomic(zm_cache_t *) caches;

/* Counters have one writer at a time, and readers at any time. */
static uint64_t load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

int zm_cache_new(zm_cache_t **out)
{
    if (!zm__backend())
        return ZM_EBACKEND;
    zm_cache_t *k = zm__meta_calloc_aligned(sizeof *k, CACHE_ALIGN);
    if (!k)
        return ZM_ENOMEM;
    for (size_t i = 0; i < ZM_NUM_CLASSES; i++)
        k->shelves[i] = (zm_shelf_t){.loaded = &zm_no_magazine, .previous = &zm_no_magazine};
    k->next = atomic_load_explicit(&caches, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&caches, &k->next, k, memory_order_release,
                                                  memory_order_relaxed))
        ;
    *out = k;
    return ZM_OK;
}

/* A shelf's lengths are read by zm_num_cached_bytes, at any time. */
static void set(uint32_t *len, uint32_t n)
{
    __atomic_store_n(len, n, __ATOMIC_RELAXED);
}

/* Puts m in the place of the loaded magazine, and returns that, whose length is right again. */
static zm_magazine_t *exchange(zm_shelf_t *s, zm_magazine_t *m)
{
    zm_magazine_t *unloaded = s->loaded;
    if (unloaded != &zm_no_magazine)
        unloaded->len = s->len;
    s->loaded = m;
    set(&s->len, m->len);
    s->cap = m->cap;
    return unloaded;
}

static void set_previous(zm_shelf_t *s, zm_magazine_t *m)
{
    s->previous = m;
    set(&s->previous_len, m->len);
}

static void swap(zm_shelf_t *s)
{
    set_previous(s, exchange(s, s->previous));
}

static bool sample_due(const zm_cache_t *k, size_t n)
{
    return k->allocated_bytes + n >= load(&k->sample_at);
}

static bool guard_due(const zm_cache_t *k)
{
    return k->allocated_objects >= load(&k->guard_at);
}

/* A block that is sampled or guarded, where its turn has come. */
static void *sampled(zm_cache_t *k, size_t n)
{
    uint64_t rate = sample_due(k, n) ? zm__profile_due(k) : 0;
    bool guarded = guard_due(k) && zm__guard_due(k);
    if (rate == 0 && !guarded)
        return NULL;
    zm_site_t *site = zm_site_of(NULL, 0, NULL, 0);
    void *p = guarded ? zm_guard_calloc(n, rate, site) : NULL;
    return p || rate == 0 ? p : zm_profile_calloc(n, 0, rate, site);
}

void *zm_cache_calloc(zm_cache_t *k, size_t n)
{
    if (n > ZM_SMALL_MAX)
        return zm_calloc(n);
    if (sample_due(k, n) || guard_due(k)) {
        void *p = sampled(k, n);
        if (p)
            return p;
    }
    unsigned cls = zm__class_of(n);
    zm_shelf_t *s = &k->shelves[cls];
    if (s->len == 0)
        swap(s);
    if (s->len == 0) {
        ZM__CHECK(zm__check_shelf(cls, s));
        zm_magazine_t *m = zm_depot_full(cls, exchange(s, &zm_no_magazine));
        if (!m)
            return NULL;
        exchange(s, m);
        ZM__CHECK(zm__check_shelf(cls, s));
    }
    void *p = zm__blocks(s->loaded)[s->len - 1];
    set(&s->len, s->len - 1);
    add(&k->allocated_bytes, n);
    add(&k->allocated_objects, 1);
    zm__unpoison(p, n);
    return memset(p, 0, n);
}

void zm_cache_free(zm_cache_t *k, void *p, size_t n)
{
    if (!p)
        return;
    if (n > ZM_SMALL_MAX || zm__is_sampled(p)) {
        zm_free(p, n);
        return;
    }
    unsigned cls = zm__class_of(n);
    zm_shelf_t *s = &k->shelves[cls];
    if (s->len == s->cap)
        swap(s);
    if (s->len == s->cap) {
        ZM__CHECK(zm__check_shelf(cls, s));
        zm_magazine_t *m = zm_depot_empty(cls, exchange(s, &zm_no_magazine));
        if (!m) {
            zm_free(p, n);
            return;
        }
        exchange(s, m);
        ZM__CHECK(zm__check_shelf(cls, s));
    }
    zm__poison(p, n); /* the rest of it still is */
    zm__blocks(s->loaded)[s->len] = p;
    set(&s->len, s->len + 1);
    add(&k->freed_bytes, n);
    add(&k->freed_objects, 1);
}

void zm_cache_drain(zm_cache_t *k)
{
    ZM__CHECK(zm__check_cache(k));
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        zm_shelf_t *s = &k->shelves[cls];
        zm__depot_put_idle(cls, exchange(s, &zm_no_magazine));
        zm__depot_put_idle(cls, s->previous);
        set_previous(s, &zm_no_magazine);
    }
    ZM__CHECK(zm__check_cache(k));
}

bool zm_cache_idle(zm_cache_t *k)
{
    uint64_t now = load(&k->allocated_objects) + load(&k->freed_objects);
    bool idle = k->seen == now;
    k->seen = now;
    return idle;
}

void zm__cache_sample_anew(void)
{
    for (zm_cache_t *k = atomic_load(&caches); k; k = k->next)
        __atomic_store_n(&k->sample_at, 0, __ATOMIC_SEQ_CST);
}

void zm__cache_guard_anew(void)
{
    for (zm_cache_t *k = atomic_load(&caches); k; k = k->next)
        __atomic_store_n(&k->guard_at, 0, __ATOMIC_SEQ_CST);
}

void zm__cache_counts(uint64_t *bytes, uint64_t *objects)
{
    *bytes = *objects = 0;
    for (zm_cache_t *k = atomic_load_explicit(&caches, memory_order_acquire); k; k = k->next) {
        *bytes += load(&k->allocated_bytes) - load(&k->freed_bytes);
        *objects += load(&k->allocated_objects) - load(&k->freed_objects);
    }
}

int64_t zm_num_cached_bytes(void)
{
    uint64_t bytes = 0;
    for (zm_cache_t *k = atomic_load_explicit(&caches, memory_order_acquire); k; k = k->next) {
        for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
            const zm_shelf_t *s = &k->shelves[cls];
            uint64_t len = __atomic_load_n(&s->len, __ATOMIC_RELAXED);
            len += __atomic_load_n(&s->previous_len, __ATOMIC_RELAXED);
            bytes += len * zm__class_size(cls);
        }
    }
    return (int64_t)bytes;
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
uint64_t zm__check_cache(zm_cache_t *k)
{
    uint64_t parked = 0, calls = load(&k->allocated_objects) + load(&k->freed_objects);
    ZM__MUST((uintptr_t)k % CACHE_ALIGN == 0, "cache %p is not at a multiple of %d", (void *)k,
             CACHE_ALIGN);
    ZM__MUST(k->seen <= calls, "cache %p: idle saw %llu calls, there were %llu", (void *)k,
             (unsigned long long)k->seen, (unsigned long long)calls);
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        const zm_shelf_t *s = &k->shelves[cls];
        zm__check_shelf(cls, s);
        parked += (s->len + (uint64_t)s->previous->len) * zm__class_size(cls);
    }
    return parked;
}

uint64_t zm__check_caches(void)
{
    uint64_t parked = 0;
    for (zm_cache_t *k = atomic_load(&caches); k; k = k->next)
        parked += zm__check_cache(k);
    return parked;
}
#endif
