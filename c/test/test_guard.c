//go:build !leak

/* test_guard.c: what lies outside of a guarded block faults, and the report says where. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { SLOTS = 256 };

static const uintptr_t alloc_pcs[] = {0xa001, 0xa002}, free_pcs[] = {0xf001};

static char *guarded(size_t n)
{
    return zm_guard_calloc(n, 0, zm_site_of("tag", 3, alloc_pcs, LEN(alloc_pcs)));
}

/* One that ends where its memory does, or begins there. */
static char *guarded_at(size_t n, bool end)
{
    char *other = guarded(n), *p = guarded(n);
    if (((uintptr_t)(p + n) % 4096 == 0) != end) {
        char *q = p;
        p = other;
        other = q;
    }
    zm_free(other, n);
    assert_int_equal((uintptr_t)(end ? p + n : p) % 4096, 0);
    return p;
}

static int check_none_left(void **state)
{
    (void)state;
    zm_guard_set_rate(0);
    zm_profile_set_rate(0);
    zm_depot_trim(true);
    zm_profile_stats_t stats;
    zm_profile_stats(&stats);
    return stats.records != 0 || zm_num_alloc_bytes() != 0 || zm_num_allocs() != 0;
}

static int setup(void **state)
{
    (void)state;
    return zm_guard_set_rate(1) != ZM_OK || zm_guard_rate() != 1 || zm_guard_set_rate(0) != ZM_OK;
}

/* What a child prints to standard error that runs f, and how it ends. */
static const char *output_of(void (*f)(const void *arg), const void *arg, int *status)
{
    static char out[32768];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        f(arg);
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], out + len, sizeof out - 1 - len)) > 0;)
        len += (size_t)n;
    out[len] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(pid, status, 0), pid);
    return out;
}

/* cmocka has a handler of its own, which is not for children; ours is installed once a process. */
static void child_setup(void (*before)(int))
{
    signal(SIGSEGV, before);
    signal(SIGBUS, before);
    if (zm_guard_set_rate(1) != ZM_OK)
        _exit(1);
}

static void touch(const char *at)
{
    (void)*(const volatile char *)at;
}

static void past_the_end(const void *offset)
{
    child_setup(SIG_DFL);
    guarded_at(32, true)[32 + *(const int *)offset] = 1;
}

static void before_the_start(const void *offset)
{
    child_setup(SIG_DFL);
    touch(guarded_at(32, false) - *(const int *)offset);
}

static void use_after_free(const void *arg)
{
    (void)arg;
    child_setup(SIG_DFL);
    char *p = guarded(100);
    zm_site_t *site = zm_site_of(NULL, 0, free_pcs, LEN(free_pcs));
    zm_guard_free(p, 100, site);
    zm_site_set_text(site, "    who freed\n", 14);
    zm_site_set_text(site, "    who else\n", 13);
    touch(p + 5);
}

static void fault_elsewhere(const void *arg)
{
    (void)arg;
    child_setup(SIG_DFL);
    touch(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static const char *output_of_fault(void (*f)(const void *arg), int arg)
{
    int status = 0;
    const char *out = output_of(f, &arg, &status);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0); /* as AddressSanitizer ends it */
    return out;
}

static void assert_says(const char *out, const char *want)
{
    if (!strstr(out, want))
        print_error("no \"%s\" in:\n%s\n", want, out);
    assert_non_null(strstr(out, want));
}

static void test_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        size_t n = boundary_sizes[i];
        char *p = guarded(n);
        if (n == 0 || n > ZM_SMALL_MAX) {
            assert_null(p);
            continue;
        }
        char *q = guarded(n);
        assert_true(p && q && is_aligned(p, promised_align(n)) && is_aligned(q, promised_align(n)));
        assert_true(all_are(p, 0, n) && all_are(q, 0, n));
        assert_int_equal(zm_usable_size(p), n);
        assert_counts((int64_t)(2 * n), 2);
        memset(p, 1, n);
        memset(q, 2, n);
        assert_true(all_are(p, 1, n));
        zm_free(p, n);
        assert_int_equal(zm_guard_free(q, n, zm_site_of(NULL, 0, free_pcs, LEN(free_pcs))), ZM_OK);
        assert_counts(0, 0);
    }
}

static void test_outside_faults(void **state)
{
    (void)state;
    unsigned long at = 0, block = 0;
    const char *out = output_of_fault(past_the_end, 0);
    assert_says(out, ": 1 byte past the end of a block of 32 bytes at ");
    assert_says(out, "allocated as \"tag\" by:\n    0xa001\n    0xa002\n");
    assert_null(strstr(out, "freed"));
    assert_int_equal(sscanf(strstr(out, "zmem:"),
                            "zmem: fault at %lx: 1 byte past the end of a block of 32 bytes at %lx",
                            &at, &block),
                     2);
    assert_int_equal(at, block + 32);
    assert_says(output_of_fault(past_the_end, 4099), ": 4100 bytes past the end of a block of 32");
    assert_says(output_of_fault(before_the_start, 1), ": 1 byte before the start of a block of 32");
    assert_says(output_of_fault(before_the_start, 60000), ": 60000 bytes before the start of");
}

static void test_freed_faults(void **state)
{
    (void)state;
    const char *out = output_of_fault(use_after_free, 0);
    assert_says(out, ": 5 bytes into a freed block of 100 bytes at ");
    assert_says(out,
                "allocated as \"tag\" by:\n    0xa001\n    0xa002\nfreed by:\n    who freed\n");
}

static void test_other_faults(void **state)
{
    (void)state;
    assert_null(strstr(output_of_fault(fault_elsewhere, 0), "zmem:"));
    char text[100];
    assert_int_equal(zm_guard_report((uintptr_t)&text, text, sizeof text), 0);
    assert_int_equal(zm_guard_report(0, text, sizeof text), 0);
    assert_int_equal(zm_guard_report(UINTPTR_MAX, text, sizeof text), 0);
}

static void handler(int sig)
{
    (void)sig;
    _exit(write(STDERR_FILENO, "passed on\n", 10) == 10 ? 42 : 43);
}

static void use_after_free_under_handler(const void *arg)
{
    (void)arg;
    child_setup(handler);
    char *p = guarded(64);
    zm_free(p, 64);
    touch(p);
}

/* The signal goes on to the handler that was there before. */
static void test_chain(void **state)
{
    (void)state;
    int status = 0;
    const char *out = output_of(use_after_free_under_handler, NULL, &status);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_says(out, "0 bytes into a freed block of 64 bytes");
    assert_says(out, "passed on\n");
}

/* There are so many slots and no more, and those freed first are used again first. */
static void test_slots(void **state)
{
    (void)state;
    static char *blocks[SLOTS];
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < SLOTS; i++) {
            blocks[i] = guarded(1 + 251 * i);
            assert_non_null(blocks[i]);
            memset(blocks[i], (int)i, 1 + 251 * i);
        }
        assert_null(guarded(8));
        for (size_t i = 0; i < SLOTS; i++) {
            assert_true(all_are(blocks[i], (unsigned char)i, 1 + 251 * i));
            zm_free(blocks[i], 1 + 251 * i);
        }
    }
    char *p = guarded(8);
    zm_free(p, 8);
    for (size_t i = 1; i < SLOTS; i++) {
        char *q = guarded(8);
        assert_true((size_t)(q > p ? q - p : p - q) > 65536); /* in another slot */
        zm_free(q, 8);
    }
}

static void test_wrong_frees(void **state)
{
    (void)state;
    char *p = guarded(64);
    assert_int_equal(zm_guard_free(p + 16, 48, zm_site_of(NULL, 0, free_pcs, 1)), ZM_EINVAL);
    zm_free(p, 64);
    zm_free(p, 64);
    assert_int_equal(zm_guard_free(p, 64, zm_site_of(NULL, 0, free_pcs, 1)), ZM_EINVAL);
    assert_int_equal(zm_guard_free(&p, 64, zm_site_of(NULL, 0, free_pcs, 1)), ZM_EINVAL);
    assert_int_equal(zm_guard_set_rate(((uint64_t)1 << 32) + 1), ZM_EINVAL);
}

/* One in so many is guarded, and sampled as others are. */
static void test_rates(void **state)
{
    (void)state;
    zm_cache_t *cache = new_cache();
    const uint64_t rates[] = {1, 2, 10, 100};
    for (size_t i = 0; i < LEN(rates); i++) {
        assert_int_equal(zm_guard_set_rate(rates[i]), ZM_OK);
        size_t hits = 0;
        enum { MANY = 20000 };
        for (size_t j = 0; j < MANY; j++) {
            void *p = zm_cache_calloc(cache, 40);
            hits += zm__is_guarded(p);
            zm_cache_free(cache, p, 40);
        }
        size_t want = MANY / rates[i];
        assert_true(hits > want - want / 4 && hits < want + want / 4 + 1);
    }
    assert_int_equal(zm_profile_set_rate(1), ZM_OK);
    assert_int_equal(zm_guard_set_rate(1), ZM_OK);
    void *p = zm_cache_calloc(cache, 40);
    assert_true(zm__is_guarded(p));
    zm_profile_stats_t stats;
    zm_profile_stats(&stats);
    assert_int_equal(stats.records, 1);
    zm_cache_free(cache, p, 40);
    zm_cache_drain(cache);
}

/* A report that has no room is cut off. */
static void test_report_is_bounded(void **state)
{
    (void)state;
    char *p = guarded(64), whole[1000], part[1000];
    zm_free(p, 64);
    size_t len = zm_guard_report((uintptr_t)p, whole, sizeof whole);
    assert_true(len > 100 && len < sizeof whole);
    for (size_t cap = 0; cap <= len; cap++) {
        memset(part, 0xee, sizeof part);
        assert_int_equal(zm_guard_report((uintptr_t)p, part, cap), cap);
        assert_memory_equal(part, whole, cap);
        assert_true(all_are(part + cap, 0xee, sizeof part - cap));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outside_faults), /* those with children first: see child_setup */
        cmocka_unit_test(test_freed_faults),
        cmocka_unit_test(test_other_faults),
        cmocka_unit_test(test_chain),
        cmocka_unit_test_setup_teardown(test_blocks, setup, check_none_left),
        cmocka_unit_test_teardown(test_slots, check_none_left),
        cmocka_unit_test_teardown(test_wrong_frees, check_none_left),
        cmocka_unit_test_teardown(test_rates, check_none_left),
        cmocka_unit_test_teardown(test_report_is_bounded, check_none_left),
    };
    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
