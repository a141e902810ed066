//go:build jemalloc

/* test_backend_jemalloc.c: what jemalloc tells of itself. */
#define JEMALLOC_NO_DEMANGLE
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <string.h>

#include "test.h"

static const zm__backend_t *jemalloc(void)
{
    return &zm__backend_jemalloc;
}

/* A request reserves what good_size says, and not a byte less or more. */
static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        size_t n = boundary_sizes[i] ? boundary_sizes[i] : 1;
        void *p = jemalloc()->calloc(n, 8);
        assert_int_equal(jemalloc()->usable_size(p), jemalloc()->good_size(n));
        assert_true(jemalloc()->usable_size(p) >= n);
        jemalloc()->free(p);
    }
    assert_true(jemalloc()->good_size(ZM_MAX_SIZE) >= ZM_MAX_SIZE);
}

/* Every figure is there, and they stand to each other as they must. */
static void test_stats(void **state)
{
    (void)state;
    void *p = jemalloc()->calloc(1 << 20, 16);
    zm_memstats_t s = {0};
    assert_int_equal(jemalloc()->stats(&s), ZM_OK);
    assert_true(s.allocated >= 1 << 20);
    assert_true(s.allocated <= s.active && s.active <= s.mapped);
    assert_true(s.metadata > 0 && s.resident > 0);
    assert_true(s.active + s.metadata <= s.resident + (4 << 20)); /* metadata need not be touched */
    jemalloc()->free(p);
}

static uint64_t allocated(void)
{
    zm_memstats_t s = {0};
    assert_int_equal(jemalloc()->stats(&s), ZM_OK);
    return s.allocated;
}

/* The figures are those of the moment: not of the first call, nor of the last but one. */
static void test_stats_are_fresh(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        uint64_t before = allocated();
        void *p = jemalloc()->calloc(1 << 20, 16);
        assert_int_equal(allocated(), before + (1 << 20));
        jemalloc()->free(p);
        assert_int_equal(allocated(), before);
    }
}

static void test_blocks_come_from_jemalloc(void **state)
{
    (void)state;
    unsigned arena = 0;
    size_t size = sizeof arena;
    void *p = jemalloc()->calloc(100, 16);
    assert_int_equal(je_mallctl("arenas.lookup", &arena, &size, &p, sizeof p), 0);
    jemalloc()->free(p);
    assert_int_equal(jemalloc()->fill(112, &p, 1), 1);
    assert_int_equal(je_mallctl("arenas.lookup", &arena, &size, &p, sizeof p), 0);
    jemalloc()->flush(&p, 1);
}

/* Nothing is kept any more of what this thread has freed. */
static void settle(void)
{
    jemalloc()->settle();
    assert_int_equal(je_mallctl("thread.tcache.flush", NULL, NULL, NULL, 0), 0);
}

static uint64_t cached(void)
{
    uint64_t bytes = 0;
    size_t size = sizeof bytes;
    uint64_t epoch = 1;
    assert_int_equal(je_mallctl("epoch", NULL, NULL, &epoch, sizeof epoch), 0);
    assert_int_equal(je_mallctl("stats.arenas.4096.tcache_bytes", &bytes, &size, NULL, 0), 0);
    return bytes;
}

/* Batches pass by the cache that jemalloc keeps for each thread; what they leave in others is gone
 * when they are settled.
 */
static void test_batches_pass_by_the_thread_cache(void **state)
{
    (void)state;
    void *blocks[100];
    settle();
    uint64_t before = cached();
    assert_int_equal(jemalloc()->fill(1024, blocks, LEN(blocks)), LEN(blocks));
    jemalloc()->settle();
    assert_int_equal(cached(), before);
    jemalloc()->flush(blocks, LEN(blocks));
    jemalloc()->settle();
    assert_int_equal(cached(), before);
}

static void *churn(void *arg)
{
    void *blocks[100];
    (void)arg;
    for (size_t i = 0; i < 10; i++) {
        size_t len = jemalloc()->fill(1024, blocks, LEN(blocks));
        jemalloc()->flush(blocks, len);
    }
    return NULL;
}

/* However many threads there were, a few caches hold what their batches left. */
static void test_batches_of_many_threads(void **state)
{
    (void)state;
    pthread_t threads[64];
    jemalloc()->settle();
    uint64_t before = cached();
    for (size_t i = 0; i < LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, NULL), 0);
    for (size_t i = 0; i < LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(cached() <= before + (1 << 20));
    jemalloc()->settle();
    assert_true(cached() <= before + 4096);
}

static void test_text(void **state)
{
    (void)state;
    settle();
    uint64_t before = allocated();
    for (size_t i = 0; i < 20; i++) {
        char *text = NULL;
        assert_int_equal(jemalloc()->text(&text), ZM_OK);
        assert_non_null(strstr(text, "Begin jemalloc statistics"));
        assert_non_null(strstr(text, "End jemalloc statistics"));
        assert_non_null(strstr(text, "Merged arenas stats"));
        assert_null(strstr(text, "bins:")); /* no tables of every size */
        zm_text_free(text);
    }
    settle();
    assert_true(allocated() < before + 4096); /* no text is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_stats_are_fresh),
        cmocka_unit_test(test_blocks_come_from_jemalloc),
        cmocka_unit_test(test_batches_pass_by_the_thread_cache),
        cmocka_unit_test(test_batches_of_many_threads),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests_name("backend, jemalloc", tests, NULL, NULL);
}
