/* test_disk_linux.c: disks that are full, or nearly. They are file systems of their own, in memory,
 * in a child's own mount namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "test.h"

#define MIB ((size_t)1 << 20)

static char dir[] = "/tmp/zmem-disk-XXXXXX";
static char path[sizeof dir + 8];

/* A file system of 32 MiB at dir, for this process alone. */
static bool mount_disk(void)
{
    MUST(unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) == 0);
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    MUST(mount("tmpfs", dir, "tmpfs", 0, "size=32m") == 0);
    return true;
}

static uint64_t free_bytes(void)
{
    struct statvfs fs;
    return statvfs(dir, &fs) == 0 ? (uint64_t)fs.f_bfree * fs.f_frsize : 0;
}

static bool is_full(int err, const zm_cause_t *cause)
{
    return err == ZM_ESYS && cause->code == ENOSPC;
}

/* A Buffer that grows fills the disk to the last page, in few steps, and then says so at once. */
static bool grow_to_the_end(const void *arg)
{
    (void)arg;
    zm_cause_t cause = {NULL, 0};
    zm_buffer_t *b = NULL;
    MUST(mount_disk());
    MUST(zm_buffer_new_tmp(dir, 0, &b, &cause) == ZM_OK);
    size_t steps = 0, sizes = 0;
    while (zm_buffer_grow(b, 64, &cause) == ZM_OK) {
        steps += b->size != sizes;
        sizes = b->size;
        memset(zm_buffer_add(b, 64, NULL), 0x5a, 64);
    }
    MUST(is_full(ZM_ESYS, &cause));
    MUST(free_bytes() < 4096 && b->size > 31 * MIB);
    print_message("    %zu steps to %zu bytes\n", steps, b->size);
    MUST(steps < 100); /* a page at a time it would be thousands */
    MUST(all_are((char *)b->data + 8, 0x5a, b->len - 8));
    MUST(zm_buffer_release(b, NULL) == ZM_OK);
    MUST(free_bytes() == 32 * MIB);

    /* So it is with one that is about to leave memory; its bytes stay. */
    char *filler = NULL;
    MUST(zm_buffer_new_tmp(dir, 31 * MIB, &b, &cause) == ZM_OK);
    zm_buffer_t *spilling = new_buffer(0);
    MUST(spilling && zm_buffer_set_spill(spilling, 2 * MIB, dir) == ZM_OK);
    while ((filler = zm_buffer_add(spilling, 1000, &cause)))
        memset(filler, 0x5b, 1000);
    MUST(is_full(ZM_ESYS, &cause));
    MUST(spilling->kind == ZM_BUFFER_ANON || spilling->kind == ZM_BUFFER_HEAP);
    MUST(all_are((char *)spilling->data + 8, 0x5b, spilling->len - 8));
    MUST(zm_buffer_release(b, NULL) == ZM_OK);
    MUST(zm_buffer_add(spilling, 1000, &cause) != NULL); /* now there is room */
    MUST(spilling->kind == ZM_BUFFER_TMP);
    MUST(zm_buffer_release(spilling, NULL) == ZM_OK);
    return true;
}

/* Makes the file `size` bytes long with a page of data in the middle of each MiB; whether its
 * header is a Buffer's that counts them all.
 */
static bool make_sparse(size_t size)
{
    char page[4096], word[8];
    memset(page, 7, sizeof page);
    zm__put_le64(word, size - ZM__FILE_HEADER);
    zm_buffer_t *b = NULL;
    MUST(zm_buffer_open(path, 0, &b, NULL) == ZM_OK && zm_buffer_release(b, NULL) == ZM_OK);
    int fd = open(path, O_RDWR);
    MUST(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    for (size_t at = MIB / 2; at < size && at < 8 * MIB; at += MIB)
        MUST(pwrite(fd, page, sizeof page, (off_t)at) == sizeof page);
    MUST(pwrite(fd, word, sizeof word, 16) == sizeof word);
    MUST(close(fd) == 0);
    return true;
}

/* A file whose holes do not fit on the disk is refused, and takes none of it. */
static bool refuse_sparse_files(const void *arg)
{
    (void)arg;
    zm_cause_t cause = {NULL, 0};
    zm_buffer_t *b = NULL;
    void *p = NULL;
    MUST(mount_disk());
    MUST(make_sparse(1024 * MIB));
    uint64_t before = free_bytes();
    MUST(is_full(zm_buffer_open(path, 0, &b, &cause), &cause) && b == NULL);
    MUST(free_bytes() == before);
    int fd = open(path, O_RDWR);
    int flags = ZM_MMAP_WRITE | ZM_MMAP_RESERVE;
    MUST(is_full(zm_mmap_file(fd, flags, 1024 * MIB, &p, &cause), &cause) && p == NULL);
    MUST(is_full(zm_mmap_reserve(fd, 0, 40 * MIB, &cause), &cause));
    MUST(free_bytes() == before);
    MUST(zm_mmap_file(fd, ZM_MMAP_WRITE, 1024 * MIB, &p, &cause) == ZM_OK); /* which is no use */
    MUST(is_full(zm_mmap_resize(fd, flags, &p, 1024 * MIB, 1100 * MIB, &cause), &cause));
    MUST(free_bytes() == before);
    MUST(zm_mmap_reserve(fd, 0, 20 * MIB, &cause) == ZM_OK);
    MUST(free_bytes() == 12 * MIB);
    MUST(((char *)p)[MIB / 2] == 7 && ((char *)p)[MIB / 2 - 1] == 0);
    MUST(zm_mmap_free(p, 1024 * MIB, &cause) == ZM_OK);
    MUST(close(fd) == 0 && unlink(path) == 0);

    /* One whose holes fit gets blocks for all of them. */
    MUST(make_sparse(16 * MIB));
    MUST(zm_buffer_open(path, 0, &b, &cause) == ZM_OK);
    MUST(free_bytes() == 16 * MIB);
    memset((char *)b->data + 8, 1, b->len - 8);
    MUST(zm_buffer_release(b, &cause) == ZM_OK);
    return true;
}

static void test_growing_to_the_end(void **state)
{
    (void)state;
    assert_true(in_child(grow_to_the_end, NULL));
}

static void test_sparse_files(void **state)
{
    (void)state;
    assert_true(in_child(refuse_sparse_files, NULL));
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/file", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growing_to_the_end),
        cmocka_unit_test(test_sparse_files),
    };
    return cmocka_run_group_tests_name("full disks", tests, make_dir, remove_dir);
}
