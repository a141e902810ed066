//go:build leak

/* test_buffer_leak.c: under the leak tag a Buffer is what its creator holds, whatever it grows to,
 * and its bytes can be read, wherever they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    zm_buffer_t *b = new_buffer(100);
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

/* Its bytes are one block, of its site, and are read as they are now: here n times `byte`, behind
 * the first 8.
 */
static void check_read(const zm_buffer_t *b, unsigned char byte, size_t n)
{
    zm_leak_block_t list[2];
    char *out = malloc(n + 1);
    assert_int_equal(zm_leak_blocks(list, LEN(list)), 1);
    assert_int_equal(list[0].block, (uintptr_t)b->data);
    assert_int_equal(list[0].size, 8 + n);
    assert_memory_equal(zm_site_tag(list[0].site), "mine", 4);
    assert_true(zm_leak_read(&list[0], 8, out, n) && all_are(out, byte, n));
    assert_true(zm_leak_read(&list[0], 8 + n, out, 0));
    assert_false(zm_leak_read(&list[0], 8, out, n + 1));
    assert_false(zm_leak_read(&list[0], 9 + n, out, 0));
    assert_false(zm_leak_read(&list[0], SIZE_MAX, out, 2));
    free(out);
}

static void test_read_wherever_it_is(void **state)
{
    (void)state;
    char out[8];
    zm_leak_block_t block;
    zm_buffer_t *b = new_buffer(0);
    zm_buffer_attribute(b, zm_site_of("mine", 4, pcs, LEN(pcs)));
    check_read(b, 0, 0);
    assert_int_equal(zm_leak_blocks(&block, 1), 1);
    assert_int_equal(zm_buffer_set_spill(b, (size_t)9 << 20, "/tmp"), ZM_OK);
    const size_t more[] = {50, 5000, (size_t)3 << 20, (size_t)5 << 20, (size_t)8 << 20};
    const int kinds[] = {ZM_BUFFER_HEAP, ZM_BUFFER_HEAP, ZM_BUFFER_ANON, ZM_BUFFER_ANON,
                         ZM_BUFFER_TMP};
    size_t n = 0;
    for (size_t i = 0; i < LEN(more); n += more[i++]) {
        memset(zm_buffer_add(b, more[i], NULL), 'b', more[i]);
        assert_int_equal(b->kind, kinds[i]);
        check_read(b, 'b', n + more[i]);
        assert_true(zm_leak_read(&block, 0, out, 8)); /* listed before it moved */
    }
    assert_int_equal(zm_leak_blocks(&block, 1), 1);
    zm_buffer_reset(b);
    check_read(b, 0, 0);
    assert_false(zm_leak_read(&block, 8, out, 1));
    assert_true(zm_leak_read(&block, 0, out, 8));
    zm_buffer_attribute(b, zm_site_of("yours", 5, pcs, LEN(pcs)));
    assert_false(zm_leak_read(&block, 0, out, 8)); /* another's by now */
    assert_int_equal(zm_leak_blocks(&block, 1), 1);
    zm_buffer_release(b, NULL);
    assert_false(zm_leak_read(&block, 0, out, 0));
    assert_int_equal(zm_leak_blocks(NULL, 0), 0);
}

static void test_read_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/zmem-test-XXXXXX", path[sizeof dir + 8];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/buffer", dir);
    zm_buffer_t *b;
    for (size_t n = 0; n <= 100000; n += 100000) {
        assert_int_equal(zm_buffer_open(path, 0, &b, NULL), ZM_OK);
        zm_buffer_attribute(b, zm_site_of("mine", 4, pcs, LEN(pcs)));
        check_read(b, 'f', n);
        memset(zm_buffer_add(b, 100000, NULL), 'f', 100000);
        check_read(b, 'f', n + 100000);
        assert_int_equal(zm_buffer_release(b, NULL), ZM_OK);
        assert_int_equal(zm_leak_blocks(NULL, 0), 0);
    }
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_site_follows_growth),
        cmocka_unit_test(test_read_wherever_it_is),
        cmocka_unit_test(test_read_file),
    };
    return cmocka_run_group_tests_name("buffers and leaks", tests, NULL, NULL);
}
