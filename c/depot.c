/* depot.c: where caches exchange magazines; Bonwick and Adams' magazine layer, "Magazines and
 * Vmem", USENIX 2001.
 *
 * A cache works on magazines: stacks of free blocks. When one is spent, or full, it is exchanged
 * here, whole, for the other kind: one short lock a size class. Only when the depot has none does
 * the backend get to work, for a whole magazine at once and outside of the lock.
 *
 * The depot keeps at most KEEP_BYTES in full magazines, of all classes together; what comes beyond
 * that goes back to the backend. zm_depot_trim gives back what a class has not needed since it was
 * called last.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "zm_internal.h"

#define MAGAZINE_BYTES ((size_t)32768) /* the blocks of one magazine hold at most so much */
#define MAGAZINE_MAX 512               /* and are at most so many */
#define MAGAZINE_MIN 2                 /* but at least so many */
#define KEEP_BYTES ((size_t)32 << 20)
#define SLAB_BYTES ((size_t)65536) /* of the largest slab */

/* Magazines are made a slab at a time: of one where there are few, of more where the depot has
 * many, whose pages the system then finds together. A slab goes when all of its magazines have.
 */
typedef struct zm_slab {
    _Alignas(ZM__CACHE_LINE) atomic_size_t live;
} slab_t;

typedef zm__depot_t depot_t;

zm_magazine_t zm_no_magazine;

static depot_t depots[ZM_NUM_CLASSES] = {
    [0 ... ZM_NUM_CLASSES - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};
static atomic_size_t kept; /* bytes that full magazines have room for, in the depot */

void zm__depot_locks(zm__lock_op_t *op)
{
    for (size_t i = 0; i < ZM_NUM_CLASSES; i++)
        op(&depots[i].lock);
}

static size_t clamp(size_t n, size_t min, size_t max)
{
    return n < min ? min : n > max ? max : n;
}

static size_t magazine_cap(unsigned cls)
{
    return clamp(MAGAZINE_BYTES / zm__class_size(cls), MAGAZINE_MIN, MAGAZINE_MAX);
}

static size_t magazine_bytes(unsigned cls)
{
    return magazine_cap(cls) * zm__class_size(cls);
}

/* Bytes of a magazine itself. */
static size_t magazine_size(unsigned cls)
{
    size_t size = sizeof(zm_magazine_t) + magazine_cap(cls) * sizeof(void *);
    return (size + ZM__CACHE_LINE - 1) / ZM__CACHE_LINE * ZM__CACHE_LINE;
}

/* Whether another full magazine may be kept: threads that ask at once may all be told so. */
static bool has_room(unsigned cls)
{
    return atomic_load_explicit(&kept, memory_order_relaxed) + magazine_bytes(cls) <= KEEP_BYTES;
}

/* Whether a magazine holds blocks much larger than its class says: aligned ones, or ones freed with
 * too small a size. One is looked at for all; such a magazine is not worth keeping.
 */
static bool oversized(unsigned cls, zm_magazine_t *m)
{
    size_t size = zm__class_size(cls);
    return m->len > 0 && zm__backend()->usable_size(zm__blocks(m)[0]) > 2 * size + 256;
}

static void push(zm_magazine_t **list, zm_magazine_t *m)
{
    m->next = *list;
    *list = m;
}

static zm_magazine_t *pop(zm_magazine_t **list)
{
    zm_magazine_t *m = *list;
    if (m)
        *list = m->next;
    return m;
}

static zm_magazine_t *pop_full(unsigned cls)
{
    depot_t *d = &depots[cls];
    zm_magazine_t *m = pop(&d->full);
    if (!m)
        return NULL;
    if (--d->nfull < d->low)
        d->low = d->nfull;
    atomic_fetch_sub_explicit(&d->blocks, m->len, memory_order_relaxed);
    atomic_fetch_sub_explicit(&kept, magazine_bytes(cls), memory_order_relaxed);
    return m;
}

static void push_full(unsigned cls, zm_magazine_t *m)
{
    depot_t *d = &depots[cls];
    push(&d->full, m);
    d->nfull++;
    atomic_fetch_add_explicit(&d->blocks, m->len, memory_order_relaxed);
    atomic_fetch_add_explicit(&kept, magazine_bytes(cls), memory_order_relaxed);
}

/* An empty magazine of our own making, or NULL; and up to most - 1 others for the depot. */
static zm_magazine_t *magazine_new(unsigned cls, size_t most)
{
    size_t cap = magazine_cap(cls), size = magazine_size(cls);
    size_t n = clamp(most, 1, (SLAB_BYTES - sizeof(slab_t)) / size);
    size_t bytes = sizeof(slab_t) + n * size;
    slab_t *slab = zm__meta_calloc(bytes);
    if (!slab)
        return NULL;
    if (n > 1)
        zm__map_populate(slab, bytes);
    slab->live = n;
    zm_magazine_t *m = NULL;
    while (n-- > 0) {
        m = (zm_magazine_t *)((char *)(slab + 1) + n * size);
        m->cap = (uint32_t)cap;
        m->slab = slab;
        if (n > 0)
            zm_depot_put(cls, m);
    }
    return m;
}

static void magazine_free(zm_magazine_t *m)
{
    slab_t *slab = m->slab;
    if (atomic_fetch_sub(&slab->live, 1) == 1)
        zm__meta_free(slab);
}

/* Fills an empty magazine from the backend, as far as there is memory and the limit allows. What
 * the backend gave first, mostly the lowest address, comes out first: a program that allocates much
 * in a row walks up the memory, which the hardware prefetches. Returns ZM_OK where there is a block
 * in it then, else ZM_ENOMEM or ZM_ELIMIT.
 */
static int magazine_fill(unsigned cls, zm_magazine_t *m)
{
    size_t size = zm__class_size(cls);
    void **blocks = zm__blocks(m);
    size_t may = zm__charge_some(size, 1, m->cap);
    if (may == 0)
        return ZM_ELIMIT;
    m->len = (uint32_t)zm__backend()->fill(size, blocks, may);
    zm__uncharge(size * (may - m->len));
    for (size_t lo = 0, hi = m->len; lo + 1 < hi; lo++) {
        hi--;
        void *p = blocks[lo];
        blocks[lo] = blocks[hi];
        blocks[hi] = p;
    }
    zm__poison_blocks(blocks, size, m->len);
    return m->len > 0 ? ZM_OK : ZM_ENOMEM;
}

/* Empties a magazine into the backend. */
static void magazine_flush(unsigned cls, zm_magazine_t *m)
{
    zm__unpoison_blocks(zm__blocks(m), m->len);
    zm__backend()->flush(zm__blocks(m), m->len);
    zm__uncharge(zm__class_size(cls) * m->len);
    m->len = 0;
}

zm_magazine_t *zm_depot_full(unsigned cls, zm_magazine_t *spent)
{
    depot_t *d = &depots[cls];
    ZM__CHECK(zm__check_spent(cls, spent));
    pthread_mutex_lock(&d->lock);
    zm_magazine_t *m = pop_full(cls);
    if (spent == &zm_no_magazine)
        spent = m ? NULL : pop(&d->empty);
    else if (m)
        push(&d->empty, spent);
    ZM__CHECK(zm__check_depot(cls));
    pthread_mutex_unlock(&d->lock);
    if (m) {
        ZM__CHECK(zm__check_filled(cls, m));
        return m;
    }

    m = spent ? spent : magazine_new(cls, 1);
    if (!m)
        return NULL;
    int err = magazine_fill(cls, m);
    if (err == ZM_ENOMEM && zm_depot_trim(true))
        err = magazine_fill(cls, m);
    if (err == ZM_OK) {
        ZM__CHECK(zm__check_filled(cls, m));
        return m;
    }
    zm_depot_put(cls, m);
    return NULL;
}

zm_magazine_t *zm_depot_empty(unsigned cls, zm_magazine_t *full)
{
    depot_t *d = &depots[cls];
    ZM__CHECK(zm__check_filled(cls, full));
    bool keep = !oversized(cls, full);
    pthread_mutex_lock(&d->lock);
    size_t many = d->nfull / 8;
    bool room = full == &zm_no_magazine || (keep && has_room(cls));
    zm_magazine_t *m = room ? pop(&d->empty) : NULL;
    if (m && full != &zm_no_magazine)
        push_full(cls, full);
    ZM__CHECK(zm__check_depot(cls));
    pthread_mutex_unlock(&d->lock);
    if (m) {
        ZM__CHECK(zm__check_spent(cls, m));
        return m;
    }

    m = room ? magazine_new(cls, many) : NULL;
    if (full == &zm_no_magazine)
        return m;
    if (m) {
        zm_depot_put(cls, full);
        return m;
    }
    magazine_flush(cls, full);
    return full;
}

/* Takes a magazine of any kind; `idle` is whether nobody has needed it since the last trim. */
static void put(unsigned cls, zm_magazine_t *m, bool idle)
{
    if (m == &zm_no_magazine)
        return;
    depot_t *d = &depots[cls];
    ZM__CHECK(zm__check_magazine(cls, m, m->len));
    bool keep = !oversized(cls, m);
    pthread_mutex_lock(&d->lock);
    keep = m->len == 0 || (keep && has_room(cls));
    if (keep && m->len == 0)
        push(&d->empty, m);
    else if (keep)
        push_full(cls, m);
    if (keep && idle && m->len > 0)
        d->low++;
    ZM__CHECK(zm__check_depot(cls));
    pthread_mutex_unlock(&d->lock);
    if (!keep) { /* m is still ours */
        magazine_flush(cls, m);
        put(cls, m, idle);
    }
}

void zm_depot_put(unsigned cls, zm_magazine_t *m)
{
    put(cls, m, false);
}

void zm__depot_put_idle(unsigned cls, zm_magazine_t *m)
{
    put(cls, m, true);
}

/* Gives back the full magazines that a class did not need, or all, and the empty ones. Returns
 * whether there was a block among them.
 */
static bool trim(unsigned cls, bool all)
{
    depot_t *d = &depots[cls];
    zm_magazine_t *gone = NULL, *m;
    bool any = false;
    pthread_mutex_lock(&d->lock);
    for (size_t n = all ? d->nfull : d->low; n > 0; n--)
        push(&gone, pop_full(cls));
    d->low = d->nfull;
    while ((m = pop(&d->empty)))
        push(&gone, m);
    pthread_mutex_unlock(&d->lock);
    while ((m = pop(&gone))) {
        any = any || m->len > 0;
        magazine_flush(cls, m);
        magazine_free(m);
    }
    return any;
}

static bool trim_classes(bool all)
{
    bool any = false;
    ZM__CHECK(zm__check_depots());
    for (unsigned cls = 0; zm__backend() && cls < ZM_NUM_CLASSES; cls++)
        any = trim(cls, all) || any;
    return any;
}

uint64_t zm__depot_bytes(void)
{
    uint64_t bytes = 0;
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        uint64_t blocks = atomic_load_explicit(&depots[cls].blocks, memory_order_relaxed);
        bytes += blocks * zm__class_size(cls);
    }
    return bytes;
}

bool zm__depot_has(uint64_t bytes)
{
    return zm__depot_bytes() >= bytes;
}

/* Gives back full magazines of a class until that is `need` bytes; returns how many it was. */
static uint64_t release(unsigned cls, uint64_t need)
{
    depot_t *d = &depots[cls];
    zm_magazine_t *gone = NULL, *m;
    uint64_t bytes = 0;
    pthread_mutex_lock(&d->lock);
    while (bytes < need && (m = pop_full(cls))) {
        push(&gone, m);
        bytes += m->len * zm__class_size(cls);
    }
    pthread_mutex_unlock(&d->lock);
    while ((m = pop(&gone))) {
        magazine_flush(cls, m);
        magazine_free(m);
    }
    return bytes;
}

bool zm_depot_release(uint64_t need)
{
    if (!zm__depot_has(need))
        return false;
    uint64_t bytes = 0;
    for (unsigned cls = ZM_NUM_CLASSES; bytes < need && cls-- > 0;) /* the fewest magazines */
        bytes += release(cls, need - bytes);
    return bytes >= need;
}

int64_t zm_num_parked_bytes(void)
{
    return zm_num_cached_bytes() + (int64_t)zm__depot_bytes();
}

bool zm_depot_trim(bool all)
{
    const zm__backend_t *b = zm__backend();
    ZM__CHECK(zm__check_drain());
    bool any = trim_classes(all);
    any = zm__sampled_trim(all) || any;
    if (b)
        b->settle();
    return any;
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
#include <stdlib.h>

static void check_no_magazine(void)
{
    const zm_magazine_t *m = &zm_no_magazine;
    ZM__MUST(!m->next && m->len == 0 && m->cap == 0 && !m->slab,
             "zm_no_magazine was written to: len %u, cap %u", m->len, m->cap);
}

static void check_slab(unsigned cls, const zm_magazine_t *m)
{
    size_t size = magazine_size(cls), most = (SLAB_BYTES - sizeof(slab_t)) / size;
    ZM__MUST(m->slab, "magazine %p of class %u has no slab", (const void *)m, cls);
    size_t at = (uintptr_t)m - (uintptr_t)(m->slab + 1), live = m->slab->live;
    ZM__MUST(at % size == 0 && at / size < most,
             "magazine %p of class %u is at byte %zu of its slab of %zu magazines of %zu bytes",
             (const void *)m, cls, at, most, size);
    ZM__MUST(live >= 1 && live <= most,
             "the slab of magazine %p of class %u has %zu live, at most %zu", (const void *)m, cls,
             live, most);
}

void zm__check_magazine(unsigned cls, zm_magazine_t *m, size_t len)
{
    ZM__MUST(cls < ZM_NUM_CLASSES, "magazine %p of class %u", (void *)m, cls);
    check_no_magazine();
    ZM__MUST(m != &zm_no_magazine || len == 0, "zm_no_magazine of class %u has %zu blocks", cls,
             len);
    if (m == &zm_no_magazine)
        return;
    ZM__MUST(m->cap == magazine_cap(cls), "magazine %p of class %u has room for %u, not %zu",
             (void *)m, cls, m->cap, magazine_cap(cls));
    ZM__MUST(len <= m->cap, "magazine %p of class %u has %zu blocks, and room for %u", (void *)m,
             cls, len, m->cap);
    check_slab(cls, m);
    uintptr_t table[2 * MAGAZINE_MAX] = {0};
    zm__set_t set = {table, 2 * MAGAZINE_MAX - 1};
    for (size_t i = 0; i < len; i++) {
        void *p = zm__blocks(m)[i];
        size_t align = cls == 0 ? 8 : 16;
        ZM__MUST(p && (uintptr_t)p % align == 0 && !zm__is_sampled(p),
                 "block %zu of magazine %p of class %u is %p", i, (void *)m, cls, p);
        size_t usable = zm__backend()->usable_size(p);
        ZM__MUST(usable == 0 || usable >= zm__class_size(cls),
                 "block %p in magazine %p of class %u has %zu bytes, not %zu", p, (void *)m, cls,
                 usable, zm__class_size(cls));
        ZM__MUST(zm__set_add(&set, (uintptr_t)p), "block %p is twice in magazine %p of class %u", p,
                 (void *)m, cls);
    }
}

void zm__check_spent(unsigned cls, zm_magazine_t *m)
{
    check_no_magazine();
    ZM__MUST(m->len == 0, "spent magazine %p of class %u has %u blocks", (void *)m, cls, m->len);
    zm__check_magazine(cls, m, 0);
}

void zm__check_filled(unsigned cls, zm_magazine_t *m)
{
    check_no_magazine();
    ZM__MUST(m->len > 0 || m == &zm_no_magazine, "filled magazine %p of class %u has no block",
             (void *)m, cls);
    zm__check_magazine(cls, m, m->len);
}

void zm__check_depot(unsigned cls)
{
    const depot_t *d = &depots[cls];
    ZM__MUST(d->low <= d->nfull, "depot of class %u: low %zu, nfull %zu", cls, d->low, d->nfull);
    ZM__MUST(!d->full == (d->nfull == 0), "depot of class %u: nfull %zu, the list begins at %p",
             cls, d->nfull, (void *)d->full);
}

/* Adds to a set one of a slab's magazines, of which there are fewer than bytes in the slab. */
static void check_slab_once(zm__set_t *set, unsigned cls, const zm_magazine_t *m)
{
    size_t n = 0;
    while (!zm__set_add(set, (uintptr_t)m->slab + n))
        n++;
    ZM__MUST(n < m->slab->live, "depot of class %u has %zu magazines of a slab with %zu live", cls,
             n + 1, (size_t)m->slab->live);
}

/* The whole of a class, its lock being held. Returns how many blocks it has. */
static size_t check_lists(unsigned cls)
{
    const depot_t *d = &depots[cls];
    size_t n = 0, blocks = 0, nempty = 0;
    zm__check_depot(cls);
    for (zm_magazine_t *m = d->full; m; m = m->next) {
        n++;
        ZM__MUST(n <= d->nfull, "depot of class %u: the full list is longer than nfull, %zu", cls,
                 d->nfull);
        ZM__MUST(m != &zm_no_magazine, "depot of class %u: zm_no_magazine is in the full list",
                 cls);
        zm__check_filled(cls, m);
        blocks += m->len;
    }
    ZM__MUST(n == d->nfull, "depot of class %u: the full list has %zu, nfull is %zu", cls, n,
             d->nfull);
    const zm_magazine_t *slow =
        d->empty; /* goes half as fast: met again where the list is a ring */
    for (zm_magazine_t *m = d->empty; m; m = m->next, nempty++) {
        ZM__MUST(m != &zm_no_magazine, "depot of class %u: zm_no_magazine is in the empty list",
                 cls);
        zm__check_spent(cls, m);
        if (nempty > 0 && nempty % 2 == 0)
            slow = slow->next;
        ZM__MUST(nempty == 0 || m != slow, "depot of class %u: the empty list is a ring", cls);
    }
    zm__set_t set = zm__set_new(blocks + n + nempty);
    for (zm_magazine_t *m = d->full; m && set.table; m = m->next) {
        check_slab_once(&set, cls, m);
        for (size_t i = 0; i < m->len; i++)
            ZM__MUST(zm__set_add(&set, (uintptr_t)zm__blocks(m)[i]),
                     "depot of class %u: block %p is in it twice", cls, zm__blocks(m)[i]);
    }
    for (zm_magazine_t *m = d->empty; m && set.table; m = m->next)
        check_slab_once(&set, cls, m);
    free(set.table);
    return blocks;
}

/* All locks are held at once, in the order of classes, so that the sum is of one moment. */
uint64_t zm__check_depots(void)
{
    size_t sum = 0, most = KEEP_BYTES;
    uint64_t parked = 0;
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++)
        pthread_mutex_lock(&depots[cls].lock);
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES && zm__backend(); cls++) {
        parked += check_lists(cls) * zm__class_size(cls);
        sum += depots[cls].nfull * magazine_bytes(cls);
        most += magazine_bytes(cls); /* one thread a class may ask has_room at once */
    }
    ZM__MUST(sum == atomic_load(&kept), "the depot keeps %zu bytes, its lists have %zu",
             atomic_load(&kept), sum);
    ZM__MUST(sum <= most, "the depot keeps %zu bytes, at most %zu", sum, most);
    for (unsigned cls = ZM_NUM_CLASSES; cls-- > 0;)
        pthread_mutex_unlock(&depots[cls].lock);
    return parked;
}

zm__depot_t *zm__check_depot_of(unsigned cls)
{
    return &depots[cls];
}
#endif
