/* test_sort.c: zm_sort against a merge sort of pointers, for every pattern, key and number of
 * threads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sort.h"
#include "test.h"

enum { GUARD = 64, GUARD_BYTE = 0xa5, MAX_OFF = 16 };

/* ---- Records ----------------------------------------------------------------------------------
 */

typedef struct records {
    unsigned char *b; /* `skew` bytes behind the start of a block, and a guard behind it */
    size_t len, cap, skew;
} records_t;

static void records_add(records_t *r, const void *bytes, size_t n)
{
    if (r->cap - r->len < 8 + n) {
        r->cap = 2 * (r->cap + 8 + n);
        unsigned char *b = malloc(r->skew + r->cap + GUARD);
        assert_non_null(b);
        if (r->b) {
            memcpy(b + r->skew, r->b, r->len);
            free(r->b - r->skew);
        }
        r->b = b + r->skew;
    }
    for (size_t i = 0; i < 8; i++)
        r->b[r->len + i] = (unsigned char)((uint64_t)n >> 8 * i);
    if (n > 0)
        memcpy(r->b + r->len + 8, bytes, n);
    r->len += 8 + n;
}

static void records_free(records_t *r)
{
    if (r->b)
        free(r->b - r->skew);
    *r = (records_t){NULL, 0, 0, 0};
}

/* ---- The reference ------------------------------------------------------------------------------
 */

typedef struct order {
    zm_sort_key_t key;
    size_t off;
} order_t;

static int compare(const unsigned char *a, const unsigned char *b, order_t o)
{
    size_t na = (size_t)zm__load_le64(a), nb = (size_t)zm__load_le64(b);
    if (o.key == ZM_SORT_BYTES) {
        size_t n = na < nb ? na : nb;
        int c = n > 0 ? memcmp(a + 8, b + 8, n) : 0;
        return c != 0 ? c : (na > nb) - (na < nb);
    }
    if (o.key == ZM_SORT_UINT64) {
        uint64_t x, y;
        memcpy(&x, a + 8 + o.off, 8);
        memcpy(&y, b + 8 + o.off, 8);
        return (x > y) - (x < y);
    }
    int64_t x, y;
    memcpy(&x, a + 8 + o.off, 8);
    memcpy(&y, b + 8 + o.off, 8);
    return (x > y) - (x < y);
}

static void merge_sort(unsigned char **p, unsigned char **tmp, size_t n, order_t o)
{
    if (n < 2)
        return;
    size_t mid = n / 2, i = 0, j = mid, k = 0;
    merge_sort(p, tmp, mid, o);
    merge_sort(p + mid, tmp, n - mid, o);
    memcpy(tmp, p, n * sizeof *p);
    while (i < mid || j < n)
        p[k++] = j == n || (i < mid && compare(tmp[i], tmp[j], o) <= 0) ? tmp[i++] : tmp[j++];
}

/* The records in order; the caller frees it. */
static unsigned char *reference(const records_t *r, order_t o)
{
    size_t max = r->len / 8, n = 0, at = 0;
    unsigned char **p = malloc((max + 1) * sizeof *p), **tmp = malloc((max + 1) * sizeof *tmp);
    unsigned char *out = malloc(r->len + 1);
    assert_true(p && tmp && out);
    for (; at < r->len; at += 8 + (size_t)zm__load_le64(r->b + at))
        p[n++] = r->b + at;
    assert_int_equal(at, r->len);
    merge_sort(p, tmp, n, o);
    at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t size = 8 + (size_t)zm__load_le64(p[i]);
        memcpy(out + at, p[i], size);
        at += size;
    }
    free(p);
    free(tmp);
    return out;
}

/* ---- The check
 * ------------------------------------------------------------------------------------ */

/* Sorts a copy of the records, with the scratch memory given, and compares. */
static void check(const records_t *r, order_t o, unsigned threads, const unsigned char *want,
                  size_t nscratch)
{
    unsigned char *block = malloc(r->skew + r->len + GUARD), *scratch = malloc(nscratch + GUARD);
    assert_true(block && scratch);
    unsigned char *b = block + r->skew;
    memcpy(b, r->b, r->len);
    memset(b + r->len, GUARD_BYTE, GUARD);
    memset(scratch + nscratch, GUARD_BYTE, GUARD);
    size_t fault = 1;
    zm_sort_watch_t watch = {.total = (int64_t)r->len};
    assert_int_equal(zm__sort(b, r->len, o.key, o.off, scratch, nscratch, threads, &fault, &watch),
                     ZM_OK);
    assert_int_equal(fault, r->len);
    assert_int_equal(watch.done, r->len);
    assert_true(memcmp(b, want, r->len) == 0);
    assert_true(all_are(b + r->len, GUARD_BYTE, GUARD));
    assert_true(all_are(scratch + nscratch, GUARD_BYTE, GUARD));
    free(block);
    free(scratch);
}

/* Sorts with another number of threads, and with all scratch memory or the least, from call to
 * call, so that every pattern meets most of them, and sanitizers come to an end.
 */
static void check_order(const records_t *r, order_t o)
{
    static const unsigned threads[] = {1, 2, 3, 8};
    static unsigned turn;
    unsigned char *want = reference(r, o);
    for (size_t i = 0; i < 2; i++, turn++) {
        bool least = turn / LEN(threads) % 2;
        check(r, o, threads[turn % LEN(threads)], want,
              least ? r->len / 2 + (256 << 10) : zm_sort_scratch(r->len));
    }
    free(want);
}

/* Every key that the records have; the integers at off. */
static void check_keys(const records_t *r, size_t shortest, size_t off)
{
    if (r->len == 0)
        return;
    check_order(r, (order_t){ZM_SORT_BYTES, 0});
    if (shortest >= off + 8) {
        check_order(r, (order_t){ZM_SORT_UINT64, off});
        check_order(r, (order_t){ZM_SORT_INT64, off});
    }
}

/* ---- Patterns
 * --------------------------------------------------------------------------------------- */

typedef enum pattern {
    RANDOM,
    FEW_VALUES, /* many ties, which a number behind the key tells apart */
    EQUAL,
    SORTED,
    NEARLY_SORTED,
    REVERSED,
    COMMON_PREFIX, /* of 21 bytes */
    ZEROES,        /* of different lengths: prefixes of each other */
    ONE_BYTE,      /* differs, each time another */
    NUM_PATTERNS,
} pattern_t;

/* Adds records of lo to hi bytes, at most 200, up to `bytes` bytes in all. */
static void make(records_t *r, pattern_t pattern, size_t lo, size_t hi, size_t bytes, rng_t *rng)
{
    unsigned char b[200];
    size_t count = bytes / (8 + (lo + hi) / 2);
    for (uint64_t i = 0; i < count; i++) {
        size_t n = lo + rng_below(rng, hi - lo + 1);
        uint64_t x = rng_next(rng);
        for (size_t j = 0; j < n; j++)
            b[j] = (unsigned char)(rng_next(rng) >> 32);
        switch (pattern) {
        case RANDOM:
            break;
        case FEW_VALUES:
            memset(b, (int)(x % 5), n < 8 ? n : 8);
            break;
        case EQUAL:
            memset(b, 7, n = lo);
            break;
        case SORTED:
        case NEARLY_SORTED:
        case REVERSED:
            x = pattern == NEARLY_SORTED && x % 100 == 0 ? x : i;
            x = pattern == REVERSED ? count - i : x;
            for (size_t j = 0; j < n && j < 8; j++)
                b[j] = (unsigned char)(x >> 8 * (7 - j));
            break;
        case COMMON_PREFIX:
            memset(b, 'x', n < 21 ? n : 21);
            break;
        case ZEROES:
            memset(b, 0, n);
            break;
        case ONE_BYTE:
            memset(b, 1, n);
            if (n > 0)
                b[x % n] = (unsigned char)(x >> 32);
            break;
        case NUM_PATTERNS:
            abort();
        }
        records_add(r, b, n);
    }
}

static const struct {
    size_t lo, hi;
} shapes[] = {{0, 0}, {8, 8}, {0, 3}, {0, 17}, {8, 39}, {16, 16}, {20, 200}};

static void check_patterns(size_t bytes, size_t skew)
{
    rng_t rng = {bytes + skew};
    for (pattern_t p = 0; p < NUM_PATTERNS; p++) {
        for (size_t i = 0; i < LEN(shapes); i++) {
            records_t r = {.skew = skew};
            make(&r, p, shapes[i].lo, shapes[i].hi, bytes, &rng);
            size_t room = shapes[i].lo < 8 ? 0 : shapes[i].lo - 8;
            check_keys(&r, shapes[i].lo, room < MAX_OFF ? room : MAX_OFF);
            records_free(&r);
        }
    }
}

static void test_a_few_records(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 400; bytes += 13)
        check_patterns(bytes, bytes % 8);
}

static void test_some_thousands(void **state)
{
    (void)state;
    check_patterns(30000, 0);
    check_patterns(30000, 3);
}

/* Enough for several threads, chunks and levels of merging. */
static void test_many_threads(void **state)
{
    (void)state;
    check_patterns((512 << 10) + 999, 0);
    rng_t rng = {2};
    for (pattern_t p = 0; p < NUM_PATTERNS; p++) {
        records_t r = {.skew = p % 2};
        make(&r, p, 8, p < 3 ? 8 : 39, 2 << 20, &rng);
        check_keys(&r, 8, 0);
        records_free(&r);
    }
}

/* Records that are larger than what a thread has, or than all scratch memory, among small ones. */
static void test_giants(void **state)
{
    (void)state;
    enum { SIZE = 2 << 20 };
    rng_t rng = {3};
    unsigned char *giant = malloc(SIZE);
    assert_non_null(giant);
    static const struct {
        size_t small, sizes[3]; /* bytes of small records before, between and behind the giants */
    } cases[] = {
        {0, {SIZE, 0, 0}},
        {0, {SIZE, 40, 0}},
        {100, {SIZE, 0, 0}},
        {400000, {SIZE, 0, 0}},
        {400000, {40, SIZE, 9}},
        {1 << 20, {SIZE, SIZE, SIZE}},
        {700000, {900000, 1, 800000}},
        {300000, {1000000, SIZE, 500000}},
    };
    for (size_t i = 0; i < 2 * LEN(cases); i++) {
        records_t r = {.skew = i % 3};
        for (size_t j = 0; j < 3; j++) {
            make(&r, RANDOM, 8, 39, cases[i / 2].small / 3, &rng);
            if (cases[i / 2].sizes[j] == 0)
                continue;
            memset(giant, (int)rng_below(&rng, 256), SIZE);
            giant[SIZE - 1] = (unsigned char)rng_below(&rng, 256);
            records_add(&r, giant, cases[i / 2].sizes[j]);
        }
        make(&r, i % 2 ? RANDOM : FEW_VALUES, 8, 8, cases[i / 2].small / (1 + i % 2 * 9), &rng);
        size_t shortest = cases[i / 2].sizes[1] == 1 ? 1 : 8;
        check_keys(&r, shortest, 0);
        records_free(&r);
    }
    free(giant);
}

/* Neighbours of very different density: chunks of the same cost have different sizes. */
static void test_uneven(void **state)
{
    (void)state;
    rng_t rng = {4};
    for (size_t i = 0; i < 6; i++) {
        records_t r = {.skew = 0};
        for (size_t j = 0; j < 4; j++) {
            bool large = (i + j) % 2 || i / 2 == j;
            make(&r, RANDOM, large ? 150 : 0, large ? 200 : 2, 300000 * (1 + (i + j) % 3), &rng);
        }
        check_keys(&r, 0, 0);
        records_free(&r);
    }
}

/* The lengths themselves at random. */
static void test_at_random(void **state)
{
    (void)state;
    rng_t rng = {5};
    for (size_t i = 0; i < 30; i++) {
        records_t r = {.skew = rng_below(&rng, 8)};
        size_t bytes = rng_below(&rng, i % 10 ? 20000 : 1 << 20);
        while (r.len < bytes) {
            size_t lo = 12 + rng_below(&rng, 20), hi = lo + rng_below(&rng, 150);
            make(&r, (pattern_t)rng_below(&rng, NUM_PATTERNS), lo, hi, rng_below(&rng, bytes),
                 &rng);
        }
        check_keys(&r, 12, rng_below(&rng, 5));
        records_free(&r);
    }
}

/* ---- Arguments ----------------------------------------------------------------------------------
 */

static void test_scratch(void **state)
{
    (void)state;
    size_t last = 0;
    for (size_t n = 0; n < (size_t)1 << 36; n += 1 + n / 7) {
        size_t scratch = zm_sort_scratch(n);
        assert_true(scratch <= n / 2 + ((size_t)64 << 20));
        assert_true(scratch >= last && scratch >= n / 2);
        last = scratch;
    }
    assert_true(zm_sort_scratch(SIZE_MAX) >= last);
}

static void test_nothing(void **state)
{
    (void)state;
    char scratch[16384];
    size_t fault = 1;
    assert_true(zm_sort_scratch(0) <= sizeof scratch);
    assert_int_equal(zm_sort(NULL, 0, ZM_SORT_BYTES, 0, scratch, sizeof scratch, 0, &fault), ZM_OK);
    assert_int_equal(fault, 0);
    assert_int_equal(zm_sort(NULL, 0, ZM_SORT_BYTES, 0, scratch, sizeof scratch, 0, NULL), ZM_OK);
}

/* Sorts records that are wrong at an offset; nothing is changed. */
static void check_fault(records_t *r, order_t o, size_t want)
{
    size_t n = zm_sort_scratch(r->len), fault = 1;
    unsigned char *scratch = malloc(n), *before = malloc(r->len);
    assert_true(scratch && before);
    memcpy(before, r->b, r->len);
    assert_int_equal(zm_sort(r->b, r->len, o.key, o.off, scratch, n, 2, &fault), ZM_EINVAL);
    assert_int_equal(fault, want);
    assert_int_equal(zm_sort(r->b, r->len, o.key, o.off, scratch, n, 2, NULL), ZM_EINVAL);
    assert_true(memcmp(r->b, before, r->len) == 0);
    free(scratch);
    free(before);
}

static void test_bad_records(void **state)
{
    (void)state;
    const uint64_t lengths[] = {9, 100, 1 << 20, INT64_MAX, UINT64_MAX - 8, UINT64_MAX};
    rng_t rng = {6};
    records_t r = {.skew = 0};
    make(&r, RANDOM, 8, 8, 16 * 20000, &rng);
    const size_t last = r.len - 16;
    for (size_t i = 0; i < LEN(lengths); i++) {
        for (size_t j = 0; j < 8; j++)
            r.b[last + j] = (unsigned char)(lengths[i] >> 8 * j);
        check_fault(&r, (order_t){ZM_SORT_BYTES, 0}, last);
        check_fault(&r, (order_t){ZM_SORT_INT64, 0}, last);
    }
    r.b[last] = 8;
    memset(r.b + last + 1, 0, 7);
    for (size_t cut = 1; cut < 16; cut++) {
        r.len -= cut;
        check_fault(&r, (order_t){ZM_SORT_BYTES, 0}, last);
        r.len += cut;
    }
    check_fault(&r, (order_t){ZM_SORT_UINT64, 1}, 0);
    check_fault(&r, (order_t){ZM_SORT_UINT64, ZM_MAX_SIZE}, 0);
    records_add(&r, "1234567", 7);
    check_fault(&r, (order_t){ZM_SORT_UINT64, 0}, last + 16);
    check_fault(&r, (order_t){ZM_SORT_INT64, 0}, last + 16);
    records_free(&r);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    unsigned char scratch[16384];
    rng_t rng = {7};
    records_t r = {.skew = 0};
    make(&r, RANDOM, 8, 8, 160, &rng);
    size_t need = zm_sort_scratch(r.len);
    assert_true(need <= sizeof scratch);
    const order_t bytes = {ZM_SORT_BYTES, 0};
    const struct {
        order_t o;
        size_t len, nscratch;
    } cases[] = {
        {bytes, r.len, need - 1},
        {bytes, r.len, 0},
        {bytes, ZM_MAX_SIZE + 1, SIZE_MAX},
        {bytes, SIZE_MAX, SIZE_MAX},
        {{ZM_SORT_UINT64, SIZE_MAX}, r.len, need},
        {{ZM_SORT_INT64, SIZE_MAX - 7}, r.len, need},
        {{(zm_sort_key_t)3, 0}, r.len, need},
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        size_t fault = 1;
        assert_int_equal(zm_sort(r.b, cases[i].len, cases[i].o.key, cases[i].o.off, scratch,
                                 cases[i].nscratch, 1, &fault),
                         ZM_EINVAL);
        assert_int_equal(fault, cases[i].len);
    }
    /* an offset means nothing to bytes */
    assert_int_equal(zm_sort(r.b, r.len, ZM_SORT_BYTES, 999, scratch, need, 1, NULL), ZM_OK);
    records_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_few_records), cmocka_unit_test(test_some_thousands),
        cmocka_unit_test(test_many_threads),  cmocka_unit_test(test_giants),
        cmocka_unit_test(test_uneven),        cmocka_unit_test(test_at_random),
        cmocka_unit_test(test_scratch),       cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_bad_records),   cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests_name("sort", tests, NULL, NULL);
}
