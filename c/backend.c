/* backend.c: which allocator serves us.
 *
 * The choice is made once, by whichever call comes first, and never changes. After that, reading
 * it is one load: `chosen` is published with release order when everything it points to is ready.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "zm_internal.h"

static _Atomic(const zm__backend_t *) chosen;
static pthread_once_t choose_once = PTHREAD_ONCE_INIT;

static char names[64]; /* for zm_backends */
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    const char *want = getenv("ZMEM_BACKEND");
    for (size_t i = 0; zm__backends[i]; i++) {
        if (!want || !*want || strcmp(want, zm__backends[i]->name) == 0) {
            atomic_store_explicit(&chosen, zm__backends[i], memory_order_release);
            return;
        }
    }
}

static void join_names(void)
{
    size_t used = 0;
    for (size_t i = 0; zm__backends[i]; i++) {
        size_t len = strlen(zm__backends[i]->name);
        if (used + len + 2 > sizeof names)
            return;
        if (used)
            names[used++] = ',';
        memcpy(names + used, zm__backends[i]->name, len + 1);
        used += len;
    }
}

const zm__backend_t *zm__backend(void)
{
    const zm__backend_t *b = atomic_load_explicit(&chosen, memory_order_acquire);
    if (b)
        return b;
    pthread_once(&choose_once, choose);
    return atomic_load_explicit(&chosen, memory_order_acquire);
}

int zm_init(void)
{
    return zm__backend() ? ZM_OK : ZM_EBACKEND;
}

const char *zm_backend(void)
{
    const zm__backend_t *b = zm__backend();
    return b ? b->name : NULL;
}

const char *zm_backends(void)
{
    pthread_once(&names_once, join_names);
    return names;
}

void *zm__meta_calloc_aligned(size_t n, size_t align)
{
    const zm__backend_t *b = zm__backend();
    return b && n <= ZM_MAX_SIZE ? b->calloc(n, align) : NULL;
}

void *zm__meta_calloc(size_t n)
{
    return zm__meta_calloc_aligned(n, ZM__CACHE_LINE);
}

void zm__meta_free(void *p)
{
    const zm__backend_t *b = zm__backend();
    if (p && b)
        b->flush(&p, 1); /* rather than b->free, which may keep it for this thread */
}
