/* test_mmapfile_linux.c: what mapped files have on Linux alone: blocks for holes, and page
 * tables that move. The files are memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

static size_t blocks_of(int fd)
{
    struct stat file;
    stat_of(fd, &file);
    return (size_t)file.st_blocks * 512;
}

/* A file that is made longer takes no room until it is written, unless that is asked for. */
static void test_files_are_sparse(void **state)
{
    (void)state;
    int fd = memory_file();
    zm_cause_t cause = {NULL, 0};
    void *p;
    assert_int_equal(zm_mmap_file(fd, ZM_MMAP_WRITE, 1 << 20, &p, &cause), ZM_OK);
    assert_int_equal(zm_mmap_resize(fd, ZM_MMAP_WRITE, &p, 1 << 20, 3 << 20, &cause), ZM_OK);
    assert_int_equal(blocks_of(fd), 0);
    ((char *)p)[2 << 20] = 1;
    assert_int_equal(blocks_of(fd), 4096);
    assert_int_equal(zm_mmap_reserve(fd, 1 << 20, (2 << 20) + 8192, &cause), ZM_OK);
    assert_int_equal(blocks_of(fd), (1 << 20) + 8192);
    assert_int_equal(((char *)p)[2 << 20], 1);
    assert_int_equal(zm_mmap_reserve(fd, 0, 0, &cause), ZM_OK);
    assert_int_equal(zm_mmap_reserve(fd, 4096, 0, &cause), ZM_EINVAL);
    assert_int_equal(zm_mmap_reserve(fd, 0, (3 << 20) + 1, &cause), ZM_EINVAL);
    assert_int_equal(zm_mmap_reserve(-1, 0, 1, &cause), ZM_ESYS);
    assert_int_equal(cause.code, EBADF);
    assert_int_equal(zm_mmap_free(p, 3 << 20, &cause), ZM_OK);
    close(fd);
}

static void test_holes_are_filled(void **state)
{
    (void)state;
    const int flags = ZM_MMAP_WRITE | ZM_MMAP_RESERVE;
    int fd = memory_file();
    zm_cause_t cause = {NULL, 0};
    void *p;
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(lseek(fd, 1234, SEEK_SET), 1234);
    assert_int_equal(zm_mmap_file(fd, ZM_MMAP_RESERVE, 1 << 20, &p, &cause), ZM_OK);
    assert_int_equal(blocks_of(fd), 0); /* reading needs none */
    assert_int_equal(zm_mmap_free(p, 1 << 20, &cause), ZM_OK);

    assert_int_equal(zm_mmap_file(fd, flags, 1 << 20, &p, &cause), ZM_OK);
    assert_int_equal(blocks_of(fd), 1 << 20);
    assert_int_equal(zm_mmap_resize(fd, flags, &p, 1 << 20, 3 << 20, &cause), ZM_OK);
    assert_int_equal(blocks_of(fd), 3 << 20);
    assert_int_equal(zm_mmap_resize(fd, flags, &p, 3 << 20, 4096, &cause), ZM_OK);
    assert_int_equal(blocks_of(fd), 4096);
    assert_int_equal(zm_mmap_free(p, 4096, &cause), ZM_OK);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 1234); /* the caller's */
    close(fd);
}

/* Whether the page at p is to be read in random order, as the kernel sees it. */
static bool is_random(const void *p)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    char line[512];
    bool here = false, random = false;
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = from <= (uintptr_t)p && (uintptr_t)p < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            random = strstr(line, " rr ") != NULL;
    }
    fclose(maps);
    return random;
}

/* The kernel sees several mappings where parts of one were advised, and grows only one. */
static void test_advised_parts_grow(void **state)
{
    (void)state;
    const size_t page = 4096, pages = 64, more = 512;
    int fd = memory_file();
    zm_cause_t cause = {NULL, 0};
    void *p;
    assert_int_equal(zm_mmap_file(fd, ZM_MMAP_WRITE, pages * page, &p, &cause), ZM_OK);
    for (size_t i = 0; i < pages; i++)
        memset((char *)p + i * page, (int)i + 1, page);
    bool advised[64];
    for (size_t i = 0; i < pages; i++) {
        advised[i] = i % 7 == 3 || i % 13 == 0 || i == pages - 1;
        if (advised[i])
            assert_int_equal(zm_mmap_advise((char *)p + i * page, page, false, &cause), ZM_OK);
    }
    void *beside =
        mmap((char *)p + pages * page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(zm_mmap_resize(fd, ZM_MMAP_WRITE, &p, pages * page, more * page, &cause),
                     ZM_OK);
    for (size_t i = 0; i < pages; i++) {
        assert_true(all_are((char *)p + i * page, (unsigned char)(i + 1), page));
        assert_int_equal(is_random((char *)p + i * page), advised[i]);
    }
    assert_true(all_are((char *)p + pages * page, 0, (more - pages) * page));
    memset((char *)p + pages * page, 0xee, (more - pages) * page);
    unsigned char last;
    assert_int_equal(pread(fd, &last, 1, (off_t)(more * page - 1)), 1);
    assert_int_equal(last, 0xee);
    munmap(beside, page);
    assert_int_equal(zm_mmap_free(p, more * page, &cause), ZM_OK);
    close(fd);
}

/* The same for a Buffer, in memory and in a file, when its user advised a part. */
static void test_advised_buffers_grow(void **state)
{
    (void)state;
    for (int in_file = 0; in_file < 2; in_file++) {
        zm_buffer_t *b = NULL;
        if (in_file)
            assert_int_equal(zm_buffer_new_tmp(NULL, 4 << 20, &b, NULL), ZM_OK);
        else
            assert_non_null(b = new_buffer(4 << 20));
        size_t n = b->cap - b->len;
        memset(zm_buffer_add(b, n, NULL), 0x5a, n);
        uintptr_t middle = ((uintptr_t)b->data + b->size / 2) & ~(uintptr_t)4095;
        assert_int_equal(madvise((void *)middle, 8192, MADV_RANDOM), 0);
        assert_int_equal(zm_buffer_grow(b, 20 << 20, NULL), ZM_OK);
        assert_true(all_are((char *)b->data + 8, 0x5a, n));
        memset(zm_buffer_add(b, 20 << 20, NULL), 0x5b, 20 << 20);
        assert_int_equal(zm_buffer_release(b, NULL), ZM_OK);
    }
    assert_counts(0, 0);
}

/* The mapping is not where it is said to be. */
static void test_remapping_fails(void **state)
{
    (void)state;
    int fd = memory_file();
    zm_cause_t cause = {NULL, 0};
    struct stat file;
    void *p;
    assert_int_equal(zm_mmap_file(fd, ZM_MMAP_WRITE, 8192, &p, &cause), ZM_OK);
    assert_int_equal(zm_mmap_free(p, 8192, &cause), ZM_OK);
    void *gone = p;
    assert_int_equal(zm_mmap_resize(fd, ZM_MMAP_WRITE, &p, 8192, 1 << 20, &cause), ZM_ESYS);
    assert_int_equal(cause.code, EFAULT);
    assert_ptr_equal(p, gone);
    stat_of(fd, &file);
    assert_int_equal(file.st_size, 8192);
    close(fd);
}

static void test_a_file_that_must_not_change(void **state)
{
    (void)state;
    int fd = memory_file();
    zm_cause_t cause = {NULL, 0};
    void *p;
    assert_int_equal(zm_mmap_file(fd, ZM_MMAP_WRITE, 8192, &p, &cause), ZM_OK);
    memset(p, 1, 8192);
    assert_int_equal(ftruncate(fd, 9000), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    const size_t sizes[] = {0, 1, 8192, 8193}; /* all shorter than the file */
    for (size_t i = 0; i < LEN(sizes); i++) {
        void *was = p;
        assert_int_equal(zm_mmap_resize(fd, ZM_MMAP_WRITE, &p, 8192, sizes[i], &cause), ZM_ESYS);
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
        cmocka_unit_test(test_files_are_sparse),
        cmocka_unit_test(test_holes_are_filled),
        cmocka_unit_test(test_advised_parts_grow),
        cmocka_unit_test(test_advised_buffers_grow),
        cmocka_unit_test(test_remapping_fails),
        cmocka_unit_test(test_a_file_that_must_not_change),
    };
    return cmocka_run_group_tests_name("mapped files, Linux", tests, NULL, NULL);
}
