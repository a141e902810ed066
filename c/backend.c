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
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char names[64]; /* for zm_backends */

static void choose(void)
{
    const char *want = getenv("ZMEM_BACKEND");
    const zm__backend_t *found = NULL;
    size_t used = 0;
    for (size_t i = 0; zm__backends[i]; i++) {
        const zm__backend_t *b = zm__backends[i];
        size_t len = strlen(b->name);
        if (used + len + 2 <= sizeof names) {
            if (used)
                names[used++] = ',';
            memcpy(names + used, b->name, len + 1);
            used += len;
        }
        if (!found && (!want || !*want || strcmp(want, b->name) == 0))
            found = b;
    }
    atomic_store_explicit(&chosen, found, memory_order_release);
}

const zm__backend_t *zm__backend(void)
{
    const zm__backend_t *b = atomic_load_explicit(&chosen, memory_order_acquire);
    if (b)
        return b;
    pthread_once(&once, choose);
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
    pthread_once(&once, choose);
    return names;
}

void *zm__meta_calloc(size_t n)
{
    const zm__backend_t *b = zm__backend();
    return b && n <= ZM_MAX_SIZE ? b->calloc(n, 16) : NULL;
}

void zm__meta_free(void *p)
{
    const zm__backend_t *b = zm__backend();
    if (p && b)
        b->free(p);
}
