//go:build leak

/* test_buffer_leak.c: under the leak tag a Buffer is what its creator holds, whatever it grows to.
 */
#include <string.h>

#include "test.h"

static const uintptr_t pcs[] = {0x1001, 0x1002};

/* What all sites have together is what the counters say. */
static size_t check_sites(zm_leak_live_t *out, size_t cap)
{
    size_t n = zm_leak_sites(out, cap);
    int64_t bytes = 0, objects = 0;
    assert_true(n <= cap);
    for (size_t i = 0; i < n; i++) {
        bytes += out[i].bytes;
        objects += out[i].objects;
    }
    assert_counts(bytes, objects);
    return n;
}

static void test_site_follows_growth(void **state)
{
    (void)state;
    zm_leak_live_t sites[4];
    zm_buffer_t *b = zm_buffer_new(100);
    assert_int_equal(check_sites(sites, LEN(sites)), 1);
    assert_true(sites[0].site->npcs > 0); /* the C stack */
    zm_buffer_attribute(b, zm_site_of("mine", 4, pcs, LEN(pcs)));
    const size_t more[] = {0, 1000, (size_t)3 << 20, (size_t)9 << 20};
    for (size_t i = 0; i < LEN(more); i++) {
        assert_int_equal(zm_buffer_grow(b, more[i], NULL), ZM_OK);
        assert_int_equal(check_sites(sites, LEN(sites)), 1);
        assert_int_equal(sites[0].bytes, b->size + sizeof *b);
        assert_int_equal(sites[0].objects, 2);
        assert_int_equal(sites[0].site->npcs, LEN(pcs));
        assert_memory_equal(zm_site_pcs(sites[0].site), pcs, sizeof pcs);
        assert_memory_equal(zm_site_tag(sites[0].site), "mine", 4);
    }
    assert_int_equal(zm_buffer_set_spill(b, 0, "/tmp"), ZM_OK);
    assert_int_equal(zm_buffer_grow(b, (size_t)20 << 20, NULL), ZM_OK);
    assert_int_equal(check_sites(sites, LEN(sites)), 1);
    assert_int_equal(sites[0].bytes, sizeof *b);
    assert_int_equal(sites[0].objects, 1);
    zm_buffer_attribute(b, zm_site_of(NULL, 0, pcs, 1));
    assert_int_equal(check_sites(sites, LEN(sites)), 1);
    assert_int_equal(sites[0].site->npcs, 1);
    zm_buffer_release(b, NULL);
    assert_int_equal(check_sites(sites, LEN(sites)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_site_follows_growth),
    };
    return cmocka_run_group_tests_name("buffers and leaks", tests, NULL, NULL);
}
