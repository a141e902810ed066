/* test_oom_allocator.c: memory runs out wherever an Allocator asks for some. */
#include <stdio.h>
#include <string.h>

#include "fault.h"

static void test_new(void **state)
{
    (void)state;
    size_t live = fault_live();
    for (size_t k = 1;; k++) {
        fault_arm(k);
        zm_allocator_t *a = NULL;
        int err = zm_allocator_new(1024, &a);
        bool fired = fault_disarm();
        assert_int_equal(err, fired ? ZM_ENOMEM : ZM_OK);
        assert_int_equal(a == NULL, fired);
        zm_allocator_release(a);
        assert_int_equal(fault_live(), live);
        assert_counts(0, 0);
        if (!fired) {
            assert_true(k > 3);
            break;
        }
    }
    zm_allocator_pool_t *pool = NULL;
    fault_arm(1);
    assert_int_equal(zm_allocator_pool_new(1, &pool), ZM_ENOMEM);
    assert_null(pool);
    assert_true(fault_disarm());
    assert_null(fault_misuse());
}

typedef void *allocate_t(zm_allocator_t *a, zm_cursor_t *k, size_t n);

static void *plain(zm_allocator_t *a, zm_cursor_t *k, size_t n)
{
    (void)k;
    return zm_allocator_allocate(a, n);
}

static void *aligned(zm_allocator_t *a, zm_cursor_t *k, size_t n)
{
    (void)k;
    return zm_allocator_allocate_aligned(a, n, 256);
}

static void *from_cursor(zm_allocator_t *a, zm_cursor_t *k, size_t n)
{
    (void)a;
    return zm_cursor_allocate(k, n, 8);
}

/* Where there is no memory for a chunk twice as large, one that is just large enough will do; where
 * there is none at all, nothing has changed, and what fits is still to be had.
 */
static void test_growth(void **state)
{
    (void)state;
    allocate_t *const calls[] = {plain, aligned, from_cursor};
    const size_t sizes[] = {8, 100, 2048, 2049, 100000};
    for (size_t i = 0; i < LEN(calls); i++) {
        for (size_t j = 0; j < LEN(sizes); j++) {
            size_t n = sizes[j];
            zm_allocator_t *a = new_allocator(512);
            zm_cursor_t k;
            zm_cursor_open(&k, a);
            char *first = zm_allocator_copy(a, "first", 6);
            size_t failures = 0;
            for (size_t grown = 0; grown < 5;) {
                uint64_t allocated = zm_allocator_allocated(a);
                size_t live = fault_live();
                fault_arm(1); /* the chunk's record, for the chunk as large as possible */
                unsigned char *p = calls[i](a, &k, n);
                if (fault_disarm()) {
                    assert_non_null(p);
                    assert_true(zm_allocator_allocated(a) < allocated + 2 * n + 1024);
                    grown++;
                }
                assert_non_null(p);
                assert_true(all_are(p, 0, n));
                memset(p, 0xff, n);
                assert_true(fault_live() <= live + 2);

                fault_refuse_all(true);
                allocated = zm_allocator_allocated(a);
                live = fault_live();
                p = calls[i](a, &k, 100000);
                if (!p) {
                    failures++;
                    assert_int_equal(zm_allocator_allocated(a), allocated);
                    assert_int_equal(fault_live(), live);
                    assert_int_equal(zm_num_alloc_bytes(), allocated);
                }
                fault_refuse_all(false);
            }
            assert_true(failures > 0);
            assert_string_equal(first, "first");
            zm_allocator_release(a);
            assert_counts(0, 0);
            assert_null(fault_misuse());
        }
    }
}

/* A thousand chunks, small ones, since there is never memory for a larger one. */
static void test_thousand_chunks(void **state)
{
    (void)state;
    enum { CHUNKS = 1000, SIZE = 1000 };
    static unsigned char *blocks[CHUNKS];
    zm_allocator_t *a = new_allocator(512);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < CHUNKS; i++) {
            fault_arm(1);
            blocks[i] = zm_allocator_allocate(a, SIZE);
            fault_disarm();
            assert_non_null(blocks[i]);
            assert_true(all_are(blocks[i], 0, SIZE));
            memset(blocks[i], (int)(i & 0xff), SIZE);
        }
        for (size_t i = 0; i < CHUNKS; i++)
            assert_true(all_are(blocks[i], (unsigned char)i, SIZE));
        assert_true(zm_num_allocs() >= CHUNKS - 100);
        zm_allocator_reset(a);
    }
    zm_allocator_release(a);
    assert_counts(0, 0);
    assert_null(fault_misuse());
}

int main(void)
{
    if (!fault_init()) {
        fprintf(stderr, "ZMEM_BACKEND names no backend\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_thousand_chunks),
    };
    return cmocka_run_group_tests_name("out of memory, allocator", tests, NULL, NULL);
}
