/* test_backend.c: how the backend is chosen, and that each one keeps to zm__backend_t. A choice
 * holds as long as the process, so that each one is made in a child.
 */
#include <stdlib.h>
#include <string.h>

#include "test.h"

/* In a child, whose environment has this value, or none where it is NULL. */
static bool chooses_default(const void *value)
{
    if (value)
        setenv("ZMEM_BACKEND", value, 1);
    else
        unsetenv("ZMEM_BACKEND");
    MUST(zm_init() == ZM_OK);
    MUST(zm__backend() == zm__backends[0]);
    MUST(strcmp(zm_backend(), zm__backends[0]->name) == 0);
    return true;
}

static bool chooses_by_name(const void *name)
{
    setenv("ZMEM_BACKEND", name, 1);
    MUST(strcmp(zm_backend(), name) == 0);
    MUST(zm_init() == ZM_OK);
    setenv("ZMEM_BACKEND", "nonsense", 1); /* the choice is made */
    void *p = zm_calloc(100);
    MUST(p);
    MUST(zm_init() == ZM_OK && strcmp(zm_backend(), name) == 0);
    zm_free(p, 100);
    return true;
}

/* Allocating makes the choice as well as asking for it does. */
static bool allocates_first(const void *name)
{
    setenv("ZMEM_BACKEND", name, 1);
    void *p = zm_calloc(100);
    MUST(p);
    MUST(strcmp(zm_backend(), name) == 0);
    zm_free(p, 100);
    return true;
}

static bool refuses(const void *name)
{
    setenv("ZMEM_BACKEND", name, 1);
    MUST(zm_init() == ZM_EBACKEND);
    MUST(!zm_backend());
    MUST(!zm_calloc(1));
    return true;
}

static void test_default(void **state)
{
    (void)state;
    assert_true(in_child(chooses_default, NULL));
    assert_true(in_child(chooses_default, ""));
}

static void test_each_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; zm__backends[i]; i++) {
        assert_true(in_child(chooses_by_name, zm__backends[i]->name));
        assert_true(in_child(allocates_first, zm__backends[i]->name));
    }
}

static void test_wrong_names(void **state)
{
    (void)state;
    static char long_name[100000];
    memset(long_name, 'x', sizeof long_name - 1);
    const char *wrong[] = {"nonsense",      "LIBC", "Jemalloc", " libc",    "libc ",  "lib",
                           "libc,jemalloc", ",",    "0",        "\xff\xfe", long_name};
    for (size_t i = 0; i < LEN(wrong); i++)
        assert_true(in_child(refuses, wrong[i]));
}

static void test_names(void **state)
{
    (void)state;
    char names[64] = "";
    for (size_t i = 0; zm__backends[i]; i++) {
        if (i > 0)
            strcat(names, ",");
        strcat(names, zm__backends[i]->name);
    }
    assert_string_equal(zm_backends(), names);
    assert_int_equal(zm_init(), ZM_OK);
    assert_string_equal(zm_backend(), zm__backend()->name);
}

static void test_own_memory_is_not_counted(void **state)
{
    (void)state;
    void *p = zm__meta_calloc(1000);
    assert_non_null(p);
    assert_true(is_aligned(p, 16) && all_are(p, 0, 1000));
    assert_counts(0, 0);
    zm__meta_free(p);
    zm__meta_free(NULL);
    assert_null(zm__meta_calloc(ZM_MAX_SIZE + 1));
    assert_null(zm__meta_calloc(SIZE_MAX));
    assert_counts(0, 0);
}

/* Each backend by itself, whichever is chosen. */
static void test_calloc_of_each(void **state)
{
    (void)state;
    for (size_t i = 0; zm__backends[i]; i++) {
        const zm__backend_t *b = zm__backends[i];
        for (size_t align = 8; align <= 65536; align *= 2) {
            for (size_t j = 1; j < num_boundary_sizes; j++) {
                size_t n = boundary_sizes[j];
                if (n > 70000 && align > 8 && align < 65536)
                    continue; /* slow, and of large blocks it is enough */
                void *blocks[4];
                for (size_t k = 0; k < 2 * LEN(blocks); k++) {
                    void **block = &blocks[k % LEN(blocks)];
                    if (k >= LEN(blocks))
                        b->free(*block); /* and again, in dirty memory */
                    *block = b->calloc(n, align);
                    assert_non_null(*block);
                    assert_true(is_aligned(*block, align) && all_are(*block, 0, n));
                    memset(*block, 0xff, n);
                }
                for (size_t k = 0; k < LEN(blocks); k++)
                    b->free(blocks[k]);
            }
        }
        assert_null(b->calloc(ZM_MAX_SIZE, 16));
        assert_null(b->calloc(ZM_MAX_SIZE, ZM_MAX_ALIGN));
    }
}

static void test_fill_and_flush_of_each(void **state)
{
    (void)state;
    void *blocks[101];
    for (size_t i = 0; zm__backends[i]; i++) {
        const zm__backend_t *b = zm__backends[i];
        for (unsigned cls = 0; cls < ZM_NUM_CLASSES; cls++) {
            size_t n = zm_class_size(cls);
            blocks[100] = blocks;
            assert_int_equal(b->fill(n, blocks, 100), 100);
            assert_ptr_equal(blocks[100], blocks);
            for (size_t j = 0; j < 100; j++) {
                assert_true(is_aligned(blocks[j], promised_align(n)));
                memset(blocks[j], (int)j, n);
            }
            for (size_t j = 0; j < 100; j++)
                assert_true(all_are(blocks[j], (unsigned char)j, n));
            b->flush(blocks, 100);
            b->flush(blocks, 0);
            assert_int_equal(b->fill(n, blocks, 0), 0);
        }
        assert_int_equal(b->fill(ZM_MAX_SIZE, blocks, 100), 0);
    }
    assert_counts(0, 0);
}

static void test_reports_of_each(void **state)
{
    (void)state;
    for (size_t i = 0; zm__backends[i]; i++) {
        const zm__backend_t *b = zm__backends[i];
        zm_memstats_t stats = {0};
        char *text = NULL;
        assert_true(b->good_size(100000) >= 100000);
        assert_int_equal(b->stats(&stats), ZM_OK);
        assert_int_equal(b->text(&text), ZM_OK);
        assert_non_null(strstr(text, b->name));
        assert_true(strlen(text) > 50);
        zm_text_free(text);
    }
}

static void test_purge_of_each(void **state)
{
    (void)state;
    for (size_t i = 0; zm__backends[i]; i++) {
        int err = zm__backends[i]->purge();
        assert_true(err == ZM_OK || err == ZM_ENOTSUP);
    }
}

int main(void)
{
    /* The first three come before this process itself makes a choice. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_each_by_name),
        cmocka_unit_test(test_wrong_names),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_own_memory_is_not_counted),
        cmocka_unit_test(test_calloc_of_each),
        cmocka_unit_test(test_fill_and_flush_of_each),
        cmocka_unit_test(test_reports_of_each),
        cmocka_unit_test(test_purge_of_each),
    };
    return cmocka_run_group_tests_name("backend", tests, NULL, NULL);
}
