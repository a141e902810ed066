/* test_err.c: every code has words of its own. */
#include <limits.h>
#include <string.h>

#include "test.h"

static const int codes[] = {ZM_OK,     ZM_ENOMEM, ZM_EINVAL,   ZM_EBACKEND, ZM_ENOTSUP, ZM_ESYS,
                            ZM_ELIMIT, ZM_EBUSY,  ZM_ECORRUPT, ZM_EVERSION, ZM_ESTOPPED};

static void test_codes_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(codes); i++) {
        assert_true(strlen(zm_err_text(codes[i])) > 5);
        assert_string_not_equal(zm_err_text(codes[i]), zm_err_text(INT_MIN));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(zm_err_text(codes[i]), zm_err_text(codes[j]));
    }
    assert_non_null(strstr(zm_err_text(ZM_ENOMEM), "memory"));
    assert_non_null(strstr(zm_err_text(ZM_EBACKEND), "ZMEM_BACKEND"));
}

static void test_unknown_codes(void **state)
{
    (void)state;
    const int unknown[] = {1, -11, -1000, 1000, INT_MAX, INT_MIN};
    for (size_t i = 0; i < LEN(unknown); i++)
        assert_string_equal(zm_err_text(unknown[i]), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_differ),
        cmocka_unit_test(test_unknown_codes),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
