/* test_stress.c [SEED [THREADS [ITERATIONS]]]: many threads at once, on the backend or on caches.
 */
#include <pthread.h>

#include "stress.h"

/* ---- The first call of all, by all threads at once ------------------------------------------- */

enum { FIRST_THREADS = 16 };
static pthread_barrier_t barrier;

static void *first_use(void *arg)
{
    void **out = arg;
    pthread_barrier_wait(&barrier);
    out[0] = zm_calloc(64);
    out[1] = (void *)(uintptr_t)zm_backend();
    out[2] = (void *)(uintptr_t)zm_backends();
    return NULL;
}

static void test_first_use(void **state)
{
    (void)state;
    pthread_t threads[FIRST_THREADS];
    void *out[FIRST_THREADS][3];
    pthread_barrier_init(&barrier, NULL, FIRST_THREADS);
    for (size_t i = 0; i < FIRST_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, first_use, out[i]), 0);
    for (size_t i = 0; i < FIRST_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&barrier);
    assert_counts(64 * FIRST_THREADS, FIRST_THREADS);
    for (size_t i = 0; i < FIRST_THREADS; i++) {
        assert_non_null(out[i][0]);
        assert_ptr_equal(out[i][1], zm_backend());
        assert_ptr_equal(out[i][2], zm_backends());
        zm_free(out[i][0], 64);
    }
    assert_counts(0, 0);
}

/* ---- zm_calloc and all that goes with it ----------------------------------------------------- */

static void *enter(void)
{
    return NULL;
}

static void leave(void *self)
{
    (void)self;
}

static void *plain_calloc(void *self, size_t n, size_t align)
{
    (void)self;
    return align ? zm_calloc_aligned(n, align) : zm_calloc(n);
}

static void plain_free(void *self, void *p, size_t n)
{
    (void)self;
    zm_free(p, n);
}

static bool plain_calloc_batch(void *self, size_t n, void **out, size_t len)
{
    (void)self;
    return zm_calloc_batch(n, out, len) == ZM_OK;
}

static void plain_free_batch(void *self, void *const *blocks, size_t n, size_t len)
{
    (void)self;
    zm_free_batch(blocks, n, len);
}

static void plain_disturb(void *self, rng_t *rng)
{
    (void)self;
    zm_memstats_t stats;
    char *text = NULL;
    switch (rng_below(rng, 4)) {
    case 0:
        CHECK(zm_memstats(&stats) == ZM_OK);
        break;
    case 1:
        CHECK(zm_stats_text(&text) == ZM_OK && text);
        zm_text_free(text);
        break;
    case 2:
        CHECK(zm_return_memory() <= 0);
        break;
    default:
        CHECK(zm_num_alloc_bytes() > -((int64_t)1 << 40) && zm_num_allocs() < (int64_t)1 << 40);
        break;
    }
}

static const stress_target_t plain = {
    .enter = enter,
    .leave = leave,
    .calloc = plain_calloc,
    .free = plain_free,
    .calloc_batch = plain_calloc_batch,
    .free_batch = plain_free_batch,
    .disturb = plain_disturb,
};

static void test_blocks(void **state)
{
    (void)state;
    assert_int_equal(stress_run(&plain), 0);
    assert_counts(0, 0);
}

/* ---- Caches, each of them used by one thread after the other --------------------------------- */

enum { MAX_CACHES = 8 };
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static zm_cache_t *pool[MAX_CACHES]; /* those that no thread has; caches are never freed */
static size_t pool_len;

static void *cache_enter(void)
{
    pthread_mutex_lock(&pool_lock);
    zm_cache_t *cache = pool_len ? pool[--pool_len] : new_cache();
    pthread_mutex_unlock(&pool_lock);
    return cache;
}

static void cache_leave(void *self)
{
    pthread_mutex_lock(&pool_lock);
    if (pool_len < MAX_CACHES)
        pool[pool_len++] = self;
    else
        zm_cache_drain(self);
    pthread_mutex_unlock(&pool_lock);
}

static void *cache_calloc(void *self, size_t n, size_t align)
{
    return align ? zm_calloc_aligned(n, align) : zm_cache_calloc(self, n);
}

static bool cache_calloc_batch(void *self, size_t n, void **out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = zm_cache_calloc(self, n);
    return true;
}

static void cache_free(void *self, void *p, size_t n)
{
    zm_cache_free(self, p, n);
}

/* Most of them into the cache, some not. */
static void cache_free_batch(void *self, void *const *blocks, size_t n, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (i % 8)
            zm_cache_free(self, blocks[i], n);
        else
            zm_free(blocks[i], n);
    }
}

static void cache_disturb(void *self, rng_t *rng)
{
    switch (rng_below(rng, 4)) {
    case 0:
        zm_cache_drain(self);
        break;
    case 1:
        zm_depot_trim(rng_below(rng, 2));
        break;
    case 2:
        CHECK(!zm_cache_idle(self));
        CHECK(zm_cache_idle(self));
        break;
    default:
        plain_disturb(self, rng);
        break;
    }
}

static const stress_target_t caches = {
    .enter = cache_enter,
    .leave = cache_leave,
    .calloc = cache_calloc,
    .free = cache_free,
    .calloc_batch = cache_calloc_batch,
    .free_batch = cache_free_batch,
    .disturb = cache_disturb,
};

static void test_caches(void **state)
{
    (void)state;
    for (size_t round = 0; round < 2; round++) {
        assert_int_equal(stress_run(&caches), 0);
        assert_counts(0, 0);
    }
    while (pool_len > 0)
        zm_cache_drain(pool[--pool_len]);
    ZM__CHECK(zm__check_rest());
    zm_depot_trim(true);
    assert_counts(0, 0);
}

/* ---- The same while blocks are sampled, at rates that change ----------------------------------
 */

static void sampled_disturb(void *self, rng_t *rng)
{
    const uint64_t rates[] = {0, 200, 5000, 500000};
    int err = zm_profile_set_rate(rates[rng_below(rng, LEN(rates))]);
    CHECK(err == ZM_OK || err == ZM_ENOTSUP);
    err = zm_guard_set_rate(rng_below(rng, 3) * 50);
    CHECK(err == ZM_OK || err == ZM_ENOTSUP);
    zm_profile_site_t sites[8];
    zm_profile_sites(sites, LEN(sites));
    zm_profile_stats_t stats;
    zm_profile_stats(&stats);
    if (rng_below(rng, 4) == 0)
        zm__sampled_trim(true);
    cache_disturb(self, rng);
}

static void test_sampled(void **state)
{
    stress_target_t sampled = caches;
    sampled.disturb = sampled_disturb;
    zm_profile_set_rate(3000);
    assert_int_equal(stress_run(&sampled), 0);
    zm_profile_set_rate(0);
    zm_guard_set_rate(0);
    test_caches(state);
    zm_profile_stats_t stats;
    zm_profile_stats(&stats);
    assert_int_equal(stats.records, 0);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_use),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_caches),
        cmocka_unit_test(test_sampled),
    };
    return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
