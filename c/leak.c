//go:build leak

/* leak.c: who allocated every live block.
 *
 * Two tables, both in shards with a lock each, both in memory of our own that is not counted:
 *
 *   sites    every different stack (with its tag) that has allocated or freed, once, for ever.
 *            A site counts the live blocks that it allocated.
 *   records  every live block: its size and the site that allocated it; found by address. Beside
 *            them, a ring of the blocks freed last, which turns a double free into two stacks.
 *
 * A block's record is removed before the block is freed: once the backend has it back, another
 * thread may be given the same address, and its record must not be the one that we remove.
 *
 * Locking: one lock is held at a time, and none while the backend is asked for a block.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unwind.h>

#include "zm_internal.h"

#define SHARDS 64    /* of each table; a power of two */
#define BUCKETS 256  /* of a shard of sites; a power of two */
#define FREED 256    /* blocks freed last that a shard of records remembers */
#define FIRST_CAP 64 /* records that a shard has room for at first; a power of two */

/* Spreads a word over all bits (the finalizer of Austin Appleby's MurmurHash3). */
static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
}

/* ---- Sites --------------------------------------------------------------------------------- */

typedef struct site_shard {
    _Alignas(ZM__CACHE_LINE) pthread_mutex_t lock;
    zm_site_t *buckets[BUCKETS];
} site_shard_t;

/* A record of a block, live or freed. */
typedef struct record {
    uintptr_t block; /* 0: none */
    uint64_t size;
    zm_site_t *alloc_site;
} record_t;

typedef struct freed {
    record_t record;
    zm_site_t *free_site; /* NULL where there was no memory for it */
} freed_t;

typedef struct record_shard {
    _Alignas(ZM__CACHE_LINE) pthread_mutex_t lock;
    record_t *table; /* open addressing, linear probing */
    size_t cap;      /* a power of two, or 0 */
    size_t len;
    freed_t freed[FREED]; /* a ring */
    size_t nfreed;        /* ever written to it */
} record_shard_t;

static site_shard_t site_shards[SHARDS];
static record_shard_t record_shards[SHARDS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_locks(void)
{
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&site_shards[i].lock, NULL);
        pthread_mutex_init(&record_shards[i].lock, NULL);
    }
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

static bool site_is(const zm_site_t *s, uint64_t hash, const char *tag, size_t ntag,
                    const uintptr_t *pcs, size_t npcs)
{
    return s->hash == hash && s->npcs == npcs && s->ntag == ntag &&
           memcmp(zm_site_pcs(s), pcs, npcs * sizeof *pcs) == 0 &&
           (ntag == 0 || memcmp(zm_site_tag(s), tag, ntag) == 0);
}

/* The site of this stack and tag, made if it is new; NULL when out of memory. */
FRAME static zm_site_t *site_of(const char *tag, size_t ntag, const uintptr_t *pcs, size_t npcs)
{
    uintptr_t own[ZM_MAX_STACK];
    if (npcs == 0) {
        size_t len = unwind(own);
        size_t skip = len > 3 ? 3 : 0; /* unwind, this function and the one of zmem.h */
        pcs = own + skip;
        npcs = len - skip;
    }
    if (npcs > ZM_MAX_STACK)
        npcs = ZM_MAX_STACK;
    if (ntag > ZM_MAX_TAG)
        ntag = ZM_MAX_TAG;
    uint64_t hash = npcs;
    for (size_t i = 0; i < npcs; i++)
        hash = mix(hash ^ pcs[i]);
    for (size_t i = 0; i < ntag; i++)
        hash = mix(hash ^ (unsigned char)tag[i]);

    site_shard_t *shard = &site_shards[hash % SHARDS];
    zm_site_t **bucket = &shard->buckets[hash / SHARDS % BUCKETS];
    pthread_mutex_lock(&shard->lock);
    zm_site_t *s = *bucket;
    while (s && !site_is(s, hash, tag, ntag, pcs, npcs))
        s = s->next;
    if (!s && (s = zm__meta_calloc(sizeof *s + npcs * sizeof *pcs + ntag))) {
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

size_t zm_leak_sites(zm_leak_live_t *out, size_t cap)
{
    pthread_once(&once, init_locks);
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&site_shards[i].lock);
        for (size_t j = 0; j < BUCKETS; j++) {
            for (zm_site_t *s = site_shards[i].buckets[j]; s; s = s->next) {
                zm_leak_live_t live = {
                    .site = s,
                    .bytes = __atomic_load_n(&s->live_bytes, __ATOMIC_RELAXED),
                    .objects = __atomic_load_n(&s->live_objects, __ATOMIC_RELAXED),
                };
                if (live.objects == 0)
                    continue;
                if (n < cap)
                    out[n] = live;
                n++;
            }
        }
        pthread_mutex_unlock(&site_shards[i].lock);
    }
    return n;
}

/* ---- Records: a shard's lock is held by the caller ------------------------------------------ */

static record_shard_t *shard_of(uintptr_t block)
{
    return &record_shards[mix(block) % SHARDS];
}

static size_t slot_of(const record_shard_t *shard, uintptr_t block)
{
    return (size_t)(mix(block) / SHARDS) & (shard->cap - 1);
}

/* The record of a live block, or the free slot where it belongs; NULL where there is no table. */
static record_t *record_find(record_shard_t *shard, uintptr_t block)
{
    if (shard->cap == 0)
        return NULL;
    size_t i = slot_of(shard, block);
    while (shard->table[i].block && shard->table[i].block != block)
        i = (i + 1) & (shard->cap - 1);
    return &shard->table[i];
}

/* Makes room for one record more. */
static bool records_grow(record_shard_t *shard)
{
    if (shard->len < shard->cap / 4 * 3)
        return true;
    record_t *old = shard->table;
    size_t old_cap = shard->cap;
    size_t cap = old_cap ? 2 * old_cap : FIRST_CAP;
    record_t *table = zm__meta_calloc(cap * sizeof *table);
    if (!table)
        return false;
    shard->table = table;
    shard->cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].block)
            *record_find(shard, old[i].block) = old[i];
    }
    zm__meta_free(old);
    return true;
}

/* Empties a slot and moves up what linear probing had put behind it. */
static void record_remove(record_shard_t *shard, const record_t *r)
{
    size_t mask = shard->cap - 1;
    size_t hole = (size_t)(r - shard->table);
    for (size_t i = (hole + 1) & mask; shard->table[i].block; i = (i + 1) & mask) {
        size_t home = slot_of(shard, shard->table[i].block);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            shard->table[hole] = shard->table[i];
            hole = i;
        }
    }
    shard->table[hole].block = 0;
    shard->len--;
}

static bool record_add(uintptr_t block, size_t n, zm_site_t *site)
{
    record_shard_t *shard = shard_of(block);
    pthread_mutex_lock(&shard->lock);
    bool ok = records_grow(shard);
    if (ok) {
        *record_find(shard, block) = (record_t){block, n, site};
        shard->len++;
    }
    pthread_mutex_unlock(&shard->lock);
    return ok;
}

/* ---- All live blocks ------------------------------------------------------------------------ */

size_t zm_leak_blocks(zm_leak_block_t *out, size_t cap)
{
    pthread_once(&once, init_locks);
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        record_shard_t *shard = &record_shards[i];
        pthread_mutex_lock(&shard->lock);
        for (size_t j = 0; j < shard->cap; j++) {
            const record_t *r = &shard->table[j];
            if (!r->block)
                continue;
            if (n < cap)
                out[n] = (zm_leak_block_t){r->block, r->size, r->alloc_site, 0};
            n++;
        }
        pthread_mutex_unlock(&shard->lock);
    }
    return n + zm__allocator_chunks(out + (n < cap ? n : cap), n < cap ? cap - n : 0);
}

bool zm_leak_read(const zm_leak_block_t *b, size_t offset, void *out, size_t n)
{
    if (b->ref)
        return zm__allocator_read(b, offset, out, n);
    pthread_once(&once, init_locks);
    record_shard_t *shard = shard_of(b->block);
    pthread_mutex_lock(&shard->lock);
    const record_t *r = record_find(shard, b->block);
    bool live = r && r->block && r->size == b->size && r->alloc_site == b->site;
    bool ok = live && offset <= b->size && n <= b->size - offset;
    if (ok)
        memcpy(out, (const char *)r->block + offset, n);
    pthread_mutex_unlock(&shard->lock);
    return ok;
}

/* ---- What is wrong with an address; slow, since a program ends here ------------------------- */

static void describe(zm_leak_fault_t *fault, int64_t kind, const record_t *r, zm_site_t *free_site)
{
    if (!fault)
        return;
    *fault = (zm_leak_fault_t){
        .kind = kind,
        .block = r->block,
        .size = r->size,
        .alloc_site = r->alloc_site,
        .free_site = free_site,
    };
}

/* Looks among the blocks freed last, the latest first. */
static bool fault_freed(uintptr_t p, zm_leak_fault_t *fault)
{
    record_shard_t *shard = shard_of(p);
    bool found = false;
    pthread_mutex_lock(&shard->lock);
    size_t n = shard->nfreed < FREED ? shard->nfreed : FREED;
    for (size_t i = 1; i <= n && !found; i++) {
        const freed_t *f = &shard->freed[(shard->nfreed - i) % FREED];
        found = f->record.block == p;
        if (found)
            describe(fault, ZM_FAULT_FREED, &f->record, f->free_site);
    }
    pthread_mutex_unlock(&shard->lock);
    return found;
}

/* Looks for the live block that holds the address. */
static bool fault_interior(uintptr_t p, zm_leak_fault_t *fault)
{
    bool found = false;
    for (size_t i = 0; i < SHARDS && !found; i++) {
        record_shard_t *shard = &record_shards[i];
        pthread_mutex_lock(&shard->lock);
        for (size_t j = 0; j < shard->cap && !found; j++) {
            const record_t *r = &shard->table[j];
            found = r->block && p > r->block && p - r->block < r->size;
            if (found)
                describe(fault, ZM_FAULT_INTERIOR, r, NULL);
        }
        pthread_mutex_unlock(&shard->lock);
    }
    return found;
}

/* ---- Blocks --------------------------------------------------------------------------------- */

/* As zm_try_calloc, for a site, which may be NULL for want of memory. */
static int calloc_at(zm_site_t *site, size_t n, size_t align, void **out)
{
    if (!site)
        return zm__backend() ? ZM_ENOMEM : ZM_EBACKEND;
    void *p;
    int err = zm_try_calloc(n, align, &p);
    if (err)
        return err;
    if (!record_add((uintptr_t)p, n, site)) {
        zm_free(p, n);
        return ZM_ENOMEM;
    }
    zm__site_count(site, (int64_t)n, 1);
    *out = p;
    return ZM_OK;
}

void *zm_leak_calloc(size_t n, size_t align, const char *tag, size_t ntag, const uintptr_t *pcs,
                     size_t npcs)
{
    pthread_once(&once, init_locks);
    void *p = NULL;
    calloc_at(site_of(tag, ntag, pcs, npcs), n, align, &p);
    return p;
}

int zm_leak_try_calloc(size_t n, size_t align, const char *tag, size_t ntag, const uintptr_t *pcs,
                       size_t npcs, void **out)
{
    pthread_once(&once, init_locks);
    return calloc_at(site_of(tag, ntag, pcs, npcs), n, align, out);
}

int zm_leak_free(void *p, size_t n, const uintptr_t *pcs, size_t npcs, zm_leak_fault_t *fault)
{
    if (!p)
        return ZM_OK;
    pthread_once(&once, init_locks);
    zm_site_t *free_site = site_of(NULL, 0, pcs, npcs);
    uintptr_t block = (uintptr_t)p;
    record_shard_t *shard = shard_of(block);
    pthread_mutex_lock(&shard->lock);
    record_t *r = record_find(shard, block);
    bool live = r && r->block;
    bool size_ok = live && r->size == n;
    if (live && !size_ok) {
        describe(fault, ZM_FAULT_SIZE, r, NULL);
    } else if (live) {
        zm__site_count(r->alloc_site, -(int64_t)n, -1);
        shard->freed[shard->nfreed++ % FREED] = (freed_t){*r, free_site};
        record_remove(shard, r);
    }
    pthread_mutex_unlock(&shard->lock);
    if (size_ok) {
        zm_free(p, n);
        return ZM_OK;
    }
    /* What is live comes first: a block freed lately may lie inside of it by now. */
    if (!live && !fault_interior(block, fault) && !fault_freed(block, fault))
        describe(fault, ZM_FAULT_FOREIGN, &(record_t){0}, NULL);
    return ZM_EINVAL;
}

/* ---- Blocks that stand for more than themselves ---------------------------------------------- */

void *zm__leak_calloc(size_t n)
{
    return zm_leak_calloc(n, 0, NULL, 0, NULL, 0);
}

void zm__leak_add(const void *block, uint64_t bytes, uint64_t objects)
{
    record_shard_t *shard = shard_of((uintptr_t)block);
    pthread_mutex_lock(&shard->lock);
    const record_t *r = record_find(shard, (uintptr_t)block);
    zm__site_count(r->alloc_site, (int64_t)bytes, (int64_t)objects);
    pthread_mutex_unlock(&shard->lock);
}

void zm__leak_attribute(const void *block, uint64_t bytes, uint64_t objects, const char *tag,
                        size_t ntag, const uintptr_t *pcs, size_t npcs)
{
    zm_site_t *site = site_of(tag, ntag, pcs, npcs);
    if (!site)
        return;
    record_shard_t *shard = shard_of((uintptr_t)block);
    pthread_mutex_lock(&shard->lock);
    record_t *r = record_find(shard, (uintptr_t)block);
    zm__site_count(r->alloc_site, -(int64_t)bytes, -(int64_t)objects);
    zm__site_count(site, (int64_t)bytes, (int64_t)objects);
    r->alloc_site = site;
    pthread_mutex_unlock(&shard->lock);
}

void zm__leak_free(void *block, size_t n)
{
    zm_leak_free(block, n, NULL, 0, NULL);
}

/* ---- Allocators: their chunks are no records, but count as live at the site of the owner ----- */

zm_allocator_t *zm_leak_allocator_new(size_t size, const char *tag, size_t ntag,
                                      const uintptr_t *pcs, size_t npcs)
{
    pthread_once(&once, init_locks);
    zm_site_t *site = site_of(tag, ntag, pcs, npcs);
    return site ? zm__allocator_new(size, site) : NULL;
}

int zm_leak_allocator_own(zm_allocator_t *a, const char *tag, size_t ntag, const uintptr_t *pcs,
                          size_t npcs)
{
    pthread_once(&once, init_locks);
    zm_site_t *site = site_of(tag, ntag, pcs, npcs);
    if (!site)
        return ZM_ENOMEM;
    zm__allocator_set_site(a, site);
    return ZM_OK;
}
