//go:build leak

/* test_stress_leak.c [SEED [THREADS [ITERATIONS]]]: many threads at once, every block tracked. */
#include <stdatomic.h>

#include "stress.h"

static atomic_uintptr_t entered;

/* Each thread is a stack of its own. */
static void *enter(void)
{
    return (void *)(atomic_fetch_add(&entered, 1) + 1);
}

static void leave(void *self)
{
    (void)self;
}

static void *leak_calloc(void *self, size_t n, size_t align)
{
    uintptr_t stack[] = {(uintptr_t)self, n % 100, align};
    return zm_leak_calloc(n, align, zm_site_of("stress", n % 7, stack, LEN(stack)));
}

static bool leak_calloc_batch(void *self, size_t n, void **out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = leak_calloc(self, n, 0);
    return true;
}

/* Some tries go wrong first, and the block must not mind. */
static void leak_free(void *self, void *p, size_t n)
{
    zm_leak_fault_t fault;
    uintptr_t stack[] = {(uintptr_t)self};
    if (n % 16 == 1) {
        CHECK(zm_leak_free(p, n + 1, zm_site_of(NULL, 0, stack, 1), &fault) == ZM_EINVAL);
        CHECK(fault.kind == ZM_FAULT_SIZE && fault.block == (uintptr_t)p && fault.size == n);
    }
    if (n % 256 == 2) {
        CHECK(zm_leak_free((char *)p + 1, n, zm_site_of(NULL, 0, stack, 1), &fault) == ZM_EINVAL);
        CHECK(fault.kind == ZM_FAULT_INTERIOR && fault.block == (uintptr_t)p && fault.size == n);
    }
    CHECK(zm_leak_free(p, n, zm_site_of(NULL, 0, stack, 1), &fault) == ZM_OK);
}

static void leak_free_batch(void *self, void *const *blocks, size_t n, size_t len)
{
    for (size_t i = 0; i < len; i++)
        leak_free(self, blocks[i], n);
}

static void disturb(void *self, rng_t *rng)
{
    zm_leak_live_t live[100];
    zm_leak_fault_t fault;
    uintptr_t stack = (uintptr_t)self;
    size_t n = zm_leak_sites(live, LEN(live));
    for (size_t i = 0; i < n && i < LEN(live); i++)
        CHECK(live[i].site && zm_site_pcs(live[i].site)[0] <= atomic_load(&entered));
    CHECK(zm_leak_free(&n, rng_below(rng, 100), zm_site_of(NULL, 0, &stack, 1), &fault) ==
          ZM_EINVAL);
    CHECK(fault.kind == ZM_FAULT_FOREIGN);
}

static const stress_target_t target = {
    .enter = enter,
    .leave = leave,
    .calloc = leak_calloc,
    .free = leak_free,
    .calloc_batch = leak_calloc_batch,
    .free_batch = leak_free_batch,
    .disturb = disturb,
};

static void test_tracked_blocks(void **state)
{
    (void)state;
    assert_int_equal(stress_run(&target), 0);
    assert_counts(0, 0);
    assert_int_equal(zm_leak_sites(NULL, 0), 0);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tracked_blocks)};
    return cmocka_run_group_tests_name("stress, leak", tests, NULL, NULL);
}
