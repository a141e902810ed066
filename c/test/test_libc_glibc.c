//go:build linux && !musl && !asan && !tsan

/* test_libc_glibc.c: what we say of glibc's allocator is so. Sanitizers replace it. */
#include <malloc.h>
#include <stdlib.h>

#include "test.h"

/* A block of n bytes has what is promised of it at least, and exactly that where it is one of the
 * heap's own.
 */
static void test_good_size(void **state)
{
    (void)state;
    for (size_t n = 0; n < 100000; n++) {
        void *p = malloc(n);
        size_t good = zm__libc_good_size(n), usable = malloc_usable_size(p);
        assert_true(good >= n && good <= usable);
        assert_int_equal(zm__libc_usable_size(p), usable);
        if (n > 2 * sizeof(size_t) + 8)
            assert_int_equal(good, usable);
        free(p);
    }
    for (size_t n = 100000; n <= (size_t)64 << 20; n = n * 2 + 1) {
        void *p = malloc(n);
        assert_true(zm__libc_good_size(n) <= malloc_usable_size(p));
        free(p);
    }
}

static void test_stats(void **state)
{
    (void)state;
    const size_t sizes[] = {1000, 100000, 10 << 20}; /* in a heap, in either, in a mapping */
    for (size_t i = 0; i < LEN(sizes); i++) {
        zm_memstats_t before = {0}, full = {0}, after = {0};
        void *blocks[10];
        assert_int_equal(zm__libc_stats(&before), ZM_OK);
        for (size_t j = 0; j < LEN(blocks); j++)
            blocks[j] = malloc(sizes[i]);
        assert_int_equal(zm__libc_stats(&full), ZM_OK);
        for (size_t j = 0; j < LEN(blocks); j++)
            free(blocks[j]);
        assert_int_equal(zm__libc_stats(&after), ZM_OK);
        uint64_t grown = full.allocated - before.allocated;
        /* one may have been in a thread's cache */
        assert_true(grown + 2000 >= LEN(blocks) * sizes[i]);
        assert_true(grown <= LEN(blocks) * (sizes[i] + 8192));
        assert_true(after.allocated < full.allocated);
        assert_true(full.active >= full.allocated);
        assert_true(full.resident == full.active && full.mapped == full.active);
    }
}

static void test_purge(void **state)
{
    (void)state;
    assert_int_equal(zm__libc_purge(), ZM_OK);
    assert_int_equal(zm__libc_purge(), ZM_OK); /* with nothing left to give back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_size),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_purge),
    };
    return cmocka_run_group_tests_name("libc, glibc", tests, NULL, NULL);
}
