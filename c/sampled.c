/* sampled.c: small blocks whose address says that they are sampled or guarded.
 *
 * They lie in one range of addresses of their own, reserved once, so that whoever frees a block
 * sees by a subtraction and a comparison whether there is more to do (as GWP-ASan does; Serebryany
 * et al., 2023). The range is cut into spans. A span that is in use is readable and writable,
 * belongs to one size class, and has a stack of its free blocks beside it, in memory of our own:
 * nobody's use after free gets at that. Spans belong to shards, to which threads are dealt in turn,
 * so that threads that sample at once seldom wait for a lock, or for a block that another's
 * processor has in its cache. A span without a live block goes back to the system, except for the
 * last one of its class and shard, which stays until zm__sampled_trim.
 *
 * Where the process locks its memory (mlockall), the system counts the whole range as locked,
 * though what is inaccessible takes none. So the range is unlocked, and only spans in use are
 * locked. It is smaller where a resource limit (RLIMIT_AS, RLIMIT_MEMLOCK) leaves no room for all
 * of it.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "zm_internal.h"

#define SPAN ((size_t)1 << 18) /* bytes; a multiple of the page size and of every alignment */
#define MAX_SPANS ((size_t)(SIZE_MAX > 0xffffffffu ? 65536 : 256)) /* 16 GiB, or 64 MiB */
#define SHARDS 8
#define RLIMIT_SHARE 16 /* at most such a part of the address space that the process may have */
#define MIN_SPANS 16    /* a range of fewer is not worth having */

typedef struct zm__span_shard shard_t;
typedef zm__span_t span_t;

struct zm__span_shard {
    _Alignas(ZM__CACHE_LINE) pthread_mutex_t lock; /* of the shard and its spans */
    span_t *roomy[ZM_NUM_CLASSES];
};

zm__sampled_t zm__sampled;

static shard_t shards[SHARDS] = {
    [0 ... SHARDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};

/* Of what follows. Who takes it may hold a shard's, but not the other way round. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static span_t *spans[MAX_SPANS];
static size_t num_spans; /* that the range has */
static size_t lowest;    /* below it all spans are in use */
static bool reserved;    /* or tried to */
static size_t top;       /* from there on none ever was */

void zm__sampled_locks(zm__lock_op_t *op)
{
    for (size_t i = 0; i < SHARDS; i++)
        op(&shards[i].lock);
    op(&lock);
}

static void *map_none(void *at, size_t n, int fixed)
{
    return mmap(at, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
}

/* Whether the system locks new memory (MCL_FUTURE): only then is it there before it is touched. */
static bool locks_new_memory(void)
{
    size_t n = zm__map_round(1);
    unsigned char there = 0;
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return errno == EAGAIN; /* more than it may lock */
    bool locks = mincore(p, n, (void *)&there) == 0 && (there & 1);
    munmap(p, n);
    return locks;
}

static void reserve(void)
{
    size_t size = MAX_SPANS * SPAN;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur / RLIMIT_SHARE < size)
        size = (size_t)(limit.rlim_cur / RLIMIT_SHARE) / SPAN * SPAN;
    /* One span more, so that the first can be aligned. */
    unsigned char *p = size > 0 ? map_none(NULL, size + SPAN, 0) : MAP_FAILED;
    while (p == MAP_FAILED && size / 2 >= MIN_SPANS * SPAN) {
        size = size / 2 / SPAN * SPAN;
        p = map_none(NULL, size + SPAN, 0);
    }
    if (p == MAP_FAILED)
        return;
    (void)munlock(p, size + SPAN);
    __atomic_store_n(&zm__sampled.base, ((uintptr_t)p + SPAN - 1) / SPAN * SPAN, __ATOMIC_RELAXED);
    num_spans = size / SPAN;
    __atomic_store_n(&zm__sampled.size, size, __ATOMIC_RELEASE);
}

bool zm__sampled_reserve(void)
{
    if (__atomic_load_n(&zm__sampled.size, __ATOMIC_ACQUIRE) > 0)
        return true;
    pthread_mutex_lock(&lock);
    if (!reserved)
        reserve();
    reserved = true;
    pthread_mutex_unlock(&lock);
    return zm__sampled.size > 0;
}

static uint32_t blocks_of(unsigned cls)
{
    return (uint32_t)(SPAN / zm__class_size(cls));
}

static bool has_room(const span_t *s)
{
    return s->nfree > 0 || s->carved < blocks_of(s->cls);
}

static void link_span(span_t *s)
{
    span_t **list = &s->shard->roomy[s->cls];
    s->prev = NULL;
    s->next = *list;
    if (s->next)
        s->next->prev = s;
    *list = s;
}

static void unlink_span(const span_t *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        s->shard->roomy[s->cls] = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

/* Finds a place for a span in the range; false where there is none left. */
static bool place_span(span_t *s)
{
    pthread_mutex_lock(&lock);
    while (lowest < num_spans && spans[lowest])
        lowest++;
    bool found = lowest < num_spans;
    if (found) {
        top = lowest < top ? top : lowest + 1;
        spans[lowest] = s;
        s->base = (unsigned char *)zm__sampled.base + lowest * SPAN;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static size_t index_of(const void *p)
{
    return ((uintptr_t)p - zm__sampled.base) / SPAN;
}

static void unplace_span(const span_t *s)
{
    size_t i = index_of(s->base);
    pthread_mutex_lock(&lock);
    spans[i] = NULL;
    lowest = i < lowest ? i : lowest;
    pthread_mutex_unlock(&lock);
}

/* Makes the memory of a span inaccessible and empty. Should the system refuse, it stays readable.
 */
static void close_span(const span_t *s)
{
    (void)map_none(s->base, SPAN, MAP_FIXED);
    (void)munlock(s->base, SPAN);
}

static bool open_span(const span_t *s)
{
    if (mprotect(s->base, SPAN, PROT_READ | PROT_WRITE) != 0)
        return false;
    if (!locks_new_memory() || mlock(s->base, SPAN) == 0)
        return true;
    close_span(s);
    return false;
}

/* A span for a class, linked; NULL where there is no place, or no memory. */
static span_t *span_new(shard_t *shard, unsigned cls)
{
    span_t *s = zm__meta_calloc(sizeof *s + blocks_of(cls) * sizeof s->free[0]);
    if (!s)
        return NULL;
    s->shard = shard;
    s->cls = cls;
    bool placed = place_span(s);
    if (placed && open_span(s)) {
        link_span(s);
        return s;
    }
    if (placed)
        unplace_span(s);
    zm__meta_free(s);
    return NULL;
}

/* Gives a span without live blocks back. */
static void span_free(span_t *s)
{
    unlink_span(s);
    zm__unpoison(s->base, SPAN);
    close_span(s);
    unplace_span(s);
    zm__meta_free(s);
}

/* A block of a class, dirty; NULL where there is none. */
static unsigned char *take(unsigned cls)
{
    shard_t *shard = &shards[zm__thread() % SHARDS];
    unsigned char *p = NULL;
    pthread_mutex_lock(&shard->lock);
    span_t *s = shard->roomy[cls] ? shard->roomy[cls] : span_new(shard, cls);
    if (s) {
        uint32_t i = s->nfree > 0 ? s->free[--s->nfree] : s->carved++;
        p = s->base + i * zm__class_size(cls);
        s->live++;
        s->used = true;
        if (!has_room(s))
            unlink_span(s);
        ZM__CHECK(zm__check_span(s));
    }
    pthread_mutex_unlock(&shard->lock);
    return p;
}

void *zm__sampled_calloc(size_t n, size_t align)
{
    size_t size = n;
    if (!zm__sampled_reserve())
        return NULL;
    if (align > 8) { /* a block whose size is a power of two is aligned to its size */
        size = align;
        while (size < n)
            size *= 2;
    }
    unsigned cls = zm__class_of(size);
    if (!zm__charge(zm__class_size(cls)))
        return NULL;
    unsigned char *p = take(cls);
    if (!p && zm__sampled_trim(true)) /* other classes' and shards' spans may have had the room */
        p = take(cls);
    if (!p) {
        zm__uncharge(zm__class_size(cls));
        return NULL;
    }
    zm__unpoison(p, n);
    return memset(p, 0, n);
}

unsigned char *zm__sampled_take(size_t n)
{
    unsigned char *p = NULL;
    size_t count = (n + SPAN - 1) / SPAN;
    if (!zm__sampled_reserve())
        return NULL;
    zm__sampled_trim(true);
    pthread_mutex_lock(&lock);
    if (count <= num_spans / 4) {
        bool in_use = false;
        for (size_t i = num_spans - count; i < num_spans; i++)
            in_use = in_use || spans[i];
        if (!in_use) {
            num_spans -= count;
            p = (unsigned char *)zm__sampled.base + num_spans * SPAN;
        }
    }
    pthread_mutex_unlock(&lock);
    return p;
}

void zm__sampled_free(void *p)
{
    span_t *s = spans[index_of(p)]; /* stays as long as p is live */
    shard_t *shard = s->shard;
    size_t size = zm__class_size(s->cls);
    pthread_mutex_lock(&shard->lock);
    ZM__CHECK(zm__check_span(s));
    zm__unpoison(p, size);
    zm__poison(p, size);
    if (!has_room(s))
        link_span(s);
    s->free[s->nfree++] = (uint16_t)((size_t)((unsigned char *)p - s->base) / size);
    --s->live;
    ZM__CHECK(zm__check_span(s));
    if (s->live == 0 && (s->next || s->prev))
        span_free(s);
    pthread_mutex_unlock(&shard->lock);
    zm__uncharge(size);
}

size_t zm__sampled_usable_size(const void *p)
{
    if (zm__is_guarded(p))
        return zm__guard_usable_size(p);
    pthread_mutex_lock(&lock);
    const span_t *s = spans[index_of(p)];
    size_t size = s ? zm__class_size(s->cls) : 0;
    pthread_mutex_unlock(&lock);
    return size;
}

/* Unlocks what no span was in, which mlockall may have locked since. */
static void unlock_rest(void)
{
    pthread_mutex_lock(&lock);
    if (top < num_spans)
        (void)munlock((unsigned char *)zm__sampled.base + top * SPAN, (num_spans - top) * SPAN);
    pthread_mutex_unlock(&lock);
}

bool zm__sampled_trim(bool all)
{
    bool any = false;
    if (__atomic_load_n(&zm__sampled.size, __ATOMIC_ACQUIRE) == 0)
        return false; /* there are no spans yet */
    unlock_rest();
    for (shard_t *shard = shards; shard < shards + SHARDS; shard++) {
        pthread_mutex_lock(&shard->lock);
        for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
            for (span_t *s = shard->roomy[cls], *next; s; s = next) {
                next = s->next;
                if (s->live == 0 && (all || !s->used)) {
                    span_free(s);
                    any = true;
                } else {
                    s->used = false;
                }
            }
        }
        pthread_mutex_unlock(&shard->lock);
    }
    return any;
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
void zm__check_span(const span_t *s)
{
    enum { FEW = 512 };
    size_t i = index_of(s->base);
    ZM__MUST((uintptr_t)s->base == zm__sampled.base + i * SPAN && i < zm__sampled.size / SPAN,
             "span %p at %p is at no place for a span", (const void *)s, (const void *)s->base);
    ZM__MUST(s->cls < ZM_NUM_CLASSES && s->shard >= shards && s->shard < shards + SHARDS,
             "span %p is of class %u, shard %p", (const void *)s, s->cls, (const void *)s->shard);
    ZM__MUST(s->live <= s->carved && s->live + s->nfree == s->carved &&
                 s->carved <= blocks_of(s->cls),
             "span %p of class %u: %u live, %u free, %u carved of %u", (const void *)s, s->cls,
             s->live, s->nfree, s->carved, blocks_of(s->cls));
    for (size_t k = 0; k < s->nfree && k < FEW; k++) {
        unsigned number = s->free[s->nfree - 1 - k];
        ZM__MUST(number < s->carved, "span %p of class %u: block %u is free, %u are carved",
                 (const void *)s, s->cls, number, s->carved);
        ZM__MUST(k == 0 || number != s->free[s->nfree - 1],
                 "span %p of class %u: block %u is free twice", (const void *)s, s->cls, number);
    }
    bool first = s->shard->roomy[s->cls] == s;
    bool linked = first || (s->prev && s->prev->next == s);
    ZM__MUST(!has_room(s) || (linked && first == !s->prev && (!s->next || s->next->prev == s)),
             "span %p of class %u has room, and is not in the list of those", (const void *)s,
             s->cls);
}

/* No block of a span is free twice. */
static void check_free(const span_t *s)
{
    unsigned char seen[SPAN / 8 / 8] = {0};
    for (size_t k = 0; k < s->nfree; k++) {
        unsigned number = s->free[k], bit = 1u << number % 8;
        ZM__MUST(number < s->carved, "span %p of class %u: block %u is free, %u are carved",
                 (const void *)s, s->cls, number, s->carved);
        ZM__MUST(!(seen[number / 8] & bit), "span %p of class %u: block %u is free twice",
                 (const void *)s, s->cls, number);
        seen[number / 8] |= (unsigned char)bit;
    }
}

void zm__check_sampled(void)
{
    if (__atomic_load_n(&zm__sampled.size, __ATOMIC_ACQUIRE) == 0)
        return;
    size_t roomy = 0, listed = 0;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_lock(&shards[i].lock);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < MAX_SPANS; i++) {
        const span_t *s = spans[i];
        ZM__MUST(s || i >= lowest, "the range has place for span %zu, lowest is %zu", i, lowest);
        if (!s)
            continue;
        ZM__MUST(i < num_spans, "span %zu of a range of %zu", i, num_spans);
        ZM__MUST(index_of(s->base) == i, "span %p at %p stands in place %zu", (const void *)s,
                 (const void *)s->base, i);
        zm__check_span(s);
        check_free(s);
        roomy += has_room(s);
    }
    for (size_t i = 0; i < SHARDS; i++) {
        for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
            for (const span_t *s = shards[i].roomy[cls]; s; s = s->next, listed++)
                ZM__MUST(listed < roomy && s->cls == cls && s->shard == &shards[i] && has_room(s),
                         "span %p of class %u is in shard %zu's list of class %u, or more than %zu",
                         (const void *)s, s->cls, i, cls, roomy);
        }
    }
    ZM__MUST(listed == roomy, "%zu spans have room, the lists have %zu", roomy, listed);
    pthread_mutex_unlock(&lock);
    for (size_t i = SHARDS; i-- > 0;)
        pthread_mutex_unlock(&shards[i].lock);
}

zm__span_t *zm__check_span_of(const void *p)
{
    return spans[index_of(p)];
}
#endif
