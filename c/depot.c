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

typedef struct depot {
    _Alignas(ZM__CACHE_LINE) pthread_mutex_t lock;
    zm_magazine_t *full; /* those that hold a block at least */
    zm_magazine_t *empty;
    size_t nfull;
    size_t low; /* the fewest there were since the last trim */
} depot_t;

zm_magazine_t zm_no_magazine;

static depot_t depots[ZM_NUM_CLASSES];
static atomic_size_t kept; /* bytes that full magazines have room for, in the depot */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_locks(void)
{
    for (size_t i = 0; i < ZM_NUM_CLASSES; i++)
        pthread_mutex_init(&depots[i].lock, NULL);
}

static depot_t *depot_of(unsigned cls)
{
    pthread_once(&once, init_locks);
    return &depots[cls];
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
    atomic_fetch_sub_explicit(&kept, magazine_bytes(cls), memory_order_relaxed);
    return m;
}

static void push_full(unsigned cls, zm_magazine_t *m)
{
    depot_t *d = &depots[cls];
    push(&d->full, m);
    d->nfull++;
    atomic_fetch_add_explicit(&kept, magazine_bytes(cls), memory_order_relaxed);
}

/* An empty magazine of our own making, or NULL; and up to most - 1 others for the depot. */
static zm_magazine_t *magazine_new(unsigned cls, size_t most)
{
    size_t cap = magazine_cap(cls);
    size_t size = sizeof(zm_magazine_t) + cap * sizeof(void *);
    size = (size + ZM__CACHE_LINE - 1) / ZM__CACHE_LINE * ZM__CACHE_LINE;
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
    depot_t *d = depot_of(cls);
    pthread_mutex_lock(&d->lock);
    zm_magazine_t *m = pop_full(cls);
    if (spent == &zm_no_magazine)
        spent = m ? NULL : pop(&d->empty);
    else if (m)
        push(&d->empty, spent);
    pthread_mutex_unlock(&d->lock);
    if (m)
        return m;

    m = spent ? spent : magazine_new(cls, 1);
    if (!m)
        return NULL;
    int err = magazine_fill(cls, m);
    if (err == ZM_ENOMEM && zm_depot_trim(true))
        err = magazine_fill(cls, m);
    if (err == ZM_OK)
        return m;
    zm_depot_put(cls, m);
    return NULL;
}

zm_magazine_t *zm_depot_empty(unsigned cls, zm_magazine_t *full)
{
    depot_t *d = depot_of(cls);
    bool keep = !oversized(cls, full);
    pthread_mutex_lock(&d->lock);
    size_t many = d->nfull / 8;
    bool room = full == &zm_no_magazine || (keep && has_room(cls));
    zm_magazine_t *m = room ? pop(&d->empty) : NULL;
    if (m && full != &zm_no_magazine)
        push_full(cls, full);
    pthread_mutex_unlock(&d->lock);
    if (m)
        return m;

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

void zm_depot_put(unsigned cls, zm_magazine_t *m)
{
    if (m == &zm_no_magazine)
        return;
    depot_t *d = depot_of(cls);
    bool keep = !oversized(cls, m);
    pthread_mutex_lock(&d->lock);
    keep = m->len == 0 || (keep && has_room(cls));
    if (keep && m->len == 0)
        push(&d->empty, m);
    else if (keep)
        push_full(cls, m);
    pthread_mutex_unlock(&d->lock);
    if (!keep) { /* m is still ours */
        magazine_flush(cls, m);
        zm_depot_put(cls, m);
    }
}

/* Gives back the full magazines that a class did not need, or all, and the empty ones. Returns
 * whether there was a block among them.
 */
static bool trim(unsigned cls, bool all)
{
    depot_t *d = depot_of(cls);
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
    for (unsigned cls = 0; zm__backend() && cls < ZM_NUM_CLASSES; cls++)
        any = trim(cls, all) || any;
    return any;
}

bool zm__depot_flush(void)
{
    return trim_classes(true);
}

bool zm_depot_trim(bool all)
{
    const zm__backend_t *b = zm__backend();
    bool any = trim_classes(all);
    any = zm__sampled_trim(all) || any;
    if (b)
        b->settle();
    return any;
}
