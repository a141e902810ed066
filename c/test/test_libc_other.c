//go:build !linux || musl

/* test_libc_other.c: where no more is known of libc than the standard says, that is what we say. */
#include <string.h>

#include "test.h"

static void test_what_is_not_known(void **state)
{
    (void)state;
    char *p = zm_calloc(100);
    assert_int_equal(zm_usable_size(p), 0);
    assert_int_equal(zm_good_size(100), 112);       /* a small block has the size of its class */
    assert_int_equal(zm_good_size(100000), 100000); /* a large one what was asked for */
    assert_int_equal(zm_return_memory(), ZM_OK);    /* whatever free did, it is done */
    zm_free(p, 100);
    assert_counts(0, 0);
}

static void test_what_we_count_ourselves(void **state)
{
    (void)state;
    zm_memstats_t stats;
    memset(&stats, 0xee, sizeof stats);
    void *p = zm_calloc(100), *q = zm_calloc(1000);
    assert_int_equal(zm_memstats(&stats), ZM_OK);
    assert_int_equal(stats.allocated, 1100);
    assert_int_equal(stats.active, 0);
    assert_int_equal(stats.metadata, 0);
    assert_int_equal(stats.resident, 0);
    assert_int_equal(stats.mapped, 0);
    assert_int_equal(stats.retained, 0);
    zm_free(p, 100);
    zm_free(q, 1000);
    assert_int_equal(zm_memstats(&stats), ZM_OK);
    assert_int_equal(stats.allocated, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_known),
        cmocka_unit_test(test_what_we_count_ourselves),
    };
    return cmocka_run_group_tests_name("libc, other", tests, NULL, NULL);
}
