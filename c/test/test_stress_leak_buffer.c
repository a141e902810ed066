//go:build leak

/* test_stress_leak_buffer.c [SEED [THREADS [ITERATIONS]]]: some threads make Buffers that grow,
 * move and spill, one reads whatever is live.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "stress.h"

enum { MOST = 1000, LARGEST = 1 << 20 };

static atomic_int running;

/* One Buffer, from the heap to a file: what it holds says whose it is. It is complete before it is
 * attributed, and not written to again, since reading what is being written is a race.
 */
static bool one_life(rng_t *rng, uintptr_t id)
{
    zm_buffer_t *b = new_buffer(0);
    if (!b || zm_buffer_set_spill(b, (size_t)LARGEST + rng_below(rng, 4 << 20), "/tmp") != ZM_OK)
        return false;
    size_t n = rng_below(rng, rng_below(rng, 10) ? 5000 : LARGEST);
    memset(zm_buffer_add(b, n, NULL), (int)id, n);
    zm_buffer_attribute(b, zm_site_of("life", 4, &id, 1));
    bool ok = true;
    for (size_t more = 100; more < (size_t)8 << 20 && rng_below(rng, 20) && ok; more *= 3)
        ok = zm_buffer_grow(b, more, NULL) == ZM_OK;
    if (rng_below(rng, 2))
        zm_buffer_reset(b);
    return zm_buffer_release(b, NULL) == ZM_OK && ok;
}

static void *live(void *arg)
{
    rng_t rng = {stress_args.seed + (uintptr_t)arg};
    bool ok = true;
    for (size_t i = 0; i < stress_args.iterations / 20; i++)
        ok = one_life(&rng, (uintptr_t)arg) && ok;
    atomic_fetch_sub(&running, 1);
    return ok ? arg : NULL;
}

/* What is read of a Buffer is its own, however it moves meanwhile. */
static void test_reading_what_moves(void **state)
{
    (void)state;
    static zm_leak_block_t list[MOST];
    static unsigned char copy[8 + LARGEST];
    pthread_t threads[64];
    size_t nthreads = stress_args.threads < LEN(threads) ? stress_args.threads : LEN(threads);
    size_t read = 0, gone = 0;
    atomic_store(&running, (int)nthreads);
    for (uintptr_t i = 0; i < nthreads; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, live, (void *)(i + 1)), 0);
    do {
        size_t n = zm_leak_blocks(list, MOST);
        for (size_t i = 0; i < n && i < MOST; i++) {
            if (list[i].site->ntag == 0) /* not complete */
                continue;
            bool ok = zm_leak_read(&list[i], 0, copy, list[i].size);
            assert_true(!ok || all_are(copy + 8, (unsigned char)*zm_site_pcs(list[i].site),
                                       list[i].size - 8));
            read += ok;
            gone += !ok;
        }
    } while (atomic_load(&running) > 0);
    for (size_t i = 0; i < nthreads; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
    }
    print_message("    %zu Buffers read, %zu gone\n", read, gone);
    assert_true(read > 0);
    assert_int_equal(zm_leak_blocks(NULL, 0), 0);
    assert_counts(0, 0);
}

int main(int argc, char **argv)
{
    if (!stress_parse(argc, argv))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading_what_moves)};
    return cmocka_run_group_tests_name("stress, leak buffers", tests, NULL, NULL);
}
