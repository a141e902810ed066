//go:build leak

/* test_stress_fork_leak.c [SEED [THREADS [FORKS]]]: forks while threads are anywhere in the leak
 * tracker.
 */
#include "forks.h"

static zm_site_t *random_site(rng_t *rng)
{
    uintptr_t pc = 1 + rng_below(rng, 1000);
    return zm_site_of("fork", 4, &pc, 1);
}

static void blocks(forks_worker_t *w)
{
    void *p[20];
    size_t n = rng_below(&w->rng, 3000);
    for (size_t i = 0; i < LEN(p); i++) {
        p[i] = zm_leak_calloc(n, 0, random_site(&w->rng));
        CHECK(p[i]);
    }
    for (size_t i = 0; i < LEN(p); i++)
        CHECK(zm_leak_free(p[i], n, random_site(&w->rng), NULL) == ZM_OK);
}

static void allocator(forks_worker_t *w)
{
    zm_allocator_t *a = NULL;
    zm_leak_allocator_new(512, random_site(&w->rng), &a);
    CHECK(a && zm_allocator_allocate(a, 3000));
    zm_leak_allocator_own(a, random_site(&w->rng));
    zm_allocator_release(a);
}

static void buffer(forks_worker_t *w)
{
    zm_buffer_t *b = new_buffer(64);
    CHECK(b && zm_buffer_grow(b, 1000, NULL) == ZM_OK);
    zm_buffer_attribute(b, random_site(&w->rng));
    CHECK(b && zm_buffer_grow(b, 3000, NULL) == ZM_OK);
    CHECK(zm_buffer_release(b, NULL) == ZM_OK);
}

/* What others have live, which is zero, or gone. */
static void look(forks_worker_t *w)
{
    zm_leak_block_t list[100];
    zm_leak_live_t live[10];
    unsigned char copy[64];
    size_t n = zm_leak_blocks(list, LEN(list));
    for (size_t i = 0; i < n && i < LEN(list); i++) {
        size_t len = list[i].size < sizeof copy ? list[i].size : sizeof copy;
        CHECK(!zm_leak_read(&list[i], 0, copy, len) || list[i].buffer || all_are(copy, 0, len));
    }
    CHECK(zm_leak_sites(live, LEN(live)) < SIZE_MAX / 2);
    CHECK(zm_leak_free(&w, 1, NULL, NULL) == ZM_EINVAL);
}

static forks_step_t *const all[] = {blocks, allocator, buffer, look};

static void test_forks(void **state)
{
    (void)state;
    assert_int_equal(forks_run(all, LEN(all)), 0);
    assert_int_equal(zm_leak_blocks(NULL, 0), 0);
    zm_depot_trim(true);
    assert_counts(0, 0);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forks)};
    return cmocka_run_group_tests_name("stress, fork, leak", tests, NULL, NULL);
}
