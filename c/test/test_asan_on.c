//go:build asan

/* test_asan_on.c: AddressSanitizer stops a program that misuses a block of a cache, though no
 * allocator that it knows has freed it. Each misuse is in a child, whose report is thrown away.
 */
#include <fcntl.h>
#include <unistd.h>

#include "test.h"

enum { N = 100 }; /* of a class of 112 */

static zm_cache_t *quiet_cache(void)
{
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    return new_cache();
}

static bool uses_it_well(const void *arg)
{
    (void)arg;
    zm_cache_t *cache = quiet_cache();
    for (size_t i = 0; i < 1000; i++) {
        volatile char *p = zm_cache_calloc(cache, N);
        MUST(p && p[0] == 0 && p[N - 1] == 0);
        p[0] = p[N - 1] = 'x';
        if (i % 3)
            zm_cache_free(cache, (void *)(uintptr_t)p, N);
        else
            zm_free((void *)(uintptr_t)p, N);
    }
    zm_cache_drain(cache);
    zm_depot_trim(true);
    return true;
}

static bool reads_after_free(const void *arg)
{
    zm_cache_t *cache = quiet_cache();
    volatile char *p = zm_cache_calloc(cache, N);
    zm_cache_free(cache, (void *)(uintptr_t)p, N);
    return p[*(const size_t *)arg] == 0;
}

static bool writes_behind(const void *arg)
{
    volatile char *p = zm_cache_calloc(quiet_cache(), N);
    p[*(const size_t *)arg] = 'x';
    return true;
}

static bool frees_twice(const void *arg)
{
    (void)arg;
    zm_cache_t *cache = quiet_cache();
    void *p = zm_cache_calloc(cache, N);
    zm_cache_free(cache, p, N);
    zm_cache_free(cache, p, N);
    return true;
}

static void test_good_use(void **state)
{
    (void)state;
    assert_true(in_child(uses_it_well, NULL));
}

static void test_use_after_free(void **state)
{
    (void)state;
    const size_t at[] = {0, 8, N - 1};
    for (size_t i = 0; i < LEN(at); i++)
        assert_false(in_child(reads_after_free, &at[i]));
}

static void test_overflow(void **state)
{
    (void)state;
    const size_t inside = N - 1, behind[] = {N, N + 1, 111};
    assert_true(in_child(writes_behind, &inside));
    for (size_t i = 0; i < LEN(behind); i++)
        assert_false(in_child(writes_behind, &behind[i]));
}

static void test_double_free(void **state)
{
    (void)state;
    assert_false(in_child(frees_twice, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_use),
        cmocka_unit_test(test_use_after_free),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_double_free),
    };
    return cmocka_run_group_tests_name("asan", tests, NULL, NULL);
}
