/* allocator_pool.c: Allocators that wait for their next use.
 *
 * Those in the pool are empty, in a list, the one put in last at its head, and have no ref, so that
 * what still carries the ref of their last life does not find the next one.
 *
 * Locking: all pools have one lock, held only to move an Allocator in or out of a list.
 */
#include "zm_internal.h"

#define MAX_KEPT ((size_t)400 << 20) /* bytes of chunks that one Allocator keeps */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void zm__pool_locks(zm__lock_op_t *op)
{
    op(&lock);
}

int zm_allocator_pool_new(size_t cap, zm_allocator_pool_t **out)
{
    if (!zm__backend())
        return ZM_EBACKEND;
    zm_allocator_pool_t *pool = zm__meta_calloc(sizeof *pool);
    if (!pool)
        return ZM_ENOMEM;
    pool->cap = cap;
    *out = pool;
    return ZM_OK;
}

static zm_allocator_t *pop(zm_allocator_pool_t *pool)
{
    zm_allocator_t *a = pool->first;
    if (a) {
        pool->first = a->pool_next;
        pool->len--;
    }
    return a;
}

zm_allocator_t *zm_allocator_pool_take(zm_allocator_pool_t *pool)
{
    if (!pool)
        return NULL;
    pthread_mutex_lock(&lock);
    pool->asked = true;
    ZM__CHECK(zm__check_pool(pool));
    zm_allocator_t *a = pop(pool);
    pthread_mutex_unlock(&lock);
    if (a) {
        ZM__CHECK(zm__check_hidden(a));
        zm__allocator_show(a);
    }
    return a;
}

int zm_allocator_pool_get(zm_allocator_pool_t *pool, size_t size, zm_allocator_t **out)
{
    zm_allocator_t *a = zm_allocator_pool_take(pool);
    if (!a)
        return zm_allocator_new(size, out);
    *out = a;
    return ZM_OK;
}

void zm_allocator_pool_put(zm_allocator_pool_t *pool, zm_allocator_t *a)
{
    if (!a)
        return;
    bool kept = false;
    if (pool) {
        zm__allocator_hide(a);
        zm_allocator_reset(a);
        zm_allocator_trim(a, MAX_KEPT);
        pthread_mutex_lock(&lock);
        kept = pool->len < pool->cap;
        if (kept) {
            a->pool_next = pool->first;
            pool->first = a;
            pool->len++;
        }
        ZM__CHECK(zm__check_pool(pool));
        pthread_mutex_unlock(&lock);
    }
    if (!kept)
        zm_allocator_release(a);
}

bool zm_allocator_pool_trim(zm_allocator_pool_t *pool)
{
    pthread_mutex_lock(&lock);
    ZM__CHECK(zm__check_pool(pool));
    zm_allocator_t *a = pool->asked ? NULL : pop(pool);
    pool->asked = false;
    pthread_mutex_unlock(&lock);
    zm_allocator_release(a);
    return a;
}

void zm_allocator_pool_release(zm_allocator_pool_t *pool)
{
    if (!pool)
        return;
    ZM__CHECK(zm__check_pool(pool));
    for (zm_allocator_t *a; (a = pop(pool));)
        zm_allocator_release(a);
    zm__meta_free(pool);
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
/* The first few that it keeps are looked at, and all are counted. */
void zm__check_pool(const zm_allocator_pool_t *pool)
{
    enum { FEW = 8 };
    size_t n = 0;
    ZM__MUST(pool->len <= pool->cap, "pool %p keeps %zu Allocators, at most %zu",
             (const void *)pool, pool->len, pool->cap);
    for (const zm_allocator_t *a = pool->first; n < pool->len; a = a->pool_next, n++) {
        ZM__MUST(a, "pool %p lists %zu Allocators, len is %zu", (const void *)pool, n, pool->len);
        if (n >= FEW)
            continue;
        zm__check_allocator(a, true);
        for (const zm__chunk_t *c = a->first; c; c = c->next)
            ZM__MUST(c->carved == 0, "pool %p: %zu bytes are carved in Allocator %p",
                     (const void *)pool, c->carved, (const void *)a);
        ZM__MUST(!a->spare, "pool %p: Allocator %p has a spare window", (const void *)pool,
                 (const void *)a);
    }
}
#endif
