//go:build leak

/* leak.c: who allocated every live block.
 *
 * A site (see site.c) counts the live blocks that it allocated. A record (see record.c) of every
 * live block has its size and site, in shards with a lock each. Beside the records of a shard, a
 * ring of the blocks freed last turns a double free into two stacks.
 *
 * A block's record is removed before the block is freed: once the backend has it back, another
 * thread may be given the same address, and its record must not be the one that we remove.
 *
 * Locking: one lock is held at a time, and none while the backend is asked for a block.
 */
#include <pthread.h>
#include <string.h>

#include "zm_internal.h"

#define FREED 256 /* blocks freed last that a shard remembers */

typedef struct freed {
    zm__record_t record;
    zm_site_t *free_site; /* NULL where there was no memory for it */
} freed_t;

typedef struct record_shard {
    _Alignas(ZM__CACHE_LINE) pthread_mutex_t lock;
    zm__records_t live;
    freed_t freed[FREED]; /* a ring */
    size_t nfreed;        /* ever written to it */
} record_shard_t;

static record_shard_t record_shards[ZM__SHARDS] = {
    [0 ... ZM__SHARDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};

void zm__leak_locks(zm__lock_op_t *op)
{
    for (size_t i = 0; i < ZM__SHARDS; i++)
        op(&record_shards[i].lock);
}

typedef struct lister {
    zm_leak_live_t *out;
    size_t cap;
    size_t n;
} lister_t;

static void list(const zm_site_t *s, void *arg)
{
    lister_t *l = arg;
    zm_leak_live_t live = {
        .site = s,
        .bytes = __atomic_load_n(&s->live_bytes, __ATOMIC_RELAXED),
        .objects = __atomic_load_n(&s->live_objects, __ATOMIC_RELAXED),
    };
    if (live.objects != 0 && l->n++ < l->cap)
        l->out[l->n - 1] = live;
}

size_t zm_leak_sites(zm_leak_live_t *out, size_t cap)
{
    lister_t l = {out, cap, 0};
    zm__site_each(list, &l);
    return l.n;
}

/* ---- Records ------------------------------------------------------------------------------- */

static record_shard_t *shard_of(uintptr_t block)
{
    return &record_shards[zm__mix(block) % ZM__SHARDS];
}

static bool record_add(uintptr_t block, size_t n, zm_site_t *site)
{
    record_shard_t *shard = shard_of(block);
    pthread_mutex_lock(&shard->lock);
    bool ok = zm__record_add(&shard->live, (zm__record_t){block, n, site, 1});
    pthread_mutex_unlock(&shard->lock);
    return ok;
}

/* ---- All live blocks ------------------------------------------------------------------------ */

size_t zm_leak_blocks(zm_leak_block_t *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < ZM__SHARDS; i++) {
        record_shard_t *shard = &record_shards[i];
        pthread_mutex_lock(&shard->lock);
        for (size_t j = 0; j < shard->live.cap; j++) {
            const zm__record_t *r = &shard->live.table[j];
            if (!r->block)
                continue;
            if (n < cap)
                out[n] = (zm_leak_block_t){r->block, r->size, r->alloc_site, 0, 0};
            n++;
        }
        pthread_mutex_unlock(&shard->lock);
    }
    size_t full = n < cap ? n : cap;
    n += zm__allocator_chunks(out + full, cap - full);
    full = n < cap ? n : cap;
    return n + zm__leak_buffer_list(out + full, cap - full);
}

bool zm_leak_read(const zm_leak_block_t *b, size_t offset, void *out, size_t n)
{
    if (b->ref)
        return zm__allocator_read(b, offset, out, n);
    if (b->buffer)
        return zm__leak_buffer_read(b, offset, out, n);
    record_shard_t *shard = shard_of(b->block);
    pthread_mutex_lock(&shard->lock);
    const zm__record_t *r = zm__record_find(&shard->live, b->block);
    bool live = r && r->block && r->size == b->size && r->alloc_site == b->site;
    bool ok = live && offset <= b->size && n <= b->size - offset;
    if (ok)
        memcpy(out, (const char *)r->block + offset, n);
    pthread_mutex_unlock(&shard->lock);
    return ok;
}

/* ---- What is wrong with an address; slow, since a program ends here ------------------------- */

static void describe(zm_leak_fault_t *fault, int64_t kind, const zm__record_t *r,
                     zm_site_t *free_site)
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
    for (size_t i = 0; i < ZM__SHARDS && !found; i++) {
        record_shard_t *shard = &record_shards[i];
        pthread_mutex_lock(&shard->lock);
        for (size_t j = 0; j < shard->live.cap && !found; j++) {
            const zm__record_t *r = &shard->live.table[j];
            found = r->block && p > r->block && p - r->block < r->size;
            if (found)
                describe(fault, ZM_FAULT_INTERIOR, r, NULL);
        }
        pthread_mutex_unlock(&shard->lock);
    }
    return found;
}

/* ---- Blocks --------------------------------------------------------------------------------- */

int zm_leak_try_calloc(size_t n, size_t align, zm_site_t *site, void **out)
{
    if (!site)
        return zm__backend() ? ZM_ENOMEM : zm_init();
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

void *zm_leak_calloc(size_t n, size_t align, zm_site_t *site)
{
    void *p = NULL;
    zm_leak_try_calloc(n, align, site, &p);
    return p;
}

int zm_leak_free(void *p, size_t n, zm_site_t *free_site, zm_leak_fault_t *fault)
{
    if (!p)
        return ZM_OK;
    uintptr_t block = (uintptr_t)p;
    record_shard_t *shard = shard_of(block);
    pthread_mutex_lock(&shard->lock);
    zm__record_t *r = zm__record_find(&shard->live, block);
    bool live = r && r->block;
    bool size_ok = live && r->size == n;
    if (live && !size_ok) {
        describe(fault, ZM_FAULT_SIZE, r, NULL);
    } else if (live) {
        zm__site_count(r->alloc_site, -(int64_t)n, -1);
        shard->freed[shard->nfreed++ % FREED] = (freed_t){*r, free_site};
        zm__record_remove(&shard->live, r);
    }
    pthread_mutex_unlock(&shard->lock);
    if (size_ok) {
        zm_free(p, n);
        return ZM_OK;
    }
    /* What is live comes first: a block freed lately may lie inside of it by now. */
    if (!live && !fault_interior(block, fault) && !fault_freed(block, fault))
        describe(fault, ZM_FAULT_FOREIGN, &(zm__record_t){0}, NULL);
    return ZM_EINVAL;
}

/* ---- Allocators: their chunks are no records, but count as live at the site of the owner ----- */

int zm_leak_allocator_new(size_t size, zm_site_t *site, zm_allocator_t **out)
{
    if (!site)
        return zm__backend() ? ZM_ENOMEM : ZM_EBACKEND;
    return zm__allocator_new(size, site, out);
}

void zm_leak_allocator_own(zm_allocator_t *a, zm_site_t *site)
{
    if (site)
        zm__allocator_set_site(a, site);
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
uint64_t zm__check_tracked(bool at_rest)
{
    int64_t bytes = 0, objects = 0;
    for (size_t i = 0; i < ZM__SHARDS; i++) {
        record_shard_t *shard = &record_shards[i];
        pthread_mutex_lock(&shard->lock);
        zm__check_records(&shard->live);
        for (size_t j = 0; j < shard->live.cap; j++) {
            const zm__record_t *r = &shard->live.table[j];
            if (!r->block)
                continue;
            ZM__MUST(shard_of(r->block) == shard, "the record of block %#zx is in shard %zu",
                     (size_t)r->block, i);
            ZM__MUST(r->weight == 1, "the record of block %#zx stands for %llu", (size_t)r->block,
                     (unsigned long long)r->weight);
            bytes += (int64_t)r->size;
            objects++;
        }
        pthread_mutex_unlock(&shard->lock);
    }
    zm__check_leak_buffers(&bytes, &objects);
    if (!at_rest)
        return 0;
    int64_t site_bytes, site_objects;
    zm__check_chunks(&bytes, &objects);
    zm__check_sites(true, &site_bytes, &site_objects);
    ZM__MUST(site_bytes == bytes && site_objects == objects,
             "sites have %lld bytes live in %lld blocks, records, chunks and Buffers %lld in %lld",
             (long long)site_bytes, (long long)site_objects, (long long)bytes, (long long)objects);
    return 0;
}

zm__records_t *zm__check_records_of(const void *block)
{
    return &shard_of((uintptr_t)block)->live;
}
#endif
