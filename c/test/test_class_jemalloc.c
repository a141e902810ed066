//go:build jemalloc

/* test_class_jemalloc.c: our size classes are jemalloc's own, so that it adds no rounding. */
#define JEMALLOC_NO_DEMANGLE
#include <jemalloc/jemalloc.h>

#include "test.h"

static void test_same_classes(void **state)
{
    (void)state;
    assert_int_equal(zm__class_size(zm__class_of(0)), je_nallocx(1, 0));
    for (size_t n = 1; n <= ZM_SMALL_MAX; n++)
        assert_int_equal(zm__class_size(zm__class_of(n)), je_nallocx(n, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_classes)};
    return cmocka_run_group_tests_name("class, jemalloc", tests, NULL, NULL);
}
