/* test_oom_sort.c: sorting asks for no memory, and does without threads that it does not get. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "threads.h"

/* pthread_create, of which the first `granted` calls succeed; see the Makefile. */
static size_t granted, asked;
static bool blocks_signals;
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    blocks_signals = sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGPROF);
    return asked++ < granted ? __real_pthread_create(t, a, f, arg) : EAGAIN;
}

static void test_sort(void **state)
{
    (void)state;
    enum { RECORDS = 150000 };
    const size_t len = RECORDS * (size_t)16, n = zm_sort_scratch(len);
    uint64_t *words = malloc(len);
    void *scratch = malloc(n);
    assert_true(words && scratch);
    for (granted = 0; granted < 8; granted++) {
        rng_t rng = {granted};
        for (size_t i = 0; i < RECORDS; i++) {
            memcpy(&words[2 * i], "\10\0\0\0\0\0\0", 8);
            words[2 * i + 1] = rng_next(&rng);
        }
        asked = 0;
        fault_arm(1);
        size_t live = fault_live();
        assert_int_equal(zm_sort(words, len, ZM_SORT_UINT64, 0, scratch, n, 8, NULL), ZM_OK);
        assert_int_equal(fault_live(), live);
        assert_false(fault_disarm());
        assert_true(asked > granted || granted == 7);
        assert_true(blocks_signals);
        for (size_t i = 1; i < RECORDS; i++)
            assert_true(words[2 * i - 1] <= words[2 * i + 1]);
        sigset_t now;
        pthread_sigmask(SIG_SETMASK, NULL, &now);
        assert_false(sigismember(&now, SIGINT));
    }
    free(words);
    free(scratch);
}

static void test_number_of_threads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned most, want;
    } cases[] = {{"1", 0, 1},
                 {"1", 8, 1},
                 {"3", 8, 3},
                 {"3", 2, 2},
                 {"", 5, 5},
                 {"no", 5, 5},
                 {"-1", 5, 5},
                 {"0", 5, 5},
                 {"9", 5, 5},
                 {"99", 99, 32},
                 {"99999999999999999999", 4, 4}};
    for (size_t i = 0; i < LEN(cases); i++) {
        setenv("ZMEM_THREADS", cases[i].text, 1);
        assert_int_equal(zm__threads_default(cases[i].most), cases[i].want);
    }
    unsetenv("ZMEM_THREADS");
    assert_int_equal(zm__threads_default(3), 3);
    unsigned all = zm__threads_default(0);
    assert_true(all >= 1 && all <= 32);
}

int main(void)
{
    if (!fault_init()) {
        fprintf(stderr, "ZMEM_BACKEND names no backend\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_number_of_threads),
    };
    return cmocka_run_group_tests_name("out of memory, sorting", tests, NULL, NULL);
}
