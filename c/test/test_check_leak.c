//go:build zmem_check && leak

/* test_check_leak.c: the check build sees what is broken of the leak tracker's records. */
#include "dies.h"

static zm_site_t *site(void)
{
    return zm_site_of("tag", 3, (const uintptr_t[]){1, 2, 3}, 3);
}

static void record_shard(void)
{
    void *p = zm_leak_calloc(100, 0, site());
    zm__records_t *t = zm__check_records_of(p);
    uintptr_t other = (uintptr_t)p;
    while (zm__check_records_of((void *)other) == t)
        other += 16;
    zm__record_add(t, (zm__record_t){other, 8, site(), 1});
    zm_depot_trim(false);
}

static void record_weight(void)
{
    void *p = zm_leak_calloc(100, 0, site());
    zm__record_find(zm__check_records_of(p), (uintptr_t)p)->weight = 2;
    zm_depot_trim(false);
}

static void record_size(void)
{
    void *p = zm_leak_calloc(100, 0, site());
    zm__record_find(zm__check_records_of(p), (uintptr_t)p)->size++;
    zm__check_rest();
}

static void site_too_much(void)
{
    void *p = zm_leak_calloc(100, 0, site());
    zm__site_count(site(), 10, 0);
    zm__check_rest();
    zm_free(p, 100);
}

static void buffer_count(void)
{
    zm_buffer_t *b = new_buffer(100);
    b->size += 8;
    b->cap += 8;
    zm_buffer_release(b, NULL);
}

static void buffer_count_at_drain(void)
{
    zm_buffer_t *b = new_buffer(100);
    b->size += 8;
    zm_depot_trim(false);
}

static void test_broken(void **state)
{
    (void)state;
    DIES(record_shard, "is in shard");
    DIES(record_weight, "stands for 2");
    DIES(record_size, "sites have 100 bytes live");
    DIES(site_too_much, "sites have 110 bytes live");
    DIES(buffer_count, "counts as 100 bytes, and has 108");
    DIES(buffer_count_at_drain, "counts as 100 bytes, and has 108");
}

static void test_rest(void **state)
{
    (void)state;
    void *p = zm_leak_calloc(100, 0, site());
    zm_allocator_t *a;
    assert_int_equal(zm_leak_allocator_new(1000, site(), &a), ZM_OK);
    zm_buffer_t *b = new_buffer((size_t)4 << 20);
    zm__check_rest();
    assert_int_equal(zm_leak_free(p, 100, site(), NULL), ZM_OK);
    zm_allocator_release(a);
    zm_buffer_release(b, NULL);
    zm__check_rest();
    assert_int_equal(zm_num_held_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_rest),
    };
    return cmocka_run_group_tests_name("check, leak", tests, NULL, NULL);
}
