/* test_alloc.c: blocks in and out, one thread at a time. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

/* Checks all that zm_calloc promises of a block, and then makes all its bytes 0xff, the spare ones
 * as well, for whoever gets it next.
 */
static void check_block(void *p, size_t n, size_t align)
{
    assert_non_null(p);
    assert_true(is_aligned(p, align));
    assert_true(all_are(p, 0, n));
    size_t usable = zm_usable_size(p);
    assert_true(usable == 0 || usable >= n);
    memset(p, 0xff, usable > n ? usable : n);
}

static int check_none_left(void **state)
{
    (void)state;
    return zm_num_alloc_bytes() != 0 || zm_num_allocs() != 0;
}

static void test_every_small_size(void **state)
{
    (void)state;
    void *blocks[5];
    for (size_t n = 0; n <= ZM_SMALL_MAX + 8; n += n < 4500 ? 1 : 7) {
        for (size_t i = 0; i < LEN(blocks); i++) {
            blocks[i] = zm_calloc(n);
            check_block(blocks[i], n, promised_align(n));
            assert_counts((int64_t)(n * (i + 1)), (int64_t)i + 1);
        }
        for (size_t i = 0; i < LEN(blocks); i++)
            zm_free(blocks[i], n);
        assert_counts(0, 0);
    }
}

static void test_large_sizes(void **state)
{
    (void)state;
    for (size_t n = 65536; n <= (size_t)16 << 20; n *= 4) {
        for (size_t m = n - 1; m <= n + 1; m++) {
            void *p = zm_calloc(m);
            check_block(p, m, 16);
            assert_counts((int64_t)m, 1);
            zm_free(p, m);
        }
    }
}

/* What was dirty in an earlier life is zero again, also where another size of the class was it. */
static void test_reused_blocks_are_zero(void **state)
{
    (void)state;
    void *blocks[64];
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        size_t most = zm_class_size(cls), least = cls ? zm_class_size(cls - 1) + 1 : 0;
        for (size_t round = 0; round < 4; round++) {
            size_t n = round % 2 ? least : most;
            for (size_t i = 0; i < LEN(blocks); i++) {
                blocks[i] = zm_calloc(n);
                check_block(blocks[i], n, promised_align(n));
            }
            for (size_t i = 0; i < LEN(blocks); i++)
                zm_free(blocks[i], n);
        }
    }
}

static void test_impossible_sizes(void **state)
{
    (void)state;
    const size_t half = SIZE_MAX / 2;
    const size_t sizes[] = {ZM_MAX_SIZE, ZM_MAX_SIZE + 1, half, half + 1, SIZE_MAX - 15, SIZE_MAX};
    for (size_t i = 0; i < LEN(sizes); i++) {
        void *out[2];
        assert_null(zm_calloc(sizes[i]));
        assert_null(zm_calloc_aligned(sizes[i], 8));
        assert_null(zm_calloc_aligned(sizes[i], 4096));
        assert_null(zm_calloc_aligned(sizes[i], ZM_MAX_ALIGN));
        assert_int_equal(zm_calloc_batch(sizes[i], out, 1), ZM_ENOMEM);
        assert_int_equal(zm_calloc_batch(sizes[i], out, 2), ZM_ENOMEM);
        assert_counts(0, 0);
    }
}

static void test_alignments(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 8, 9, 16, 17, 100, 4096, 32768, 32769, 100000};
    void *blocks[12]; /* so many that none of them is aligned by luck */
    for (size_t align = 1; align <= (size_t)1 << 21; align *= 2) {
        for (size_t i = 0; i < LEN(sizes); i++) {
            size_t n = sizes[i], least = promised_align(n);
            for (size_t j = 0; j < LEN(blocks); j++) {
                blocks[j] = zm_calloc_aligned(n, align);
                check_block(blocks[j], n, align > least ? align : least);
            }
            assert_counts((int64_t)(n * LEN(blocks)), LEN(blocks));
            for (size_t j = 0; j < LEN(blocks); j++)
                zm_free(blocks[j], n);
            assert_counts(0, 0);
        }
    }
}

static void test_largest_alignment(void **state)
{
    (void)state;
    void *p = zm_calloc_aligned(100, ZM_MAX_ALIGN);
    check_block(p, 100, ZM_MAX_ALIGN);
    zm_free(p, 100);
}

static void test_bad_alignments(void **state)
{
    (void)state;
    const size_t aligns[] = {0, 3, 5, 6, 7, 9, 12, 24, 48, 96, 100, 4095, 4097, SIZE_MAX};
    const size_t large[] = {ZM_MAX_ALIGN - 1, ZM_MAX_ALIGN + 1, ZM_MAX_ALIGN * 2, ~(SIZE_MAX >> 1)};
    for (size_t i = 0; i < LEN(large); i++)
        assert_null(zm_calloc_aligned(100, large[i]));
    for (size_t i = 0; i < LEN(aligns); i++) {
        assert_null(zm_calloc_aligned(0, aligns[i]));
        assert_null(zm_calloc_aligned(1, aligns[i]));
        assert_null(zm_calloc_aligned(100, aligns[i]));
        assert_null(zm_calloc_aligned(SIZE_MAX, aligns[i]));
    }
    assert_counts(0, 0);
}

static void test_freeing_nothing(void **state)
{
    (void)state;
    void *none[3] = {NULL, NULL, NULL};
    zm_free(NULL, 0);
    zm_free(NULL, 100);
    zm_free(NULL, SIZE_MAX);
    zm_free_batch(none, 100, LEN(none));
    zm_free_batch(NULL, 100, 0);
    assert_counts(0, 0);
}

static void test_batches(void **state)
{
    (void)state;
    const size_t counts[] = {1, 2, 3, 64, 1000};
    void *blocks[1000];
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        for (size_t j = 0; j < LEN(counts); j++) {
            size_t n = boundary_sizes[i], count = counts[j];
            if (n * count > 4 << 20 && count > 2)
                continue; /* slow */
            for (size_t round = 0; round < 2; round++) {
                assert_int_equal(zm_calloc_batch(n, blocks, count), ZM_OK);
                assert_counts((int64_t)(n * count), (int64_t)count);
                for (size_t k = 0; k < count; k++)
                    check_block(blocks[k], n, promised_align(n));
                zm_free_batch(blocks, n, count);
                assert_counts(0, 0);
            }
        }
    }
}

static int compare(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

static void test_blocks_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    void *blocks[2 * COUNT];
    for (size_t i = 0; i < num_boundary_sizes && boundary_sizes[i] <= 4096; i++) {
        size_t n = boundary_sizes[i];
        assert_int_equal(zm_calloc_batch(n, blocks, COUNT), ZM_OK);
        for (size_t j = COUNT; j < 2 * COUNT; j++)
            blocks[j] = zm_calloc(n);
        qsort(blocks, LEN(blocks), sizeof blocks[0], compare);
        for (size_t j = 1; j < LEN(blocks); j++)
            assert_true((uintptr_t)blocks[j] - (uintptr_t)blocks[j - 1] >= (n ? n : 1));
        zm_free_batch(blocks, n, LEN(blocks));
        assert_counts(0, 0);
    }
}

/* Blocks of a batch may be freed one by one, others in a batch; NULLs among them do not count. */
static void test_batches_mix_with_single_blocks(void **state)
{
    (void)state;
    void *blocks[10];
    assert_int_equal(zm_calloc_batch(50, blocks, 8), ZM_OK);
    blocks[8] = zm_calloc(50);
    blocks[9] = zm_calloc_aligned(50, 256);
    assert_counts(500, 10);
    zm_free(blocks[3], 50);
    zm_free(blocks[0], 50);
    blocks[0] = blocks[3] = NULL;
    assert_counts(400, 8);
    zm_free_batch(blocks, 50, LEN(blocks));
    assert_counts(0, 0);
}

static void test_empty_batch(void **state)
{
    (void)state;
    void *block = &block;
    assert_int_equal(zm_calloc_batch(50, &block, 0), ZM_OK);
    assert_int_equal(zm_calloc_batch(50, NULL, 0), ZM_OK);
    assert_ptr_equal(block, &block);
    assert_counts(0, 0);
}

/* Together more than there can be: known at once, and nothing is written behind `out`. */
static void test_overflowing_batches(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 16, 100, 32768, 1 << 20, ZM_MAX_SIZE / 2};
    for (size_t i = 0; i < LEN(sizes); i++) {
        size_t n = sizes[i], reserved = n <= ZM_SMALL_MAX ? zm_class_size(zm__class_of(n)) : n;
        const size_t counts[] = {ZM_MAX_SIZE / reserved + 1, SIZE_MAX / sizeof(void *),
                                 SIZE_MAX / reserved + 1, SIZE_MAX};
        for (size_t j = 0; j < LEN(counts); j++) {
            void *out[4] = {out, out, out, out};
            assert_int_equal(zm_calloc_batch(n, out, counts[j]), ZM_ENOMEM);
            assert_counts(0, 0);
        }
    }
}

static void test_good_size(void **state)
{
    (void)state;
    size_t last = 0;
    for (size_t n = 0; n < 3 * ZM_SMALL_MAX; n++) {
        size_t good = zm_good_size(n);
        assert_true(good >= n && good >= last);
        assert_int_equal(zm_good_size(good), good);
        if (n <= ZM_SMALL_MAX)
            assert_int_equal(good, zm_class_size(zm__class_of(n)));
        last = good;
    }
    for (size_t n = 1 << 20; n <= ZM_MAX_SIZE; n *= 2) {
        assert_true(zm_good_size(n) >= n);
        assert_true(zm_good_size(n) <= n + n / 4);
    }
    assert_int_equal(zm_good_size(ZM_MAX_SIZE), ZM_MAX_SIZE);
    assert_int_equal(zm_good_size(ZM_MAX_SIZE + 1), ZM_MAX_SIZE + 1);
    assert_int_equal(zm_good_size(SIZE_MAX), SIZE_MAX);
}

/* Either the system can tell of no block, or it can of all. */
static void test_usable_size(void **state)
{
    (void)state;
    assert_int_equal(zm_usable_size(NULL), 0);
    void *first = zm_calloc(100);
    bool known = zm_usable_size(first) != 0;
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        void *p = zm_calloc(boundary_sizes[i]);
        size_t usable = zm_usable_size(p);
        assert_true(known ? usable >= boundary_sizes[i] : usable == 0);
        zm_free(p, boundary_sizes[i]);
    }
    zm_free(first, 100);
}

static void *calloc_in_thread(void *arg)
{
    return zm_calloc(*(size_t *)arg);
}

static void *free_in_thread(void *arg)
{
    zm_free(arg, 7);
    return NULL;
}

/* More threads than there are shards of the counters, and blocks freed by others than their own. */
static void test_counters_of_many_threads(void **state)
{
    (void)state;
    enum { THREADS = 150 };
    void *blocks[THREADS];
    size_t n = 7;
    pthread_t thread;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&thread, NULL, calloc_in_thread, &n), 0);
        assert_int_equal(pthread_join(thread, &blocks[i]), 0);
        assert_counts(7 * ((int64_t)i + 1), (int64_t)i + 1);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&thread, NULL, free_in_thread, blocks[i]), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_counts(7 * (THREADS - 1 - (int64_t)i), THREADS - 1 - (int64_t)i);
    }
}

static void test_stats_text(void **state)
{
    (void)state;
    void *p = zm_calloc(100);
    for (size_t i = 0; i < 20; i++) {
        char *text = NULL;
        assert_int_equal(zm_stats_text(&text), ZM_OK);
        assert_non_null(strstr(text, "llocated"));
        assert_true(strlen(text) > 50 && text[strlen(text) - 1] == '\n');
        assert_counts(100, 1);
        zm_text_free(text);
    }
    zm_text_free(NULL);
    zm_free(p, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_small_size, check_none_left),
        cmocka_unit_test_teardown(test_large_sizes, check_none_left),
        cmocka_unit_test_teardown(test_reused_blocks_are_zero, check_none_left),
        cmocka_unit_test_teardown(test_impossible_sizes, check_none_left),
        cmocka_unit_test_teardown(test_alignments, check_none_left),
        cmocka_unit_test_teardown(test_largest_alignment, check_none_left),
        cmocka_unit_test_teardown(test_bad_alignments, check_none_left),
        cmocka_unit_test_teardown(test_freeing_nothing, check_none_left),
        cmocka_unit_test_teardown(test_batches, check_none_left),
        cmocka_unit_test_teardown(test_blocks_do_not_overlap, check_none_left),
        cmocka_unit_test_teardown(test_batches_mix_with_single_blocks, check_none_left),
        cmocka_unit_test_teardown(test_empty_batch, check_none_left),
        cmocka_unit_test_teardown(test_overflowing_batches, check_none_left),
        cmocka_unit_test_teardown(test_good_size, check_none_left),
        cmocka_unit_test_teardown(test_usable_size, check_none_left),
        cmocka_unit_test_teardown(test_counters_of_many_threads, check_none_left),
        cmocka_unit_test_teardown(test_stats_text, check_none_left),
    };
    return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
