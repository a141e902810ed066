/* site.c: the stacks that allocated or freed, each with its tag, once, for ever.
 *
 * The leak tracker and the profile count at a site what it allocated. The table is in shards with a
 * lock each, in memory of our own that is not counted. A site never goes, and nothing in it but its
 * counters ever changes, so that whoever has a pointer to one needs no lock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unwind.h>

#include "zm_internal.h"

#define SHARDS 64   /* a power of two */
#define BUCKETS 256 /* of a shard; a power of two */

typedef struct site_shard {
    _Alignas(ZM__CACHE_LINE) pthread_mutex_t lock;
    zm_site_t *buckets[BUCKETS];
} site_shard_t;

static site_shard_t site_shards[SHARDS] = {
    [0 ... SHARDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};
static atomic_size_t num_sites, site_bytes;

void zm__site_locks(zm__lock_op_t *op)
{
    for (size_t i = 0; i < SHARDS; i++)
        op(&site_shards[i].lock);
}

typedef struct unwind {
    uintptr_t *pcs;
    size_t len;
} unwind_t;

static _Unwind_Reason_Code unwind_frame(struct _Unwind_Context *context, void *arg)
{
    unwind_t *u = arg;
    if (u->len == ZM_MAX_STACK)
        return _URC_END_OF_STACK;
    u->pcs[u->len++] = _Unwind_GetIP(context);
    return _URC_NO_REASON;
}

const uintptr_t *zm_site_pcs(const zm_site_t *site)
{
    return (const uintptr_t *)(site + 1);
}

const char *zm_site_tag(const zm_site_t *site)
{
    return (const char *)(zm_site_pcs(site) + site->npcs);
}

/* Not inlined, so that the frames above an allocation can be counted. */
#define FRAME __attribute__((noinline))

/* The stack from here on, innermost first. */
FRAME static size_t unwind(uintptr_t pcs[ZM_MAX_STACK])
{
    unwind_t u = {.pcs = pcs, .len = 0};
    _Unwind_Backtrace(unwind_frame, &u);
    return u.len;
}

static uint64_t hash_of(const char *tag, size_t ntag, const uintptr_t *pcs, size_t npcs)
{
    uint64_t hash = npcs;
    for (size_t i = 0; i < npcs; i++)
        hash = zm__mix(hash ^ pcs[i]);
    for (size_t i = 0; i < ntag; i++)
        hash = zm__mix(hash ^ (unsigned char)tag[i]);
    return hash;
}

static bool site_is(const zm_site_t *s, uint64_t hash, const char *tag, size_t ntag,
                    const uintptr_t *pcs, size_t npcs)
{
    return s->hash == hash && s->npcs == npcs && s->ntag == ntag &&
           memcmp(zm_site_pcs(s), pcs, npcs * sizeof *pcs) == 0 &&
           (ntag == 0 || memcmp(zm_site_tag(s), tag, ntag) == 0);
}

#ifdef ZM_CHECK
static void check_bucket(const zm_site_t *s, zm_site_t *const *bucket);
#endif

FRAME zm_site_t *zm_site_of(const char *tag, size_t ntag, const uintptr_t *pcs, size_t npcs)
{
    uintptr_t own[ZM_MAX_STACK];
    if (npcs == 0) {
        size_t len = unwind(own);
        size_t skip = len > 2 ? 2 : 0; /* unwind and this function */
        pcs = own + skip;
        npcs = len - skip;
    }
    if (npcs > ZM_MAX_STACK)
        npcs = ZM_MAX_STACK;
    if (ntag > ZM_MAX_TAG)
        ntag = ZM_MAX_TAG;
    uint64_t hash = hash_of(tag, ntag, pcs, npcs);
    site_shard_t *shard = &site_shards[hash % SHARDS];
    zm_site_t **bucket = &shard->buckets[hash / SHARDS % BUCKETS];
    pthread_mutex_lock(&shard->lock);
    zm_site_t *s = *bucket;
    while (s && !site_is(s, hash, tag, ntag, pcs, npcs))
        s = s->next;
    ZM__CHECK(check_bucket(*bucket, bucket));
    size_t size = sizeof *s + npcs * sizeof *pcs + ntag;
    if (!s && atomic_load_explicit(&num_sites, memory_order_relaxed) < zm__max_sites &&
        (s = zm__meta_calloc(size))) {
        atomic_fetch_add_explicit(&num_sites, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&site_bytes, size, memory_order_relaxed);
        s->next = *bucket;
        s->hash = hash;
        s->npcs = (uint32_t)npcs;
        s->ntag = (uint32_t)ntag;
        uintptr_t *kept = (uintptr_t *)(s + 1);
        memcpy(kept, pcs, npcs * sizeof *pcs);
        if (ntag)
            memcpy(kept + npcs, tag, ntag);
        *bucket = s;
    }
    pthread_mutex_unlock(&shard->lock);
    return s;
}

void zm_site_set_text(zm_site_t *site, const char *text, size_t n)
{
    if (__atomic_load_n(&site->text, __ATOMIC_ACQUIRE))
        return;
    char *copy = zm__meta_calloc(n + 1);
    if (!copy)
        return;
    memcpy(copy, text, n);
    const char *none = NULL;
    if (__atomic_compare_exchange_n(&site->text, &none, copy, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        atomic_fetch_add_explicit(&site_bytes, n + 1, memory_order_relaxed);
    else
        zm__meta_free(copy);
}

void zm__site_each(void (*f)(const zm_site_t *site, void *arg), void *arg)
{
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&site_shards[i].lock);
        for (size_t j = 0; j < BUCKETS; j++) {
            for (zm_site_t *s = site_shards[i].buckets[j]; s; s = s->next)
                f(s, arg);
        }
        pthread_mutex_unlock(&site_shards[i].lock);
    }
}

void zm__site_memory(uint64_t *sites, uint64_t *bytes)
{
    *sites = atomic_load_explicit(&num_sites, memory_order_relaxed);
    *bytes = atomic_load_explicit(&site_bytes, memory_order_relaxed);
}

typedef struct lister {
    zm_profile_site_t *out;
    size_t cap;
    size_t n;
} lister_t;

static void list(const zm_site_t *s, void *arg)
{
    lister_t *l = arg;
    zm_profile_site_t site = {
        .site = s,
        .alloc_bytes = __atomic_load_n(&s->alloc_bytes, __ATOMIC_RELAXED),
        .alloc_objects = __atomic_load_n(&s->alloc_objects, __ATOMIC_RELAXED),
        .live_bytes = __atomic_load_n(&s->live_bytes, __ATOMIC_RELAXED),
        .live_objects = __atomic_load_n(&s->live_objects, __ATOMIC_RELAXED),
    };
    if (site.alloc_objects != 0 && l->n++ < l->cap)
        l->out[l->n - 1] = site;
}

size_t zm_profile_sites(zm_profile_site_t *out, size_t cap)
{
    lister_t l = {out, cap, 0};
    zm__site_each(list, &l);
    return l.n;
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
/* The sites from s on stand in that bucket; its shard's lock is held. */
static void check_bucket(const zm_site_t *s, zm_site_t *const *bucket)
{
    for (; s; s = s->next) {
        ZM__MUST(s->npcs <= ZM_MAX_STACK && s->ntag <= ZM_MAX_TAG,
                 "site %p has %u return addresses and %u bytes of tag", (const void *)s, s->npcs,
                 s->ntag);
        uint64_t hash = hash_of(zm_site_tag(s), s->ntag, zm_site_pcs(s), s->npcs);
        ZM__MUST(s->hash == hash, "site %p has the hash %#llx, its stack and tag %#llx",
                 (const void *)s, (unsigned long long)s->hash, (unsigned long long)hash);
        ZM__MUST(&site_shards[hash % SHARDS].buckets[hash / SHARDS % BUCKETS] == bucket,
                 "site %p is in another bucket than its hash %#llx says", (const void *)s,
                 (unsigned long long)hash);
        int64_t bytes = __atomic_load_n(&s->live_bytes, __ATOMIC_RELAXED);
        int64_t objects = __atomic_load_n(&s->live_objects, __ATOMIC_RELAXED);
        ZM__MUST(bytes >= 0 && objects >= 0, "site %p has %lld bytes live in %lld blocks",
                 (const void *)s, (long long)bytes, (long long)objects);
    }
}

void zm__check_sites(bool at_rest, int64_t *bytes, int64_t *objects)
{
    size_t n = 0;
    *bytes = *objects = 0;
    for (site_shard_t *shard = site_shards; shard < site_shards + SHARDS; shard++) {
        pthread_mutex_lock(&shard->lock);
        for (size_t i = 0; i < BUCKETS; i++) {
            check_bucket(shard->buckets[i], &shard->buckets[i]);
            for (const zm_site_t *s = shard->buckets[i]; s; s = s->next, n++) {
                *bytes += __atomic_load_n(&s->live_bytes, __ATOMIC_RELAXED);
                *objects += __atomic_load_n(&s->live_objects, __ATOMIC_RELAXED);
            }
        }
        pthread_mutex_unlock(&shard->lock);
    }
    ZM__MUST(!at_rest || n == atomic_load(&num_sites), "there are %zu sites, num_sites is %zu", n,
             atomic_load(&num_sites));
}
#endif
