//go:build jemalloc

/* backend_jemalloc.c: jemalloc 5, linked statically.
 *
 * Its names are je_malloc and so on, in a build with that prefix (`make jemalloc`) as well as in a
 * distribution's without one: with JEMALLOC_NO_DEMANGLE the header defines them in both.
 */
#if !__has_include(<jemalloc/jemalloc.h>)
#error "jemalloc not found: run 'make jemalloc' in zmem's folder, or build without -tags jemalloc"
#else /* all the rest, so that this stays the only error */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define JEMALLOC_NO_DEMANGLE
#include <jemalloc/jemalloc.h>

#include "zm_internal.h"

/* Read by jemalloc when it starts; the environment's JE_MALLOC_CONF (MALLOC_CONF without the
 * prefix) overrides it. Freed pages go
 * back to the system within a second rather than ten, on a thread of jemalloc's own, so that the
 * resident memory of a program follows its live bytes; docs/design.md has the measurements.
 */
const char *je_malloc_conf = "background_thread:true,metadata_thp:auto,dirty_decay_ms:1000";

static void *jemalloc_calloc(size_t n, size_t align)
{
    if (align <= 8 || (align <= 16 && n >= 16))
        return je_calloc(1, n);
    return je_mallocx(n, MALLOCX_ALIGN(align) | MALLOCX_ZERO | MALLOCX_TCACHE_NONE);
}

static void jemalloc_free(void *p)
{
    je_free(p);
}

static size_t jemalloc_good_size(size_t n)
{
    return je_nallocx(n, 0);
}

static size_t jemalloc_usable_size(const void *p)
{
    return je_malloc_usable_size((void *)(uintptr_t)p);
}

/* ---- mallctl: a name is looked up once and kept as a MIB, an array of node numbers -------- */

#define MAX_MIB 4

typedef struct ctl {
    const char *name;
    size_t offset; /* of the field of zm_memstats_t that it fills */
    size_t len;
    size_t mib[MAX_MIB];
} ctl_t;

static ctl_t stats_ctls[] = {
    {"stats.allocated", offsetof(zm_memstats_t, allocated), 0, {0}},
    {"stats.active", offsetof(zm_memstats_t, active), 0, {0}},
    {"stats.metadata", offsetof(zm_memstats_t, metadata), 0, {0}},
    {"stats.resident", offsetof(zm_memstats_t, resident), 0, {0}},
    {"stats.mapped", offsetof(zm_memstats_t, mapped), 0, {0}},
    {"stats.retained", offsetof(zm_memstats_t, retained), 0, {0}},
};
#define NSTATS (sizeof stats_ctls / sizeof stats_ctls[0])

static ctl_t epoch_ctl = {"epoch", 0, 0, {0}};
static ctl_t purge_ctl = {"arena.0.purge", 0, 0, {0}}; /* MIB[1] is the arena */
static bool ctls_ready;
static pthread_once_t ctls_once = PTHREAD_ONCE_INIT;

static bool ctl_find(ctl_t *c)
{
    c->len = MAX_MIB;
    return je_mallctlnametomib(c->name, c->mib, &c->len) == 0;
}

static void ctls_find(void)
{
    bool ok = ctl_find(&epoch_ctl) && ctl_find(&purge_ctl);
    for (size_t i = 0; i < NSTATS; i++)
        ok = ctl_find(&stats_ctls[i]) && ok;
    purge_ctl.mib[1] = MALLCTL_ARENAS_ALL;
    ctls_ready = ok;
}

static int jemalloc_stats(zm_memstats_t *out)
{
    pthread_once(&ctls_once, ctls_find);
    uint64_t epoch = 1; /* any write makes jemalloc take its figures anew */
    if (!ctls_ready ||
        je_mallctlbymib(epoch_ctl.mib, epoch_ctl.len, NULL, NULL, &epoch, sizeof epoch) != 0)
        return ZM_ESYS;
    zm_memstats_t s = {0};
    for (size_t i = 0; i < NSTATS; i++) {
        size_t v, size = sizeof v;
        const ctl_t *c = &stats_ctls[i];
        if (je_mallctlbymib(c->mib, c->len, &v, &size, NULL, 0) != 0)
            return ZM_ESYS;
        *(uint64_t *)((char *)&s + c->offset) = v;
    }
    *out = s;
    return ZM_OK;
}

static int jemalloc_purge(void)
{
    pthread_once(&ctls_once, ctls_find);
    if (!ctls_ready)
        return ZM_ESYS;
    if (je_mallctlbymib(purge_ctl.mib, purge_ctl.len, NULL, NULL, NULL, 0) != 0)
        return ZM_ESYS;
    return ZM_OK;
}

/* ---- Batches --------------------------------------------------------------------------------
 *
 * Go runs C on many threads, and each would keep blocks in a thread cache of jemalloc's own, on top
 * of ours and for as long as it lives. Without any, a block costs twice as much. So batches go
 * through lanes: a few thread caches made by hand, each for one thread at a time.
 *
 * Small blocks come from jemalloc's batch allocation, at a third of what single calls cost. It
 * serves a request for a whole slab or more from a fresh one, always, so that memory would only
 * grow; below that it takes what the lane has. Hence the pieces of less than a slab.
 */

#define LANES 8
#define MIN_PIECE 31 /* blocks; shorter ones are not worth a mallctl */

typedef struct lane {
    _Alignas(ZM__CACHE_LINE) pthread_mutex_t lock;
    int flags; /* MALLOCX_TCACHE of the lane's, or MALLOCX_TCACHE_NONE as long as it has none */
    unsigned tcache;
} lane_t;

static lane_t lanes[LANES];
static pthread_once_t lanes_once = PTHREAD_ONCE_INIT;

static ctl_t batch_ctl = {"experimental.batch_alloc", 0, 0, {0}};
static size_t pieces[ZM_NUM_CLASSES]; /* blocks of a piece, by class; 0: single calls */

/* What experimental.batch_alloc takes. */
typedef struct packet {
    void **out;
    size_t len;
    size_t size;
    int flags;
} packet_t;

/* Reads a number that jemalloc keeps for bin i; 0 where there is no such bin. */
static size_t bin_number(unsigned i, const char *field)
{
    char name[32];
    size_t wide = 0, wide_size = sizeof wide;
    uint32_t narrow = 0; /* jemalloc insists on the type, which is not the same for all */
    size_t narrow_size = sizeof narrow;
    snprintf(name, sizeof name, "arenas.bin.%u.%s", i, field);
    if (je_mallctl(name, &wide, &wide_size, NULL, 0) == 0)
        return wide;
    return je_mallctl(name, &narrow, &narrow_size, NULL, 0) == 0 ? narrow : 0;
}

static void lanes_init(void)
{
    for (size_t i = 0; i < LANES; i++) {
        pthread_mutex_init(&lanes[i].lock, NULL);
        lanes[i].flags = MALLOCX_TCACHE_NONE;
    }
    if (!ctl_find(&batch_ctl))
        return;
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        size_t slab = bin_number(cls, "nregs");
        if (bin_number(cls, "size") == zm__class_size(cls) && slab > MIN_PIECE)
            pieces[cls] = slab - 1;
    }
}

/* Takes a lane that is free, or waits for one. */
static lane_t *lane_lock(void)
{
    pthread_once(&lanes_once, lanes_init);
    lane_t *l = lanes;
    while (l < lanes + LANES && pthread_mutex_trylock(&l->lock) != 0)
        l++;
    if (l == lanes + LANES) {
        l = lanes + (uintptr_t)&l / 4096 % LANES; /* by the thread's stack */
        pthread_mutex_lock(&l->lock);
    }
    size_t size = sizeof l->tcache;
    if (l->flags == MALLOCX_TCACHE_NONE &&
        je_mallctl("tcache.create", &l->tcache, &size, NULL, 0) == 0)
        l->flags = MALLOCX_TCACHE(l->tcache);
    return l;
}

static size_t jemalloc_fill(size_t n, void **out, size_t len)
{
    lane_t *l = lane_lock();
    size_t piece = n <= ZM_SMALL_MAX ? pieces[zm__class_of(n)] : 0;
    size_t i = 0, got = 1, size = sizeof got;
    while (piece && got && i < len) {
        packet_t p = {out + i, len - i < piece ? len - i : piece, n, l->flags};
        if (je_mallctlbymib(batch_ctl.mib, batch_ctl.len, &got, &size, &p, sizeof p) != 0)
            break;
        i += got;
    }
    while (i < len && (out[i] = je_mallocx(n, l->flags)))
        i++;
    pthread_mutex_unlock(&l->lock);
    return i;
}

static void jemalloc_flush(void *const *blocks, size_t len)
{
    lane_t *l = lane_lock();
    for (size_t i = 0; i < len; i++)
        je_dallocx(blocks[i], l->flags);
    pthread_mutex_unlock(&l->lock);
}

/* Destroys the lanes' caches; the next batch makes new ones. (Not tcache.flush: when memory runs
 * out before the cache is used again, jemalloc 5.3.0 aborts.)
 */
static void jemalloc_settle(void)
{
    pthread_once(&lanes_once, lanes_init);
    for (lane_t *l = lanes; l < lanes + LANES; l++) {
        pthread_mutex_lock(&l->lock);
        if (l->flags != MALLOCX_TCACHE_NONE &&
            je_mallctl("tcache.destroy", NULL, NULL, &l->tcache, sizeof l->tcache) == 0)
            l->flags = MALLOCX_TCACHE_NONE;
        pthread_mutex_unlock(&l->lock);
    }
}

/* No fork finds what is found out once half found out. */
static void jemalloc_locks(zm__lock_op_t *op)
{
    pthread_once(&ctls_once, ctls_find);
    pthread_once(&lanes_once, lanes_init);
    for (size_t i = 0; i < LANES; i++)
        op(&lanes[i].lock);
}

/* jemalloc has a thread of its own for that. */
static bool jemalloc_decay(void)
{
    return false;
}

/* ---- The report ---------------------------------------------------------------------------- */

typedef struct text {
    char *data;
    size_t len, cap;
    bool failed;
} text_t;

/* je_malloc_stats_print calls this for every piece; after a failure the rest is dropped. */
static void text_append(void *arg, const char *piece)
{
    text_t *t = arg;
    size_t n = strlen(piece);
    if (t->failed)
        return;
    if (n >= t->cap - t->len) {
        size_t cap = 2 * (t->cap + n + 1);
        char *data = zm__meta_calloc(cap);
        if (!data) {
            t->failed = true;
            return;
        }
        if (t->len)
            memcpy(data, t->data, t->len);
        zm__meta_free(t->data);
        t->data = data;
        t->cap = cap;
    }
    memcpy(t->data + t->len, piece, n + 1);
    t->len += n;
}

static int jemalloc_text(char **text)
{
    text_t t = {.cap = 0};
    je_malloc_stats_print(text_append, &t, "dablx"); /* merged arenas, no tables of bins */
    if (t.failed || !t.data) {
        zm__meta_free(t.data);
        return ZM_ENOMEM;
    }
    *text = t.data;
    return ZM_OK;
}

const zm__backend_t zm__backend_jemalloc = {
    .name = "jemalloc",
    .calloc = jemalloc_calloc,
    .free = jemalloc_free,
    .fill = jemalloc_fill,
    .flush = jemalloc_flush,
    .settle = jemalloc_settle,
    .decay = jemalloc_decay,
    .good_size = jemalloc_good_size,
    .usable_size = jemalloc_usable_size,
    .stats = jemalloc_stats,
    .purge = jemalloc_purge,
    .text = jemalloc_text,
    .locks = jemalloc_locks,
};

const zm__backend_t *const zm__backends[] = {&zm__backend_jemalloc, &zm__backend_libc, NULL};

#endif /* jemalloc is there */
