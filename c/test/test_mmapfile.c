//go:build unix

/* test_mmapfile.c: files mapped into memory, and what is left when that fails. The files have no
 * name, so that nothing is left behind either.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#define NAME "zmem-test-mmapfile"

/* A file of n bytes, byte i being pattern(i); and a second descriptor for it, opened with flags. */
static unsigned char pattern(size_t i)
{
    return (unsigned char)(pattern_of(i) | 1);
}

static int file_of(size_t n, int flags, int *other)
{
    char path[] = "/tmp/" NAME "-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    if (other)
        assert_true((*other = open(path, flags)) >= 0);
    assert_int_equal(unlink(path), 0);
    unsigned char *b = malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        b[i] = pattern(i);
    assert_int_equal(pwrite(fd, b, n, 0), n);
    free(b);
    return fd;
}

static size_t length(int fd)
{
    struct stat file;
    assert_int_equal(fstat(fd, &file), 0);
    return (size_t)file.st_size;
}

/* How many mappings this process has of files of ours. */
static int mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    char line[512];
    int n = 0;
    while (fgets(line, sizeof line, maps))
        n += strstr(line, NAME) != NULL;
    fclose(maps);
    return n;
}

/* p[0..n) is the pattern up to `had` and zero from there on. */
static void assert_contents(const unsigned char *p, size_t had, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != (i < had ? pattern(i) : 0))
            fail_msg("byte %zu of %zu is %u", i, n, p[i]);
}

static void test_map(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 100, 4095, 4096, 4097, 70000};
    for (size_t i = 0; i < LEN(sizes); i++) {
        for (size_t j = 0; j < LEN(sizes); j++) {
            size_t had = sizes[i], size = sizes[j];
            int fd = file_of(had, 0, NULL);
            zm_cause_t cause = {NULL, 0};
            void *p = &fd;
            assert_int_equal(zm_mmap_file(fd, ZM_MMAP_WRITE, size, &p, &cause), ZM_OK);
            assert_int_equal(p == NULL, size == 0);
            assert_int_equal(mappings(), size > 0);
            assert_int_equal(length(fd), had > size ? had : size);
            assert_contents(p, had, size);
            if (size > 0)
                memset(p, 0xee, size);
            assert_int_equal(zm_mmap_sync(p, size, &cause), ZM_OK);
            assert_int_equal(zm_mmap_free(p, size, &cause), ZM_OK);
            assert_int_equal(mappings(), 0);
            unsigned char last;
            if (size > 0) {
                assert_int_equal(pread(fd, &last, 1, (off_t)size - 1), 1);
                assert_int_equal(last, 0xee);
            }
            assert_int_equal(cause.code, 0);
            close(fd);
        }
    }
}

static void test_map_for_reading(void **state)
{
    (void)state;
    int rdonly;
    zm_cause_t cause;
    int fd = file_of(5000, O_RDONLY, &rdonly);
    void *p;
    assert_int_equal(zm_mmap_file(rdonly, 0, 5000, &p, &cause), ZM_OK);
    assert_contents(p, 5000, 5000);
    assert_int_equal(pwrite(fd, "x", 1, 10), 1);
    assert_int_equal(((char *)p)[10], 'x'); /* shared with the file */
    assert_int_equal(zm_mmap_free(p, 5000, &cause), ZM_OK);
    close(fd);
    close(rdonly);
}

/* Every way from one length to another, the file being as long as the mapping, longer or shorter
 * than it.
 */
static void test_resize(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 4096, 4097, 70000, 200000};
    size_t n = LEN(sizes);
    for (size_t way = 0; way < n * n * n; way++) {
        size_t old = sizes[way % n], had = sizes[way / n % n], size = sizes[way / n / n];
        int fd = file_of(old, 0, NULL);
        zm_cause_t cause = {NULL, 0};
        void *p;
        assert_int_equal(zm_mmap_file(fd, ZM_MMAP_WRITE, old, &p, &cause), ZM_OK);
        assert_int_equal(ftruncate(fd, (off_t)had), 0); /* somebody else */
        assert_int_equal(zm_mmap_resize(fd, ZM_MMAP_WRITE, &p, old, size, &cause), ZM_OK);
        assert_int_equal(length(fd), size);
        assert_int_equal(mappings(), size > 0);
        assert_int_equal(p == NULL, size == 0);
        assert_contents(p, old < had ? old : had, size);
        if (size > 0)
            memset(p, 0xee, size);
        assert_int_equal(zm_mmap_free(p, size, &cause), ZM_OK);
        assert_int_equal(mappings(), 0);
        close(fd);
    }
}

/* A mapping for reading stays one; its pages that are new can be read. */
static void test_resize_for_reading(void **state)
{
    (void)state;
    int fd = file_of(100, 0, NULL);
    zm_cause_t cause = {NULL, 0};
    void *p;
    assert_int_equal(zm_mmap_file(fd, 0, 100, &p, &cause), ZM_OK);
    assert_int_equal(zm_mmap_resize(fd, 0, &p, 100, 50000, &cause), ZM_OK);
    assert_contents(p, 100, 50000);
    assert_int_equal(zm_mmap_free(p, 50000, &cause), ZM_OK);
    close(fd);
}

static void test_any_bytes_of_a_mapping(void **state)
{
    (void)state;
    int fd = file_of(20000, 0, NULL);
    zm_cause_t cause = {NULL, 0};
    void *p;
    assert_int_equal(zm_mmap_file(fd, ZM_MMAP_WRITE, 20000, &p, &cause), ZM_OK);
    assert_int_equal(zm_mmap_sync((char *)p + 4099, 10000, &cause), ZM_OK);
    assert_int_equal(zm_mmap_advise((char *)p + 4099, 10000, false, &cause), ZM_OK);
    assert_int_equal(zm_mmap_advise((char *)p + 19999, 1, true, &cause), ZM_OK);
    assert_int_equal(zm_mmap_advise(NULL, 0, true, &cause), ZM_OK);
    assert_int_equal(zm_mmap_sync(NULL, 0, &cause), ZM_OK);
    assert_int_equal(zm_mmap_free(p, 20000, &cause), ZM_OK);
    assert_int_equal(zm_mmap_free(NULL, 0, &cause), ZM_OK);
    assert_int_equal(cause.code, 0);
    assert_int_equal(zm_mmap_sync(p, 20000, &cause), ZM_ESYS); /* ended */
    assert_int_equal(cause.code, ENOMEM);
    assert_int_equal(zm_mmap_advise(p, 20000, true, &cause), ZM_ESYS);
    assert_int_equal(cause.code, ENOMEM);
    assert_int_equal(zm_mmap_free((char *)p + 1, 4096, &cause), ZM_ESYS); /* no start of a page */
    assert_int_equal(cause.code, EINVAL);
    close(fd);
}

/* Tries to map `size` bytes, in vain. */
static int map_fails(int fd, bool writable, size_t size)
{
    zm_cause_t cause = {NULL, 0};
    void *p = &cause;
    int err = zm_mmap_file(fd, writable ? ZM_MMAP_WRITE : 0, size, &p, &cause);
    assert_int_not_equal(err, ZM_OK);
    assert_ptr_equal(p, &cause);
    assert_int_equal(mappings(), 0);
    return err == ZM_ESYS ? (int)cause.code : err;
}

static void test_map_fails(void **state)
{
    (void)state;
    int rdonly, wronly;
    int fd = file_of(100, O_RDONLY, &rdonly);
    assert_int_equal(map_fails(-1, true, 100), EBADF);
    assert_int_equal(map_fails(rdonly, true, 1000), EBADF);
    assert_int_equal(map_fails(rdonly, false, 101), ENXIO);
    assert_int_equal(map_fails(fd, true, ZM_MAX_SIZE + 1), ZM_EINVAL);
    assert_int_equal(map_fails(fd, false, SIZE_MAX), ZM_EINVAL);
    assert_int_equal(length(fd), 100);
    close(fd);
    close(rdonly);

    fd = file_of(100, O_WRONLY, &wronly); /* it can be made longer, but not mapped */
    assert_int_equal(map_fails(wronly, true, 1000), EACCES);
    assert_int_equal(length(fd), 100);
    close(fd);
    close(wronly);
}

/* Tries to make the mapping of a file's 100 bytes `size` long, in vain. */
static int resize_fails(int fd, void *p, size_t size)
{
    zm_cause_t cause = {NULL, 0};
    void *now = p;
    int err = zm_mmap_resize(fd, ZM_MMAP_WRITE, &now, 100, size, &cause);
    assert_int_not_equal(err, ZM_OK);
    assert_ptr_equal(now, p);
    assert_int_equal(mappings(), 1);
    assert_contents(p, 100, 100);
    return err == ZM_ESYS ? (int)cause.code : err;
}

static void test_resize_fails(void **state)
{
    (void)state;
    int rdonly, wronly;
    zm_cause_t cause;
    int fd = file_of(100, O_RDONLY, &rdonly);
    void *p;
    assert_int_equal(zm_mmap_file(fd, ZM_MMAP_WRITE, 100, &p, &cause), ZM_OK);
    assert_int_equal(resize_fails(-1, p, 1000), EBADF);
    assert_int_equal(resize_fails(rdonly, p, 1000), EBADF);
    assert_int_equal(resize_fails(rdonly, p, 50), EINVAL);
    assert_int_equal(resize_fails(rdonly, p, 0), EINVAL);
    assert_int_equal(resize_fails(fd, p, ZM_MAX_SIZE + 1), ZM_EINVAL);
    assert_int_equal(length(fd), 100);
    assert_int_equal(ftruncate(fd, 9000), 0);
    int err = resize_fails(rdonly, p, 5000); /* a longer mapping, a shorter file */
    assert_int_equal(err, EACCES);
    assert_int_equal(length(fd), 9000);
    assert_int_equal(zm_mmap_free(p, 100, &cause), ZM_OK);
    close(fd);
    close(rdonly);

    fd = file_of(100, O_WRONLY, &wronly);
    p = NULL;
    assert_int_equal(zm_mmap_resize(wronly, ZM_MMAP_WRITE, &p, 0, 50000, &cause), ZM_ESYS);
    assert_int_equal(cause.code, EACCES);
    assert_string_equal(cause.what, "mmap");
    assert_int_equal(zm_mmap_resize(fd, ZM_MMAP_WRITE, &p, 0, SIZE_MAX, NULL), ZM_EINVAL);
    assert_int_equal(zm_mmap_resize(wronly, ZM_MMAP_WRITE, &p, 0, 50000, NULL), ZM_ESYS);
    assert_null(p);
    assert_int_equal(length(fd), 100);
    close(fd);
    close(wronly);
}

typedef struct limited_case {
    int flags;
    bool pending; /* a SIGXFSZ of the caller's */
} limited_case_t;

/* In a child whose files may have 64 KiB: more is EFBIG, and the SIGXFSZ beside it kills nobody. */
static bool limited(const void *arg)
{
    const limited_case_t *c = arg;
    const struct rlimit limit = {65536, 65536};
    sigset_t xfsz, pending;
    zm_cause_t cause = {NULL, 0};
    void *p = NULL;
    int fd = file_of(100, 0, NULL), err;
    MUST(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    sigemptyset(&xfsz);
    sigaddset(&xfsz, SIGXFSZ);
    if (c->pending) {
        MUST(sigprocmask(SIG_BLOCK, &xfsz, NULL) == 0 && raise(SIGXFSZ) == 0);
    }
    err = zm_mmap_file(fd, c->flags, 1 << 20, &p, &cause);
    MUST(err == ZM_ESYS && cause.code == EFBIG);
    MUST(p == NULL && length(fd) == 100);
    MUST(zm_mmap_file(fd, c->flags, 100, &p, &cause) == ZM_OK);
    void *was = p;
    err = zm_mmap_resize(fd, c->flags, &p, 100, 1 << 20, &cause);
    MUST(err == ZM_ESYS && cause.code == EFBIG);
    MUST(p == was && length(fd) == 100);
    MUST(zm_mmap_resize(fd, c->flags, &p, 100, 65536, &cause) == ZM_OK);
    memset(p, 1, 65536);
    MUST(zm_mmap_free(p, 65536, &cause) == ZM_OK);

    zm_buffer_t *b = NULL;
    MUST(zm_buffer_new_tmp(NULL, 1 << 20, &b, &cause) == ZM_ESYS && cause.code == EFBIG);
    MUST(zm_buffer_new_tmp(NULL, 4096, &b, &cause) == ZM_OK);
    for (size_t n = 1 << 20; n >= 64; n /= 2) /* it is used up to the last byte */
        while (zm_buffer_add(b, n, &cause))
            ;
    MUST(cause.code == EFBIG && b->cap == 65536 && b->cap - b->len < 64);
    MUST(zm_buffer_release(b, &cause) == ZM_OK);

    MUST(sigpending(&pending) == 0);
    MUST(sigismember(&pending, SIGXFSZ) == c->pending);
    return true;
}

static void test_file_size_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const limited_case_t c = {ZM_MMAP_WRITE | (i & 1 ? ZM_MMAP_RESERVE : 0), i & 2};
        assert_true(in_child(limited, &c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_map_for_reading),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_resize_for_reading),
        cmocka_unit_test(test_any_bytes_of_a_mapping),
        cmocka_unit_test(test_map_fails),
        cmocka_unit_test(test_resize_fails),
        cmocka_unit_test(test_file_size_limit),
    };
    return cmocka_run_group_tests_name("mapped files", tests, NULL, NULL);
}
