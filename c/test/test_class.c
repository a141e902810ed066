/* test_class.c: the size classes are those that class.c describes, for every size there is. */
#include "test.h"

static size_t size_for(size_t n)
{
    return zm__class_size(zm__class_of(n));
}

static void test_the_classes(void **state)
{
    (void)state;
    const size_t first[] = {8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320};
    for (unsigned i = 0; i < LEN(first); i++)
        assert_int_equal(zm_class_size(i), first[i]);
    unsigned cls = LEN(first) - 1; /* 320, the first of the doubling from 256 */
    for (size_t doubling = 256; doubling < ZM_SMALL_MAX; doubling *= 2) {
        for (size_t quarter = 1; quarter <= 4; quarter++)
            assert_int_equal(zm_class_size(cls++), doubling + doubling / 4 * quarter);
    }
    assert_int_equal(cls, ZM_NUM_CLASSES);
    assert_int_equal(zm_class_size(ZM_NUM_CLASSES - 1), ZM_SMALL_MAX);
    assert_int_equal(zm_class_size(ZM_NUM_CLASSES), 0);
    assert_int_equal(zm_class_size(UINT32_MAX), 0);
}

/* Each size is in the smallest class that holds it. */
static void test_every_size(void **state)
{
    (void)state;
    for (size_t n = 0; n <= ZM_SMALL_MAX; n++) {
        unsigned cls = zm__class_of(n);
        assert_true(cls < ZM_NUM_CLASSES);
        assert_true(zm__class_size(cls) >= n);
        assert_true(cls == 0 || zm__class_size(cls - 1) < n);
        assert_int_equal(zm_class_size(cls), zm__class_size(cls));
        assert_int_equal(size_for(size_for(n)), size_for(n));
    }
}

static void test_waste_and_alignment(void **state)
{
    (void)state;
    for (size_t n = 0; n <= ZM_SMALL_MAX; n++) {
        size_t size = size_for(n);
        assert_int_equal(size % promised_align(n), 0);
        if (n > 128)
            assert_true((size - n) * 5 <= size);
        else if (n > 8)
            assert_true(size - n < 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_classes),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_waste_and_alignment),
    };
    return cmocka_run_group_tests_name("class", tests, NULL, NULL);
}
