/* test_cache.c: a cache gives what zm_calloc gives, whoever frees it. */
#include <string.h>

#include "test.h"

enum { MANY = 300 }; /* more than two magazines hold */
static void *blocks[MANY];

/* Nothing is left in use, and what caches and depot keep for later goes back. */
static int check_none_left(void **state)
{
    (void)state;
    zm_depot_trim(true);
    return zm_num_alloc_bytes() != 0 || zm_num_allocs() != 0;
}

static void check_block(void *p, size_t n)
{
    assert_non_null(p);
    assert_true(is_aligned(p, promised_align(n)));
    assert_true(all_are(p, 0, n));
    memset(p, 0xff, n);
}

static void test_every_class(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache();
    assert_true(is_aligned(cache, 64));
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        size_t most = zm_class_size(cls), least = cls ? zm_class_size(cls - 1) + 1 : 0;
        for (size_t round = 0; round < 4; round++) {
            size_t n = round % 2 ? least : most;
            for (size_t i = 0; i < MANY; i++) {
                blocks[i] = zm_cache_calloc(cache, n);
                check_block(blocks[i], n);
                assert_counts((int64_t)((i + 1) * n), (int64_t)i + 1);
            }
            for (size_t i = 0; i < MANY; i++) {
                assert_true(all_are(blocks[i], 0xff, n)); /* no two of them overlap */
                memset(blocks[i], (int)i, n);
            }
            for (size_t i = 0; i < MANY; i++) {
                assert_true(all_are(blocks[i], (unsigned char)i, n));
                zm_cache_free(cache, blocks[i], n);
                assert_counts((int64_t)((MANY - 1 - i) * n), (int64_t)(MANY - 1 - i));
            }
        }
    }
    zm_cache_drain(cache);
}

static void test_every_size(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache();
    for (size_t n = 0; n < ZM_SMALL_MAX + 1000; n += n < 2000 ? 1 : 13) {
        for (size_t i = 0; i < 3; i++) {
            blocks[i] = zm_cache_calloc(cache, n);
            check_block(blocks[i], n);
        }
        assert_counts((int64_t)(3 * n), 3);
        for (size_t i = 0; i < 3; i++)
            zm_cache_free(cache, blocks[i], n);
        assert_counts(0, 0);
    }
    zm_cache_drain(cache);
}

static void test_impossible_sizes(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache();
    const size_t sizes[] = {ZM_MAX_SIZE, ZM_MAX_SIZE + 1, SIZE_MAX / 2 + 1, SIZE_MAX};
    for (size_t i = 0; i < LEN(sizes); i++)
        assert_null(zm_cache_calloc(cache, sizes[i]));
    zm_cache_free(cache, NULL, 0);
    zm_cache_free(cache, NULL, 100);
    zm_cache_free(cache, NULL, SIZE_MAX);
    assert_counts(0, 0);
}

/* A block may be freed through another cache, through none, and may come from none. */
static void test_blocks_change_hands(void **state)
{
    (void)state;
    zm_cache_t *one = new_cache(), *two = new_cache();
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        size_t n = boundary_sizes[i];
        if (n > 40000)
            continue;
        for (size_t j = 0; j < MANY; j++) {
            blocks[j] = j % 4 == 0   ? zm_cache_calloc(one, n)
                        : j % 4 == 1 ? zm_cache_calloc(two, n)
                        : j % 4 == 2 ? zm_calloc(n)
                                     : zm_calloc_aligned(n, 64);
            check_block(blocks[j], n);
        }
        assert_counts((int64_t)(MANY * n), MANY);
        for (size_t j = 0; j < MANY; j++) {
            if (j % 3 == 0)
                zm_cache_free(one, blocks[j], n);
            else if (j % 3 == 1)
                zm_cache_free(two, blocks[j], n);
            else
                zm_free(blocks[j], n);
        }
        assert_counts(0, 0);
    }
    zm_cache_drain(one);
    zm_cache_drain(two);
}

/* A block that is freed with less than its size wastes memory from then on, and that is all. */
static void test_freeing_with_a_smaller_size(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache();
    const size_t sizes[] = {1000, 100, 16, 8, 0};
    for (size_t i = 0; i < LEN(sizes); i++) {
        int64_t out = 0;
        for (size_t j = 0; j < MANY; j++) {
            void *p = j % 2 ? zm_cache_calloc(cache, 1000) : zm_calloc(50000);
            zm_cache_free(cache, p, sizes[i]);
            out += (int64_t)((j % 2 ? 1000 : 50000) - sizes[i]);
            assert_counts(out, 0);
        }
        for (size_t j = 0; j < MANY; j++) {
            blocks[j] = zm_cache_calloc(cache, sizes[i]);
            check_block(blocks[j], sizes[i]);
        }
        for (size_t j = 0; j < MANY; j++)
            zm_cache_free(cache, blocks[j], sizes[i]);
        zm_free(zm_calloc(0), (size_t)out);
        assert_counts(0, 0);
    }
    zm_cache_drain(cache);
}

/* Nobody needs the blocks of a cache that was drained: the next trim gives them back, and of what
 * the depot had no more than was not needed.
 */
static void test_what_was_drained_is_idle(void **state)
{
    (void)state;
    enum { N = 1000 };
    zm_cache_t *cache = new_cache();
    zm_depot_trim(true);
    int64_t before = zm_num_held_bytes();
    zm_magazine_t *needed = zm_depot_full(zm__class_of(N), &zm_no_magazine);
    int64_t one = zm_num_held_bytes() - before;
    zm_depot_put(zm__class_of(N), needed);
    zm_cache_free(cache, zm_calloc(N), N);
    assert_true(zm_num_held_bytes() > before + one);
    zm_cache_drain(cache);
    assert_true(zm_num_held_bytes() > before + one);
    assert_true(zm_depot_trim(false));
    assert_int_equal(zm_num_held_bytes(), before + one);
    assert_true(zm_depot_trim(false));
    assert_int_equal(zm_num_held_bytes(), before);
    assert_false(zm_depot_trim(false));
}

static void test_idle(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache();
    assert_true(zm_cache_idle(cache));
    assert_true(zm_cache_idle(cache));
    void *p = zm_cache_calloc(cache, 100);
    assert_false(zm_cache_idle(cache));
    assert_true(zm_cache_idle(cache));
    zm_cache_free(cache, p, 100);
    assert_false(zm_cache_idle(cache));
    for (size_t n = 0; n <= 50000; n += 25000) { /* what is live is as it was then */
        zm_cache_free(cache, zm_cache_calloc(cache, n), n);
        assert_int_equal(zm_cache_idle(cache), n > ZM_SMALL_MAX); /* these pass it by */
    }
    assert_true(zm_cache_idle(cache));
    assert_true(zm_cache_idle(cache));
    zm_cache_drain(cache);
}

/* What the Go package reads of a cache: sums that only grow, and no sample unless one is asked. */
static void test_counters(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache(), *other = new_cache();
    assert_int_equal(cache->sample_at, 0);
    void *p = zm_cache_calloc(cache, 300);
    assert_int_equal(cache->sample_at, UINT64_MAX);
    void *q = zm_cache_calloc(cache, 0);
    zm_cache_free(cache, q, 0);
    zm_cache_free(other, p, 300);
    assert_int_equal(cache->allocated_bytes, 300);
    assert_int_equal(cache->allocated_objects, 2);
    assert_int_equal(cache->freed_bytes, 0);
    assert_int_equal(cache->freed_objects, 1);
    assert_int_equal(other->freed_bytes, 300);
    assert_int_equal(other->freed_objects, 1);
    assert_counts(0, 0);
    zm_cache_drain(cache);
    zm_cache_drain(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_class, check_none_left),
        cmocka_unit_test_teardown(test_every_size, check_none_left),
        cmocka_unit_test_teardown(test_impossible_sizes, check_none_left),
        cmocka_unit_test_teardown(test_blocks_change_hands, check_none_left),
        cmocka_unit_test_teardown(test_freeing_with_a_smaller_size, check_none_left),
        cmocka_unit_test_teardown(test_what_was_drained_is_idle, check_none_left),
        cmocka_unit_test_teardown(test_idle, check_none_left),
        cmocka_unit_test_teardown(test_counters, check_none_left),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
