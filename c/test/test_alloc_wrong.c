//go:build !zmem_check

/* test_alloc_wrong.c: what a wrong size given to zm_free does where nobody checks; test_check.c has
 * what the check build says of it.
 */
#include "test.h"

/* A wrong size puts the counters out by the difference, and by no more than that. */
static void test_freeing_with_a_wrong_size(void **state)
{
    (void)state;
    const size_t wrong[] = {0, 1, 99, 101, 100000, ZM_MAX_SIZE + 1, ~(SIZE_MAX >> 1), SIZE_MAX};
    for (size_t i = 0; i < LEN(wrong); i++) {
        zm_free(zm_calloc(100), wrong[i]);
        assert_counts((int64_t)(100 - (uint64_t)wrong[i]), 0);
        void *pair[2] = {zm_calloc(100), zm_calloc(100)};
        zm_free_batch(pair, wrong[i], 2);
        assert_counts((int64_t)(3 * (100 - (uint64_t)wrong[i])), 0);
        /* back to 0, by what wraps around to the difference */
        zm_free(zm_calloc(0), (size_t)(3 * (100 - (uint64_t)wrong[i])));
        assert_counts(0, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freeing_with_a_wrong_size),
    };
    return cmocka_run_group_tests_name("wrong sizes", tests, NULL, NULL);
}
