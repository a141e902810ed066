//go:build leak

/* leak_buffer.c: every live Buffer, for the leak tracker.
 *
 * A Buffer has one record, of its control block, and one site, which counts that and what memory
 * the Buffer has. Other threads read a Buffer's bytes here while its owner goes on.
 *
 * Locking: under `lock` stand the records, and whatever gives a Buffer other memory or takes away
 * what it has, so that the data of a Buffer with a record stays where it is while it is read. Its
 * owner appends without the lock, within that memory: `len` is read atomically, once, and the bytes
 * as they are just then. No lock but the backend's is taken while this one is held.
 */
#include <string.h>

#include "zm_internal.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static zm__records_t buffers; /* by control block; size: counted bytes beside it */

void zm__leak_buffer_locks(zm__lock_op_t *op)
{
    op(&lock);
}

/* Adds a Buffer with so much memory to what its site has, or, by sign -1, takes it off. */
static void count(zm_site_t *site, uint64_t bytes, int sign)
{
    zm__site_count(site, sign * (int64_t)(sizeof(zm_buffer_t) + bytes), sign * (1 + (bytes > 0)));
}

#ifdef ZM_CHECK
static void check_record(const zm__record_t *r);
#endif

bool zm__leak_buffer_add(const zm_buffer_t *b)
{
    zm_site_t *site = zm_site_of(NULL, 0, NULL, 0);
    if (!site)
        return false;
    pthread_mutex_lock(&lock);
    bool ok = zm__record_add(&buffers, (zm__record_t){(uintptr_t)b, 0, site, 1});
    pthread_mutex_unlock(&lock);
    if (ok)
        count(site, 0, 1);
    return ok;
}

void zm__leak_buffer_remove(const zm_buffer_t *b)
{
    pthread_mutex_lock(&lock);
    const zm__record_t *r = zm__record_find(&buffers, (uintptr_t)b);
    ZM__CHECK(check_record(r));
    count(r->alloc_site, r->size, -1);
    zm__record_remove(&buffers, r);
    pthread_mutex_unlock(&lock);
}

void zm__leak_buffer_lock(void)
{
    pthread_mutex_lock(&lock);
}

void zm__leak_buffer_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void zm__leak_buffer_count(const zm_buffer_t *b, size_t bytes)
{
    zm__record_t *r = zm__record_find(&buffers, (uintptr_t)b);
    zm__site_count(r->alloc_site, (int64_t)(bytes - r->size), (bytes > 0) - (r->size > 0));
    r->size = bytes;
}

void zm_buffer_attribute(const zm_buffer_t *b, zm_site_t *site)
{
    if (!site)
        return;
    pthread_mutex_lock(&lock);
    zm__record_t *r = zm__record_find(&buffers, (uintptr_t)b);
    count(r->alloc_site, r->size, -1);
    count(site, r->size, 1);
    r->alloc_site = site;
    pthread_mutex_unlock(&lock);
}

/* ---- What is in them ------------------------------------------------------------------------ */

/* The bytes in use, of a Buffer that has a record; the lock is held. */
static size_t used(const zm_buffer_t *b)
{
    return b->data ? __atomic_load_n(&b->len, __ATOMIC_RELAXED) : 0;
}

size_t zm__leak_buffer_list(zm_leak_block_t *out, size_t cap)
{
    size_t n = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < buffers.cap; i++) {
        const zm__record_t *r = &buffers.table[i];
        if (!r->block)
            continue;
        const zm_buffer_t *b = (const zm_buffer_t *)r->block;
        if (n < cap)
            out[n] = (zm_leak_block_t){(uintptr_t)b->data, used(b), r->alloc_site, 0, r->block};
        n++;
    }
    pthread_mutex_unlock(&lock);
    return n;
}

bool zm__leak_buffer_read(const zm_leak_block_t *block, size_t offset, void *out, size_t n)
{
    pthread_mutex_lock(&lock);
    const zm__record_t *r = zm__record_find(&buffers, block->buffer);
    bool ok = r && r->block && r->alloc_site == block->site;
    if (ok) {
        const zm_buffer_t *b = (const zm_buffer_t *)r->block;
        size_t len = used(b);
        ok = b->data && offset <= len && n <= len - offset;
        if (ok)
            memcpy(out, (const char *)b->data + offset, n);
    }
    pthread_mutex_unlock(&lock);
    return ok;
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
/* A Buffer's site counts what it has beside its control block, unless that is in a file. */
static void check_record(const zm__record_t *r)
{
    const zm_buffer_t *b = (const zm_buffer_t *)r->block;
    ZM__MUST(b, "a Buffer has no record");
    size_t bytes = b->data && b->kind <= ZM_BUFFER_ANON ? b->size : 0;
    ZM__MUST(r->size == bytes, "Buffer %p counts as %llu bytes, and has %zu", (const void *)b,
             (unsigned long long)r->size, bytes);
}

void zm__check_leak_buffers(int64_t *bytes, int64_t *objects)
{
    pthread_mutex_lock(&lock);
    zm__check_records(&buffers);
    for (size_t i = 0; i < buffers.cap; i++) {
        const zm__record_t *r = &buffers.table[i];
        if (!r->block)
            continue;
        check_record(r);
        *bytes += (int64_t)(sizeof(zm_buffer_t) + r->size);
        *objects += 1 + (r->size > 0);
    }
    pthread_mutex_unlock(&lock);
}
#endif
