/* limit.c: how much memory the core holds, and how much it may.
 *
 * Whatever takes memory from below charges it here first and uncharges it when it has given it
 * back: depot.c a magazine at a time, alloc.c a block at a time. So what is charged is what callers
 * hold and what is parked in caches and the depot, each block with the size of its class; a block
 * beyond the classes, as it was asked for. It is one atomic counter, off the path of whoever
 * allocates through a cache. Our own bookkeeping is not charged.
 *
 * A thread that follows the counter sleeps in zm_wait_held until it leaves a window. Who charges
 * looks at the window's bounds, on the counter's own cache line, and wakes that thread, once: the
 * window is gone then, until the thread comes again.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "zm_internal.h"

static struct {
    _Alignas(ZM__CACHE_LINE) _Atomic int64_t held;
    _Atomic int64_t peak; /* the most that was held since zm__take_peak */
    _Atomic int64_t limit;
    _Atomic int64_t low, high; /* the window; everything is inside where nobody waits */
} state = {.limit = INT64_MAX, .low = INT64_MIN, .high = INT64_MAX};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows, and to wait with */
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static bool woken;

void zm__limit_locks(zm__lock_op_t *op)
{
    op(&lock);
}

/* What opens the window, so that nobody has to wake a waiter. */
static void open_window(void)
{
    atomic_store(&state.low, INT64_MIN);
    atomic_store(&state.high, INT64_MAX);
}

/* Whoever waited is in the parent only: a condition variable that still knew of it would pass on a
 * signal to it, or wait for it.
 */
void zm__limit_child(void)
{
    left = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    open_window();
}

/* Wakes who waits. */
static void wake(void)
{
    pthread_mutex_lock(&lock);
    woken = true;
    open_window();
    pthread_cond_signal(&left);
    pthread_mutex_unlock(&lock);
}

static void watch(int64_t held)
{
    if (held < atomic_load(&state.low) || held > atomic_load(&state.high))
        wake();
}

/* A wrong size given to zm_free may make the sum wrap around. */
static int64_t plus(int64_t held, uint64_t n)
{
    return (int64_t)((uint64_t)held + n);
}

static void raise_peak(int64_t held)
{
    int64_t peak = atomic_load_explicit(&state.peak, memory_order_relaxed);
    while (held > peak && !atomic_compare_exchange_weak_explicit(
                              &state.peak, &peak, held, memory_order_relaxed, memory_order_relaxed))
        ;
}

/* A request that is refused never shows in the counter: others would be refused because of it. */
size_t zm__limit_charge(size_t n, size_t min, size_t max)
{
    int64_t held = atomic_load_explicit(&state.held, memory_order_relaxed);
    int64_t after;
    size_t fit;
    do {
        int64_t limit = atomic_load_explicit(&state.limit, memory_order_relaxed);
        uint64_t room = held < limit ? (uint64_t)limit - (uint64_t)held : 0;
        fit = room / n < max ? (size_t)(room / n) : max;
        if (fit == 0 || fit < min)
            return 0;
        after = plus(held, (uint64_t)(fit * n));
    } while (!atomic_compare_exchange_weak(&state.held, &held, after));
    ZM__CHECK(zm__check_held(after));
    raise_peak(after);
    watch(after);
    return fit;
}

uint64_t zm__limit_lacks(size_t n)
{
    int64_t held = atomic_load(&state.held), limit = atomic_load(&state.limit);
    if (held > limit)
        return (uint64_t)held - (uint64_t)limit + n;
    uint64_t room = (uint64_t)limit - (uint64_t)held;
    return n > room ? n - room : 0;
}

void zm__uncharge(size_t n)
{
    if (n == 0)
        return;
    int64_t after = plus(atomic_fetch_sub(&state.held, (int64_t)n), 0 - (uint64_t)n);
    ZM__CHECK(zm__check_held(after));
    watch(after);
}

int64_t zm_num_held_bytes(void)
{
    return atomic_load_explicit(&state.held, memory_order_relaxed);
}

int64_t zm__take_peak(void)
{
    return atomic_exchange(&state.peak, zm_num_held_bytes());
}

int64_t zm_set_limit(int64_t bytes)
{
    return bytes < 0 ? atomic_load(&state.limit) : atomic_exchange(&state.limit, bytes);
}

int64_t zm_wait_held(int64_t low, int64_t high)
{
    pthread_mutex_lock(&lock);
    atomic_store(&state.low, low);
    atomic_store(&state.high, high);
    int64_t held = atomic_load(&state.held); /* after the bounds: whoever charges later sees them */
    while (!woken && held >= low && held <= high) {
        pthread_cond_wait(&left, &lock);
        held = atomic_load(&state.held);
    }
    woken = false;
    open_window();
    pthread_mutex_unlock(&lock);
    return held;
}

void zm_wake_held(void)
{
    wake();
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
/* Here a wrong size ends the program: nothing is uncharged that was not charged before. */
void zm__check_held(int64_t held)
{
    ZM__MUST(held >= 0, "%lld bytes are held: more was freed than was allocated", (long long)held);
}
#endif
