//go:build leak

/* test_leak_blocks.c: the list of live blocks, and reading them. */
#include <string.h>

#include "test.h"

static const uintptr_t pcs[] = {0x1001, 0x1002};

static void *leak_calloc(size_t n, const char *tag)
{
    return zm_leak_calloc(n, 0, zm_site_of(tag, strlen(tag), pcs, LEN(pcs)));
}

static void leak_free(void *p, size_t n)
{
    assert_int_equal(zm_leak_free(p, n, zm_site_of(NULL, 0, pcs, LEN(pcs)), NULL), ZM_OK);
}

static int check_none_left(void **state)
{
    (void)state;
    return zm_leak_blocks(NULL, 0) != 0 || zm_num_allocs() != 0;
}

static void test_every_block_once(void **state)
{
    (void)state;
    enum { BLOCKS = 2000 };
    static unsigned char *blocks[BLOCKS];
    static zm_leak_block_t list[BLOCKS + 1];
    assert_int_equal(zm_leak_blocks(list, BLOCKS), 0);
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = leak_calloc(i + 8, i % 2 ? "odd" : "even");
    assert_int_equal(zm_leak_blocks(NULL, 0), BLOCKS);
    memset(list, 0xee, sizeof list);
    assert_int_equal(zm_leak_blocks(list, 10), BLOCKS);
    assert_true(all_are(&list[10], 0xee, sizeof list - 10 * sizeof *list));

    assert_int_equal(zm_leak_blocks(list, BLOCKS + 1), BLOCKS);
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t k = list[i].size - 8;
        assert_true(k < BLOCKS && list[i].block == (uintptr_t)blocks[k]);
        assert_memory_equal(zm_site_tag(list[i].site), k % 2 ? "odd" : "even", 3);
    }
    for (size_t i = 0; i < BLOCKS; i++) { /* each size is there once, and so each block */
        assert_non_null(blocks[list[i].size - 8]);
        leak_free(blocks[list[i].size - 8], list[i].size);
        blocks[list[i].size - 8] = NULL;
    }
}

static void test_reading(void **state)
{
    (void)state;
    unsigned char *p = leak_calloc(100, "read"), out[101];
    for (unsigned i = 0; i < 100; i++)
        p[i] = (unsigned char)i;
    zm_leak_block_t b;
    assert_int_equal(zm_leak_blocks(&b, 1), 1);
    assert_true(zm_leak_read(&b, 0, out, 100));
    assert_memory_equal(out, p, 100);
    assert_true(zm_leak_read(&b, 90, out, 10));
    assert_memory_equal(out, p + 90, 10);
    assert_true(zm_leak_read(&b, 100, out, 0));

    const size_t beyond[][2] = {{0, 101}, {100, 1},      {101, 0},
                                {99, 2},  {1, SIZE_MAX}, {SIZE_MAX, 1}};
    memset(out, 0xee, sizeof out);
    for (size_t i = 0; i < LEN(beyond); i++)
        assert_false(zm_leak_read(&b, beyond[i][0], out, beyond[i][1]));
    leak_free(p, 100);
    assert_false(zm_leak_read(&b, 0, out, 100)); /* freed */
    assert_true(all_are(out, 0xee, sizeof out));
}

/* An address that has another block by now is not the block that was listed. */
static void test_another_block(void **state)
{
    (void)state;
    char *p = leak_calloc(100, "mine"), out[8];
    zm_leak_block_t b, wrong;
    assert_int_equal(zm_leak_blocks(&b, 1), 1);
    wrong = b;
    wrong.size = 99;
    assert_false(zm_leak_read(&wrong, 0, out, 8));
    wrong = b;
    wrong.site = NULL;
    assert_false(zm_leak_read(&wrong, 0, out, 8));
    wrong = b;
    wrong.block++;
    assert_false(zm_leak_read(&wrong, 0, out, 8));
    leak_free(p, 100);
}

/* An Allocator's chunks are listed as far as they are carved, while it lives. */
static void test_chunks(void **state)
{
    (void)state;
    char out[4096];
    zm_leak_block_t list[8];
    zm_allocator_t *a = new_leak_allocator(16384, zm_site_of("nodes", 5, pcs, LEN(pcs)));
    zm_allocator_t *other = new_allocator(16384); /* of nobody */
    char *p = zm_allocator_allocate(a, 4000), *q = zm_allocator_allocate(a, 30000);
    memset(p, 'p', 4000);
    memset(q, 'q', 30000);
    assert_int_equal(zm_leak_blocks(list, LEN(list)), 2);
    for (size_t i = 0; i < 2; i++) {
        const zm_leak_block_t *b = &list[i];
        const char *mine = (uintptr_t)q - b->block < b->size ? q : p;
        size_t n = mine == q ? 30000 : 4000, at = (uintptr_t)mine - b->block;
        assert_true(at < b->size && b->size - at >= n && b->size <= at + n + 64);
        assert_memory_equal(zm_site_tag(b->site), "nodes", 5);
        assert_true(zm_leak_read(b, at + 10, out, 1000) &&
                    all_are(out, (unsigned char)*mine, 1000));
        assert_true(zm_leak_read(b, b->size, out, 0));
        assert_false(zm_leak_read(b, b->size, out, 1));
        assert_false(zm_leak_read(b, SIZE_MAX, out, 2));
    }
    zm_allocator_reset(a);
    assert_false(zm_leak_read(&list[0], 0, out, 100));
    assert_false(zm_leak_read(&list[1], 0, out, 100));

    /* What is skipped to align is nobody's, and has nothing of an earlier life. */
    size_t size = sizeof out;
    assert_non_null(zm_allocator_allocate_aligned(a, 8, size));
    assert_int_equal(zm_leak_blocks(list, LEN(list)), 2);
    for (size_t i = 0; i < 2; i++) {
        size_t n = list[i].size < size ? list[i].size : size;
        assert_true(zm_leak_read(&list[i], 0, out, n) && all_are(out, 0, n));
    }
    zm_allocator_release(a);
    zm_allocator_release(other);
    assert_false(zm_leak_read(&list[0], 0, out, 0));
    assert_int_equal(zm_leak_blocks(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_block_once, check_none_left),
        cmocka_unit_test_teardown(test_reading, check_none_left),
        cmocka_unit_test_teardown(test_another_block, check_none_left),
        cmocka_unit_test_teardown(test_chunks, check_none_left),
    };
    return cmocka_run_group_tests_name("leak blocks", tests, NULL, NULL);
}
