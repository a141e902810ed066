/* test_oom_cache.c: caches and the depot, on a backend that counts what they hold and runs out. */
#include <stdio.h>
#include <string.h>

#include "fault.h"

/* The caches of these tests; never freed, as caches are. */
static zm_cache_t *one, *two;
static size_t baseline; /* blocks of the backend when nothing is cached */

static int setup(void **state)
{
    (void)state;
    one = new_cache();
    two = new_cache();
    baseline = fault_live();
    return !one || !two;
}

/* Everything that was kept goes back to the backend, to the last magazine. */
static int drain(void **state)
{
    (void)state;
    zm_cache_drain(one);
    zm_cache_drain(two);
    zm_depot_trim(true);
    if (fault_live() != baseline)
        print_error("%zu blocks of the backend are left\n", fault_live() - baseline);
    if (fault_misuse())
        print_error("%s\n", fault_misuse());
    return fault_live() != baseline || fault_misuse() || zm_num_allocs() || zm_num_alloc_bytes();
}

/* ---- The depot ------------------------------------------------------------------------------- */

static void test_full_and_empty(void **state)
{
    (void)state;
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        size_t size = zm_class_size(cls);
        zm_magazine_t *full = zm_depot_full(cls, &zm_no_magazine);
        assert_non_null(full);
        assert_int_equal(full->len, full->cap);
        assert_true(full->cap >= 2 && full->cap <= 512);
        assert_true(full->cap == 2 || full->cap * size <= 32768);
        assert_int_equal(fault_live(), baseline + 1 + full->len);

        zm_magazine_t *empty = zm_depot_empty(cls, &zm_no_magazine);
        assert_non_null(empty);
        assert_ptr_not_equal(empty, full);
        assert_true(empty->len == 0 && empty->cap == full->cap);

        /* what is put there comes back, without asking the backend */
        void *block = zm__blocks(full)[0];
        size_t live = fault_live();
        fault_arm(1);
        zm_depot_put(cls, full);
        zm_depot_put(cls, empty);
        assert_ptr_equal(zm_depot_full(cls, &zm_no_magazine), full);
        assert_ptr_equal(zm__blocks(full)[0], block);
        assert_ptr_equal(zm_depot_empty(cls, full), empty);
        assert_ptr_equal(zm_depot_full(cls, empty), full);
        assert_ptr_equal(zm_depot_empty(cls, full), empty);
        zm_depot_put(cls, empty);
        assert_false(fault_disarm());
        assert_int_equal(fault_live(), live);

        zm_depot_trim(true);
        assert_int_equal(fault_live(), baseline);
    }
}

/* A spent magazine is filled again, rather than another one be made. */
static void test_spent_magazine_is_used(void **state)
{
    (void)state;
    zm_magazine_t *spent = zm_depot_empty(3, &zm_no_magazine);
    assert_ptr_equal(zm_depot_full(3, spent), spent);
    assert_int_equal(spent->len, spent->cap);
    assert_int_equal(fault_live(), baseline + 1 + spent->len);
    zm_depot_put(3, spent);
}

static void test_no_magazine_is_never_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        zm_depot_put(5, &zm_no_magazine);
        zm_magazine_t *m = zm_depot_full(5, &zm_no_magazine);
        assert_ptr_not_equal(m, &zm_no_magazine);
        zm_depot_put(5, m);
        m = zm_depot_empty(5, &zm_no_magazine);
        assert_ptr_not_equal(m, &zm_no_magazine);
        zm_depot_put(5, m);
    }
    assert_true(zm_no_magazine.len == 0 && zm_no_magazine.cap == 0 && !zm_no_magazine.next);
}

/* 32 MiB are kept of all classes together, and no more. */
static void test_bound(void **state)
{
    (void)state;
    enum { EACH = 16 << 20, MOST = 32 << 20, NUM = 3 };
    const unsigned classes[NUM] = {30, 37, 44};
    static zm_magazine_t *m[NUM][EACH / 16384]; /* magazines hold more than half of 32 KiB */
    size_t count[NUM];
    int64_t held = zm_num_held_bytes();
    for (size_t c = 0; c < NUM; c++) {
        size_t size = zm_class_size(classes[c]);
        m[c][0] = zm_depot_full(classes[c], &zm_no_magazine);
        count[c] = EACH / (m[c][0]->cap * size);
        assert_true(count[c] > 1 && count[c] <= EACH / 16384);
        for (size_t i = 1; i < count[c]; i++)
            m[c][i] = zm_depot_full(classes[c], &zm_no_magazine);
    }
    for (size_t c = 0; c < NUM; c++) {
        for (size_t i = 0; i < count[c]; i++) {
            if (i % 2) {
                zm_depot_put(classes[c], m[c][i]);
            } else {
                zm_magazine_t *empty = zm_depot_empty(classes[c], m[c][i]);
                assert_true(empty->len == 0);
                zm_depot_put(classes[c], empty);
            }
        }
    }
    int64_t kept = zm_num_held_bytes() - held;
    assert_true(kept <= MOST && kept > MOST - (1 << 20));
    zm_depot_trim(true);
    assert_int_equal(zm_num_held_bytes(), held);
    assert_int_equal(fault_live(), baseline);
}

/* What was not needed between two calls goes back, the rest stays. */
static void test_trim(void **state)
{
    (void)state;
    enum { CLS = 30, KEPT = 6 };
    zm_magazine_t *m[KEPT];
    for (size_t i = 0; i < KEPT; i++)
        m[i] = zm_depot_full(CLS, &zm_no_magazine);
    size_t cap = m[0]->cap;
    for (size_t i = 0; i < KEPT; i++)
        zm_depot_put(CLS, m[i]);
    zm_depot_trim(false); /* all of them came since the last call */
    assert_int_equal(fault_live(), baseline + KEPT * (1 + cap));
    m[0] = zm_depot_full(CLS, &zm_no_magazine);
    m[1] = zm_depot_full(CLS, &zm_no_magazine);
    zm_depot_put(CLS, m[0]);
    zm_depot_put(CLS, m[1]);
    zm_depot_trim(false); /* two were needed */
    assert_int_equal(fault_live(), baseline + 2 * (1 + cap));
    zm_depot_trim(false);
    assert_int_equal(fault_live(), baseline);
}

/* Blocks much larger than their class, as a wrong size makes them, are not worth keeping. */
static void test_outsized_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4000; i++) {
        void *p = zm_calloc(5000);
        zm_cache_free(one, p, 16);
        zm__count(16 - (uint64_t)5000, 0);
    }
    assert_counts(0, 0);
    assert_true(fault_live() <= baseline + 2 * 513 + 2); /* what one cache may hold of them */
    zm_cache_drain(one);
    assert_true(fault_live() <= baseline + 3); /* magazines, and none of the blocks */
}

/* ---- Out of memory --------------------------------------------------------------------------- */

static void test_new_cache(void **state)
{
    (void)state;
    zm_cache_t *none = NULL;
    fault_arm(1);
    assert_int_equal(zm_cache_new(&none), ZM_ENOMEM);
    assert_null(none);
    assert_true(fault_disarm());
    assert_int_equal(fault_live(), baseline);
    assert_counts(0, 0);
}

/* A magazine and a block are needed; with less than a magazine's blocks it works as well. */
static void test_allocating(void **state)
{
    (void)state;
    int64_t held = zm_num_held_bytes();
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        size_t n = zm_class_size(cls);
        for (size_t k = 1; k <= 6; k++) {
            fault_arm(k);
            void *p = zm_cache_calloc(one, n);
            bool fired = fault_disarm();
            if (k <= 2) {
                assert_true(fired);
                assert_null(p);
                assert_counts(0, 0);
                p = zm_cache_calloc(one, n);
            }
            assert_non_null(p);
            assert_true(all_are(p, 0, n));
            assert_counts((int64_t)n, 1);
            zm_cache_free(one, p, n);
            assert_counts(0, 0);
            zm_cache_drain(one);
            zm_depot_trim(true);
            assert_int_equal(fault_live(), baseline);
            assert_int_equal(zm_num_held_bytes(), held);
        }
    }
}

static void test_allocating_large(void **state)
{
    (void)state;
    fault_arm(1);
    assert_null(zm_cache_calloc(one, 100000));
    assert_true(fault_disarm());
    assert_counts(0, 0);
    void *p = zm_cache_calloc(one, 100000);
    assert_non_null(p);
    zm_cache_free(one, p, 100000);
}

/* What the depot keeps is of more use to whom the backend has nothing for. */
static void test_parked_blocks_go_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        zm_magazine_t *m = zm_depot_full(20, &zm_no_magazine);
        zm_depot_put(20, m);
        assert_true(fault_live() > baseline + 2);
        fault_arm(i == 2 ? 2 : 1); /* a cache needs a magazine before its block */
        void *p = i == 0   ? zm_calloc(5000)
                  : i == 1 ? zm_calloc_aligned(50, 128)
                           : zm_cache_calloc(one, 16);
        assert_true(fault_disarm());
        assert_non_null(p);
        size_t n = i == 0 ? 5000 : i == 1 ? 50 : 16;
        assert_true(all_are(p, 0, n));
        assert_counts((int64_t)n, 1);
        zm_free(p, n);
        zm_cache_drain(one);
        zm_depot_trim(true);
        assert_int_equal(fault_live(), baseline);
    }
}

/* Freeing works without memory for another magazine. */
static void test_freeing(void **state)
{
    (void)state;
    enum { BLOCKS = 600 };
    static void *blocks[BLOCKS];
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls += 4) {
        size_t n = zm_class_size(cls);
        for (size_t i = 0; i < BLOCKS; i++)
            blocks[i] = zm_cache_calloc(one, n);
        for (size_t i = 0; i < BLOCKS; i++) {
            memset(blocks[i], 0xff, n);
            fault_arm(1);
            zm_cache_free(two, blocks[i], n);
            (void)fault_disarm();
            assert_counts((int64_t)((BLOCKS - 1 - i) * n), BLOCKS - 1 - (int64_t)i);
        }
        zm_cache_drain(one);
        zm_cache_drain(two);
        zm_depot_trim(true);
        assert_int_equal(fault_live(), baseline);
    }
}

/* Everything at random, with memory running out at random, against what must be live. */
static void test_against_a_model(void **state)
{
    (void)state;
    enum { MOST = 1500, STEPS = 40000 };
    static struct {
        unsigned char *p;
        size_t n;
    } live[MOST];
    size_t len = 0, failed = 0;
    int64_t bytes = 0;
    rng_t rng = {1};
    for (size_t step = 0; step < STEPS; step++) {
        zm_cache_t *cache = rng_below(&rng, 2) ? one : two;
        fault_arm(rng_below(&rng, 4) ? 0 : 1 + rng_below(&rng, 3));
        if (rng_below(&rng, 100) < (step / 4000 % 2 ? 35u : 65u) && len < MOST) {
            size_t n = rng_below(&rng, rng_below(&rng, 4) ? 300 : 20000);
            unsigned char *p = rng_below(&rng, 8) ? zm_cache_calloc(cache, n) : zm_calloc(n);
            if (p) {
                assert_true(all_are(p, 0, n));
                memset(p, (int)(n & 0xff), n);
                live[len].p = p;
                live[len++].n = n;
                bytes += (int64_t)n;
            } else {
                assert_true(fault_disarm());
                failed++;
            }
        } else if (len > 0) {
            size_t i = rng_below(&rng, len), n = live[i].n;
            assert_true(all_are(live[i].p, (unsigned char)n, n));
            if (rng_below(&rng, 8))
                zm_cache_free(cache, live[i].p, n);
            else
                zm_free(live[i].p, n);
            bytes -= (int64_t)n;
            live[i] = live[--len];
        }
        (void)fault_disarm();
        if (step % 1000 == 0)
            zm_cache_drain(cache);
        if (step % 1500 == 0)
            zm_depot_trim(rng_below(&rng, 2));
        assert_counts(bytes, (int64_t)len);
    }
    assert_true(failed > 50);
    while (len-- > 0)
        zm_cache_free(one, live[len].p, live[len].n);
}

int main(void)
{
    if (!fault_init()) {
        fprintf(stderr, "ZMEM_BACKEND names no backend\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_full_and_empty, drain),
        cmocka_unit_test_teardown(test_spent_magazine_is_used, drain),
        cmocka_unit_test_teardown(test_no_magazine_is_never_kept, drain),
        cmocka_unit_test_teardown(test_bound, drain),
        cmocka_unit_test_teardown(test_trim, drain),
        cmocka_unit_test_teardown(test_outsized_blocks, drain),
        cmocka_unit_test_teardown(test_new_cache, drain),
        cmocka_unit_test_teardown(test_allocating, drain),
        cmocka_unit_test_teardown(test_allocating_large, drain),
        cmocka_unit_test_teardown(test_parked_blocks_go_first, drain),
        cmocka_unit_test_teardown(test_freeing, drain),
        cmocka_unit_test_teardown(test_against_a_model, drain),
    };
    return cmocka_run_group_tests_name("out of memory, caches", tests, setup, NULL);
}
