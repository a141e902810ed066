//go:build !leak

/* profile.c: who allocated, estimated from samples.
 *
 * Sampling is a Poisson process over the bytes that are allocated: from one sample to the next it
 * is exponentially far, `rate` bytes on average, and a block is sampled where an event falls inside
 * it. A cache counts the bytes up to the next event by itself (sample_at); for blocks that come one
 * by one through C a random number says whether there is one. A sample of n bytes stands for 1/(1 -
 * exp(-n/rate)) blocks, by the rate at which it was taken, rounded at random so that sums are whole
 * numbers and still unbiased.
 *
 * A sampled block has a record, in shards with a lock each, as in leak.c. Small blocks with one lie
 * in a range of their own (sampled.c). For larger ones whoever frees asks, as long as there are
 * any.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "zm_internal.h"

#define MAX_RECORDS ((size_t)1 << 14) /* of a shard; 64 MiB in all */

const size_t zm__max_sites = (size_t)1 << 16; /* 41 MiB */

typedef struct shard {
    _Alignas(ZM__CACHE_LINE) pthread_mutex_t lock;
    zm__records_t records;
} shard_t;

static shard_t shards[ZM__SHARDS] = {
    [0 ... ZM__SHARDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};

static _Atomic uint64_t current_rate;
static atomic_size_t num_outside; /* records of blocks that are not in the range of sampled.c */
static atomic_uint_fast64_t dropped, crowded;

void zm__profile_locks(zm__lock_op_t *op)
{
    for (size_t i = 0; i < ZM__SHARDS; i++)
        op(&shards[i].lock);
}

static shard_t *shard_of(uintptr_t block)
{
    return &shards[zm__mix(block) % ZM__SHARDS];
}

/* ---- Chance -------------------------------------------------------------------------------- */

double zm__chance(void)
{
    static atomic_uint_fast64_t seed;
    static _Thread_local uint64_t state;
    if (state == 0)
        state = zm__mix((uintptr_t)&state ^ atomic_fetch_add(&seed, 0x9e3779b97f4a7c15ULL));
    state += 0x9e3779b97f4a7c15ULL;
    return (double)((zm__mix(state) >> 11) + 1) * 0x1p-53;
}

/* The probability that an allocation of n bytes, at least one, is sampled. */
static double probability(size_t n, uint64_t rate)
{
    return rate == 1 ? 1 : -expm1(-(double)n / (double)rate);
}

/* How many blocks a sample of n bytes stands for. */
static uint64_t weight_of(size_t n, uint64_t rate)
{
    double weight = 1 / probability(n, rate);
    double whole = floor(weight);
    return (uint64_t)whole + (zm__chance() <= weight - whole);
}

int zm_profile_set_rate(uint64_t bytes)
{
    if (bytes > ZM_MAX_SIZE)
        return ZM_EINVAL;
    if (bytes > 0 && !zm__sampled_reserve())
        return ZM_ENOMEM;
    atomic_store(&current_rate, bytes);
    zm__cache_sample_anew();
    return ZM_OK;
}

uint64_t zm_profile_rate(void)
{
    return atomic_load(&current_rate);
}

void zm_profile_range(uintptr_t *base, size_t *size)
{
    *size = __atomic_load_n(&zm__sampled.size, __ATOMIC_ACQUIRE);
    *base = zm__sampled.base;
}

uint64_t zm__profile_due(zm_cache_t *k)
{
    /* zm_profile_set_rate writes the rate and then 0 to sample_at, which must not be undone with a
     * sample_at that comes from the old rate. */
    uint64_t at = __atomic_load_n(&k->sample_at, __ATOMIC_SEQ_CST);
    uint64_t rate = zm_profile_rate(), next = 0; /* as soon as possible, where the rate is 1 */
    if (rate == 0)
        next = UINT64_MAX;
    else if (rate > 1)
        next = k->allocated_bytes + (uint64_t)ceil(-log(zm__chance()) * (double)rate);
    __atomic_compare_exchange_n(&k->sample_at, &at, next, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    return at > 0 || rate == 1 ? rate : 0;
}

/* ---- Records ------------------------------------------------------------------------------- */

static void count(const zm__record_t *r, int64_t sign)
{
    int64_t objects = sign * (int64_t)r->weight;
    zm__site_count(r->alloc_site, objects * (int64_t)r->size, objects);
}

/* Takes out the record of a block, if it has one. A lock is held. */
static bool take_out(shard_t *shard, uintptr_t block)
{
    const zm__record_t *r = zm__record_find(&shard->records, block);
    if (!r || !r->block)
        return false;
    count(r, -1);
    zm__record_remove(&shard->records, r);
    return true;
}

bool zm__profile_remember(const void *p, size_t n, uint64_t rate, zm_site_t *site)
{
    zm__record_t r = {(uintptr_t)p, n, site, weight_of(n, rate)};
    shard_t *shard = shard_of(r.block);
    pthread_mutex_lock(&shard->lock);
    /* A large block that was freed with a small size has left its record behind. */
    if (take_out(shard, r.block))
        atomic_fetch_sub(&num_outside, 1);
    bool ok = shard->records.len < MAX_RECORDS && zm__record_add(&shard->records, r);
    if (ok) {
        if (!zm__is_sampled(p))
            atomic_fetch_add(&num_outside, 1);
        count(&r, 1);
    } else {
        atomic_fetch_add(&dropped, 1);
    }
    pthread_mutex_unlock(&shard->lock);
    return ok;
}

bool zm__profile_forget(const void *p)
{
    shard_t *shard = shard_of((uintptr_t)p);
    pthread_mutex_lock(&shard->lock);
    bool known = take_out(shard, (uintptr_t)p);
    pthread_mutex_unlock(&shard->lock);
    return known;
}

bool zm__profile_take(const void *p, zm__record_t *out)
{
    if (atomic_load_explicit(&num_outside, memory_order_relaxed) == 0)
        return false;
    shard_t *shard = shard_of((uintptr_t)p);
    pthread_mutex_lock(&shard->lock);
    const zm__record_t *r = zm__record_find(&shard->records, (uintptr_t)p);
    bool known = r && r->block;
    if (known) {
        *out = *r;
        zm__record_remove(&shard->records, r);
    }
    pthread_mutex_unlock(&shard->lock);
    return known;
}

void zm__profile_put(const zm__record_t *r, bool freed)
{
    shard_t *shard = shard_of(r->block);
    pthread_mutex_lock(&shard->lock);
    if (freed || !zm__record_add(&shard->records, *r)) {
        count(r, -1);
        atomic_fetch_sub(&num_outside, 1);
        if (!freed)
            atomic_fetch_add(&dropped, 1);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* Whether a sample of n bytes is to be remembered; it is counted as dropped where it has no site.
 */
static bool has_site(size_t n, uint64_t rate, const zm_site_t *site)
{
    if (n == 0 || rate == 0)
        return false;
    if (!site)
        atomic_fetch_add(&dropped, 1);
    return site;
}

/* ---- Blocks -------------------------------------------------------------------------------- */

static void *calloc_small(size_t n, size_t align, uint64_t rate, zm_site_t *site)
{
    void *p = align <= ZM_SMALL_MAX ? zm__sampled_calloc(n, align) : NULL;
    if (!p) {
        atomic_fetch_add(&crowded, 1);
        return NULL;
    }
    if (!zm__profile_remember(p, n, rate, site)) {
        zm__sampled_free(p);
        return NULL;
    }
    zm__count(n, 1);
    return p;
}

void *zm_profile_calloc(size_t n, size_t align, uint64_t rate, zm_site_t *site)
{
    if (n > ZM_MAX_SIZE || (align & (align - 1)) || !has_site(n, rate, site))
        return NULL;
    if (n <= ZM_SMALL_MAX)
        return calloc_small(n, align, rate, site);
    void *p = align ? zm_calloc_aligned(n, align) : zm_calloc(n);
    if (p)
        (void)zm__profile_remember(p, n, rate, site);
    return p;
}

void zm_profile_add(const void *p, size_t n, uint64_t rate, zm_site_t *site)
{
    if (has_site(n, rate, site))
        (void)zm__profile_remember(p, n, rate, site);
}

void zm_profile_remove(const void *p)
{
    if (atomic_load_explicit(&num_outside, memory_order_relaxed) > 0 && zm__profile_forget(p))
        atomic_fetch_sub(&num_outside, 1);
}

bool zm__profile_free(void *p)
{
    if (zm__is_guarded(p))
        return zm__guard_free(p, NULL);
    if (!zm__profile_forget(p))
        return false;
    zm__sampled_free(p);
    return true;
}

void zm_profile_stats(zm_profile_stats_t *out)
{
    *out = (zm_profile_stats_t){.dropped = atomic_load(&dropped), .crowded = atomic_load(&crowded)};
    zm__site_memory(&out->sites, &out->bytes);
    for (size_t i = 0; i < ZM__SHARDS; i++) {
        shard_t *shard = &shards[i];
        pthread_mutex_lock(&shard->lock);
        out->records += shard->records.len;
        out->bytes += shard->records.cap * sizeof(zm__record_t);
        pthread_mutex_unlock(&shard->lock);
    }
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
uint64_t zm__check_tracked(bool at_rest)
{
    size_t outside = 0;
    for (size_t i = 0; i < ZM__SHARDS; i++) {
        pthread_mutex_lock(&shards[i].lock);
        const zm__records_t *t = &shards[i].records;
        zm__check_records(t);
        ZM__MUST(t->len <= MAX_RECORDS, "shard %zu of the profile has %zu records, at most %zu", i,
                 t->len, MAX_RECORDS);
        for (size_t j = 0; j < t->cap; j++) {
            const zm__record_t *r = &t->table[j];
            ZM__MUST(!r->block || shard_of(r->block) == &shards[i],
                     "the record of block %#zx is in shard %zu of the profile", (size_t)r->block,
                     i);
            outside += r->block && !zm__is_sampled((const void *)r->block);
        }
        pthread_mutex_unlock(&shards[i].lock);
    }
    ZM__MUST(!at_rest || outside == atomic_load(&num_outside),
             "%zu records are of blocks outside of the range, num_outside is %zu", outside,
             atomic_load(&num_outside));
    return zm__check_guards();
}

zm__records_t *zm__check_records_of(const void *block)
{
    return &shard_of((uintptr_t)block)->records;
}
#endif
