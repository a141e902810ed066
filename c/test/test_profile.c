//go:build !leak

/* test_profile.c: sampled blocks are blocks as any other, and what is made of them is near the
 * truth.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static const uintptr_t pcs[] = {0x1001, 0x1002, 0x1003};

static void *sample(size_t n, size_t align, uint64_t rate, uintptr_t pc)
{
    return zm_profile_calloc(n, align, rate, zm_site_of("tag", 3, &pc, 1));
}

static bool in_range(const void *p)
{
    uintptr_t base;
    size_t size;
    zm_profile_range(&base, &size);
    return (uintptr_t)p - base < size;
}

/* What the profile has for the site of one return address. */
static zm_profile_site_t site_of(uintptr_t pc)
{
    static zm_profile_site_t sites[4096];
    size_t n = zm_profile_sites(sites, LEN(sites));
    assert_true(n <= LEN(sites));
    for (size_t i = 0; i < n; i++) {
        if (sites[i].site->npcs == 1 && zm_site_pcs(sites[i].site)[0] == pc)
            return sites[i];
    }
    return (zm_profile_site_t){0};
}

static uint64_t num_records(void)
{
    zm_profile_stats_t stats;
    zm_profile_stats(&stats);
    return stats.records;
}

static int check_none_left(void **state)
{
    (void)state;
    zm_profile_set_rate(0);
    zm_depot_trim(true);
    return num_records() != 0 || zm_num_alloc_bytes() != 0 || zm_num_allocs() != 0;
}

/* ---- Blocks -------------------------------------------------------------------------------- */

static void test_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        size_t n = boundary_sizes[i];
        if (n == 0)
            continue;
        for (size_t align = 0; align <= ZM_SMALL_MAX; align = align ? align * 2 : 1) {
            size_t want = align > promised_align(n) ? align : promised_align(n);
            for (size_t round = 0; round < 2; round++) {
                void *blocks[5];
                for (size_t j = 0; j < LEN(blocks); j++) {
                    blocks[j] = sample(n, align, 1, 0x2000);
                    assert_non_null(blocks[j]);
                    assert_int_equal(in_range(blocks[j]), n <= ZM_SMALL_MAX);
                    assert_true(is_aligned(blocks[j], want) && all_are(blocks[j], 0, n));
                    size_t usable = zm_usable_size(blocks[j]);
                    assert_true(usable == 0 || usable >= n);
                    memset(blocks[j], (int)j + 1, n);
                    assert_counts((int64_t)(n * (j + 1)), (int64_t)j + 1);
                }
                assert_int_equal(site_of(0x2000).live_bytes, n * LEN(blocks));
                assert_int_equal(site_of(0x2000).live_objects, LEN(blocks));
                for (size_t j = 0; j < LEN(blocks); j++) {
                    assert_true(all_are(blocks[j], (unsigned char)(j + 1), n));
                    zm_free(blocks[j], n);
                }
                assert_counts(0, 0);
                assert_int_equal(site_of(0x2000).live_objects, 0);
            }
        }
    }
}

static void test_impossible_blocks(void **state)
{
    (void)state;
    assert_null(sample(0, 0, 1, 1));
    assert_null(sample(100, 0, 0, 1));
    assert_null(sample(100, 48, 1, 1));
    assert_null(sample(100, ZM_SMALL_MAX * 2, 1, 1)); /* no span is aligned so well: not sampled */
    assert_null(sample(ZM_MAX_SIZE + 1, 0, 1, 1));
    assert_null(sample(SIZE_MAX, 0, 1, 1));
    assert_null(sample(ZM_MAX_SIZE, 0, 1, 1));
    assert_int_equal(zm_profile_set_rate(ZM_MAX_SIZE + 1), ZM_EINVAL);
    assert_int_equal(zm_profile_rate(), 0);
    assert_counts(0, 0);
}

/* Whoever frees a sampled block, and with whatever size, it goes back where it came from. */
static void test_every_way_to_free(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache();
    int64_t out = 0;
    for (size_t round = 0; round < 300; round++) {
        void *p = sample(1000, 0, 1, 1), *q = sample(1000, 0, 1, 1), *r = zm_calloc(1000);
        size_t n = round % 3 ? 1000 : 10; /* a shortened slice */
        zm_cache_free(cache, p, n);
        zm_free_batch((void *[]){NULL, q, r, NULL}, n, 4);
        out += (int64_t)(1000 - n) * 3;
        assert_counts(out, 0);
        assert_int_equal(num_records(), 0);
        void *next = zm_cache_calloc(cache, 1000); /* what was sampled is in no magazine */
        assert_false(in_range(next));
        zm_cache_free(cache, next, 1000);
    }
    zm__count(0 - (uint64_t)out, 0);
    zm_cache_drain(cache);
}

/* A double free of a sampled block, or one of its middle, changes nothing. */
static void test_wrong_frees(void **state)
{
    (void)state;
    char *p = sample(100, 0, 1, 1), *q = sample(100, 0, 1, 1);
    zm_free(p, 100);
    zm_free(p, 100);
    zm_free(q + 16, 100);
    assert_counts(100, 1);
    char *a = sample(100, 0, 1, 1), *b = sample(100, 0, 1, 1);
    assert_ptr_not_equal(a, b);
    zm_free(a, 100);
    zm_free(b, 100);
    zm_free(q, 100);
}

/* Memory from elsewhere, as Buffers and Allocators have it. */
static void test_added(void **state)
{
    (void)state;
    static char mapping[2][4096];
    assert_int_equal(zm_profile_set_rate(1), ZM_OK);
    zm_profile_add(mapping[0], 1 << 20, 1, zm_site_of("map", 3, pcs, 1));
    zm_profile_add(mapping[1], 1 << 21, 1, zm_site_of("map", 3, pcs, 1));
    zm_profile_site_t s = site_of(pcs[0]);
    assert_int_equal(s.live_bytes, 3 << 20);
    assert_int_equal(s.live_objects, 2);
    assert_int_equal(s.site->ntag, 3);
    zm_profile_add(mapping[0], 1 << 22, 1,
                   zm_site_of("map", 3, pcs, 1)); /* it has grown in place */
    assert_int_equal(site_of(pcs[0]).live_bytes, (1 << 22) + (1 << 21));
    zm_profile_remove(mapping[0]);
    zm_profile_remove(mapping[0]);
    zm_profile_remove(mapping[1]);
    zm_profile_remove(&s);
    s = site_of(pcs[0]);
    assert_int_equal(s.live_bytes, 0);
    assert_int_equal(s.live_objects, 0);
    assert_int_equal(s.alloc_bytes, (3 << 20) + (1 << 22));
    assert_int_equal(s.alloc_objects, 3);
    assert_int_equal(num_records(), 0);
}

/* A large block freed with a small size leaves its record behind, until its address comes back. */
static void test_stale_record(void **state)
{
    (void)state;
    static char block[8];
    zm_profile_add(block, 1 << 20, 1, zm_site_of("one", 3, (uintptr_t[]){0x3001}, 1));
    zm_profile_add(block, 1 << 21, 1, zm_site_of("two", 3, (uintptr_t[]){0x3002}, 1));
    assert_int_equal(site_of(0x3001).live_bytes, 0);
    assert_int_equal(site_of(0x3002).live_bytes, 1 << 21);
    zm_profile_remove(block);
    assert_int_equal(num_records(), 0);
}

/* ---- Spans ---------------------------------------------------------------------------------- */

/* More blocks than many spans hold, of every class; then their memory goes back. */
static void test_spans(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static unsigned char *blocks[MANY];
    for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls += 4) {
        size_t n = zm_class_size(cls);
        for (size_t i = 0; i < MANY; i++) {
            blocks[i] = sample(n, 0, 1, 1);
            assert_non_null(blocks[i]);
            blocks[i][0] = (unsigned char)i;
            blocks[i][n - 1] = (unsigned char)i;
        }
        for (size_t i = 0; i < MANY; i++) {
            size_t j = (i * 7 + cls) % MANY; /* in another order */
            assert_int_equal(blocks[j][0], (unsigned char)j);
            assert_int_equal(blocks[j][n - 1], (unsigned char)j);
            zm_free(blocks[j], n);
        }
    }
    assert_int_equal(zm_return_memory(), ZM_OK);
    void *p = sample(100, 0, 1, 1);
    assert_int_equal((uintptr_t)p % ((size_t)1 << 18), 0); /* the first of a span again */
    zm_free(p, 100);
}

/* What was needed since the last trim stays, but for a trim of all. */
static void test_trim(void **state)
{
    (void)state;
    zm_depot_trim(true);
    assert_false(zm_depot_trim(true));
    zm_free(sample(100, 0, 1, 1), 100);
    assert_false(zm_depot_trim(false));
    assert_true(zm_depot_trim(false));
    assert_false(zm_depot_trim(false));
    zm_free(sample(100, 0, 1, 1), 100);
    assert_true(zm_depot_trim(true));
    void *p = sample(100, 0, 1, 1);
    assert_false(zm_depot_trim(true));
    zm_free(p, 100);
}

/* ---- Numbers -------------------------------------------------------------------------------- */

/* Allocates `count` blocks of n bytes through a cache and frees every other one; the profile is to
 * be within a tenth, which are more than five standard deviations of so many samples.
 */
static void check_estimate(size_t n, uint64_t rate, size_t count)
{
    zm_cache_t *cache = new_cache();
    zm_profile_site_t before[64], after[64];
    assert_int_equal(zm_profile_set_rate(rate), ZM_OK);
    int64_t alloc_bytes = 0, alloc_objects = 0, live_bytes = 0;
    size_t sites = zm_profile_sites(before, LEN(before));
    for (size_t i = 0; i < sites; i++) {
        alloc_bytes -= before[i].alloc_bytes;
        alloc_objects -= before[i].alloc_objects;
    }
    void **blocks = calloc(count, sizeof *blocks);
    for (size_t i = 0; i < count; i++)
        blocks[i] = zm_cache_calloc(cache, n);
    for (size_t i = 0; i < count; i += 2)
        zm_cache_free(cache, blocks[i], n);
    sites = zm_profile_sites(after, LEN(after));
    assert_true(sites <= LEN(after));
    for (size_t i = 0; i < sites; i++) {
        alloc_bytes += after[i].alloc_bytes;
        alloc_objects += after[i].alloc_objects;
        live_bytes += after[i].live_bytes;
    }
    double truth = (double)n * (double)count;
    assert_true(fabs((double)alloc_bytes / truth - 1) < 0.1);
    assert_true(fabs((double)alloc_objects / (double)count - 1) < 0.1);
    assert_true(fabs((double)live_bytes / (truth / 2) - 1) < 0.15);
    for (size_t i = 1; i < count; i += 2)
        zm_cache_free(cache, blocks[i], n);
    free(blocks);
    assert_int_equal(num_records(), 0);
    zm_cache_drain(cache);
}

static void test_estimates(void **state)
{
    (void)state;
    check_estimate(8, 2000, 1500000);
    check_estimate(100, 2000, 80000);
    check_estimate(1000, 2000, 10000);
    check_estimate(1000, 300, 4000);
    check_estimate(20000, 40000, 12000);
    check_estimate(64, 1, 1000);
}

/* At rate 1 the numbers are the truth, and a cache learns of a new rate at once. */
static void test_rates(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache();
    void *p[4];
    p[0] = zm_cache_calloc(cache, 100);
    assert_int_equal(zm_profile_set_rate(ZM_MAX_SIZE), ZM_OK);
    p[1] = zm_cache_calloc(cache, 100);
    assert_int_equal(zm_profile_set_rate(1), ZM_OK);
    assert_int_equal(zm_profile_rate(), 1);
    p[2] = zm_cache_calloc(cache, 100);
    assert_int_equal(zm_profile_set_rate(0), ZM_OK);
    p[3] = zm_cache_calloc(cache, 100);
    for (size_t i = 0; i < LEN(p); i++)
        assert_int_equal(in_range(p[i]), i == 2);
    assert_int_equal(num_records(), 1);
    for (size_t i = 0; i < LEN(p); i++)
        zm_cache_free(cache, p[i], 100);
    assert_counts(0, 0);
    zm_cache_drain(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_blocks, check_none_left),
        cmocka_unit_test_teardown(test_impossible_blocks, check_none_left),
        cmocka_unit_test_teardown(test_every_way_to_free, check_none_left),
        cmocka_unit_test_teardown(test_wrong_frees, check_none_left),
        cmocka_unit_test_teardown(test_added, check_none_left),
        cmocka_unit_test_teardown(test_stale_record, check_none_left),
        cmocka_unit_test_teardown(test_spans, check_none_left),
        cmocka_unit_test_teardown(test_trim, check_none_left),
        cmocka_unit_test_teardown(test_estimates, check_none_left),
        cmocka_unit_test_teardown(test_rates, check_none_left),
    };
    return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
