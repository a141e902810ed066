//go:build !leak

/* test_oom_profile.c: memory runs out while a block is sampled: it is not, and nothing else. */
#include <stdio.h>

#include "fault.h"

static void test_sampling(void **state)
{
    (void)state;
    const size_t sizes[] = {8, 100, ZM_SMALL_MAX, ZM_SMALL_MAX + 1};
    assert_int_equal(zm_profile_set_rate(1), ZM_OK);
    for (size_t i = 0; i < LEN(sizes); i++) {
        for (uintptr_t pc = 1; pc <= 100; pc++) {
            void *p = NULL;
            size_t k = 1, refused = 0;
            for (bool fired = true; fired; k++) {
                int64_t bytes = zm_num_alloc_bytes();
                uintptr_t pcs = pc + 1000 * i;
                fault_arm(k);
                p = zm_profile_calloc(sizes[i], 0, 1, zm_site_of(NULL, 0, &pcs, 1));
                fired = fault_disarm();
                if (fired && !p) {
                    assert_int_equal(zm_num_alloc_bytes(), bytes);
                    refused++;
                } else {
                    assert_non_null(p);
                    assert_int_equal(zm_num_alloc_bytes(), bytes + (int64_t)sizes[i]);
                    if (fired) /* a large one, without a record */
                        zm_free(p, sizes[i]);
                }
            }
            assert_true(refused > 0); /* the site at least is new */
            assert_true(all_are(p, 0, sizes[i]));
            zm_free(p, sizes[i]);
            assert_counts(0, 0);
            assert_null(fault_misuse());
        }
    }
    zm_profile_stats_t stats;
    zm_profile_stats(&stats);
    assert_int_equal(stats.records, 0);
    assert_true(stats.dropped > 0);
}

/* A cache goes on with blocks that are not sampled. */
static void test_caches_do_without(void **state)
{
    (void)state;
    assert_int_equal(zm_profile_set_rate(1), ZM_OK);
    zm_cache_t *cache = new_cache();
    zm_cache_free(cache, zm_calloc(64), 64); /* a block that needs no more memory */
    fault_arm(1);                            /* the site */
    void *p = zm_cache_calloc(cache, 64);
    assert_true(fault_disarm());
    assert_non_null(p);
    assert_false(zm__is_sampled(p));
    zm_cache_free(cache, p, 64);
    assert_counts(0, 0);
    zm_profile_set_rate(0);
    zm_cache_drain(cache);
}

int main(void)
{
    if (!fault_init()) {
        fprintf(stderr, "ZMEM_BACKEND names no backend\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caches_do_without),
        cmocka_unit_test(test_sampling),
    };
    return cmocka_run_group_tests_name("oom profile", tests, NULL, NULL);
}
