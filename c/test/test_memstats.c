//go:build linux && !musl && !asan && !tsan

/* test_memstats.c: the figures follow what is allocated, memory goes back to the system, and
 * running out of it is survived. Not under sanitizers: they put an allocator of their own below us.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test.h"

#define MIB ((int64_t)1 << 20)

static zm_memstats_t memstats(void)
{
    zm_memstats_t s;
    memset(&s, 0xee, sizeof s);
    assert_int_equal(zm_memstats(&s), ZM_OK);
    return s;
}

/* Pages of /proc/self/statm in bytes: 0 is the address space, 1 what is resident. */
static int64_t statm(int field)
{
    long pages[2] = {0, 0};
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &pages[0], &pages[1]) != 2)
        pages[0] = pages[1] = 0;
    if (f)
        fclose(f);
    return pages[field] * sysconf(_SC_PAGESIZE);
}

enum { MAX_BLOCKS = 70000 }; /* 64 MiB in blocks of 1000 bytes */
static void *blocks[MAX_BLOCKS];
static int64_t churned; /* resident when all of them were live */

/* 64 MiB in blocks of n bytes, every byte written; how many there are. */
static size_t allocate(size_t n)
{
    size_t len = (size_t)(64 * MIB) / n;
    for (size_t i = 0; i < len; i++) {
        blocks[i] = zm_calloc(n);
        memset(blocks[i], 'x', n);
    }
    return len;
}

static void test_figures_follow(void **state)
{
    (void)state;
    const size_t sizes[] = {1000, 4096, 50000, 1 << 20, 32 << 20};
    for (size_t i = 0; i < LEN(sizes); i++) {
        zm_memstats_t before = memstats();
        size_t len = allocate(sizes[i]);
        zm_memstats_t full = memstats();
        for (size_t j = 0; j < len; j++)
            zm_free(blocks[j], sizes[i]);
        zm_memstats_t after = memstats();

        int64_t asked = (int64_t)(len * sizes[i]);
        int64_t reserved = (int64_t)(len * zm_good_size(sizes[i]));
        int64_t grown = (int64_t)(full.allocated - before.allocated);
        assert_true(grown >= asked - MIB / 4);
        assert_true(grown <= reserved + reserved / 50 + MIB);
        assert_true(full.active >= full.allocated && full.mapped >= full.active);
        assert_true((int64_t)full.resident >= asked);
        int64_t left = (int64_t)(after.allocated - before.allocated);
        assert_true(left > -MIB && left < MIB);
    }
}

/* allocate() and freeing in one, with a block at the end that stays. */
static void *churn(void *arg)
{
    size_t n = *(size_t *)arg, len = allocate(n);
    void *last = zm_calloc(n);
    churned = statm(1);
    for (size_t i = 0; i < len; i++)
        zm_free(blocks[i], n);
    return last;
}

/* The block that stays keeps the rest from being given back just by being freed. jemalloc has
 * arenas, and another thread has another one.
 */
static void test_return_memory(void **state)
{
    (void)state;
    size_t sizes[] = {1000, 5000, 65536};
    for (size_t i = 0; i < 2 * LEN(sizes); i++) {
        size_t n = sizes[i / 2];
        assert_int_equal(zm_return_memory(), ZM_OK);
        int64_t before = statm(1);
        void *last;
        if (i % 2) {
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, churn, &n), 0);
            assert_int_equal(pthread_join(thread, &last), 0);
        } else {
            last = churn(&n);
        }
        assert_true(churned >= before + 60 * MIB);
        zm_memstats_t full = memstats();
        assert_true(statm(1) >= before + 30 * MIB); /* kept for later, or this tests nothing */
        assert_int_equal(zm_return_memory(), ZM_OK);
        assert_true(statm(1) <= before + 8 * MIB);
        if (strcmp(zm_backend(), "jemalloc") == 0) { /* libc cannot tell what is resident */
            zm_memstats_t after = memstats();
            assert_true((int64_t)(full.resident - after.resident) >= 30 * MIB);
            assert_true(after.retained >= full.retained);
        }
        zm_free(last, n);
        assert_counts(0, 0);
    }
}

/* What the depot holds goes back as well. */
static void test_return_memory_of_caches(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache();
    int64_t before = statm(1);
    size_t len = 0;
    for (size_t n = 16; n <= ZM_SMALL_MAX; n *= 2) {
        size_t first = len;
        for (size_t bytes = 0; bytes < (size_t)(2 * MIB); bytes += n) {
            if (len == MAX_BLOCKS)
                break;
            blocks[len] = zm_cache_calloc(cache, n);
            memset(blocks[len++], 'x', n);
        }
        while (len > first)
            zm_cache_free(cache, blocks[--len], n);
    }
    assert_counts(0, 0);
    zm_cache_drain(cache);
    uint64_t held = memstats().allocated;
    assert_int_equal(zm_return_memory(), ZM_OK);
    assert_true(memstats().allocated + (uint64_t)(2 * MIB) < held);
    assert_true(statm(1) <= before + 8 * MIB);
    assert_counts(0, 0);
}

/* Without being told to, and by when something is free: glibc's when it is asked, with the help of
 * nobody else; jemalloc's on its own, which main has switched off.
 */
static void test_return_idle(void **state)
{
    (void)state;
    if (strcmp(zm_backend(), "jemalloc") == 0) {
        assert_false(zm_return_idle());
        return;
    }
    assert_int_equal(zm_return_memory(), ZM_OK);
    int64_t before = statm(1);
    size_t n = 1000;
    void *last = churn(&n);
    assert_true(churned >= before + 60 * MIB);
    assert_true(statm(1) >= before + 30 * MIB); /* kept, or this tests nothing */
    size_t looks = 0;
    for (; zm_return_idle(); looks++) {
        assert_true(looks < 1200); /* a minute */
        usleep(50000);
    }
    assert_true(looks > 1 && statm(1) <= before + 8 * MIB);
    zm_free(last, n);
}

/* In a child, with little address space left: blocks come until they do not, and then again. */
static bool run_out(const void *arg)
{
    size_t n = *(const size_t *)arg, len = 0;
    void *batch[64];
    zm_free(zm_calloc(1), 1); /* the backend is up */
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = (rlim_t)(statm(0) + 64 * MIB);
    MUST(setrlimit(RLIMIT_AS, &limit) == 0);
    for (size_t round = 0; round < 2; round++) {
        while (len < MAX_BLOCKS && (blocks[len] = zm_calloc(n)))
            len++;
        MUST(len < MAX_BLOCKS && len * n > (size_t)(20 * MIB));
        MUST(zm_num_allocs() == (int64_t)len && zm_num_alloc_bytes() == (int64_t)(len * n));
        MUST(zm_calloc_batch(n, batch, LEN(batch)) == ZM_ENOMEM);
        MUST(!zm_calloc_aligned((size_t)(64 * MIB), 4096));
        MUST(zm_num_allocs() == (int64_t)len && zm_num_alloc_bytes() == (int64_t)(len * n));
        while (len > 0)
            zm_free(blocks[--len], n);
        MUST(zm_num_allocs() == 0 && zm_num_alloc_bytes() == 0);
    }
    return true;
}

static void test_running_out(void **state)
{
    (void)state;
    const size_t sizes[] = {10000, 40000, 1 << 20};
    for (size_t i = 0; i < LEN(sizes); i++)
        assert_true(in_child(run_out, &sizes[i]));
}

/* jemalloc gives memory back by itself after a while, on a thread of its own; how much of it just
 * when we look is chance. So it is told not to, in the environment that it reads when it starts.
 */
int main(int argc, char **argv)
{
    if (argc > 0 && !getenv("JE_MALLOC_CONF")) {
        setenv("JE_MALLOC_CONF", "dirty_decay_ms:-1", 1);
        setenv("MALLOC_CONF", "dirty_decay_ms:-1", 1); /* its name without the prefix */
        execv("/proc/self/exe", argv);
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures_follow),
        cmocka_unit_test(test_return_memory),
        cmocka_unit_test(test_return_memory_of_caches),
        cmocka_unit_test(test_return_idle),
        cmocka_unit_test(test_running_out),
    };
    return cmocka_run_group_tests_name("memstats", tests, NULL, NULL);
}
