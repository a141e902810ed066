//go:build !asan

/* test_sampled_linux.c: a process that locks its memory does not lock the range of addresses in
 * which sampled blocks lie, but the blocks. (AddressSanitizer ignores mlockall.)
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test.h"

#define GIB ((int64_t)1 << 30)
#define MIB ((int64_t)1 << 20)

/* VmLck of /proc/self/status in bytes, or -1. */
static int64_t locked(void)
{
    char line[256];
    long long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        (void)sscanf(line, "VmLck: %lld", &kib);
    if (f)
        fclose(f);
    return kib < 0 ? -1 : kib * 1024;
}

/* Whether every page of the n bytes around p is there, touched or not. */
static bool resident(const void *p, size_t n)
{
    unsigned char there[64];
    char *at = (char *)((uintptr_t)p & ~(uintptr_t)(n - 1));
    if (n / 4096 > sizeof there || mincore(at, n, there) != 0)
        return false;
    for (size_t i = 0; i < n / 4096; i++) {
        if (!(there[i] & 1))
            return false;
    }
    return true;
}

static bool may_lock_all(const void *arg)
{
    (void)arg;
    return mlockall(MCL_FUTURE) == 0 && mmap(NULL, (size_t)(16 * GIB), PROT_NONE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

/* Ends the test where this process may not lock so much, as one without CAP_IPC_LOCK. */
static void must_be_allowed(const char *test)
{
    if (in_child(may_lock_all, NULL))
        return;
    print_message("    %s: not tested: mlockall(MCL_FUTURE) is not permitted here\n", test);
    skip();
}

static bool future(const void *arg)
{
    (void)arg;
    MUST(mlockall(MCL_FUTURE) == 0);
    int64_t before = locked();
    MUST(before >= 0 && zm__sampled_reserve());
    MUST(zm__sampled.size >= (size_t)(sizeof(void *) > 4 ? GIB : MIB));
    MUST(locked() < before + MIB);
    char *p = zm__sampled_calloc(100, 0);
    MUST(p && resident(p, 1 << 18));
    MUST(locked() >= before + (1 << 18) && locked() < before + 2 * MIB);
    zm__sampled_free(p);
    zm__sampled_trim(true);
    MUST(locked() < before + MIB);
    return true;
}

static bool later(const void *arg)
{
    (void)arg;
    char *p = zm__sampled_calloc(100, 0);
    MUST(p && !resident(p, 1 << 18));
    MUST(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    MUST(locked() >= (int64_t)zm__sampled.size);
    zm__sampled_trim(false);
    MUST(locked() < GIB / 2);
    MUST(resident(p, 1 << 18)); /* it was there, and still is locked */
    char *q = zm__sampled_calloc(1000, 0);
    MUST(q && resident(q, 1 << 18));
    return true;
}

/* Not locked at all. */
static bool never(const void *arg)
{
    (void)arg;
    char *p = zm__sampled_calloc(100, 0);
    zm__sampled_trim(false);
    MUST(p && !resident(p, 1 << 18) && locked() == 0);
    return true;
}

/* Has this process be one of a user who may lock 8 to 64 MiB; false where that cannot be. */
static bool set_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return false;
    rlim_t most = limit.rlim_max > 64 << 20 ? 64 << 20 : limit.rlim_max;
    limit.rlim_cur = limit.rlim_max = most;
    /* A user other than root has no right to lock more. */
    return most >= 8 << 20 && setrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
           (geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
}

static bool may_lock_some(const void *arg)
{
    (void)arg;
    return set_limit() && mlockall(MCL_FUTURE) == 0;
}

static bool limited(const void *arg)
{
    (void)arg;
    MUST(set_limit());
    MUST(mlockall(MCL_FUTURE) == 0);
    MUST(zm__sampled_reserve());
    MUST(zm__sampled.size >= (size_t)(4 * MIB) && zm__sampled.size <= (size_t)(64 * MIB));
    char *p = zm__sampled_calloc(100, 0);
    MUST(p && resident(p, 1 << 18) && locked() < 32 * MIB);
    return true;
}

static void test_mlockall_before(void **state)
{
    (void)state;
    must_be_allowed("test_mlockall_before");
    assert_true(in_child(future, NULL));
}

static void test_mlockall_later(void **state)
{
    (void)state;
    must_be_allowed("test_mlockall_later");
    assert_true(in_child(later, NULL));
}

static void test_no_mlockall(void **state)
{
    (void)state;
    assert_true(in_child(never, NULL));
}

static void test_mlockall_within_a_limit(void **state)
{
    (void)state;
    if (!in_child(may_lock_some, NULL)) {
        print_message(
            "    test_mlockall_within_a_limit: not tested: RLIMIT_MEMLOCK is below 8 MiB, "
            "or mlockall is not permitted here\n");
        skip();
    }
    assert_true(in_child(limited, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mlockall_before),
        cmocka_unit_test(test_mlockall_later),
        cmocka_unit_test(test_no_mlockall),
        cmocka_unit_test(test_mlockall_within_a_limit),
    };
    return cmocka_run_group_tests_name("sampled blocks in locked memory", tests, NULL, NULL);
}
