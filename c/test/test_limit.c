/* test_limit.c: what is held is counted to the byte, by whatever way it comes and goes, and never
 * passes the limit; who waits for it to move is woken.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "test.h"

static zm_cache_t *cache;

static int setup(void **state)
{
    (void)state;
    cache = new_cache();
    return !cache;
}

/* With all given back, nothing is held. */
static int teardown(void **state)
{
    (void)state;
    zm_set_limit(INT64_MAX);
    zm_cache_drain(cache);
    zm_depot_trim(true);
    if (zm_num_held_bytes() != 0)
        print_error("%lld bytes are held\n", (long long)zm_num_held_bytes());
    return zm_num_held_bytes() != 0 || zm_num_allocs() != 0;
}

static int64_t reserved(size_t n)
{
    return (int64_t)(n <= ZM_SMALL_MAX ? zm_good_size(n) : n);
}

static void test_setting(void **state)
{
    (void)state;
    assert_int_equal(zm_set_limit(-1), INT64_MAX);
    assert_int_equal(zm_set_limit(1000), INT64_MAX);
    assert_int_equal(zm_set_limit(INT64_MIN), 1000);
    assert_int_equal(zm_set_limit(0), 1000);
    assert_int_equal(zm_set_limit(INT64_MAX), 0);
}

static void test_blocks_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        size_t n = boundary_sizes[i];
        int64_t size = reserved(n);
        void *p = zm_calloc(n), *q = zm_calloc_aligned(n, 4096), *out[7] = {NULL};
        assert_true(p && q);
        assert_int_equal(zm_num_held_bytes(), 2 * size);
        assert_int_equal(zm_calloc_batch(n, out, 6), ZM_OK); /* the seventh is NULL */
        assert_int_equal(zm_num_held_bytes(), 8 * size);
        zm_free(p, n);
        zm_free(q, n);
        zm_free(NULL, n);
        assert_int_equal(zm_num_held_bytes(), 6 * size);
        zm_free_batch(out, n, LEN(out));
        assert_int_equal(zm_num_held_bytes(), 0);

        p = zm_cache_calloc(cache, n); /* in by one door, out by the other */
        zm_free(p, n);
        p = zm_calloc(n);
        zm_cache_free(cache, p, n);
        assert_true(zm_num_held_bytes() <= 32768 + 2 * size); /* a magazine */
        zm_cache_drain(cache);
        zm_depot_trim(true);
        assert_int_equal(zm_num_held_bytes(), 0);
    }
}

/* Up to the last byte, and not one more. */
static void test_the_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        size_t n = boundary_sizes[i];
        int64_t size = reserved(n);
        void *p, *q = &p, *out[4];
        zm_set_limit(3 * size - 1);
        assert_int_equal(zm_try_calloc(n, 0, &p), ZM_OK);
        assert_true(all_are(p, 0, n));
        void *r = zm_calloc(n);
        assert_non_null(r);
        assert_int_equal(zm_try_calloc(n, 0, &q), ZM_ELIMIT);
        assert_ptr_equal(q, &p);
        assert_null(zm_calloc(n));
        assert_null(zm_calloc_aligned(n, 64));
        assert_int_equal(zm_calloc_batch(n, out, 1), ZM_ELIMIT);
        assert_int_equal(zm_calloc_batch(n, out, 0), ZM_OK);
        assert_counts((int64_t)(2 * n), 2);
        assert_int_equal(zm_num_held_bytes(), 2 * size);
        zm_free(r, n);
        assert_int_equal(zm_calloc_batch(n, out, 2), ZM_ELIMIT); /* all or none */
        assert_int_equal(zm_num_held_bytes(), size);
        zm_set_limit(3 * size);
        assert_int_equal(zm_calloc_batch(n, out, 2), ZM_OK);
        assert_null(zm_calloc(0));
        zm_set_limit(0); /* less than there is: nothing happens to that */
        assert_true(all_are(p, 0, n));
        zm_free_batch(out, n, 2);
        zm_free(p, n);
        assert_null(zm_calloc(n));
        zm_set_limit(INT64_MAX);
    }
}

static void test_why_not(void **state)
{
    (void)state;
    void *p = NULL;
    assert_int_equal(zm_try_calloc(ZM_MAX_SIZE + 1, 0, &p), ZM_ENOMEM);
    assert_int_equal(zm_try_calloc(ZM_MAX_SIZE, 0, &p), ZM_ENOMEM);
    assert_int_equal(zm_try_calloc(SIZE_MAX, 16, &p), ZM_ENOMEM);
    assert_int_equal(zm_try_calloc(8, 3, &p), ZM_EINVAL);
    assert_int_equal(zm_try_calloc(8, 2 * ZM_MAX_ALIGN, &p), ZM_EINVAL);
    zm_set_limit(100);
    assert_int_equal(zm_try_calloc(ZM_MAX_SIZE, 0, &p), ZM_ELIMIT);
    assert_int_equal(zm_try_calloc(SIZE_MAX, 0, &p), ZM_ENOMEM);
    assert_int_equal(zm_try_calloc(101, 4096, &p), ZM_ELIMIT);
    assert_null(p);
    assert_int_equal(zm_num_held_bytes(), 0);
}

/* A cache gets what fits, rather than a magazine or nothing; a cache that has blocks needs no
 * limit. */
static void test_caches(void **state)
{
    (void)state;
    enum { N = 64, FIT = 5 };
    void *blocks[FIT];
    zm_set_limit(FIT * N + N - 1);
    for (size_t i = 0; i < FIT; i++) {
        blocks[i] = zm_cache_calloc(cache, N);
        assert_non_null(blocks[i]);
    }
    assert_int_equal(zm_num_held_bytes(), FIT * N);
    assert_null(zm_cache_calloc(cache, N));
    assert_counts(FIT * N, FIT);
    zm_cache_free(cache, blocks[0], N);
    zm_set_limit(0);
    blocks[0] = zm_cache_calloc(cache, N);
    assert_non_null(blocks[0]);
    for (size_t i = 0; i < FIT; i++)
        zm_cache_free(cache, blocks[i], N);
}

/* Puts full magazines of a class in the depot; returns the bytes in them. */
static int64_t park(unsigned cls, size_t magazines)
{
    zm_magazine_t *m[8];
    int64_t before = zm_num_parked_bytes();
    assert_true(magazines <= LEN(m));
    for (size_t i = 0; i < magazines; i++)
        assert_non_null(m[i] = zm_depot_full(cls, &zm_no_magazine));
    for (size_t i = 0; i < magazines; i++)
        zm_depot_put(cls, m[i]);
    return zm_num_parked_bytes() - before;
}

typedef bool take_t(size_t n);

static bool by_calloc(size_t n)
{
    void *p = zm_calloc(n);
    zm_free(p, n);
    return p;
}

static bool by_aligned(size_t n)
{
    void *p = zm_calloc_aligned(n, 64);
    zm_free(p, n);
    return p;
}

static bool by_batch(size_t n)
{
    void *p = NULL;
    bool ok = zm_calloc_batch(n, &p, 1) == ZM_OK;
    zm_free(p, n);
    return ok;
}

static bool by_cache(size_t n)
{
    void *p = zm_cache_calloc(cache, n);
    zm_free(p, n);
    return p;
}

static bool by_buffer(size_t n)
{
    zm_buffer_t *b = NULL;
    bool ok = zm_buffer_new(n, &b) == ZM_OK;
    zm_buffer_release(b, NULL);
    return ok;
}

static bool by_growing(size_t n)
{
    zm_buffer_t *b = NULL;
    bool ok = zm_buffer_new(0, &b) == ZM_OK && zm_buffer_grow(b, n, NULL) == ZM_OK;
    zm_buffer_release(b, NULL);
    return ok;
}

static bool by_scratch(size_t n)
{
    void *p = NULL;
    bool ok = zm_buffer_scratch(NULL, n, &p, NULL) == ZM_OK;
    zm_buffer_scratch_free(NULL, p, n);
    return ok;
}

static bool by_allocator(size_t n)
{
    zm_allocator_t *a = NULL;
    bool ok = zm_allocator_new(n, &a) == ZM_OK;
    zm_allocator_release(a);
    return ok;
}

static bool by_allocating(size_t n)
{
    zm_allocator_t *a = NULL;
    bool ok = zm_allocator_new(512, &a) == ZM_OK && zm_allocator_allocate(a, n);
    zm_allocator_release(a);
    return ok;
}

/* What is parked in the depot makes room before anybody is refused. */
static void test_the_depot_goes_first(void **state)
{
    (void)state;
    take_t *const takes[] = {by_calloc,  by_aligned, by_batch,     by_cache,     by_buffer,
                             by_growing, by_scratch, by_allocator, by_allocating};
    for (size_t i = 0; i < LEN(takes); i++) {
        park(20, 1);
        int64_t parked = zm_num_held_bytes();
        assert_true(parked > 20000);
        zm_set_limit(parked + 1000);
        assert_true(takes[i](16384));
        assert_true(zm_num_held_bytes() <= parked + 1000);
        zm_set_limit(INT64_MAX);
        zm_cache_drain(cache);
        zm_depot_trim(true);
    }
}

/* No more of it goes than is lacking, by whole magazines, and nothing where all is too little. */
static void test_the_depot_keeps_what_it_can(void **state)
{
    (void)state;
    enum { CLS = 20, MAGAZINES = 5 };
    int64_t parked = park(CLS, MAGAZINES), magazine = parked / MAGAZINES;
    zm_set_limit(parked + 50000);
    assert_null(zm_calloc((size_t)parked + 50001));
    assert_int_equal(zm_num_parked_bytes(), parked);
    void *p = zm_calloc((size_t)(50000 + magazine + 1));
    assert_non_null(p);
    assert_int_equal(zm_num_parked_bytes(), parked - 2 * magazine);
    zm_free(p, (size_t)(50000 + magazine + 1));
    assert_false(zm_depot_release((uint64_t)parked));
    assert_true(zm_depot_release(0));
    assert_int_equal(zm_num_parked_bytes(), parked - 2 * magazine);
    assert_true(zm_depot_release(1));
    assert_int_equal(zm_num_held_bytes(), parked - 3 * magazine);
}

/* What is parked is what is held and no caller has, wherever it is. */
static void test_parked_bytes(void **state)
{
    (void)state;
    enum { N = 100, BLOCKS = 3000 };
    static void *blocks[BLOCKS];
    const int64_t size = reserved(N);
    assert_int_equal(zm_num_parked_bytes(), 0);
    for (int64_t i = 0; i < BLOCKS; i++) {
        blocks[i] = zm_cache_calloc(cache, N);
        assert_int_equal(zm_num_parked_bytes(), zm_num_held_bytes() - (i + 1) * size);
    }
    for (int64_t i = 0; i < BLOCKS; i++) {
        zm_cache_free(cache, blocks[i], N);
        assert_int_equal(zm_num_parked_bytes(), zm_num_held_bytes() - (BLOCKS - 1 - i) * size);
    }
    int64_t parked = zm_num_parked_bytes();
    assert_true(parked >= BLOCKS * size);
    zm_cache_drain(cache);
    assert_int_equal(zm_num_parked_bytes(), parked);
    zm_depot_trim(true);
    assert_int_equal(zm_num_parked_bytes(), 0);
}

/* Each constructor, and all that allocates with a result, says that it was the limit, and has set
 * nothing.
 */
static void test_everyone_says_why_not(void **state)
{
    (void)state;
    zm_buffer_t *b = NULL;
    zm_allocator_t *a = NULL, *other = NULL;
    zm_window_t *window = NULL;
    void *p = NULL;
    assert_int_equal(zm_buffer_new(ZM_MAX_SIZE + 1, &b), ZM_ENOMEM);
    assert_int_equal(zm_allocator_new(ZM_MAX_SIZE + 1, &a), ZM_ENOMEM);
    zm_set_limit(0);
    assert_int_equal(zm_buffer_new(0, &b), ZM_ELIMIT);
    assert_int_equal(zm_buffer_new_tmp("/tmp", 0, &b, NULL), ZM_ELIMIT);
    assert_int_equal(zm_buffer_open("/tmp/zmem-none", 0, &b, NULL), ZM_ELIMIT);
    assert_int_equal(zm_allocator_new(0, &a), ZM_ELIMIT);
    assert_int_equal(zm_allocator_pool_get(NULL, 0, &a), ZM_ELIMIT);
    assert_true(!b && !a);
    zm_set_limit(512);
    assert_int_equal(zm_allocator_new(0, &a), ZM_OK);
    zm_cursor_t k;
    zm_cursor_open(&k, a);
    assert_int_equal(zm_allocator_try_allocate(a, 3000, 8, &p), ZM_ELIMIT);
    assert_int_equal(zm_allocator_try_allocate(a, 600, 64, &p), ZM_ELIMIT);
    assert_int_equal(zm_allocator_try_allocate(a, (size_t)ZM_MAX_ALLOC + 1, 8, &p), ZM_ENOMEM);
    assert_int_equal(zm_allocator_try_allocate(a, 8, 3, &p), ZM_EINVAL);
    assert_int_equal(zm_allocator_refill(a, &window, 2048, 8192, &p), ZM_ELIMIT);
    assert_int_equal(zm_cursor_try_allocate(&k, 1500, 8, &p), ZM_ELIMIT);
    assert_int_equal(zm_cursor_try_allocate(&k, 8, 0, &p), ZM_EINVAL);
    assert_int_equal(zm_allocator_pool_get(NULL, 0, &other), ZM_ELIMIT);
    assert_true(!p && !window && !other);
    zm_allocator_release(a);
    zm_cache_t *none = NULL; /* bookkeeping does not count */
    zm_allocator_pool_t *pool = NULL;
    zm_set_limit(0);
    assert_int_equal(zm_allocator_pool_new(1, &pool), ZM_OK);
    zm_allocator_pool_release(pool);
    assert_int_equal(zm_cache_new(&none), ZM_OK);
}

/* Buffers on the heap and in mappings; their scratch memory; an Allocator's chunks. */
static void test_buffers_and_allocators(void **state)
{
    (void)state;
    zm_buffer_t *b = new_buffer(0);
    assert_non_null(b);
    int64_t control = zm_num_held_bytes() - (int64_t)zm_good_size(b->size);
    for (size_t n = 100000; n < (64u << 20); n *= 2) {
        zm_set_limit(zm_num_held_bytes());
        size_t len = b->len, size = b->size;
        assert_int_equal(zm_buffer_grow(b, n, NULL), ZM_ELIMIT);
        assert_true(b->len == len && b->size == size);
        void *scratch = NULL;
        assert_int_equal(zm_buffer_scratch(b, n, &scratch, NULL), ZM_ELIMIT);
        assert_null(new_buffer(n));
        zm_set_limit(INT64_MAX);
        assert_int_equal(zm_buffer_grow(b, n, NULL), ZM_OK);
        b->len += n;
        assert_int_equal(zm_num_held_bytes(), control + (int64_t)b->size);
        assert_int_equal(zm_buffer_scratch(b, n, &scratch, NULL), ZM_OK);
        assert_true(zm_num_held_bytes() >= control + (int64_t)(b->size + n));
        zm_buffer_scratch_free(b, scratch, n);
        assert_int_equal(zm_num_held_bytes(), control + (int64_t)b->size);
    }
    zm_buffer_release(b, NULL);
    assert_int_equal(zm_num_held_bytes(), 0);

    zm_allocator_t *a = new_allocator(1 << 20);
    assert_int_equal(zm_num_held_bytes(), 1 << 20);
    zm_set_limit((1 << 20) + 100000);
    assert_non_null(zm_allocator_allocate(a, 1000000));
    assert_null(zm_allocator_allocate(a, 1000000));
    assert_non_null(zm_allocator_allocate(a, 1000));
    zm_allocator_release(a);
    assert_null(new_allocator(2 << 20));
}

/* ---- Waiting ----------------------------------------------------------------------------------
 */

typedef struct window {
    int64_t low, high, got;
    atomic_bool done;
} window_t;

static void *wait_for(void *arg)
{
    window_t *w = arg;
    do
        w->got = zm_wait_held(w->low, w->high);
    while (w->got >= w->low && w->got <= w->high); /* it may return for no reason */
    atomic_store(&w->done, true);
    return NULL;
}

static void test_waiting(void **state)
{
    (void)state;
    enum { N = 100000 };
    assert_int_equal(zm_wait_held(1, 2), 0); /* it is outside already */
    void *p = zm_calloc(N);
    assert_int_equal(zm_wait_held(0, N - 1), N);
    for (size_t i = 0; i < 200; i++) {
        window_t up = {.low = 0, .high = N}, down = {.low = N, .high = INT64_MAX};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wait_for, &up), 0);
        assert_false(atomic_load(&up.done));
        void *q = zm_calloc(8);
        pthread_join(thread, NULL);
        assert_int_equal(up.got, N + 8);
        zm_free(q, 8);

        assert_int_equal(pthread_create(&thread, NULL, wait_for, &down), 0);
        zm_free(p, N);
        pthread_join(thread, NULL);
        assert_int_equal(down.got, 0);
        p = zm_calloc(N);
    }
    zm_free(p, N);
    zm_wake_held(); /* kept until somebody waits */
    assert_int_equal(zm_wait_held(0, INT64_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_setting, teardown),
        cmocka_unit_test_teardown(test_blocks_count, teardown),
        cmocka_unit_test_teardown(test_the_limit, teardown),
        cmocka_unit_test_teardown(test_why_not, teardown),
        cmocka_unit_test_teardown(test_caches, teardown),
        cmocka_unit_test_teardown(test_the_depot_goes_first, teardown),
        cmocka_unit_test_teardown(test_the_depot_keeps_what_it_can, teardown),
        cmocka_unit_test_teardown(test_parked_bytes, teardown),
        cmocka_unit_test_teardown(test_everyone_says_why_not, teardown),
        cmocka_unit_test_teardown(test_buffers_and_allocators, teardown),
        cmocka_unit_test_teardown(test_waiting, teardown),
    };
    return cmocka_run_group_tests_name("limit", tests, setup, NULL);
}
