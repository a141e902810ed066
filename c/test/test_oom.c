/* test_oom.c: memory runs out at every point where it can.
 *
 * Each operation runs with its first block refused, then with its second, and so on until it gets
 * through without one being refused. Wherever it fails, nothing may have changed, and the same call
 * must succeed once there is memory again.
 */
#include <stdio.h>
#include <string.h>

#include "fault.h"

typedef struct operation {
    const char *name;
    bool (*run)(void); /* whether it succeeded; what it makes is kept in statics */
    void (*undo)(void);
    size_t points; /* how often it asks for memory, at least */
} operation_t;

static void *block;
static void *blocks[100];
static char *text;

static bool run_calloc(void)
{
    block = zm_calloc(100);
    return block;
}

static bool run_calloc_0(void)
{
    block = zm_calloc(0);
    return block;
}

static bool run_calloc_large(void)
{
    block = zm_calloc(100000);
    return block;
}

static bool run_aligned(void)
{
    block = zm_calloc_aligned(100, 4096);
    return block;
}

static void undo_calloc(void)
{
    zm_free(block, 100);
}

static void undo_calloc_0(void)
{
    zm_free(block, 0);
}

static void undo_calloc_large(void)
{
    zm_free(block, 100000);
}

static bool run_batch(void)
{
    int err = zm_calloc_batch(50, blocks, LEN(blocks));
    assert_true(err == ZM_OK || err == ZM_ENOMEM);
    return err == ZM_OK;
}

static void undo_batch(void)
{
    zm_free_batch(blocks, 50, LEN(blocks));
}

static bool run_text(void)
{
    char unset, *before = &unset;
    text = before;
    int err = zm_stats_text(&text);
    assert_true(err == ZM_OK || err == ZM_ENOMEM);
    assert_int_equal(text == before, err != ZM_OK);
    return err == ZM_OK;
}

static void undo_text(void)
{
    assert_true(strlen(text) > 50);
    zm_text_free(text);
}

static const operation_t operations[] = {
    {"zm_calloc", run_calloc, undo_calloc, 1},
    {"zm_calloc of nothing", run_calloc_0, undo_calloc_0, 1},
    {"zm_calloc of a large block", run_calloc_large, undo_calloc_large, 1},
    {"zm_calloc_aligned", run_aligned, undo_calloc, 1},
    {"zm_calloc_batch", run_batch, undo_batch, LEN(blocks)},
    {"zm_stats_text", run_text, undo_text, 1},
};

static void run_with_failures(const operation_t *op)
{
    int64_t bytes = zm_num_alloc_bytes(), objects = zm_num_allocs();
    size_t live = fault_live();
    int64_t held = zm_num_held_bytes();
    for (size_t k = 1;; k++) {
        fault_arm(k);
        bool ok = op->run();
        if (!fault_disarm()) {
            assert_true(ok);
            op->undo();
            assert_true(k > op->points);
            break;
        }
        assert_false(ok);
        assert_counts(bytes, objects);
        assert_int_equal(fault_live(), live);
        assert_int_equal(zm_num_held_bytes(), held);
        assert_true(op->run());
        op->undo();
        assert_counts(bytes, objects);
        assert_int_equal(fault_live(), live);
    }
    assert_counts(bytes, objects);
    assert_int_equal(fault_live(), live);
    assert_null(fault_misuse());
}

static void test_each_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(operations); i++) {
        print_message("    %s\n", operations[i].name);
        run_with_failures(&operations[i]);
    }
}

/* The same with other blocks around, whose contents must stay as well. */
static void test_beside_other_blocks(void **state)
{
    (void)state;
    char *mine = zm_calloc(1000);
    memset(mine, 0x5a, 1000);
    for (size_t i = 0; i < LEN(operations); i++)
        run_with_failures(&operations[i]);
    assert_true(all_are(mine, 0x5a, 1000));
    assert_counts(1000, 1);
    zm_free(mine, 1000);
}

/* What allocates nothing cannot run out. */
static void test_never_asks_for_memory(void **state)
{
    (void)state;
    zm_memstats_t stats;
    void *p = zm_calloc(100);
    fault_arm(1);
    assert_int_equal(zm_memstats(&stats), ZM_OK);
    assert_true(zm_return_memory() <= 0);
    assert_true(zm_good_size(100) >= 100);
    assert_true(zm_usable_size(p) >= 100);
    assert_int_equal(zm_calloc_batch(100, NULL, 0), ZM_OK);
    assert_null(zm_calloc(SIZE_MAX));
    assert_null(zm_calloc_aligned(100, 3));
    assert_null(zm__meta_calloc(ZM_MAX_SIZE + 1));
    assert_null(zm__meta_calloc(SIZE_MAX));
    zm_free(p, 100);
    assert_false(fault_disarm());
    assert_null(fault_misuse());
}

/* Every block is aligned, big enough and of a size that the backend may be asked for. */
static void test_use_of_the_backend(void **state)
{
    (void)state;
    size_t before = fault_live();
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        size_t n = boundary_sizes[i];
        for (size_t align = 1; align <= 4096; align *= 2) {
            unsigned char *p = zm_calloc_aligned(n, align);
            assert_non_null(p);
            assert_true(zm_usable_size(p) >= n);
            assert_true(is_aligned(p, align > promised_align(n) ? align : promised_align(n)));
            assert_int_equal(fault_live(), before + 1);
            memset(p, 0xff, zm_usable_size(p));
            zm_free(p, n);
            assert_int_equal(fault_live(), before);
        }
    }
    assert_null(fault_misuse());
    assert_counts(0, 0);
}

int main(void)
{
    if (!fault_init()) {
        fprintf(stderr, "ZMEM_BACKEND names no backend\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_operation),
        cmocka_unit_test(test_beside_other_blocks),
        cmocka_unit_test(test_never_asks_for_memory),
        cmocka_unit_test(test_use_of_the_backend),
    };
    return cmocka_run_group_tests_name("out of memory", tests, NULL, NULL);
}
