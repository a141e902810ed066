//go:build leak

/* test_nobackend_leak.c: as test_nobackend.c, for leak tracking. */
#include <stdlib.h>
#include <string.h>

#include "test.h"

static const uintptr_t pcs[] = {1, 2, 3};

static void test_nothing_allocates(void **state)
{
    (void)state;
    assert_null(zm_leak_calloc(100, 0, zm_site_of(NULL, 0, pcs, LEN(pcs))));
    assert_null(zm_leak_calloc(100, 64, zm_site_of("tag", 3, NULL, 0)));
    assert_int_equal(zm_leak_sites(NULL, 0), 0);
    assert_counts(0, 0);
}

static void test_nothing_is_live(void **state)
{
    (void)state;
    char block[16];
    zm_leak_fault_t fault;
    memset(&fault, 0xee, sizeof fault);
    assert_int_equal(zm_leak_free(NULL, 100, zm_site_of(NULL, 0, pcs, LEN(pcs)), &fault), ZM_OK);
    assert_true(all_are(&fault, 0xee, sizeof fault));
    assert_int_equal(zm_leak_free(block, sizeof block, zm_site_of(NULL, 0, pcs, LEN(pcs)), &fault),
                     ZM_EINVAL);
    assert_int_equal(fault.kind, ZM_FAULT_FOREIGN);
    assert_true(fault.block == 0 && fault.size == 0 && !fault.alloc_site && !fault.free_site);
    assert_counts(0, 0);
}

int main(void)
{
    setenv("ZMEM_BACKEND", "nonsense", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_allocates),
        cmocka_unit_test(test_nothing_is_live),
    };
    return cmocka_run_group_tests_name("no backend, leak", tests, NULL, NULL);
}
