//go:build leak

/* test_stress_leak_blocks.c [SEED [THREADS [ITERATIONS]]]: some threads allocate and free, one
 * reads whatever is live.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "stress.h"

enum { MOST = 2000 };

static atomic_int running;

static void *allocate(void *arg)
{
    rng_t rng = {stress_args.seed + (uintptr_t)arg};
    bool ok = true;
    void *live[50] = {NULL};
    size_t sizes[50] = {0};
    for (size_t step = 0; step < 5 * stress_args.iterations; step++) {
        size_t i = rng_below(&rng, LEN(live));
        ok = zm_leak_free(live[i], sizes[i], zm_site_of(NULL, 0, (uintptr_t[]){7}, 1), NULL) ==
                 ZM_OK &&
             ok;
        sizes[i] = 1 + rng_below(&rng, rng_below(&rng, 20) ? 500 : 300000);
        live[i] =
            zm_leak_calloc(sizes[i], 0, zm_site_of(NULL, 0, (uintptr_t[]){rng_below(&rng, 3)}, 1));
        ok = live[i] && ok;
        if (step % 50 == 0) { /* without windows, whose heads are no plain memory */
            zm_allocator_t *a = new_leak_allocator(512, zm_site_of(NULL, 0, (uintptr_t[]){7}, 1));
            for (size_t n = 3000; n < 100000; n *= 2)
                ok = zm_allocator_allocate(a, n) && ok;
            zm_allocator_release(a);
        }
    }
    for (size_t i = 0; i < LEN(live); i++)
        ok = zm_leak_free(live[i], sizes[i], zm_site_of(NULL, 0, (uintptr_t[]){7}, 1), NULL) ==
                 ZM_OK &&
             ok;
    atomic_fetch_sub(&running, 1);
    return ok ? arg : NULL;
}

/* Blocks are as zero as they were made, or gone. */
static void test_reading_what_comes_and_goes(void **state)
{
    (void)state;
    static zm_leak_block_t list[MOST];
    static unsigned char copy[300000];
    pthread_t threads[64];
    size_t nthreads = stress_args.threads < LEN(threads) ? stress_args.threads : LEN(threads);
    size_t read = 0, gone = 0;
    void *mine = zm_leak_calloc(100, 0, zm_site_of(NULL, 0, (uintptr_t[]){9}, 1));
    atomic_store(&running, (int)nthreads);
    for (uintptr_t i = 0; i < nthreads; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, allocate, (void *)(i + 1)), 0);
    do {
        size_t n = zm_leak_blocks(list, MOST);
        for (size_t i = 0; i < n && i < MOST; i++) {
            bool ok = zm_leak_read(&list[i], 0, copy, list[i].size);
            assert_true(!ok || all_are(copy, 0, list[i].size));
            read += ok;
            gone += !ok;
        }
    } while (atomic_load(&running) > 0);
    for (size_t i = 0; i < nthreads; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
    }
    print_message("    %zu blocks read, %zu gone\n", read, gone);
    assert_true(read > 0);
    assert_int_equal(zm_leak_free(mine, 100, zm_site_of(NULL, 0, (uintptr_t[]){7}, 1), NULL),
                     ZM_OK);
    assert_int_equal(zm_leak_blocks(NULL, 0), 0);
    assert_counts(0, 0);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading_what_comes_and_goes)};
    return cmocka_run_group_tests_name("stress, leak blocks", tests, NULL, NULL);
}
