/* test_stress_allocator.c [SEED [THREADS [ITERATIONS]]]: many threads on one Allocator, and on a
 * pool.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

#define PER_ROUND 2000 /* blocks of a thread */

typedef struct worker {
    pthread_t thread;
    rng_t rng;
    unsigned char mark;
    unsigned char *blocks[PER_ROUND];
    size_t sizes[PER_ROUND];
} worker_t;

static zm_allocator_t *shared;
static zm_allocator_pool_t *pool;

/* Every byte of every block is its thread's alone. */
static void *allocate(void *arg)
{
    worker_t *w = arg;
    zm_cursor_t k;
    zm_cursor_open(&k, shared);
    for (size_t i = 0; i < PER_ROUND; i++) {
        size_t n = rng_below(&w->rng, (size_t)1 << rng_below(&w->rng, 13));
        switch (rng_below(&w->rng, 8)) {
        case 0:
            w->blocks[i] = zm_allocator_allocate_aligned(shared, n, 128);
            break;
        case 1:
            zm_cursor_close(&k);
            w->blocks[i] = zm_cursor_allocate(&k, n, 64);
            break;
        case 2:
        case 3:
            w->blocks[i] = zm_cursor_allocate(&k, n, 1);
            break;
        case 4:
            CHECK(zm_allocator_size(shared) <= zm_allocator_allocated(shared));
            CHECK(zm_allocator_from(zm_allocator_ref(shared)) == shared);
            /* fall through */
        default:
            w->blocks[i] = zm_allocator_allocate(shared, n);
            break;
        }
        CHECK(w->blocks[i] && all_are(w->blocks[i], 0, n));
        memset(w->blocks[i], w->mark, n);
        w->sizes[i] = n;
    }
    zm_cursor_close(&k);
    for (size_t i = 0; i < PER_ROUND; i++)
        CHECK(all_are(w->blocks[i], w->mark, w->sizes[i]));
    return NULL;
}

static void *use_pool(void *arg)
{
    worker_t *w = arg;
    for (size_t i = 0; i < PER_ROUND; i++) {
        zm_allocator_t *a = pool_get(pool, 512);
        size_t n = rng_below(&w->rng, 3000);
        unsigned char *p = zm_allocator_allocate(a, n);
        CHECK(p && all_are(p, 0, n));
        memset(p, w->mark, n);
        CHECK(zm_allocator_from(zm_allocator_ref(a)) == a);
        CHECK(all_are(p, w->mark, n));
        zm_allocator_pool_put(pool, a);
        if (i % 100 == 0)
            zm_allocator_pool_trim(pool);
    }
    return NULL;
}

static void run(void *(*work)(void *), worker_t *workers)
{
    for (size_t i = 0; i < stress_args.threads; i++) {
        workers[i].mark = (unsigned char)(i + 1);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < stress_args.threads; i++)
        pthread_join(workers[i].thread, NULL);
}

static worker_t *workers_new(void)
{
    worker_t *workers = calloc(stress_args.threads, sizeof *workers);
    for (size_t i = 0; i < stress_args.threads; i++)
        workers[i].rng.state = pattern_of((uintptr_t)(stress_args.seed * 1000 + i));
    return workers;
}

static void test_one_allocator(void **state)
{
    (void)state;
    worker_t *workers = workers_new();
    shared = new_allocator(512);
    for (size_t done = 0; done < stress_args.iterations; done += PER_ROUND) {
        run(allocate, workers);
        zm_allocator_reset(shared);
        if (done / PER_ROUND % 2)
            zm_allocator_trim(shared, 100000);
    }
    zm_allocator_release(shared);
    free(workers);
    assert_int_equal(stress_failures(), 0);
    assert_counts(0, 0);
}

static void test_one_pool(void **state)
{
    (void)state;
    worker_t *workers = workers_new();
    pool = new_pool(stress_args.threads / 2);
    run(use_pool, workers);
    zm_allocator_pool_release(pool);
    free(workers);
    assert_int_equal(stress_failures(), 0);
    assert_counts(0, 0);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_allocator),
        cmocka_unit_test(test_one_pool),
    };
    return cmocka_run_group_tests_name("stress, allocator", tests, NULL, NULL);
}
