/* test_stress_sort.c [SEED [THREADS [ITERATIONS]]]: sorts on many threads, for ThreadSanitizer to
 * watch. test_sort.c is more particular about what comes out.
 */
#include <stdlib.h>
#include <string.h>

#include "stress.h"

enum { BYTES = 1 << 20, MAX_LEN = 40 };

/* A record: a key of few or many values, its number among all, and up to 24 bytes more. */
typedef struct record {
    uint64_t key;
    uint64_t number;
} record_t;

static size_t make(unsigned char *b, rng_t *rng, bool words, uint64_t values, size_t *records)
{
    size_t at = 0, n = 0;
    for (; at + 8 + MAX_LEN <= BYTES; n++) {
        size_t len = words ? 8 : sizeof(record_t) + rng_below(rng, 25);
        record_t r = {rng_next(rng) % values, n};
        for (size_t i = 0; i < 8; i++)
            b[at + i] = (unsigned char)(i ? 0 : len);
        memset(b + at + 8, 0, len);
        memcpy(b + at + 8, &r, words ? 8 : sizeof r);
        at += 8 + len;
    }
    *records = n;
    return at;
}

/* In order, those with equal keys as they were; every record is there. */
static void check(const unsigned char *b, size_t len, bool words, size_t records)
{
    record_t last = {0, 0};
    size_t at = 0, n = 0;
    uint64_t sum = 0;
    for (; at < len; n++) {
        record_t r = {0, n};
        memcpy(&r, b + at + 8, words ? 8 : sizeof r);
        assert_true(n == 0 || r.key > last.key || (r.key == last.key && r.number > last.number));
        sum += r.number;
        last = r;
        at += 8 + b[at];
    }
    assert_int_equal(at, len);
    assert_int_equal(n, records);
    assert_int_equal(sum, (uint64_t)records * (records - 1) / 2);
}

static void test_sort(void **state)
{
    (void)state;
    static const uint64_t values[] = {UINT64_MAX, 1000, 3};
    unsigned char *b = malloc(BYTES), *scratch = malloc(zm_sort_scratch(BYTES));
    assert_true(b && scratch);
    rng_t rng = {stress_args.seed};
    for (size_t i = 0; i < 12; i++) {
        size_t records;
        bool words = i % 2;
        size_t len = make(b, &rng, words, values[i / 2 % 3], &records);
        size_t n = zm_sort_scratch(len);
        unsigned threads = 2 + (unsigned)i % 3;
        assert_int_equal(zm_sort(b, len, ZM_SORT_UINT64, 0, scratch, n, threads, NULL), ZM_OK);
        check(b, len, words, records);
        /* again by all bytes: only that threads do not meet */
        assert_int_equal(zm_sort(b, len, ZM_SORT_BYTES, 0, scratch, n, threads, NULL), ZM_OK);
    }
    free(b);
    free(scratch);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sort)};
    return cmocka_run_group_tests_name("stress, sorting", tests, NULL, NULL);
}
