/* sampled.c: small blocks whose address says that they are sampled or guarded.
 *
 * They lie in one range of addresses of their own, reserved once, so that whoever frees a block
 * sees by a subtraction and a comparison whether there is more to do (as GWP-ASan does; Serebryany
 * et al., 2023). The range is cut into spans. A span that is in use is readable and writable,
 * belongs to one size class, and has a stack of its free blocks beside it, in memory of our own:
 * nobody's use after free gets at that. A span without a live block goes back to the system, except
 * for the last one of its class.
 *
 * One lock is over all of it: it is taken once a sample.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "zm_internal.h"

#define SPAN ((size_t)1 << 18) /* bytes; a multiple of the page size and of every alignment */
#define MAX_SPANS ((size_t)(SIZE_MAX > 0xffffffffu ? 65536 : 256)) /* 16 GiB, or 64 MiB */
#define RLIMIT_SHARE 16 /* at most such a part of the address space that the process may have */

typedef struct span {
    struct span *next, *prev; /* in the list of those of its class that have room */
    unsigned char *base;
    unsigned cls;
    uint32_t live;   /* blocks that are handed out */
    uint32_t carved; /* blocks that ever were */
    uint32_t nfree;  /* carved, but not handed out */
    uint16_t free[]; /* their numbers */
} span_t;

zm__sampled_t zm__sampled;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static span_t *spans[MAX_SPANS];
static size_t num_spans; /* that the range has */
static size_t lowest;    /* below it all spans are in use */
static span_t *roomy[ZM_NUM_CLASSES];

static void reserve(void)
{
    size_t size = MAX_SPANS * SPAN;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur / RLIMIT_SHARE < size)
        size = (size_t)(limit.rlim_cur / RLIMIT_SHARE) / SPAN * SPAN;
    if (size == 0)
        return;
    /* One span more, so that the first can be aligned. */
    unsigned char *p =
        mmap(NULL, size + SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return;
    __atomic_store_n(&zm__sampled.base, ((uintptr_t)p + SPAN - 1) / SPAN * SPAN, __ATOMIC_RELAXED);
    num_spans = size / SPAN;
    __atomic_store_n(&zm__sampled.size, size, __ATOMIC_RELEASE);
}

bool zm__sampled_reserve(void)
{
    pthread_once(&once, reserve);
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
    s->prev = NULL;
    s->next = roomy[s->cls];
    if (s->next)
        s->next->prev = s;
    roomy[s->cls] = s;
}

static void unlink_span(const span_t *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        roomy[s->cls] = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

/* A span for a class, linked; NULL where there is none left, or no memory. */
static span_t *span_new(unsigned cls)
{
    while (lowest < num_spans && spans[lowest])
        lowest++;
    if (lowest == num_spans)
        return NULL;
    span_t *s = zm__meta_calloc(sizeof *s + blocks_of(cls) * sizeof s->free[0]);
    if (!s)
        return NULL;
    s->base = (unsigned char *)zm__sampled.base + lowest * SPAN;
    s->cls = cls;
    if (mprotect(s->base, SPAN, PROT_READ | PROT_WRITE) != 0) {
        zm__meta_free(s);
        return NULL;
    }
    spans[lowest] = s;
    link_span(s);
    return s;
}

/* Gives a span without live blocks back. Should the system refuse, it stays readable. */
static void span_free(span_t *s)
{
    size_t i = (size_t)(s->base - (unsigned char *)zm__sampled.base) / SPAN;
    unlink_span(s);
    zm__unpoison(s->base, SPAN);
    (void)mmap(s->base, SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
               -1, 0);
    spans[i] = NULL;
    lowest = i < lowest ? i : lowest;
    zm__meta_free(s);
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
    pthread_mutex_lock(&lock);
    span_t *s = roomy[cls] ? roomy[cls] : span_new(cls);
    unsigned char *p = NULL;
    if (s) {
        uint32_t i = s->nfree > 0 ? s->free[--s->nfree] : s->carved++;
        p = s->base + i * zm__class_size(cls);
        s->live++;
        if (!has_room(s))
            unlink_span(s);
    }
    pthread_mutex_unlock(&lock);
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
    pthread_mutex_lock(&lock);
    if (zm__sampled_reserve() && count <= num_spans / 4) {
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

/* The span of a live block. */
static span_t *span_of(const void *p)
{
    return spans[((uintptr_t)p - zm__sampled.base) / SPAN];
}

void zm__sampled_free(void *p)
{
    pthread_mutex_lock(&lock);
    span_t *s = span_of(p);
    size_t size = zm__class_size(s->cls);
    zm__unpoison(p, size);
    zm__poison(p, size);
    if (!has_room(s))
        link_span(s);
    s->free[s->nfree++] = (uint16_t)((size_t)((unsigned char *)p - s->base) / size);
    if (--s->live == 0 && (s->next || s->prev))
        span_free(s);
    pthread_mutex_unlock(&lock);
    zm__uncharge(size);
}

size_t zm__sampled_usable_size(const void *p)
{
    if (zm__is_guarded(p))
        return zm__guard_usable_size(p);
    pthread_mutex_lock(&lock);
    const span_t *s = span_of(p);
    size_t size = s ? zm__class_size(s->cls) : 0;
    pthread_mutex_unlock(&lock);
    return size;
}

void zm__sampled_trim(void)
{
    pthread_mutex_lock(&lock);
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        for (span_t *s = roomy[cls], *next; s; s = next) {
            next = s->next;
            if (s->live == 0)
                span_free(s);
        }
    }
    pthread_mutex_unlock(&lock);
}
