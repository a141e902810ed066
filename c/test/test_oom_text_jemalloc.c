//go:build jemalloc

/* test_oom_text_jemalloc.c: jemalloc hands out its report in pieces, how many and how long is for
 * it to say. Here they come from us: the program is linked with --wrap, so that the backend calls
 * what follows in place of je_malloc_stats_print, under the name that it has with or without its
 * prefix.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

typedef void write_t(void *arg, const char *piece);
void __wrap_je_malloc_stats_print(write_t *write, void *arg, const char *opts);
void __wrap_malloc_stats_print(write_t *write, void *arg, const char *opts);

static size_t pieces;
static char expected[1 << 20];

static void report(write_t *write, void *arg)
{
    size_t used = 0;
    rng_t rng = {pieces};
    write(arg, "");
    for (size_t i = 0; i < pieces; i++) {
        char piece[400];
        size_t len = rng_below(&rng, i % 5 ? 40 : sizeof piece);
        memset(piece, 'a' + (int)(i % 26), len);
        piece[len] = '\0';
        memcpy(expected + used, piece, len + 1);
        used += len;
        write(arg, piece);
    }
    write(arg, "");
}

void __wrap_je_malloc_stats_print(write_t *write, void *arg, const char *opts)
{
    (void)opts;
    report(write, arg);
}

void __wrap_malloc_stats_print(write_t *write, void *arg, const char *opts)
{
    (void)opts;
    report(write, arg);
}

/* The text is all of the pieces, in their order. */
static void test_pieces(void **state)
{
    (void)state;
    for (pieces = 1; pieces < 2000; pieces += pieces / 3 + 1) {
        char *text = NULL;
        assert_int_equal(zm_stats_text(&text), ZM_OK);
        assert_string_equal(text, expected);
        assert_int_equal(fault_live(), 1);
        zm_text_free(text);
        assert_int_equal(fault_live(), 0);
        assert_null(fault_misuse());
    }
}

/* Wherever memory runs out on the way, nothing is left and the string is untouched. */
static void test_out_of_memory(void **state)
{
    (void)state;
    char unset, *text = &unset;
    pieces = 500;
    size_t k = 0;
    do {
        fault_arm(++k);
        int err = zm_stats_text(&text);
        assert_int_equal(err, fault_disarm() ? ZM_ENOMEM : ZM_OK);
        assert_int_equal(fault_live(), err == ZM_OK);
    } while (text == &unset);
    assert_string_equal(text, expected);
    assert_true(k > 4); /* it grew */
    zm_text_free(text);
    assert_int_equal(fault_live(), 0);
    assert_null(fault_misuse());
}

int main(void)
{
    setenv("ZMEM_BACKEND", "jemalloc", 1);
    if (!fault_init()) {
        fprintf(stderr, "no jemalloc\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("out of memory, text", tests, NULL, NULL);
}
