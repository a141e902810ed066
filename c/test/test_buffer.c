/* test_buffer.c: Buffers in each kind of memory, against a plain array of what was added. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#define MAP_FROM ((size_t)2 << 20) /* that of buffer.c */

static char dir[] = "/tmp/zmem-test-XXXXXX";
static char path[sizeof dir + 8];

enum mode { MODE_HEAP, MODE_MAPPED, MODE_SPILL, MODE_MAPPED_SPILL, MODE_TMP, MODE_FILE, MODES };

static zm_buffer_t *make(enum mode mode)
{
    zm_buffer_t *b = NULL;
    zm_cause_t cause = {"", 0};
    if (mode == MODE_TMP) {
        assert_int_equal(zm_buffer_new_tmp(dir, 0, &b, &cause), ZM_OK);
    } else if (mode == MODE_FILE) {
        unlink(path);
        assert_int_equal(zm_buffer_open(path, 0, &b, &cause), ZM_OK);
    } else {
        b = new_buffer(mode == MODE_MAPPED ? MAP_FROM : 0);
        assert_non_null(b);
        size_t spill = mode == MODE_SPILL ? 10000 : MAP_FROM + 10000;
        if (mode == MODE_SPILL || mode == MODE_MAPPED_SPILL)
            assert_int_equal(zm_buffer_set_spill(b, spill, dir), ZM_OK);
    }
    assert_null(cause.code);
    return b;
}

static void check_invariants(const zm_buffer_t *b)
{
    assert_true(b->start <= b->len && b->len <= b->cap && b->cap <= b->size);
    assert_int_equal(b->start, 8);
    size_t data = b->kind <= ZM_BUFFER_ANON ? b->size : 0;
    assert_counts((int64_t)(sizeof *b + data), data ? 2 : 1);
}

static void release(zm_buffer_t *b)
{
    assert_int_equal(zm_buffer_release(b, NULL), ZM_OK);
    assert_counts(0, 0);
}

static void test_bytes(void **state)
{
    (void)state;
    unsigned char *want = malloc(4 * MAP_FROM);
    rng_t rng = {1};
    for (enum mode mode = 0; mode < MODES; mode++) {
        zm_buffer_t *b = make(mode);
        for (size_t round = 0; round < 2; round++) {
            size_t len = 0;
            for (size_t n = 0; len + n <= 4 * MAP_FROM; n = n + n / 4 + rng_below(&rng, 100)) {
                unsigned char *p = zm_buffer_add(b, n, NULL);
                assert_non_null(p);
                assert_true(round > 0 || all_are(p, 0, n));
                memset(p, (int)rng_below(&rng, 256), n);
                memcpy(want + len, p, n);
                len += n;
                check_invariants(b);
                assert_int_equal(b->len, 8 + len);
                assert_memory_equal((char *)b->data + 8, want, len);
            }
            zm_buffer_reset(b);
            check_invariants(b);
        }
        release(b);
    }
    free(want);
}

static void test_records(void **state)
{
    (void)state;
    for (enum mode mode = 0; mode < MODES; mode++) {
        zm_buffer_t *b = make(mode);
        size_t off = 0, n = 0;
        assert_null(zm_buffer_next(b, &off, &n));
        for (size_t i = 0; i < num_boundary_sizes; i++) {
            void *p = zm_buffer_add_record(b, boundary_sizes[i], NULL);
            assert_non_null(p);
            memset(p, (int)i, boundary_sizes[i]);
        }
        for (size_t i = 0; i < num_boundary_sizes; i++) {
            const void *p = zm_buffer_next(b, &off, &n);
            assert_non_null(p);
            assert_int_equal(n, boundary_sizes[i]);
            assert_true(all_are(p, (unsigned char)i, n) && (n == 0 || *(const char *)p == (char)i));
        }
        assert_int_equal(off, b->len);
        size_t end = off;
        assert_null(zm_buffer_next(b, &off, &n));
        assert_int_equal(off, end);
        release(b);
    }
}

/* Offsets that are none, and lengths beyond the end. */
static void test_no_record(void **state)
{
    (void)state;
    zm_buffer_t *b = new_buffer(0);
    memset(zm_buffer_add(b, 16, NULL), 0xff, 16);
    const size_t offs[] = {0, 1, 7, 8, 9, 16, 17, 23, 24, 25, 1000, SIZE_MAX - 8, SIZE_MAX};
    for (size_t i = 0; i < LEN(offs); i++) {
        size_t off = offs[i], n = 77;
        assert_null(zm_buffer_next(b, &off, &n));
        assert_true(off == offs[i] && n == 77);
    }
    release(b);
}

static void test_impossible_sizes(void **state)
{
    (void)state;
    const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 8, SIZE_MAX / 2, ZM_MAX_SIZE + 1};
    zm_buffer_t *none = NULL;
    void *p = NULL;
    for (size_t i = 0; i < LEN(sizes); i++) {
        assert_null(new_buffer(sizes[i]));
        assert_int_equal(zm_buffer_new_tmp(dir, sizes[i], &none, NULL), ZM_ENOMEM);
        assert_int_equal(zm_buffer_open(path, sizes[i], &none, NULL), ZM_ENOMEM);
        assert_int_equal(zm_buffer_scratch(NULL, sizes[i], &p, NULL), ZM_ENOMEM);
        assert_true(!none && !p);
        assert_counts(0, 0);
        for (enum mode mode = 0; mode < MODES; mode++) {
            zm_buffer_t *b = make(mode);
            zm_buffer_t before = *b;
            assert_int_equal(zm_buffer_grow(b, sizes[i], NULL), ZM_ENOMEM);
            assert_null(zm_buffer_add(b, sizes[i], NULL));
            assert_null(zm_buffer_add_record(b, sizes[i], NULL));
            assert_memory_equal(b, &before, sizeof before);
            release(b);
        }
    }
    zm_buffer_release(NULL, NULL);
}

static void test_max(void **state)
{
    (void)state;
    const size_t bounds[] = {8, 100, 1000, MAP_FROM - 1, MAP_FROM + 1, 2 * MAP_FROM + 100};
    for (enum mode mode = 0; mode < MODES; mode++) {
        for (size_t i = 0; i < LEN(bounds); i++) {
            zm_buffer_t *b = make(mode);
            zm_buffer_set_max(b, bounds[i]);
            size_t step = bounds[i] / 7 + 1;
            while (b->len + step <= bounds[i]) {
                assert_non_null(zm_buffer_add(b, step, NULL));
                check_invariants(b);
                assert_true(b->cap <= bounds[i]);
            }
            assert_non_null(zm_buffer_add(b, bounds[i] - b->len, NULL));
            assert_int_equal(zm_buffer_grow(b, 1, NULL), ZM_ELIMIT);
            assert_int_equal(b->len, bounds[i]);
            zm_buffer_set_max(b, 1); /* what is there stays */
            assert_int_equal(b->len, bounds[i]);
            check_invariants(b);
            zm_buffer_reset(b);
            check_invariants(b);
            assert_int_equal(zm_buffer_grow(b, 1, NULL), ZM_ELIMIT);
            zm_buffer_set_max(b, 0);
            assert_non_null(zm_buffer_add(b, 3 * MAP_FROM, NULL));
            release(b);
        }
    }
}

/* Doubling stops at the threshold; beyond it is the file, which is never left. */
static void test_spill(void **state)
{
    (void)state;
    zm_buffer_t *b = new_buffer(0);
    assert_int_equal(zm_buffer_set_spill(b, 5000, "/no/such"), ZM_OK);
    assert_non_null(zm_buffer_add(b, 4992, NULL));
    assert_true(b->kind == ZM_BUFFER_HEAP && b->size == 5000);
    zm_buffer_t before = *b;
    zm_cause_t cause = {NULL, 0};
    assert_int_equal(zm_buffer_grow(b, 1, &cause), ZM_ESYS);
    assert_true(strcmp(cause.what, "open") == 0 || strcmp(cause.what, "mkostemp") == 0);
    assert_true(cause.code != 0);
    assert_memory_equal(b, &before, sizeof before);
    assert_int_equal(zm_buffer_set_spill(b, 5000, dir), ZM_OK);
    assert_int_equal(zm_buffer_grow(b, 1, &cause), ZM_OK);
    assert_int_equal(b->kind, ZM_BUFFER_TMP);
    assert_int_equal(zm_buffer_set_spill(b, 5000, dir), ZM_EINVAL);
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* there is no other name in it */
    assert_int_equal(mkdir(dir, 0700), 0);
    release(b);

    b = new_buffer(0);
    assert_int_equal(zm_buffer_set_spill(b, 0, NULL), ZM_OK); /* at the first growth, to /tmp */
    assert_int_equal(zm_buffer_grow(b, 1000, NULL), ZM_OK);
    assert_int_equal(b->kind, ZM_BUFFER_TMP);
    release(b);
}

static void test_file(void **state)
{
    (void)state;
    zm_buffer_t *b = make(MODE_FILE), *other = NULL;
    memcpy(zm_buffer_add_record(b, 5, NULL), "hello", 5);
    assert_int_equal(zm_buffer_open(path, 0, &other, NULL), ZM_EBUSY);
    assert_null(other);
    assert_int_equal(zm_buffer_sync(b, NULL), ZM_OK);
    release(b);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 4096 + 8 + 13);
    assert_int_equal(zm_buffer_open(path, MAP_FROM, &b, NULL), ZM_OK);
    assert_true(b->len == 21 && b->size >= MAP_FROM);
    size_t off = 0, n;
    assert_memory_equal(zm_buffer_next(b, &off, &n), "hello", 5);
    zm_buffer_reset(b);
    release(b);
    assert_int_equal(zm_buffer_open(path, 0, &b, NULL), ZM_OK);
    assert_int_equal(b->len, 8);
    assert_true(all_are(zm_buffer_add(b, 1000, NULL), 0, 1000));
    release(b);
    unlink(path);
}

/* The bytes of the format, which other programs may read. */
static void test_file_format(void **state)
{
    (void)state;
    zm_buffer_t *b = make(MODE_FILE);
    memcpy(zm_buffer_add_record(b, 3, NULL), "abc", 3);
    release(b);
    unsigned char want[4096 + 19] = "zmem.buf\1\0\0\0\0\0\0\0\23", got[sizeof want + 1];
    memcpy(want + 4096 + 8, "\3\0\0\0\0\0\0\0abc", 11);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(got, 1, sizeof got, f), sizeof want);
    fclose(f);
    assert_memory_equal(got, want, sizeof want);
    unlink(path);
}

static void test_scratch(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 100, MAP_FROM - 1, MAP_FROM, MAP_FROM + 1};
    for (int mode = -1; mode < MODES; mode++) {
        zm_buffer_t *b = mode < 0 ? NULL : make((enum mode)mode);
        if (b)
            assert_non_null(zm_buffer_add(b, 20000, NULL)); /* past the threshold of MODE_SPILL */
        int64_t bytes = zm_num_alloc_bytes(), objects = zm_num_allocs();
        bool counted = !b || b->kind <= ZM_BUFFER_ANON;
        for (size_t i = 0; i < LEN(sizes); i++) {
            void *p = NULL;
            assert_int_equal(zm_buffer_scratch(b, sizes[i], &p, NULL), ZM_OK);
            assert_true(is_aligned(p, promised_align(sizes[i])));
            assert_true(all_are(p, 0, sizes[i]));
            memset(p, 0xff, sizes[i]);
            assert_int_equal(zm_num_allocs(), objects + counted);
            assert_true(zm_num_alloc_bytes() >= bytes + (counted ? (int64_t)sizes[i] : 0));
            zm_buffer_scratch_free(b, p, sizes[i]);
            assert_counts(bytes, objects);
        }
        zm_buffer_scratch_free(b, NULL, 100);
        release(b);
    }
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/buffer", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir); /* which fails where a file was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),     cmocka_unit_test(test_records),
        cmocka_unit_test(test_no_record), cmocka_unit_test(test_impossible_sizes),
        cmocka_unit_test(test_max),       cmocka_unit_test(test_spill),
        cmocka_unit_test(test_file),      cmocka_unit_test(test_file_format),
        cmocka_unit_test(test_scratch),
    };
    return cmocka_run_group_tests_name("buffer", tests, make_dir, remove_dir);
}
