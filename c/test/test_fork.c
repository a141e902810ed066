/* test_fork.c: a fork takes every lock of the core, and in the order that everybody keeps.
 *
 * The linker has all calls of pthread_mutex_lock come here first. Each lock that the core takes is
 * to be one that zm__fork_locks lists, behind all that the thread holds already.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "test.h"

enum { MOST = 2000, DEPTH = 16 };

static pthread_mutex_t *listed[MOST];
static size_t num_listed;

static _Thread_local bool watching;
static const pthread_mutex_t *held[DEPTH]; /* by the thread that watches */
static size_t depth, deepest, taken;
static const char *wrong;

static int list(pthread_mutex_t *lock)
{
    if (num_listed < MOST)
        listed[num_listed++] = lock;
    return 0;
}

static size_t find(const pthread_mutex_t *lock)
{
    size_t i = 0;
    while (i < num_listed && listed[i] != lock)
        i++;
    return i;
}

/* The place of a lock; num_listed where it has none. The list may be older than an Allocator. */
static size_t place_of(const pthread_mutex_t *lock)
{
    size_t i = find(lock);
    if (i == num_listed) {
        num_listed = 0;
        zm__fork_locks(list);
        i = find(lock);
    }
    return i;
}

static void take(const pthread_mutex_t *lock, bool may_wait)
{
    size_t place = place_of(lock);
    taken++;
    if (place == num_listed) {
        if (strcmp(zm_backend(), "libc") == 0) /* with jemalloc they may be its own */
            wrong = "a lock that no fork takes";
        return;
    }
    for (size_t i = 0; may_wait && i < depth; i++) {
        if (find(held[i]) >= place)
            wrong = "a lock out of order";
    }
    if (depth < DEPTH)
        held[depth++] = lock;
    deepest = depth > deepest ? depth : deepest;
}

static void release(const pthread_mutex_t *lock)
{
    size_t i = 0;
    while (i < depth && held[i] != lock)
        i++;
    if (i < depth)
        memmove(&held[i], &held[i + 1], (--depth - i) * sizeof held[0]);
}

/* By these names the linker knows them; see the Makefile. */
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_pthread_mutex_trylock(pthread_mutex_t *lock);
int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    if (watching)
        take(lock, true);
    return __real_pthread_mutex_lock(lock);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *lock)
{
    int err = __real_pthread_mutex_trylock(lock);
    if (watching && err == 0)
        take(lock, false);
    return err;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    if (watching)
        release(lock);
    return __real_pthread_mutex_unlock(lock);
}

static bool no_memory;

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return no_memory ? ENOMEM : __real_pthread_atfork(prepare, parent, child);
}

/* ---- Without handlers there is no zmem ------------------------------------------------------- */

static bool fails_without_handlers(const void *arg)
{
    (void)arg;
    void *p = &p, *batch[2];
    no_memory = true;
    MUST(zm_init() == ZM_ENOMEM);
    no_memory = false;
    MUST(zm_init() == ZM_ENOMEM && !zm_backend());
    MUST(!zm_calloc(10) && !new_allocator(512) && !new_buffer(64) && !new_cache());
    MUST(zm_try_calloc(10, 0, &p) == ZM_ENOMEM && p == &p);
    MUST(zm_calloc_batch(10, batch, 2) == ZM_ENOMEM);
    MUST(zm_return_memory() == ZM_ENOMEM);
    MUST(zm_num_alloc_bytes() == 0 && zm_num_held_bytes() == 0);
    return true;
}

static void test_no_memory_for_handlers(void **state)
{
    (void)state;
    assert_true(in_child(fails_without_handlers, NULL));
}

/* ---- The order ------------------------------------------------------------------------------- */

static zm_cache_t *cache;
static zm_site_t *site;

static void blocks(void)
{
    static void *p[1000];
    for (size_t n = 1; n <= 2 * ZM_SMALL_MAX; n *= 4) {
        for (size_t i = 0; i < LEN(p); i++)
            p[i] = i % 2 ? zm_cache_calloc(cache, n) : zm_calloc_aligned(n, 64);
        for (size_t i = 0; i < LEN(p); i++)
            zm_cache_free(cache, p[i], n);
    }
    zm_cache_drain(cache);
}

static void allocators(void)
{
    zm_allocator_pool_t *pool = new_pool(1);
    zm_allocator_t *a = pool_get(pool, 512), *b = pool_get(pool, 512);
    zm_cursor_t k;
    zm_cursor_open(&k, a);
    for (size_t n = 1; n < 1 << 20; n *= 2) {
        zm_allocator_allocate(a, n);
        zm_cursor_allocate(&k, n, 8);
    }
    zm_cursor_close(&k);
    zm_allocator_size(a);
    zm_allocator_from(zm_allocator_ref(b));
    zm_allocator_pool_put(pool, a);
    zm_allocator_pool_put(pool, b);
    zm_allocator_pool_trim(pool);
    zm_allocator_pool_release(pool);
}

/* A chunk that is refused has all that is parked go back, under the Allocator's lock. */
static void allocator_at_limit(void)
{
    zm_allocator_t *a = new_allocator(512);
    zm_set_limit(zm_num_held_bytes() + 100000);
    for (size_t n = 512; n < 1 << 20; n *= 2)
        zm_allocator_allocate(a, n);
    zm_set_limit(INT64_MAX);
    zm_allocator_release(a);
}

static void buffers(void)
{
    zm_buffer_t *b = new_buffer(64);
    for (size_t n = 64; n < 8 << 20; n *= 2)
        zm_buffer_grow(b, n, NULL);
    zm_buffer_attribute(b, site);
    zm_buffer_release(b, NULL);
}

static void sampled_and_guarded(void)
{
    void *p[300];
    zm_guard_set_rate(1);
    zm_profile_set_rate(1);
    for (size_t i = 0; i < LEN(p); i++)
        p[i] = i % 3 ? zm_profile_calloc(1000, 0, 1, site) : zm_guard_calloc(1000, 1, site);
    for (size_t i = 0; i < LEN(p); i++)
        zm_free(p[i], 1000);
    zm_cache_free(cache, zm_cache_calloc(cache, 10), 10);
    zm_guard_set_rate(0);
    zm_profile_set_rate(0);
}

static void look(void)
{
    zm_profile_stats_t stats;
    zm_memstats_t memory;
    char *text = NULL;
    zm_profile_stats(&stats);
    zm_profile_sites(NULL, 0);
    zm_memstats(&memory);
    zm_stats_text(&text);
    zm_text_free(text);
    zm_wake_held();
    zm_wait_held(0, INT64_MAX);
}

static void give_back(void)
{
    zm_depot_trim(false);
    zm_return_memory();
}

static void test_order_of_locks(void **state)
{
    (void)state;
    static void (*const work[])(void) = {
        blocks, allocators, allocator_at_limit, buffers, sampled_and_guarded, look, give_back,
    };
    cache = new_cache();
    site = zm_site_of("order", 5, (uintptr_t[]){1}, 1);
    zm__fork_locks(list); /* the first time makes what is made once */
    for (size_t i = 0; i < LEN(work); i++) {
        size_t before = taken;
        watching = true; /* for the functions that are wrapped */
        work[i]();
        /* cppcheck-suppress redundantAssignment */
        watching = false;
        if (wrong)
            fail_msg("%s, in part %zu", wrong, i);
        assert_true(taken > before || i == 3); /* a Buffer takes locks under the leak tag */
        assert_int_equal(depth, 0);
    }
    assert_true(deepest >= 2);
    print_message("    %zu locks taken, at most %zu at once\n", taken, deepest);
    assert_counts(0, 0);
}

/* What a fork takes it takes once: a lock that is listed twice would wait for itself. */
static void test_each_lock_once(void **state)
{
    (void)state;
    zm_allocator_t *a = new_allocator(512);
    num_listed = 0;
    zm__fork_locks(list);
    assert_in_range(num_listed, ZM_NUM_CLASSES + 2 * ZM__SHARDS, MOST - 1);
    for (size_t i = 0; i < num_listed; i++)
        assert_int_equal(find(listed[i]), i);
    assert_true(find(&a->lock) < num_listed);
    zm_allocator_release(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_for_handlers),
        cmocka_unit_test(test_order_of_locks),
        cmocka_unit_test(test_each_lock_once),
    };
    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
