//go:build !leak && !asan

/* test_profile_limit.c: sampling under a limit on the address space. (AddressSanitizer itself takes
 * more than any such limit.)
 */
#include <pthread.h>
#include <sys/resource.h>

#include "test.h"

static void *sample(size_t n)
{
    return zm_profile_calloc(n, 0, 1, zm_site_of(NULL, 0, &(uintptr_t){1}, 1));
}

static bool tight_child(const void *arg)
{
    (void)arg;
    struct rlimit limit = {(rlim_t)1 << 20, (rlim_t)1 << 20};
    MUST(setrlimit(RLIMIT_AS, &limit) == 0);
    MUST(zm_profile_set_rate(1000) == ZM_ENOMEM);
    MUST(zm_profile_rate() == 0);
    uintptr_t base;
    size_t size;
    zm_profile_range(&base, &size);
    MUST(size == 0);
    void *p = zm_calloc(100);
    MUST(p);
    zm_free(p, 100);
    MUST(zm_num_allocs() == 0);
    return true;
}

static bool small_child(const void *arg)
{
    (void)arg;
    struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};
    MUST(setrlimit(RLIMIT_AS, &limit) == 0);
    MUST(zm_profile_set_rate(1) == ZM_OK);
    uintptr_t base;
    size_t size;
    zm_profile_range(&base, &size);
    MUST(size == (size_t)1 << 26);
    static void *blocks[2048];
    size_t n = 0;
    while (n < LEN(blocks) && (blocks[n] = sample(ZM_SMALL_MAX)))
        n++;
    MUST(n == size / ZM_SMALL_MAX);
    zm_profile_stats_t stats;
    zm_profile_stats(&stats);
    MUST(stats.crowded == 1 && stats.records == n);
    MUST(zm_num_allocs() == (int64_t)n);
    while (n > 0)
        zm_free(blocks[--n], ZM_SMALL_MAX);
    MUST(zm_num_allocs() == 0);
    void *p = sample(8);
    MUST(p);
    zm_free(p, 8);
    return true;
}

static void *sample_every_class(void *arg)
{
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
        zm_free(sample(zm_class_size(cls)), zm_class_size(cls));
    }
    return arg;
}

/* What other threads and classes do not need makes room. */
static bool crowded_child(const void *arg)
{
    (void)arg;
    struct rlimit limit = {(rlim_t)1 << 29, (rlim_t)1 << 29}; /* 128 spans */
    MUST(setrlimit(RLIMIT_AS, &limit) == 0);
    MUST(zm_profile_set_rate(1) == ZM_OK);
    for (int i = 0; i < 16; i++) {
        pthread_t thread;
        MUST(pthread_create(&thread, NULL, sample_every_class, NULL) == 0);
        MUST(pthread_join(thread, NULL) == 0);
    }
    zm_profile_stats_t stats;
    zm_profile_stats(&stats);
    MUST(stats.crowded == 0 && stats.dropped == 0 && stats.records == 0);
    return true;
}

/* The range is small then, or there is none. */
static void test_address_space(void **state)
{
    (void)state;
    assert_true(in_child(tight_child, NULL));
    assert_true(in_child(small_child, NULL));
    assert_true(in_child(crowded_child, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_space),
    };
    return cmocka_run_group_tests_name("profile limit", tests, NULL, NULL);
}
