/* test_allocator.c: Allocators, their cursors and pools, one thread at a time. */
#include <string.h>

#include "test.h"

static int check_none_left(void **state)
{
    (void)state;
    return zm_num_alloc_bytes() != 0 || zm_num_allocs() != 0;
}

/* Checks all that is promised of a block of n bytes, and writes to all of them. */
static void check_block(unsigned char *p, size_t n, size_t align)
{
    assert_non_null(p);
    assert_true(is_aligned(p, align));
    assert_true(all_are(p, 0, n));
    memset(p, 0xff, n);
}

static void test_first_chunk(void **state)
{
    (void)state;
    const size_t sizes[][2] = {{0, 512}, {1, 512}, {512, 512}, {513, 1024}, {1 << 20, 1 << 20}};
    for (size_t i = 0; i < LEN(sizes); i++) {
        zm_allocator_t *a = new_allocator(sizes[i][0]);
        assert_counts((int64_t)sizes[i][1], 1);
        assert_int_equal(zm_allocator_allocated(a), sizes[i][1]);
        assert_int_equal(zm_allocator_size(a), 0);
        zm_allocator_release(a);
    }
    assert_null(new_allocator(ZM_MAX_SIZE + 1));
    assert_null(new_allocator(SIZE_MAX));
    zm_allocator_release(NULL);
}

/* Small chunks are not lost to the heads of windows. */
static void test_whole_chunk(void **state)
{
    (void)state;
    for (size_t n = 512; n <= 65536; n *= 2) {
        zm_allocator_t *a = new_allocator(n);
        check_block(zm_allocator_allocate(a, n), n, 8);
        assert_int_equal(zm_allocator_allocated(a), n);
        assert_int_equal(zm_allocator_size(a), n);
        zm_allocator_release(a);
    }
}

static void test_sizes_and_alignments(void **state)
{
    (void)state;
    zm_allocator_t *a = new_allocator(512);
    zm_cursor_t k;
    zm_cursor_open(&k, a);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < num_boundary_sizes; i++) {
            size_t n = boundary_sizes[i];
            if (n > 1 << 20)
                continue;
            check_block(zm_allocator_allocate(a, n), n, 8);
            for (size_t align = 1; align <= 8192; align *= 16) {
                check_block(zm_allocator_allocate_aligned(a, n, align), n, align < 8 ? 8 : align);
                check_block(zm_cursor_allocate(&k, n, align), n, align);
            }
        }
        assert_true(zm_allocator_size(a) <= zm_allocator_allocated(a));
        assert_int_equal(zm_num_alloc_bytes(), zm_allocator_allocated(a));
        zm_allocator_reset(a);
        assert_int_equal(zm_allocator_size(a), 0);
        zm_cursor_open(&k, a);
    }
    zm_allocator_release(a);
}

static void test_out_of_range(void **state)
{
    (void)state;
    zm_allocator_t *a = new_allocator(512);
    zm_cursor_t k;
    zm_cursor_open(&k, a);
    const size_t sizes[] = {(size_t)ZM_MAX_ALLOC + 1, SIZE_MAX / 2, SIZE_MAX - 6, SIZE_MAX};
    for (size_t i = 0; i < LEN(sizes); i++) {
        assert_null(zm_allocator_allocate(a, sizes[i]));
        assert_null(zm_allocator_allocate_aligned(a, sizes[i], 64));
        assert_null(zm_cursor_allocate(&k, sizes[i], 8));
    }
    const size_t aligns[] = {0, 3, 24, ZM_MAX_ALIGN + 1, 2 * ZM_MAX_ALIGN, SIZE_MAX};
    for (size_t i = 0; i < LEN(aligns); i++) {
        assert_null(zm_allocator_allocate_aligned(a, 8, aligns[i]));
        assert_null(zm_cursor_allocate(&k, 8, aligns[i]));
    }
    assert_counts(512, 1);
    zm_allocator_release(a);
}

/* 1 GiB fits into a chunk of that size; nothing but its ends is touched. */
static void test_largest(void **state)
{
    (void)state;
    zm_allocator_t *a = new_allocator(512);
    unsigned char *p = zm_allocator_allocate(a, ZM_MAX_ALLOC);
    assert_non_null(p);
    assert_true(p[0] == 0 && p[ZM_MAX_ALLOC - 1] == 0);
    p[0] = p[ZM_MAX_ALLOC - 1] = 1;
    assert_int_equal(zm_allocator_allocated(a), 512 + (uint64_t)ZM_MAX_ALLOC);
    zm_allocator_release(a);
}

static void test_copy(void **state)
{
    (void)state;
    zm_allocator_t *a = new_allocator(512);
    assert_string_equal(zm_allocator_copy(a, "some text", 10), "some text");
    assert_non_null(zm_allocator_copy(a, NULL, 0));
    zm_allocator_release(a);
}

/* Sizes are exact as long as one window serves them all. */
static void test_size(void **state)
{
    (void)state;
    zm_allocator_t *a = new_allocator(1 << 20);
    for (size_t i = 1; i <= 100; i++) {
        zm_allocator_allocate(a, 13);
        assert_int_equal(zm_allocator_size(a), 16 * i);
    }
    zm_allocator_allocate(a, 10000);
    zm_allocator_allocate_aligned(a, 64, 4096);
    assert_int_equal(zm_allocator_size(a), 1600 + 10000 + 64);
    zm_allocator_release(a);
}

static void test_trim(void **state)
{
    (void)state;
    zm_allocator_t *a = new_allocator(1024);
    const size_t most[] = {1 << 20, 3072, 3071, 1024, 1023, 0, 0};
    const size_t left[] = {1023 << 10, 3072, 1024, 1024, 0, 0, 0};
    for (size_t i = 0; i < LEN(most); i++) {
        char *first = zm_allocator_copy(a, "first", 6);
        while (zm_allocator_allocated(a) < 1 << 21)
            check_block(zm_allocator_allocate(a, 1000), 1000, 8);
        zm_allocator_trim(a, most[i]);
        assert_int_equal(zm_allocator_allocated(a), left[i]);
        assert_int_equal(zm_num_alloc_bytes(), left[i]);
        if (left[i])
            assert_string_equal(first, "first");
        check_block(zm_allocator_allocate(a, 1000), 1000, 8);
        check_block(zm_allocator_allocate(a, 5000), 5000, 8);
        zm_allocator_reset(a);
    }
    zm_allocator_release(a);
}

static void test_refs(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static zm_allocator_t *all[MANY];
    uint64_t refs[MANY];
    for (size_t i = 0; i < MANY; i++) {
        all[i] = new_allocator(512);
        refs[i] = zm_allocator_ref(all[i]);
        assert_true(refs[i] > (i ? refs[i - 1] : 0));
    }
    for (size_t i = 0; i < MANY; i += 2)
        zm_allocator_release(all[i]);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(zm_allocator_from(refs[i]), i % 2 ? all[i] : NULL);
    for (size_t i = 1; i < MANY; i += 2)
        zm_allocator_release(zm_allocator_from(refs[i]));
    assert_null(zm_allocator_from(0));
    assert_null(zm_allocator_from(refs[1]));
}

/* What cursors leave is used by the next, and by windows. */
static void test_cursors_give_back(void **state)
{
    (void)state;
    zm_allocator_t *a = new_allocator(1 << 16);
    zm_cursor_t k;
    for (size_t i = 0; i < 100; i++) {
        zm_cursor_open(&k, a);
        check_block(zm_cursor_allocate(&k, 100, 1), 100, 1);
        check_block(zm_cursor_allocate(&k, 4, 8), 4, 8);
        zm_cursor_close(&k);
        zm_cursor_close(&k);
    }
    assert_int_equal(zm_allocator_allocated(a), 1 << 16);
    assert_true(zm_allocator_size(a) >= 10400 && zm_allocator_size(a) < 12000);
    zm_cursor_open(&k, a); /* a thread may use any window, but a cursor only its own */
    for (size_t i = 0; i < 300; i++)
        check_block(zm_cursor_allocate(&k, 128, 8), 128, 8);
    assert_int_equal(zm_allocator_allocated(a), 1 << 16);
    zm_allocator_release(a);
}

static void test_pool(void **state)
{
    (void)state;
    zm_allocator_pool_t *pool = new_pool(2);
    assert_null(zm_allocator_pool_take(pool));
    zm_allocator_t *a = pool_get(pool, 512);
    uint64_t ref = zm_allocator_ref(a);
    check_block(zm_allocator_allocate(a, 5000), 5000, 8);
    uint64_t allocated = zm_allocator_allocated(a);
    zm_allocator_pool_put(pool, a);
    assert_null(zm_allocator_from(ref));

    zm_allocator_t *b = pool_get(pool, 1);
    assert_ptr_equal(b, a);
    assert_true(zm_allocator_ref(b) > ref);
    assert_ptr_equal(zm_allocator_from(zm_allocator_ref(b)), b);
    assert_int_equal(zm_allocator_allocated(b), allocated);
    check_block(zm_allocator_allocate(b, 5000), 5000, 8);

    zm_allocator_pool_put(pool, b);
    zm_allocator_pool_put(pool, NULL);
    zm_allocator_pool_put(pool, new_allocator(1024));
    zm_allocator_pool_put(pool, new_allocator(1024)); /* one too many */
    assert_int_equal(zm_num_alloc_bytes(), allocated + 1024);
    assert_false(zm_allocator_pool_trim(pool)); /* somebody asked */
    assert_true(zm_allocator_pool_trim(pool));
    assert_int_equal(zm_num_alloc_bytes(), allocated);
    zm_allocator_pool_release(pool);
    zm_allocator_pool_release(NULL);

    zm_allocator_pool_put(NULL, pool_get(NULL, 512));
    assert_null(zm_allocator_pool_take(NULL));
    pool = new_pool(0);
    zm_allocator_pool_put(pool, pool_get(pool, 512));
    assert_false(zm_allocator_pool_trim(pool));
    assert_false(zm_allocator_pool_trim(pool));
    assert_counts(0, 0);
    zm_allocator_pool_release(pool);
}

static void test_pool_trims(void **state)
{
    (void)state;
    zm_allocator_pool_t *pool = new_pool(1);
    zm_allocator_pool_put(pool, new_allocator((size_t)512 << 20));
    assert_counts(0, 0);
    zm_allocator_t *a = zm_allocator_pool_take(pool);
    check_block(zm_allocator_allocate(a, 10), 10, 8);
    zm_allocator_release(a);
    zm_allocator_pool_release(pool);
}

/* Random requests, resets and trims against a list of what is live. */
static void test_against_a_model(void **state)
{
    (void)state;
    enum { MOST = 3000 };
    static struct {
        unsigned char *p;
        size_t n;
    } blocks[MOST];
    rng_t rng = {.state = 42};
    zm_allocator_t *a = new_allocator(512);
    zm_cursor_t k;
    zm_cursor_open(&k, a);
    for (size_t round = 0; round < 60; round++) {
        size_t len = rng_below(&rng, MOST);
        for (size_t i = 0; i < len; i++) {
            size_t n = rng_below(&rng, (size_t)1 << rng_below(&rng, 14));
            size_t align = (size_t)1 << rng_below(&rng, 9);
            unsigned char *p;
            switch (rng_below(&rng, 4)) {
            case 0:
                p = zm_allocator_allocate_aligned(a, n, align);
                break;
            case 1:
                p = zm_cursor_allocate(&k, n, align);
                break;
            case 2:
                p = zm_allocator_allocate(a, n);
                align = 8;
                break;
            default:
                zm_cursor_close(&k);
                p = zm_cursor_allocate(&k, n, 1);
                align = 1;
                break;
            }
            check_block(p, n, align);
            memset(p, (int)(i & 0xff), n);
            blocks[i].p = p;
            blocks[i].n = n;
        }
        for (size_t i = 0; i < len; i++)
            assert_true(all_are(blocks[i].p, (unsigned char)i, blocks[i].n));
        if (rng_below(&rng, 2))
            zm_allocator_reset(a);
        if (rng_below(&rng, 4) == 0)
            zm_allocator_trim(a, (size_t)1 << rng_below(&rng, 24));
        zm_cursor_open(&k, a);
    }
    zm_allocator_release(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_first_chunk, check_none_left),
        cmocka_unit_test_teardown(test_whole_chunk, check_none_left),
        cmocka_unit_test_teardown(test_sizes_and_alignments, check_none_left),
        cmocka_unit_test_teardown(test_out_of_range, check_none_left),
        cmocka_unit_test_teardown(test_largest, check_none_left),
        cmocka_unit_test_teardown(test_copy, check_none_left),
        cmocka_unit_test_teardown(test_size, check_none_left),
        cmocka_unit_test_teardown(test_trim, check_none_left),
        cmocka_unit_test_teardown(test_refs, check_none_left),
        cmocka_unit_test_teardown(test_cursors_give_back, check_none_left),
        cmocka_unit_test_teardown(test_pool, check_none_left),
        cmocka_unit_test_teardown(test_pool_trims, check_none_left),
        cmocka_unit_test_teardown(test_against_a_model, check_none_left),
    };
    return cmocka_run_group_tests_name("allocator", tests, NULL, NULL);
}
