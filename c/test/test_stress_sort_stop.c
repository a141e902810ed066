/* test_stress_sort_stop.c [SEED [THREADS [ITERATIONS]]]: sorts that another thread watches, and
 * stops at any point: every record is there and whole afterwards.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "sort.h"
#include "stress.h"

enum { BYTES = 3 << 20, MAX_LEN = 60 };

/* Fills b with records of one kind, and returns the bytes that it used. */
typedef size_t make_t(unsigned char *b, rng_t *rng);

static size_t add(unsigned char *b, size_t at, size_t len, rng_t *rng, uint64_t values)
{
    for (size_t i = 0; i < 8; i++)
        b[at + i] = (unsigned char)((uint64_t)len >> 8 * i);
    for (size_t i = 0; i < len; i++)
        b[at + 8 + i] = (unsigned char)(rng_next(rng) >> 32);
    uint64_t key = rng_next(rng) % values;
    memcpy(b + at + 8, &key, sizeof key);
    return at + 8 + len;
}

static size_t make_words(unsigned char *b, rng_t *rng)
{
    size_t at = 0;
    while (at + 16 <= BYTES)
        at = add(b, at, 8, rng, UINT64_MAX);
    return at;
}

static size_t make_records(unsigned char *b, rng_t *rng)
{
    size_t at = 0;
    while (at + 8 + MAX_LEN <= BYTES)
        at = add(b, at, 8 + rng_below(rng, MAX_LEN - 7), rng, UINT64_MAX);
    return at;
}

/* Of few keys, so that bytes behind them count, and two that are larger than the scratch memory. */
static size_t make_equals(unsigned char *b, rng_t *rng)
{
    size_t at = add(b, 0, BYTES / 3, rng, 3);
    while (at + BYTES / 3 + 100 <= BYTES)
        at = add(b, at, 8 + rng_below(rng, MAX_LEN - 7), rng, 3);
    return add(b, at, BYTES / 3 - 10, rng, 3);
}

/* One that is sorted is left by `scan`. */
static size_t make_sorted(unsigned char *b, rng_t *rng)
{
    size_t at = 0;
    while (at + 16 <= BYTES)
        at = add(b, at, 8, rng, 1);
    return at;
}

typedef struct watcher {
    zm_sort_watch_t watch;
    int64_t stop_at; /* of done; -1: never */
    atomic_bool ended;
    bool fell; /* done went down, or beyond total */
} watcher_t;

static void *watcher(void *arg)
{
    watcher_t *w = arg;
    int64_t last = 0;
    bool stop = false;
    do {
        int64_t done = __atomic_load_n(&w->watch.done, __ATOMIC_RELAXED);
        int64_t total = __atomic_load_n(&w->watch.total, __ATOMIC_RELAXED);
        w->fell = w->fell || done < last || done > total;
        last = done;
        if (!stop && w->stop_at >= 0 && done >= w->stop_at) {
            __atomic_store_n(&w->watch.stop, 1, __ATOMIC_RELAXED);
            stop = true;
        }
    } while (!atomic_load(&w->ended));
    return NULL;
}

/* Sorts b, of len bytes, stopped where so much is done. Returns what the sort did. */
static int sort_stopped(unsigned char *b, size_t len, zm_sort_key_t key, bool least,
                        unsigned threads, int64_t stop_at)
{
    size_t n = least ? len / 2 + (256 << 10) : zm_sort_scratch(len), fault = 1;
    void *scratch = malloc(n);
    assert_non_null(scratch);
    watcher_t w = {.watch = {.total = (int64_t)len}, .stop_at = stop_at};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, watcher, &w), 0);
    int err = zm__sort(b, len, key, 0, scratch, n, threads, &fault, &w.watch);
    atomic_store(&w.ended, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(w.fell);
    assert_int_equal(fault, len);
    if (err == ZM_OK)
        assert_int_equal(w.watch.done, len);
    free(scratch);
    return err;
}

static void test_stopped(void **state)
{
    (void)state;
    static make_t *const makes[] = {make_words, make_records, make_equals, make_sorted};
    unsigned char *b = malloc(BYTES), *want = malloc(BYTES);
    assert_true(b && want);
    rng_t rng = {stress_args.seed};
    size_t stopped = 0, rounds = stress_args.iterations / 40 + 40;
    for (size_t i = 0; i < rounds; i++) {
        size_t len = makes[i % LEN(makes)](b, &rng);
        zm_sort_key_t key = (zm_sort_key_t)rng_below(&rng, 3);
        unsigned threads = 1 + (unsigned)rng_below(&rng, 4);
        memcpy(want, b, len);
        int64_t at = i % 10 ? (int64_t)rng_below(&rng, len + len / 8) : -1;
        int err = sort_stopped(b, len, key, i / LEN(makes) % 2, threads, at);
        assert_true(err == ZM_OK || (err == ZM_ESTOPPED && at >= 0));
        stopped += err == ZM_ESTOPPED;
        /* by all of their bytes there is one order, whichever it was before */
        assert_int_equal(sort_stopped(b, len, ZM_SORT_BYTES, false, 1, -1), ZM_OK);
        assert_int_equal(sort_stopped(want, len, ZM_SORT_BYTES, false, 1, -1), ZM_OK);
        assert_memory_equal(b, want, len);
    }
    assert_true(stopped > rounds / 4);
    free(b);
    free(want);
}

/* Stopped before it begins, or never, through the public function. */
static void test_public(void **state)
{
    (void)state;
    unsigned char *b = malloc(BYTES), *before = malloc(BYTES),
                  *scratch = malloc(zm_sort_scratch(BYTES));
    assert_true(b && before && scratch);
    rng_t rng = {stress_args.seed};
    size_t len = make_words(b, &rng), n = zm_sort_scratch(len), fault = 1;
    memcpy(before, b, len);
    zm_sort_watch_t watch = {.stop = 1};
    assert_int_equal(zm_sort_watched(b, len, ZM_SORT_INT64, 0, scratch, n, 0, &fault, &watch),
                     ZM_ESTOPPED);
    assert_memory_equal(b, before, len);
    assert_int_equal(fault, len);
    assert_int_equal(watch.done, 0);
    assert_int_equal(watch.total, len);
    watch = (zm_sort_watch_t){0};
    assert_int_equal(zm_sort_watched(b, len, ZM_SORT_INT64, 0, scratch, n, 0, NULL, &watch), ZM_OK);
    assert_int_equal(watch.done, len);
    assert_int_equal(zm_sort_watched(b, 0, ZM_SORT_BYTES, 0, scratch, n, 0, NULL, &watch), ZM_OK);
    assert_int_equal(watch.total, 0);
    b[0] =
        9; /* the second record does not begin where it should: an error is one, stopped or not */
    watch = (zm_sort_watch_t){0};
    assert_int_equal(zm_sort_watched(b, 17, ZM_SORT_BYTES, 0, scratch, n, 0, &fault, &watch),
                     ZM_OK);
    assert_int_equal(zm_sort_watched(b, 18, ZM_SORT_BYTES, 0, scratch, n, 0, &fault, &watch),
                     ZM_EINVAL);
    assert_int_equal(fault, 17);
    free(b);
    free(before);
    free(scratch);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stopped),
                                       cmocka_unit_test(test_public)};
    return cmocka_run_group_tests_name("stress, stopping sorts", tests, NULL, NULL);
}
