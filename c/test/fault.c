/* fault.c: the backend of fault.h.
 *
 * Each block is aligned as asked and no better, has a guard behind it, and stands in a table with
 * its size. A block that is freed is filled first, so that whoever still reads it finds nonsense.
 */
#include <stdlib.h>
#include <string.h>

#include "fault.h"

#define MAX_LIVE 32768
#define GUARD 16
#define GUARD_BYTE 0xa5
#define FREED_BYTE 0xdd

typedef struct block {
    unsigned char *p;
    void *real; /* where it lies in */
    size_t n;
    size_t align;
} block_t;

/* The real ones; see the Makefile. */
extern const zm__backend_t *const fault_reals[];

static const zm__backend_t *real;
static zm__backend_t backend;
const zm__backend_t *const zm__backends[] = {&backend, NULL};

static block_t blocks[MAX_LIVE];
static size_t live, live_bytes;
static size_t countdown; /* blocks until one is refused; 0: none will be */
static bool fired;
static bool refuse_all;
static bool reuse;
static void (*on_free)(void *p);
static block_t last_freed; /* kept for the next of its kind */
static const char *misuse;

static void wrong(const char *what)
{
    if (!misuse)
        misuse = what;
}

static bool refused(void)
{
    if (refuse_all)
        return true;
    if (countdown == 0 || --countdown > 0)
        return false;
    fired = true;
    return true;
}

/* A block of n bytes that are not cleared; NULL when out of memory. */
static void *take(size_t n, size_t align)
{
    if (n == 0 || n > ZM_MAX_SIZE)
        wrong("a size outside of its range");
    if (align < 8 || (align & (align - 1)) || align > ZM_MAX_ALIGN)
        wrong("an alignment outside of its range");
    if (refused() || n > (size_t)1 << 30)
        return NULL;
    block_t b = last_freed;
    if (b.p && b.n == n && b.align == align) {
        last_freed = (block_t){NULL, NULL, 0, 0};
    } else {
        b = (block_t){NULL, real->calloc(align + n + GUARD, 2 * align), n, align};
        if (!b.real)
            return NULL;
        b.p = (unsigned char *)b.real + align;
    }
    if (live == MAX_LIVE) {
        wrong("more blocks than the test has room for");
        return NULL;
    }
    memset(b.p, FREED_BYTE, n);
    memset(b.p + n, GUARD_BYTE, GUARD);
    blocks[live++] = b;
    live_bytes += n;
    return b.p;
}

static void *fault_calloc(size_t n, size_t align)
{
    void *p = take(n, align);
    return p ? memset(p, 0, n) : NULL;
}

/* cppcheck-suppress constParameter ; the type is zm__backend_t's */
static void fault_free(void *p)
{
    if (on_free)
        on_free(p);
    size_t i = live;
    while (i > 0 && blocks[i - 1].p != p)
        i--;
    if (i == 0) {
        wrong("freed what is no live block");
        return;
    }
    block_t b = blocks[i - 1];
    if (!all_are(b.p + b.n, GUARD_BYTE, GUARD))
        wrong("wrote behind a block");
    memset(b.p, FREED_BYTE, b.n + GUARD);
    memmove(&blocks[i - 1], &blocks[i], (live - i) * sizeof b);
    live--;
    live_bytes -= b.n;
    if (reuse) {
        block_t gone = last_freed;
        last_freed = b;
        b = gone;
    }
    if (b.p)
        real->free(b.real);
}

static size_t fault_fill(size_t n, void **out, size_t len)
{
    size_t i = 0;
    while (i < len && (out[i] = take(n, n <= 8 ? 8 : 16)))
        i++;
    return i;
}

static void fault_flush(void *const *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fault_free(p[i]);
}

static size_t fault_usable_size(const void *p)
{
    for (size_t i = 0; i < live; i++) {
        if (blocks[i].p == p)
            return blocks[i].n;
    }
    wrong("asked for the size of what is no block");
    return 0;
}

bool fault_init(void)
{
    const char *want = getenv("ZMEM_BACKEND");
    for (size_t i = 0; fault_reals[i] && !real; i++) {
        if (!want || !*want || strcmp(want, fault_reals[i]->name) == 0)
            real = fault_reals[i];
    }
    if (!real)
        return false;
    backend = *real; /* what is not replaced here is its own */
    backend.calloc = fault_calloc;
    backend.free = fault_free;
    backend.fill = fault_fill;
    backend.flush = fault_flush;
    backend.usable_size = fault_usable_size;
    return true;
}

void fault_arm(size_t k)
{
    countdown = k;
    fired = false;
}

bool fault_disarm(void)
{
    countdown = 0;
    return fired;
}

void fault_refuse_all(bool on)
{
    refuse_all = on;
}

size_t fault_live(void)
{
    return live;
}

size_t fault_live_bytes(void)
{
    return live_bytes;
}

void fault_on_free(void (*f)(void *p))
{
    on_free = f;
}

void fault_reuse(bool on)
{
    reuse = on;
    if (!on && last_freed.p) {
        real->free(last_freed.real);
        last_freed = (block_t){NULL, NULL, 0, 0};
    }
}

const char *fault_misuse(void)
{
    return misuse;
}
