/* test_oom_buffer.c: Buffers when memory runs out, and when system calls fail.
 *
 * Each operation runs with its first block or system call refused, then with its second, and so on
 * until it gets through without one being refused. It may succeed all the same, where there is
 * another way. Wherever it fails, nothing may have changed or been left behind, and the same call
 * must succeed afterwards. The linker puts the functions here in front of the real ones.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"

#define MAP_FROM ((size_t)2 << 20) /* that of buffer.c */

/* ---- System calls that fail ------------------------------------------------------------------ */

static bool armed;
static const char *only; /* the function whose calls may fail, or NULL for all */
static size_t countdown; /* calls until one fails */
static int fails_with;
static bool fired;
static void (*on_call)(const char *name); /* called before each, if not NULL */

static bool refused(const char *name)
{
    if (on_call)
        on_call(name);
    if (!armed || (only && strcmp(only, name) != 0) || --countdown > 0)
        return false;
    armed = false;
    fired = true;
    errno = fails_with;
    return true;
}

/* name(params), which returns `failed` when it is refused. */
#define WRAP(type, name, params, args, failed)                                                     \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        return refused(#name) ? (failed) : __real_##name args;                                     \
    }

WRAP(int, open, (const char *p, int flags, mode_t mode), (p, flags, mode), -1)
WRAP(int, mkostemp, (char *p, int flags), (p, flags), -1)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), -1)
WRAP(int, stat, (const char *p, struct stat *st), (p, st), -1)
WRAP(int, lstat, (const char *p, struct stat *st), (p, st), -1)
WRAP(off_t, lseek, (int fd, off_t at, int whence), (fd, at, whence), -1)
WRAP(char *, realpath, (const char *p, char *out), (p, out), NULL)
WRAP(int, access, (const char *p, int mode), (p, mode), -1)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
WRAP(int, linkat, (int from, const char *p, int to, const char *q, int flags),
     (from, p, to, q, flags), -1)
WRAP(int, rename, (const char *p, const char *q), (p, q), -1)
WRAP(int, fsync, (int fd), (fd), -1)
WRAP(int, flock, (int fd, int op), (fd, op), -1)
WRAP(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), -1)
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), -1)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), -1)
WRAP(int, fallocate, (int fd, int mode, off_t from, off_t n), (fd, mode, from, n), -1)
WRAP(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t at),
     (p, n, prot, flags, fd, at), MAP_FAILED)
WRAP(void *, mremap, (void *p, size_t old, size_t n, int flags, void *to), (p, old, n, flags, to),
     MAP_FAILED)
WRAP(int, msync, (void *p, size_t n, int flags), (p, n, flags), -1)

/* ---- Operations ------------------------------------------------------------------------------ */

static char dir[] = "/tmp/zmem-test-XXXXXX";
static char path[sizeof dir + 8];
static zm_buffer_t *buffer; /* what an operation works on, or makes */
static void *scratch;
static zm_cause_t cause;
static zm_site_t *site; /* whose sample the memory of `buffer` is, where it has one */

enum { MORE_IF_COPIED = 100 };

typedef struct operation {
    const char *name;
    void (*begin)(void);
    int (*run)(void);
    void (*end)(void);
    int more; /* descriptors that it leaves open, or MORE_IF_COPIED */
} operation_t;

static void fill(zm_buffer_t *b, size_t n)
{
    unsigned char *p = zm_buffer_add(b, n, NULL);
    assert_non_null(p);
    memset(p, 0x5a, n);
}

static void begin_nothing(void)
{
    buffer = NULL;
}

static void begin_heap(void)
{
    buffer = new_buffer(0);
    fill(buffer, 50);
}

static void begin_mapped(void)
{
    buffer = new_buffer(MAP_FROM);
    zm_profile_add(buffer->data, buffer->size, 1, site);
    fill(buffer, MAP_FROM - 8);
}

static void begin_heap_spill(void)
{
    begin_heap();
    assert_int_equal(zm_buffer_set_spill(buffer, 100, dir), ZM_OK);
}

static void begin_mapped_spill(void)
{
    begin_mapped();
    assert_int_equal(zm_buffer_set_spill(buffer, MAP_FROM, dir), ZM_OK);
}

static void begin_tmp(void)
{
    assert_int_equal(zm_buffer_new_tmp(dir, 0, &buffer, NULL), ZM_OK);
    fill(buffer, buffer->cap - buffer->len);
}

static void begin_file(void)
{
    assert_int_equal(zm_buffer_open(path, 0, &buffer, NULL), ZM_OK);
    fill(buffer, buffer->cap - buffer->len);
}

static void begin_closed_file(void)
{
    begin_file();
    assert_int_equal(zm_buffer_release(buffer, NULL), ZM_OK);
    buffer = NULL;
}

/* A file that its header says is whole, but whose disk blocks are few. (With more pieces, ext4
 * needs a block of its own to list them, which it keeps.)
 */
static void begin_sparse_file(void)
{
    begin_closed_file();
    struct stat st;
    char bytes[100];
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    memset(bytes, 0x5a, sizeof bytes);
    assert_int_equal(ftruncate(fd, 0x40000), 0);
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0x20000), sizeof bytes);
    char committed[8];
    zm__put_le64(committed, 0x40000 - ZM__FILE_HEADER);
    assert_int_equal(pwrite(fd, committed, sizeof committed, 16), sizeof committed);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_blocks * 512 < st.st_size / 2);
    close(fd);
}

/* What a process that was killed has left behind the committed length. */
static void begin_file_with_tail(void)
{
    begin_closed_file();
    char tail[10000];
    memset(tail, 0xee, sizeof tail);
    int fd = open(path, O_RDWR | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, tail, sizeof tail), sizeof tail);
    close(fd);
}

static bool copied; /* a file that was rewritten */

static void begin_committed_file(void)
{
    begin_file();
    assert_int_equal(zm_buffer_sync(buffer, NULL), ZM_OK);
}

static void begin_rewritten_file(void)
{
    begin_committed_file();
    assert_int_equal(zm_buffer_rewrite(buffer, 0, &copied, NULL), ZM_OK);
    assert_true(copied);
}

static int run_new(void)
{
    buffer = new_buffer(100);
    return buffer ? ZM_OK : ZM_ENOMEM;
}

static int run_new_mapped(void)
{
    buffer = new_buffer(MAP_FROM);
    return buffer ? ZM_OK : ZM_ENOMEM;
}

static int run_new_tmp(void)
{
    return zm_buffer_new_tmp(dir, 0, &buffer, &cause);
}

static int run_rewrite(void)
{
    return zm_buffer_rewrite(buffer, 0, &copied, &cause);
}

/* Where undoing fails it goes on in the copy. */
static int run_rewrite_and_back(void)
{
    int err = run_rewrite();
    if (!err)
        copied = !zm_buffer_rewrite_undo(buffer);
    return err;
}

static int run_open_little(void)
{
    return zm_buffer_open(path, 0, &buffer, &cause);
}

static int run_open(void)
{
    return zm_buffer_open(path, 3 * MAP_FROM, &buffer, &cause);
}

static int run_set_spill(void)
{
    return zm_buffer_set_spill(buffer, 5000, dir);
}

static int run_grow(void)
{
    return zm_buffer_grow(buffer, 1000, &cause);
}

static int run_grow_mapped(void)
{
    return zm_buffer_grow(buffer, MAP_FROM, &cause);
}

static int run_sync(void)
{
    return zm_buffer_sync(buffer, &cause);
}

static int run_scratch(void)
{
    return zm_buffer_scratch(buffer, MAP_FROM, &scratch, &cause);
}

static void end(void)
{
    assert_int_equal(zm_buffer_release(buffer, NULL), ZM_OK);
    unlink(path);
}

static void end_scratch(void)
{
    zm_buffer_scratch_free(buffer, scratch, MAP_FROM);
    end();
}

static const operation_t operations[] = {
    {"new", begin_nothing, run_new, end, 0},
    {"new, mapped", begin_nothing, run_new_mapped, end, 0},
    {"new_tmp", begin_nothing, run_new_tmp, end, 1},
    {"open, new", begin_nothing, run_open, end, 1},
    {"open, there", begin_closed_file, run_open, end, 1},
    {"open, with holes", begin_sparse_file, run_open_little, end, 1},
    {"open, with a tail", begin_file_with_tail, run_open, end, 1},
    {"open, with a tail that stays", begin_file_with_tail, run_open_little, end, 1},
    {"rewrite", begin_committed_file, run_rewrite, end, 1},
    {"rewrite, and back", begin_committed_file, run_rewrite_and_back, end, MORE_IF_COPIED},
    {"sync, rewritten", begin_rewritten_file, run_sync, end, -1},
    {"set_spill", begin_heap, run_set_spill, end, 0},
    {"grow, heap", begin_heap, run_grow, end, 0},
    {"grow, heap to mapping", begin_heap, run_grow_mapped, end, 0},
    {"grow, mapping", begin_mapped, run_grow_mapped, end, 0},
    {"grow, heap to file", begin_heap_spill, run_grow, end, 1},
    {"grow, mapping to file", begin_mapped_spill, run_grow, end, 1},
    {"grow, temporary file", begin_tmp, run_grow_mapped, end, 0},
    {"grow, file", begin_file, run_grow_mapped, end, 0},
    {"sync", begin_file, run_sync, end, 0},
    {"scratch, memory", begin_heap, run_scratch, end_scratch, 0},
    {"scratch, file", begin_tmp, run_scratch, end_scratch, 0},
};

/* ---- Running them ---------------------------------------------------------------------------- */

static int open_files(void)
{
    int n = 0;
    for (int fd = 0; fd < 100; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

/* Under the leak tag a stack that was seen once is kept, so that memory is held that was not. */
#pragma weak zm__leak_buffer_list

/* What must be the same before and after a call that failed. */
typedef struct world {
    int files;
    int64_t bytes, objects, held, in_files;
    size_t live;
    bool there; /* the file */
    off_t size;
    blkcnt_t blocks;
    uint64_t sum; /* of what is in it */
    zm_buffer_t block;
    int64_t sampled[4]; /* what the profile has of the site */
} world_t;

/* A sum over all that is in the file. */
static uint64_t sum_of_file(void)
{
    uint64_t sum = 0;
    FILE *f = fopen(path, "r");
    for (int c; f && (c = getc(f)) != EOF;)
        sum = sum * 31 + (uint64_t)c;
    if (f)
        fclose(f);
    return sum;
}

static world_t look(void)
{
    world_t w;
    memset(&w, 0, sizeof w); /* padding, too */
    struct stat st;
    w.files = open_files();
    w.bytes = zm_num_alloc_bytes();
    w.objects = zm_num_allocs();
    w.held = zm_num_held_bytes();
    w.in_files = zm_num_file_bytes();
    w.live = zm__leak_buffer_list ? 0 : fault_live();
    w.there = stat(path, &st) == 0;
    w.size = w.there ? st.st_size : 0;
    w.blocks = w.there ? st.st_blocks : 0;
    w.sum = sum_of_file();
    if (buffer)
        w.block = *buffer;
    w.block.named = 0; /* a copy that has got its name keeps it until the next try */
    const int64_t sampled[] = {site->alloc_bytes, site->alloc_objects, site->live_bytes,
                               site->live_objects};
    memcpy(w.sampled, sampled, sizeof sampled);
    return w;
}

static bool has_holes; /* where check_filled finds zeroes, too */

static void check_filled(void)
{
    if (buffer && !has_holes)
        assert_true(all_are((char *)buffer->data + 8, 0x5a, buffer->len - 8));
    if (buffer && buffer->fd >= 0) /* what is behind them is clear */
        assert_true(all_are((char *)buffer->data + buffer->len, 0, buffer->size - buffer->len));
}

/* Runs an operation with each point of failure; arm and disarm are for blocks or for calls. Returns
 * how often it failed.
 */
static size_t run_with_failures(const operation_t *op, void (*arm)(size_t k), bool (*disarm)(void))
{
    size_t failures = 0;
    bool more = true;
    for (size_t k = 1; more; k++) {
        assert_true(k < 1000);
        has_holes = op->begin == begin_sparse_file;
        op->begin();
        world_t before = look();
        cause = (zm_cause_t){NULL, 0};
        arm(k);
        int err = op->run();
        more = disarm();
        if (err) {
            assert_true(more);
            failures++;
            world_t after = look();
            if (memcmp(&before, &after, sizeof before) != 0)
                print_error("%s, %zu: %s failed\n", op->name, k, cause.what);
            assert_memory_equal(&before, &after, sizeof before);
            check_filled();
            if (err == ZM_ESYS)
                assert_true(cause.what && cause.code == fails_with);
            else
                assert_int_equal(err, ZM_ENOMEM);
            assert_int_equal(op->run(), ZM_OK);
        }
        check_filled();
        int opened = op->more == MORE_IF_COPIED ? copied : op->more;
        assert_int_equal(open_files(), before.files + opened);
        op->end();
        assert_int_equal(site->live_bytes, 0);
        assert_int_equal(zm_num_file_bytes(), 0);
        assert_counts(0, 0);
        assert_null(fault_misuse());
    }
    assert_int_equal(rmdir(dir), 0); /* nothing was left in it */
    assert_int_equal(mkdir(dir, 0700), 0);
    return failures;
}

static void test_no_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(operations); i++) {
        size_t failures = run_with_failures(&operations[i], fault_arm, fault_disarm);
        print_message("    %s: failed %zu times\n", operations[i].name, failures);
    }
}

static void arm_calls(size_t k)
{
    countdown = k;
    fired = false;
    armed = true;
}

static bool disarm_calls(void)
{
    armed = false;
    return fired;
}

static void test_calls_fail(void **state)
{
    (void)state;
    const int errors[] = {EIO, ENOMEM, ENOSPC};
    for (size_t e = 0; e < LEN(errors); e++) {
        fails_with = errors[e];
        size_t failures = 0;
        for (size_t i = 0; i < LEN(operations); i++)
            failures += run_with_failures(&operations[i], arm_calls, disarm_calls);
        print_message("    %s: failed %zu times\n", strerror(fails_with), failures);
        assert_true(failures > 10);
    }
}

/* Runs every operation while the first call of that function fails; returns how often one did. */
static size_t run_all_with(const char *name, int code)
{
    size_t times = 0;
    only = name;
    fails_with = code;
    for (size_t i = 0; i < LEN(operations); i++) {
        has_holes = operations[i].begin == begin_sparse_file;
        operations[i].begin();
        arm_calls(1);
        assert_int_equal(operations[i].run(), ZM_OK);
        times += disarm_calls();
        check_filled();
        operations[i].end();
    }
    only = NULL;
    return times;
}

/* Calls that a signal may interrupt are made again. */
static void test_signals(void **state)
{
    (void)state;
    static const char *const names[] = {"open", "mkostemp", "pread", "pwrite", "fallocate"};
    size_t times = 0;
    for (size_t i = 0; i < LEN(names); i++)
        times += run_all_with(names[i], EINTR);
    assert_true(times >= 10);
}

/* File systems that cannot reserve blocks, or make a file that has no name, are used another way.
 */
static void test_file_systems_without(void **state)
{
    (void)state;
    run_all_with("fallocate", EOPNOTSUPP);
    begin_nothing();
    fails_with = EOPNOTSUPP;
    only = "open";
    arm_calls(1);
    assert_int_equal(run_new_tmp(), ZM_OK);
    disarm_calls();
    only = NULL;
    end();
}

static char other_path[sizeof path], link_path[sizeof path];

/* Another Buffer's file takes the place of the one at path, which has another name. */
static void replace_file(const char *call)
{
    if (strcmp(call, "flock") != 0)
        return;
    on_call = NULL;
    assert_int_equal(link(path, link_path), 0);
    assert_int_equal(__real_rename(other_path, path), 0);
}

/* Whoever opens a file and gets its lock when it is not at its path any more has no Buffer. */
static void test_replaced_while_opened(void **state)
{
    (void)state;
    snprintf(other_path, sizeof other_path, "%s/other", dir);
    snprintf(link_path, sizeof link_path, "%s/link", dir);
    begin_closed_file();
    assert_int_equal(rename(path, other_path), 0);
    begin_closed_file();
    int files = open_files();
    on_call = replace_file;
    assert_int_equal(run_open(), ZM_EBUSY);
    assert_null(on_call);
    assert_int_equal(open_files(), files);
    assert_int_equal(unlink(link_path), 0);
    assert_int_equal(run_open(), ZM_OK);
    end();
}

static size_t calls_left;

static void die(const char *call)
{
    (void)call;
    if (--calls_left == 0)
        _exit(0);
}

/* Rewrites the file, in a copy that has a name where `named`, and dies before its k-th call of the
 * system. False where there are fewer.
 */
static bool rewrite_and_die(size_t k, bool named)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        only = "access"; /* to the folder by which a file without a name gets one */
        fails_with = EACCES;
        if (named)
            arm_calls(1);
        calls_left = k;
        on_call = die;
        _exit(run_open_little() || run_rewrite() || run_sync() ? 2 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 0;
}

static size_t files_in_dir(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Wherever a process dies, the file is whole, and alone in its folder when it was opened again. */
static void test_die_anywhere(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        size_t k = 1, left = 0;
        bool died = true;
        for (; died; k++) {
            struct stat st;
            begin_closed_file();
            assert_int_equal(stat(path, &st), 0);
            died = rewrite_and_die(k, named);
            left += files_in_dir() > 1;
            assert_int_equal(run_open_little(), ZM_OK);
            assert_int_equal(ZM__FILE_HEADER + buffer->len, st.st_size);
            check_filled();
            assert_int_equal(files_in_dir(), 1);
            end();
        }
        print_message("    died %zu times, a copy was left %zu times\n", k - 2, left);
        assert_true(left > 0);
    }
}

/* Where the copy could not get its name, the Buffer stays where it is. */
static void test_rewrite_without_name(void **state)
{
    (void)state;
    char name[sizeof path + 16], longest[sizeof dir + 256];
    begin_committed_file();
    snprintf(name, sizeof name, "%s.zmem-new", path);
    assert_int_equal(close(open(name, O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(run_rewrite(), ZM_ESYS);
    assert_int_equal(cause.code, EEXIST);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(run_rewrite(), ZM_OK);
    assert_int_equal(run_sync(), ZM_OK);
    end();

    memset(longest, 'n', sizeof longest);
    memcpy(longest, dir, sizeof dir - 1);
    longest[sizeof dir - 1] = '/';
    longest[sizeof dir + 250] = 0;
    assert_int_equal(zm_buffer_open(longest, 0, &buffer, NULL), ZM_OK);
    assert_int_equal(run_rewrite(), ZM_ESYS);
    assert_int_equal(cause.code, ENAMETOOLONG);
    end();
    assert_int_equal(unlink(longest), 0);
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/buffer", dir);
    const uintptr_t pc = 1;
    site = zm_site_of("buffer", 6, &pc, 1);
    return site ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
    if (!fault_init()) {
        fprintf(stderr, "ZMEM_BACKEND names no backend\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_calls_fail),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_file_systems_without),
        cmocka_unit_test(test_replaced_while_opened),
        cmocka_unit_test(test_die_anywhere),
        cmocka_unit_test(test_rewrite_without_name),
    };
    return cmocka_run_group_tests_name("buffer, failures", tests, make_dir, remove_dir);
}
