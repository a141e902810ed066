/* test_stress_limit.c [SEED [THREADS [ITERATIONS]]]: threads that allocate up to a limit, through
 * caches and without, and one that waits for what they hold to go up and down.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "stress.h"

enum { LIMIT = 1 << 20, MAX_THREADS = 64 };

static atomic_int running;
static atomic_size_t refused;

static void *allocate(void *arg)
{
    rng_t rng = {stress_args.seed + (uintptr_t)arg};
    zm_cache_t *cache = new_cache();
    void *live[50] = {NULL};
    size_t sizes[50] = {0};
    bool ok = cache;
    for (size_t step = 0; ok && step < 5 * stress_args.iterations; step++) {
        size_t i = rng_below(&rng, LEN(live));
        zm_cache_free(cache, live[i], sizes[i]);
        sizes[i] = rng_below(&rng, rng_below(&rng, 4) ? 1000 : 100000);
        live[i] = zm_cache_calloc(cache, sizes[i]);
        if (!live[i])
            atomic_fetch_add(&refused, 1);
        ok = zm_num_held_bytes() <= LIMIT && zm_num_parked_bytes() >= 0;
    }
    for (size_t i = 0; i < LEN(live); i++)
        zm_cache_free(cache, live[i], sizes[i]);
    zm_cache_drain(cache);
    if (atomic_fetch_sub(&running, 1) == 1)
        zm_wake_held();
    return ok ? arg : NULL;
}

static void test_threads_under_a_limit(void **state)
{
    (void)state;
    pthread_t threads[MAX_THREADS];
    size_t n = stress_args.threads < MAX_THREADS ? stress_args.threads : MAX_THREADS;
    size_t crossings = 0;
    zm_set_limit(LIMIT);
    atomic_store(&running, (int)n);
    for (uintptr_t i = 0; i < n; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, allocate, (void *)(i + 1)), 0);
    for (bool above = false; atomic_load(&running) > 0; crossings++)
        above = zm_wait_held(above ? LIMIT / 2 : 0, above ? INT64_MAX : LIMIT / 2) > LIMIT / 2;
    for (size_t i = 0; i < n; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
    }
    print_message("    %zu refused, %zu times woken\n", atomic_load(&refused), crossings);
    zm_set_limit(INT64_MAX);
    zm_depot_trim(true);
    assert_int_equal(zm_num_held_bytes(), 0);
    assert_counts(0, 0);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads_under_a_limit)};
    return cmocka_run_group_tests_name("stress, limit", tests, NULL, NULL);
}
