/* test_nobackend.c: ZMEM_BACKEND names no backend. Every public function must fail as zmem.h says,
 * change nothing and live.
 */
#include <stdlib.h>
#include <string.h>

#include "test.h"

static void test_init_says_why(void **state)
{
    (void)state;
    assert_int_equal(zm_init(), ZM_EBACKEND);
    assert_int_equal(zm_init(), ZM_EBACKEND);
    assert_null(zm_backend());
    assert_non_null(strstr(zm_backends(), "libc"));
}

static void test_nothing_allocates(void **state)
{
    (void)state;
    void *out[4] = {&out, &out, &out, &out};
    assert_null(zm_calloc(0));
    assert_null(zm_calloc(100));
    assert_null(zm_calloc(SIZE_MAX));
    assert_null(zm_calloc_aligned(100, 64));
    assert_null(zm_calloc_aligned(100, 3));
    assert_int_equal(zm_calloc_batch(16, out, LEN(out)), ZM_EBACKEND);
    assert_int_equal(zm_calloc_batch(16, out, 0), ZM_EBACKEND);
    assert_null(zm__meta_calloc(16));
    zm_cache_t *cache = NULL;
    assert_int_equal(zm_cache_new(&cache), ZM_EBACKEND);
    zm_allocator_t *a = NULL;
    assert_int_equal(zm_allocator_new(100, &a), ZM_EBACKEND);
    assert_int_equal(zm_allocator_pool_get(NULL, 100, &a), ZM_EBACKEND);
    zm_allocator_pool_t *pool = NULL;
    assert_int_equal(zm_allocator_pool_new(1, &pool), ZM_EBACKEND);
    assert_true(!cache && !a && !pool);
    zm_buffer_t *b = NULL;
    assert_int_equal(zm_buffer_new(100, &b), ZM_EBACKEND);
    assert_int_equal(zm_buffer_new_tmp("/tmp", 100, &b, NULL), ZM_EBACKEND);
    assert_int_equal(zm_buffer_open("/tmp/zmem-none", 100, &b, NULL), ZM_EBACKEND);
    assert_null(b);
    assert_counts(0, 0);
}

static void test_sizes_are_as_asked(void **state)
{
    (void)state;
    assert_int_equal(zm_good_size(0), 0);
    assert_int_equal(zm_good_size(100), 100);
    assert_int_equal(zm_good_size(100000), 100000);
    assert_int_equal(zm_good_size(SIZE_MAX), SIZE_MAX);
    assert_int_equal(zm_usable_size(NULL), 0);
}

static void test_statistics(void **state)
{
    (void)state;
    zm_memstats_t stats;
    memset(&stats, 0xee, sizeof stats);
    assert_int_equal(zm_memstats(&stats), ZM_EBACKEND);
    assert_true(all_are(&stats, 0xee, sizeof stats));
    char *text = (char *)&stats;
    assert_int_equal(zm_stats_text(&text), ZM_EBACKEND);
    assert_ptr_equal(text, &stats);
    assert_int_equal(zm_return_memory(), ZM_EBACKEND);
    assert_counts(0, 0);
}

static void test_depot(void **state)
{
    (void)state;
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        assert_null(zm_depot_full(cls, &zm_no_magazine));
        assert_null(zm_depot_empty(cls, &zm_no_magazine));
        zm_depot_put(cls, &zm_no_magazine);
    }
    zm_depot_trim(false);
    zm_depot_trim(true);
    assert_int_equal(zm_no_magazine.len, 0);
    assert_int_equal(zm_no_magazine.cap, 0);
}

static void test_freeing(void **state)
{
    (void)state;
    zm_free(NULL, 100);
    zm_text_free(NULL);
    zm__meta_free(NULL);
    void *none[3] = {NULL, NULL, NULL};
    zm_free_batch(none, 16, LEN(none));
    zm_free_batch(NULL, 16, 0);
    assert_counts(0, 0);
}

/* No address can be a block here, so that these calls are a bug of their caller. They are harmless
 * all the same.
 */
static void test_freeing_what_is_no_block(void **state)
{
    (void)state;
    char text[] = "not a block";
    void *blocks[2] = {text, text + 4};
    zm_free(text, sizeof text);
    zm_text_free(text);
    zm__meta_free(text);
    zm_free_batch(blocks, 4, LEN(blocks));
    assert_int_equal(zm_usable_size(text), 0);
    assert_string_equal(text, "not a block");
    assert_counts(0, 0);
}

static void test_the_answer_stays(void **state)
{
    (void)state;
    unsetenv("ZMEM_BACKEND");
    assert_int_equal(zm_init(), ZM_EBACKEND);
    assert_null(zm_calloc(100));
}

int main(void)
{
    setenv("ZMEM_BACKEND", "nonsense", 1);
    /* The first one makes the choice as well. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_allocates),
        cmocka_unit_test(test_init_says_why),
        cmocka_unit_test(test_sizes_are_as_asked),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_depot),
        cmocka_unit_test(test_freeing),
        cmocka_unit_test(test_freeing_what_is_no_block),
        cmocka_unit_test(test_the_answer_stays),
    };
    return cmocka_run_group_tests_name("no backend", tests, NULL, NULL);
}
