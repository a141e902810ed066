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
static int why_none = ZM_EBACKEND; /* what zm_init returns where none was chosen */

static char names[64]; /* for zm_backends */
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    const char *want = getenv("ZMEM_BACKEND");
    for (size_t i = 0; zm__backends[i]; i++) {
        const zm__backend_t *b = zm__backends[i];
        if (want && *want && strcmp(want, b->name) != 0)
            continue;
        (void)b->good_size(1); /* starts it, before fork.c registers its handlers */
        if (zm__fork_register())
            atomic_store_explicit(&chosen, b, memory_order_release);
        else
            why_none = ZM_ENOMEM;
        return;
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
    return zm__backend() ? ZM_OK : why_none;
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

void zm__backend_locks(zm__lock_op_t *op)
{
    (void)zm_backends(); /* no fork finds it half done */
    zm__backend()->locks(op);
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
