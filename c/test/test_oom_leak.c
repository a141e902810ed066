//go:build leak

/* test_oom_leak.c: memory runs out while blocks are tracked, and what the tracker says of an
 * address that has had several lives.
 */
#include <stdio.h>
#include <string.h>

#include "fault.h"

static const uintptr_t pcs[] = {0x1001, 0x1002};

static void *leak_calloc(size_t n, uintptr_t stack)
{
    return zm_leak_calloc(n, 0, zm_site_of("tag", 3, &stack, 1));
}

static int leak_free(void *p, size_t n, uintptr_t stack, zm_leak_fault_t *fault)
{
    return zm_leak_free(p, n, zm_site_of(NULL, 0, &stack, 1), fault);
}

static void assert_unchanged(int64_t bytes, int64_t objects, size_t sites)
{
    assert_counts(bytes, objects);
    assert_int_equal(zm_leak_sites(NULL, 0), sites);
    assert_null(fault_misuse());
}

/* A stack that is new takes memory for its site, for the block and, now and then, for the table.
 * The site, once made, stays: a second failure must not make it again.
 */
static void test_new_site(void **state)
{
    (void)state;
    for (uintptr_t stack = 1; stack <= 200; stack++) {
        size_t live = fault_live();
        fault_arm(1);
        assert_null(leak_calloc(100, stack));
        assert_true(fault_disarm());
        assert_int_equal(fault_live(), live);
        assert_unchanged(0, 0, 0);
        for (size_t i = 0; i < 3; i++) {
            fault_arm(i == 0 ? 2 : 1);
            assert_null(leak_calloc(100, stack));
            assert_true(fault_disarm());
            assert_int_equal(fault_live(), live + 1);
            assert_unchanged(0, 0, 0);
        }
        void *p = leak_calloc(100, stack);
        assert_non_null(p);
        assert_true(all_are(p, 0, 100));
        assert_unchanged(100, 1, 1);
        assert_int_equal(leak_free(p, 100, 1, NULL), ZM_OK);
        assert_unchanged(0, 0, 0);
    }
}

/* The table grows while blocks come in: whenever it does, it first fails to. */
static void test_table_growth(void **state)
{
    (void)state;
    enum { BLOCKS = 5000 };
    static void *blocks[BLOCKS];
    size_t grown = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t live = fault_live();
        fault_arm(2); /* the block itself is the first */
        blocks[i] = leak_calloc(8, 1);
        if (fault_disarm()) {
            grown++;
            assert_null(blocks[i]);
            assert_int_equal(fault_live(), live);
            assert_unchanged((int64_t)i * 8, (int64_t)i, i > 0);
            blocks[i] = leak_calloc(8, 1);
        }
        assert_non_null(blocks[i]);
        assert_unchanged((int64_t)i * 8 + 8, (int64_t)i + 1, 1);
    }
    assert_true(grown > 64); /* each of the shards has grown, and some of them twice */
    for (size_t i = 0; i < BLOCKS; i++)
        assert_int_equal(leak_free(blocks[i], 8, 1, NULL), ZM_OK);
    assert_unchanged(0, 0, 0);
}

/* Freeing needs memory only to remember who did; it works without. */
static void test_freeing_without_memory(void **state)
{
    (void)state;
    for (uintptr_t stack = 1000; stack < 1020; stack++) {
        void *p = leak_calloc(100, 1);
        size_t live = fault_live();
        fault_arm(1);
        assert_int_equal(leak_free(p, 100, stack, NULL), ZM_OK);
        assert_true(fault_disarm());
        assert_int_equal(fault_live(), live - 1);
        assert_unchanged(0, 0, 0);

        zm_leak_fault_t fault;
        assert_int_equal(leak_free(p, 100, stack, &fault), ZM_EINVAL);
        assert_int_equal(fault.kind, ZM_FAULT_FREED);
        assert_int_equal(fault.block, (uintptr_t)p);
        assert_int_equal(fault.size, 100);
        assert_int_equal(zm_site_pcs(fault.alloc_site)[0], 1);
        assert_null(fault.free_site);
    }
}

/* Nor does telling what is wrong. */
static void test_faults_without_memory(void **state)
{
    (void)state;
    const int64_t kinds[] = {ZM_FAULT_SIZE, ZM_FAULT_INTERIOR, ZM_FAULT_FOREIGN};
    char foreign = 0, *p = leak_calloc(101, 1);
    char *wrongs[] = {p, p + 1, &foreign};
    for (size_t i = 0; i < LEN(kinds); i++) {
        char *wrong = wrongs[i];
        zm_leak_fault_t fault;
        size_t live = fault_live();
        fault_arm(1);
        assert_int_equal(leak_free(wrong, 1, 2000 + i, &fault), ZM_EINVAL);
        assert_true(fault_disarm());
        assert_int_equal(fault.kind, kinds[i]);
        assert_int_equal(fault_live(), live);
        assert_unchanged(101, 1, 1);
    }
    assert_int_equal(leak_free(p, 101, 1, NULL), ZM_OK);
}

/* Sizes and alignments that cannot be: the block is not asked for, so that no second one fails. */
static void test_impossible_blocks(void **state)
{
    (void)state;
    void *p = leak_calloc(1, 1); /* now the site is there */
    fault_arm(1);
    assert_null(leak_calloc(ZM_MAX_SIZE + 1, 1));
    assert_null(leak_calloc(SIZE_MAX, 1));
    assert_null(zm_leak_calloc(8, 3, zm_site_of("tag", 3, (uintptr_t[]){1}, 1)));
    assert_false(fault_disarm());
    assert_unchanged(1, 1, 1);
    assert_int_equal(leak_free(p, 1, 1, NULL), ZM_OK);
}

/* One address, several lives: a fault tells of the last one. */
static void test_reused_address(void **state)
{
    (void)state;
    fault_reuse(true);
    void *first = leak_calloc(100, 3000);
    for (uintptr_t life = 0; life < 600; life++) { /* more than the tracker remembers of a shard */
        zm_leak_fault_t fault;
        uintptr_t allocated = 3000 + life % 20, freed = 4000 + life % 21;
        void *p = life ? leak_calloc(100, allocated) : first;
        assert_ptr_equal(p, first);
        assert_int_equal(leak_free(p, 101, freed, &fault), ZM_EINVAL);
        assert_int_equal(fault.kind, ZM_FAULT_SIZE); /* it lives, whatever it was before */
        assert_int_equal(zm_site_pcs(fault.alloc_site)[0], allocated);
        assert_null(fault.free_site);
        assert_int_equal(leak_free(p, 100, freed, &fault), ZM_OK);
        assert_int_equal(leak_free(p, 100, freed, &fault), ZM_EINVAL);
        assert_int_equal(fault.kind, ZM_FAULT_FREED);
        assert_int_equal(zm_site_pcs(fault.alloc_site)[0], allocated);
        assert_int_equal(zm_site_pcs(fault.free_site)[0], freed);
        assert_unchanged(0, 0, 0);
    }
    fault_reuse(false);
}

static zm_leak_fault_t seen;

static void look_at(void *p)
{
    fault_on_free(NULL);
    (void)leak_free(p, 101, 1, &seen); /* a wrong size, which frees nothing */
}

/* Once the backend has a block back, another thread may be given it: its record must be gone then.
 */
static void test_record_goes_first(void **state)
{
    (void)state;
    void *p = leak_calloc(100, 1);
    fault_on_free(look_at);
    assert_int_equal(leak_free(p, 100, 1, NULL), ZM_OK);
    assert_int_equal(seen.kind, ZM_FAULT_FREED);
    assert_int_equal(seen.block, (uintptr_t)p);
    assert_unchanged(0, 0, 0);
}

/* What the tracker keeps is bounded by the sites and by the most blocks that were live at once. */
static void test_what_is_kept(void **state)
{
    (void)state;
    size_t live = fault_live(), bytes = fault_live_bytes();
    for (size_t i = 0; i < 20000; i++) {
        void *p = zm_leak_calloc(i % 100, 0, zm_site_of(NULL, 0, pcs, LEN(pcs)));
        assert_int_equal(zm_leak_free(p, i % 100, zm_site_of(NULL, 0, pcs, LEN(pcs)), NULL), ZM_OK);
    }
    assert_true(fault_live() <= live + 1);
    assert_true(fault_live_bytes() <= bytes + 1000);
    assert_unchanged(0, 0, 0);
}

/* An Allocator takes memory for its maker's site, itself, its first chunk and that one's record; a
 * new owner for a site. Without it, nothing changes, but that a site stays.
 */
static void test_allocator(void **state)
{
    (void)state;
    uintptr_t stack = 0xa11;
    for (size_t k = 1; k <= 4; k++, stack++) {
        size_t live = fault_live();
        fault_arm(k);
        assert_null(new_leak_allocator(512, zm_site_of("tag", 3, &stack, 1)));
        assert_true(fault_disarm());
        assert_int_equal(fault_live(), k == 1 ? live : live + 1);
        assert_unchanged(0, 0, 0);
    }
    zm_allocator_t *a = new_leak_allocator(512, zm_site_of("tag", 3, &stack, 1));
    fault_arm(1);
    zm_leak_allocator_own(a, zm_site_of("other", 5, &stack, 1));
    assert_true(fault_disarm());
    assert_unchanged(512, 1, 1);
    zm_allocator_release(a);
    assert_unchanged(0, 0, 0);
}

int main(void)
{
    if (!fault_init()) {
        fprintf(stderr, "ZMEM_BACKEND names no backend\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_site),
        cmocka_unit_test(test_table_growth),
        cmocka_unit_test(test_freeing_without_memory),
        cmocka_unit_test(test_faults_without_memory),
        cmocka_unit_test(test_impossible_blocks),
        cmocka_unit_test(test_reused_address),
        cmocka_unit_test(test_record_goes_first),
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_allocator),
    };
    return cmocka_run_group_tests_name("out of memory, leak", tests, NULL, NULL);
}
