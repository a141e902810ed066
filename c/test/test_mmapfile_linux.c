/* test_mmapfile_linux.c: what mapped files have on Linux alone: blocks for holes, and page
 * tables that move. The files are memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static int memory_file(void)
{
    int fd = memfd_create("zmem-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    return fd;
}

static void stat_of(int fd, struct stat *file)
{
    assert_int_equal(fstat(fd, file), 0);
}

static void test_holes_are_filled(void **state)
{
    (void)state;
    int fd = memory_file();
    zm_cause_t cause = {NULL, 0};
    struct stat file;
    void *p;
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(zm_mmap_file(fd, false, 1 << 20, &p, &cause), ZM_OK);
    stat_of(fd, &file);
    assert_int_equal(file.st_blocks, 0); /* reading needs none */
    assert_int_equal(zm_mmap_free(p, 1 << 20, &cause), ZM_OK);

    assert_int_equal(zm_mmap_file(fd, true, 1 << 20, &p, &cause), ZM_OK);
    stat_of(fd, &file);
    assert_int_equal(file.st_blocks * 512, 1 << 20);
    assert_int_equal(zm_mmap_resize(fd, true, &p, 1 << 20, 3 << 20, &cause), ZM_OK);
    stat_of(fd, &file);
    assert_int_equal(file.st_blocks * 512, 3 << 20);
    assert_int_equal(zm_mmap_resize(fd, true, &p, 3 << 20, 4096, &cause), ZM_OK);
    stat_of(fd, &file);
    assert_int_equal(file.st_blocks * 512, 4096);
    assert_int_equal(zm_mmap_free(p, 4096, &cause), ZM_OK);
    close(fd);
}

/* The mapping is not where it is said to be. */
static void test_remapping_fails(void **state)
{
    (void)state;
    int fd = memory_file();
    zm_cause_t cause = {NULL, 0};
    struct stat file;
    void *p;
    assert_int_equal(zm_mmap_file(fd, true, 8192, &p, &cause), ZM_OK);
    assert_int_equal(zm_mmap_free(p, 8192, &cause), ZM_OK);
    void *gone = p;
    assert_int_equal(zm_mmap_resize(fd, true, &p, 8192, 1 << 20, &cause), ZM_ESYS);
    assert_int_equal(cause.code, EFAULT);
    assert_ptr_equal(p, gone);
    stat_of(fd, &file);
    assert_int_equal(file.st_size, 8192);
    assert_int_equal(file.st_blocks * 512, 8192);
    close(fd);
}

static void test_a_file_that_must_not_change(void **state)
{
    (void)state;
    int fd = memory_file();
    zm_cause_t cause = {NULL, 0};
    void *p;
    assert_int_equal(zm_mmap_file(fd, true, 8192, &p, &cause), ZM_OK);
    memset(p, 1, 8192);
    assert_int_equal(ftruncate(fd, 9000), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    const size_t sizes[] = {0, 1, 8192, 8193}; /* all shorter than the file */
    for (size_t i = 0; i < LEN(sizes); i++) {
        void *was = p;
        assert_int_equal(zm_mmap_resize(fd, true, &p, 8192, sizes[i], &cause), ZM_ESYS);
        assert_int_equal(cause.code, EPERM);
        assert_string_equal(cause.what, "ftruncate");
        assert_ptr_equal(p, was);
        assert_true(all_are(p, 1, 8192));
    }
    assert_int_equal(zm_mmap_free(p, 8192, &cause), ZM_OK);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holes_are_filled),
        cmocka_unit_test(test_remapping_fails),
        cmocka_unit_test(test_a_file_that_must_not_change),
    };
    return cmocka_run_group_tests_name("mapped files, Linux", tests, NULL, NULL);
}
