/* test_stress_fork.c [SEED [THREADS [FORKS]]]: forks while threads are anywhere in the core.
 *
 * Each step uses one part of the core, and with it that part's locks.
 */
#include <string.h>

#include "forks.h"

enum { SHARED_BYTES = 1 << 20 };

static zm_allocator_t *shared; /* by all threads, and by the children */
static zm_allocator_pool_t *pool;

static size_t random_size(rng_t *rng)
{
    return 1 + rng_below(rng, rng_below(rng, 50) ? 500 : ZM_SMALL_MAX);
}

static void use(void *p, size_t n)
{
    CHECK(p && all_are(p, 0, n));
    if (p)
        memset(p, 0x5a, n);
}

/* Enough of a size to exchange magazines at the depot. */
static void cached(forks_worker_t *w)
{
    void *blocks[40];
    size_t n = random_size(&w->rng);
    for (size_t i = 0; i < LEN(blocks); i++)
        use(blocks[i] = zm_cache_calloc(w->cache, n), n);
    for (size_t i = 0; i < LEN(blocks); i++)
        zm_cache_free(w->cache, blocks[i], n);
    if (rng_below(&w->rng, 2) == 0)
        zm_cache_drain(w->cache);
}

static void direct(forks_worker_t *w)
{
    size_t n = random_size(&w->rng) * (rng_below(&w->rng, 10) ? 1 : 10);
    void *batch[50], *p = zm_calloc(n), *q = zm_calloc_aligned(n, 64);
    use(p, n);
    use(q, n);
    CHECK(zm_calloc_batch(100, batch, LEN(batch)) == ZM_OK);
    zm_free_batch(batch, 100, LEN(batch));
    zm_free(p, n);
    zm_free(q, n);
}

static void allocator_shared(forks_worker_t *w)
{
    size_t n = random_size(&w->rng) % 256 + 1;
    zm_cursor_t k;
    CHECK(zm_allocator_from(zm_allocator_ref(shared)) == shared);
    if (zm_allocator_size(shared) > SHARED_BYTES)
        return;
    use(zm_allocator_allocate_aligned(shared, n, 16), n);
    use(zm_allocator_allocate(shared, n), n);
    zm_cursor_open(&k, shared);
    use(zm_cursor_allocate(&k, n, 1), n);
    zm_cursor_close(&k);
}

static void allocator_own(forks_worker_t *w)
{
    zm_allocator_t *a = new_allocator(512);
    CHECK(a);
    for (size_t i = 0; a && i < 20; i++) {
        size_t n = random_size(&w->rng);
        use(zm_allocator_allocate(a, n), n);
    }
    zm_allocator_release(a);
}

static void pooled(forks_worker_t *w)
{
    zm_allocator_t *a = pool_get(pool, 4096);
    size_t n = random_size(&w->rng) % 1000 + 1;
    CHECK(a);
    if (a)
        use(zm_allocator_allocate(a, n), n);
    zm_allocator_pool_put(pool, a);
    zm_allocator_pool_trim(pool);
}

/* On the heap, and now and then in a mapping that grows. */
static void buffer(forks_worker_t *w)
{
    zm_buffer_t *b = new_buffer(64);
    CHECK(b);
    size_t most = rng_below(&w->rng, 50) ? 20 : 60;
    for (size_t i = 0; b && i < most; i++) {
        void *p = zm_buffer_add_record(b, most == 60 ? ZM_SMALL_MAX : 1000, NULL);
        CHECK(p);
        if (p)
            memset(p, 0x5a, 1000);
    }
    CHECK(zm_buffer_release(b, NULL) == ZM_OK);
}

static zm_site_t *random_site(rng_t *rng)
{
    uintptr_t pc = 1 + rng_below(rng, 1000);
    return zm_site_of("fork", 4, &pc, 1);
}

/* NULL under the leak tag, which samples nothing and guards nothing. */
static void sampled(forks_worker_t *w)
{
    void *blocks[5];
    size_t n = random_size(&w->rng);
    for (size_t i = 0; i < LEN(blocks); i++) {
        if ((blocks[i] = zm_profile_calloc(n, 0, 1, random_site(&w->rng))))
            use(blocks[i], n);
    }
    for (size_t i = 0; i < LEN(blocks); i++)
        zm_free(blocks[i], blocks[i] ? n : 0);
}

static void guarded(forks_worker_t *w)
{
    size_t n = random_size(&w->rng);
    void *p = zm_guard_calloc(n, rng_below(&w->rng, 2), random_site(&w->rng));
    if (p) {
        use(p, n);
        CHECK(zm_guard_free(p, n, NULL) == ZM_OK);
    }
}

static void set_rates(forks_worker_t *w)
{
    static const uint64_t rates[] = {0, 0, 1, 4096};
    int ok = zm_profile_set_rate(rates[rng_below(&w->rng, LEN(rates))]);
    CHECK(ok == ZM_OK || ok == ZM_ENOTSUP);
    ok = zm_guard_set_rate(rates[rng_below(&w->rng, LEN(rates))]);
    CHECK(ok == ZM_OK || ok == ZM_ENOTSUP);
}

static void look(forks_worker_t *w)
{
    zm_profile_site_t sites[10];
    zm_profile_stats_t stats;
    zm_memstats_t memory;
    zm_profile_stats(&stats);
    CHECK(zm_profile_sites(sites, LEN(sites)) < SIZE_MAX / 2);
    if (rng_below(&w->rng, 20) == 0)
        CHECK(zm_memstats(&memory) == ZM_OK);
}

static void give_back(forks_worker_t *w)
{
    if (rng_below(&w->rng, 4) == 0)
        CHECK(zm_return_memory() == ZM_OK);
    else
        zm_depot_trim(rng_below(&w->rng, 2));
}

static forks_step_t *const all[] = {
    cached,  direct,  allocator_shared, allocator_own, pooled,    buffer,
    sampled, guarded, set_rates,        look,          give_back,
};

static void test_forks(void **state)
{
    (void)state;
    shared = new_allocator(512);
    pool = new_pool(2);
    assert_non_null(shared);
    assert_non_null(pool);
    assert_int_equal(forks_run(all, LEN(all)), 0);
    zm_allocator_pool_release(pool);
    zm_allocator_release(shared);
    zm_profile_set_rate(0);
    zm_guard_set_rate(0);
    zm_depot_trim(true);
    assert_counts(0, 0);
    assert_int_equal(zm_num_held_bytes(), 0);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forks)};
    return cmocka_run_group_tests_name("stress, fork", tests, NULL, NULL);
}
