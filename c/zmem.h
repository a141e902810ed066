/* zmem.h: manual memory with exact accounting, on the allocator of your choice.
 *
 * This is the whole public C API, from simple to advanced. Link with libzmem.a
 * (`make -C c install`, then `pkg-config --libs --static zmem`), or let the Go package use it.
 *
 *     char *b = zm_calloc(100);          // 100 zero bytes
 *     ...
 *     zm_free(b, 100);                   // the same size again
 *     assert(zm_num_alloc_bytes() == 0); // nothing is left
 *
 * Rules that hold for every function here:
 *   - Sizes are in bytes. A size above ZM_MAX_SIZE fails as if memory had run out.
 *   - A function that fails returns NULL or a negative zm_err_t and has changed nothing.
 *   - Nothing here prints, exits, aborts or sets errno for you to read. The check build (CHECK=1 of
 *     the Makefile, the tag zmem_check of Go) alone does: where an invariant does not hold, which
 *     includes that more was freed than was allocated, it says so on stderr and aborts.
 *   - Any thread may call any function at any time, unless its comment says otherwise.
 */
#ifndef ZMEM_H
#define ZMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zm_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ZM_VERSION "0.1.0"

/* The largest size of one block, in bytes: 2^47 on 64-bit machines, 2^31 - 1 on others. */
#if SIZE_MAX > 0xffffffffu
#define ZM_MAX_SIZE ((size_t)1 << 47)
#else
#define ZM_MAX_SIZE ((size_t)0x7fffffff)
#endif

/* The largest alignment that zm_calloc_aligned accepts, in bytes. */
#define ZM_MAX_ALIGN ((size_t)1 << 30)

typedef enum zm_err {
    ZM_OK = 0,
    ZM_ENOMEM = -1,    /* the system has no memory for it */
    ZM_EINVAL = -2,    /* an argument is out of its range */
    ZM_EBACKEND = -3,  /* ZMEM_BACKEND names no backend that is compiled in */
    ZM_ENOTSUP = -4,   /* this backend or system cannot do it */
    ZM_ESYS = -5,      /* the backend or the system reported an error */
    ZM_ELIMIT = -6,    /* beyond the limit that was set */
    ZM_EBUSY = -7,     /* in use by another */
    ZM_ECORRUPT = -8,  /* a file that is not what it should be, or is damaged */
    ZM_EVERSION = -9,  /* a file in a format of another version */
    ZM_ESTOPPED = -10, /* its caller had it stopped */
} zm_err_t;

/* A sentence in English for a zm_err_t; never NULL. Static storage: do not free. */
const char *zm_err_text(int err);

/* ---- Allocating and freeing ------------------------------------------------------------- */

/* Allocates a block of n zero bytes.
 * n: 0 to ZM_MAX_SIZE; a block of 0 bytes is a block, and is to be freed as well.
 * Returns its address, aligned to 16 bytes (to 8 where n <= 8), or NULL where memory ran out, the
 * limit is reached (see zm_set_limit) or zm_init fails.
 * The caller owns the block and frees it with zm_free.
 */
void *zm_calloc(size_t n);

/* As zm_calloc, aligned to `align` bytes: a power of two up to ZM_MAX_ALIGN; NULL for others. */
void *zm_calloc_aligned(size_t n, size_t align);

/* As zm_calloc_aligned (align 0: as zm_calloc), but says why not.
 * Returns ZM_OK and sets *out; or ZM_ENOMEM, ZM_ELIMIT (see zm_set_limit), ZM_EINVAL or what
 * zm_init returns, and leaves *out as it was.
 */
int zm_try_calloc(size_t n, size_t align, void **out);

/* Frees a block.
 * p: what one of the allocating functions returned, freed once; NULL does nothing.
 * n: the size that was asked for. It corrects the counters and is never trusted for more: a wrong
 *    n puts them out by the difference, and the memory stays whole.
 */
void zm_free(void *p, size_t n);

/* Allocates len blocks of n zero bytes each, as by zm_calloc, into out[0..len).
 * Returns ZM_OK, or an error and no block at all (out is unspecified then).
 */
int zm_calloc_batch(size_t n, void **out, size_t len);

/* Frees len blocks for which n bytes each were asked. NULLs among them are passed over. */
void zm_free_batch(void *const *blocks, size_t n, size_t len);

/* The bytes, at least, that a request for n reserves: asking for all of them costs no more.
 * Never less than n; n itself where that is above ZM_MAX_SIZE or zm_init fails.
 */
size_t zm_good_size(size_t n);

/* The bytes that block p really has, at least what was asked for; 0 for NULL, or where this
 * system cannot tell.
 */
size_t zm_usable_size(const void *p);

/* ---- Accounting ------------------------------------------------------------------------- */

/* Bytes asked for and not freed yet, and the number of those blocks. Exact whenever no call is
 * under way; while others run, each may be out by the calls under way.
 */
int64_t zm_num_alloc_bytes(void);
int64_t zm_num_allocs(void);

/* Bytes of the files that Buffers are in, as far as they are mapped: temporary ones, those that
 * stay (the header included), and the scratch files of sorts (see zm_buffer_scratch). All of them
 * have their blocks on the disk reserved. zm_num_alloc_bytes has none of them, and neither has
 * mappings of zm_mmap_file, which are of the caller's own files. As exact as zm_num_alloc_bytes.
 */
int64_t zm_num_file_bytes(void);

/* Fills *out with the backend's own figures, in which blocks in caches and in the depot count as
 * allocated. Fields that the backend does not know are 0.
 * Returns ZM_OK, or an error and leaves *out as it was.
 * Cost: microseconds with jemalloc; libc walks its free lists, which may take 100 ms.
 */
int zm_memstats(zm_memstats_t *out);

/* Sets *text to the backend's own report, for people to read: a NUL-terminated string that the
 * caller frees with zm_text_free. Returns ZM_OK, or an error and leaves *text as it was.
 */
int zm_stats_text(char **text);
void zm_text_free(char *text);

/* Gives memory that is free, but kept for later, back to the system, by the depot and by the
 * backend; what caches hold stays (see zm_cache_drain). Slow: milliseconds. Returns ZM_OK or an
 * error.
 */
int zm_return_memory(void);

/* Gives back to the system what has been free in the backend for a while, where the backend does
 * not do so by itself: glibc's allocator. To be called about once a second while memory is freed,
 * and after that until it returns false: whether there was any, or will be later. Cost: mostly less
 * than a microsecond. When it gives back, some 50 ms to seconds a GiB, in which threads that need
 * memory of the backend may wait; 2 % of one processor's time at most. docs/design.md has the rule.
 */
bool zm_return_idle(void);

/* ---- The limit -------------------------------------------------------------------------------
 *
 * What counts is what zmem holds: blocks that callers have, and free ones in caches and in the
 * depot, each with the size of its class, or as it was asked for where that is above ZM_SMALL_MAX.
 * What backends and the core need for their own bookkeeping, and what an alignment wastes, does
 * not.
 */

/* Sets the most bytes to hold, and returns what was set before; a negative number changes nothing.
 * INT64_MAX, as it is at first, is no limit. Whatever would pass it has the depot give back as much
 * as is lacking, and fails where the depot does not have so much; ZM_ELIMIT says so. What caches
 * hold stays: drain yours with zm_cache_drain, and try again. Nothing is freed when more is held
 * already.
 */
int64_t zm_set_limit(int64_t bytes);

/* The bytes that count now; those of them that are free blocks, in caches and in the depot; and
 * those in caches alone. Exact whenever no call is under way.
 */
int64_t zm_num_held_bytes(void);
int64_t zm_num_parked_bytes(void);
int64_t zm_num_cached_bytes(void);

/* Sleeps until what zm_num_held_bytes returns is below low or above high, or zm_wake_held is
 * called, and returns it; now and then it returns for no reason. One thread at a time may wait.
 * zm_wake_held is not lost where none waits yet.
 */
int64_t zm_wait_held(int64_t low, int64_t high);
void zm_wake_held(void);

/* ---- The backend ------------------------------------------------------------------------ */

/* Chooses the backend: the one that the environment variable ZMEM_BACKEND names, or the first of
 * zm_backends where it is unset or empty. The first call of any function does it by itself; call
 * it to learn why allocating fails. The choice then holds as long as the process.
 * Returns ZM_OK or ZM_EBACKEND; or ZM_ENOMEM, for as long as the process lives, where there was no
 * memory to register what a fork needs. All functions then fail.
 */
int zm_init(void);

/* The backend in use, for example "jemalloc"; NULL where zm_init fails. Static storage. */
const char *zm_backend(void);

/* The backends compiled in, the default first, separated by commas; chooses none. Static storage.
 */
const char *zm_backends(void);

/* ---- Forks ----------------------------------------------------------------------------------
 *
 * After fork(2) parent and child both go on, also in a program with threads. The core waits until
 * no thread is within it, and both find it whole (pthread_atfork; _Fork, vfork and clone pass that
 * by: after those, a child may only exec or exit). The first call of any function arranges for it:
 * call zm_init before there are threads. A program's own handlers may use zmem if they are
 * registered after that, and no signal handler that forks may interrupt a call to zmem.
 *
 * The child has one thread, and a copy of all memory:
 *   - Blocks, Allocators and Buffers in memory are its own. What another thread was in the middle
 *     of changing, such as a Buffer that it had, or its cache or cursor, is as it was just then:
 * the child leaves that alone. Allocators and pools are whole.
 *   - What other threads' caches held stays parked in the child: nobody drains it. Counters are out
 *     by the calls that other threads had under way.
 *   - No thread sleeps in zm_wait_held; one of the child's may. The limit and the rates hold on.
 *   - jemalloc has no background thread there: what is freed goes back to the system as the child
 *     allocates, or by zm_return_memory.
 *   - Files are shared with the parent: of a Buffer in a file, and of a mapped file, one of the two
 *     processes may write, grow or release it. Releasing cuts the file and ends its lock for both.
 *
 * Go: os/exec does not come here; between its fork and exec no code of zmem's runs. Where C code in
 * a Go program forks, the child has no Go runtime. It may call the functions here from C and then
 * exec or _exit, but never return to Go.
 *
 * Cost: all locks are taken, some 200, and one for each Allocator.
 * Sanitizers: ThreadSanitizer dies of a thread that holds more than 64 locks, as one that forks
 * does here, unless TSAN_OPTIONS has detect_deadlocks=0.
 */

/* ---- Caches: allocating from one thread at a time, at the price of a few instructions ---------
 */

/* Makes an empty cache. Caches are never freed: keep them in a pool rather than one for each thread
 * that comes and goes. Returns ZM_OK and sets *out, or ZM_ENOMEM or ZM_EBACKEND.
 */
int zm_cache_new(zm_cache_t **out);

/* As zm_calloc and zm_free, through a cache that no other thread uses meanwhile. Blocks may be
 * freed through another cache than they came from, or through zm_free, and the other way round.
 * n is what was asked for: less wastes memory, more corrupts it.
 * zm_cache_calloc returns NULL when out of memory.
 * Cost: 3 to 5 ns and clearing n bytes, for sizes up to ZM_SMALL_MAX; once in a magazine's length
 * (see depot.c) one exchange at the depot, about 50 ns.
 */
void *zm_cache_calloc(zm_cache_t *cache, size_t n);
void zm_cache_free(zm_cache_t *cache, void *p, size_t n);

/* Gives all free blocks of a cache to the depot. No other thread may use the cache meanwhile. */
void zm_cache_drain(zm_cache_t *cache);

/* Whether nothing was allocated from or freed to the cache since this was asked last. One thread
 * asks; others may use the cache meanwhile.
 */
bool zm_cache_idle(zm_cache_t *cache);

/* The size of a class, in bytes; 0 for cls >= ZM_NUM_CLASSES. */
size_t zm_class_size(unsigned cls);

/* The depot, for those who fill caches of their own. A magazine belongs to its class and to who
 * holds it; zm_no_magazine may be passed wherever one is expected, NULL may not. cls is below
 * ZM_NUM_CLASSES.
 *
 * zm_depot_full takes an empty magazine and returns one with at least a block in it, or NULL when
 * out of memory or at the limit. zm_depot_empty takes one with blocks and returns an empty one, or
 * NULL when out of memory, which it never is where it was given a magazine. zm_depot_put takes any.
 */
extern zm_magazine_t zm_no_magazine;
zm_magazine_t *zm_depot_full(unsigned cls, zm_magazine_t *spent);
zm_magazine_t *zm_depot_empty(unsigned cls, zm_magazine_t *full);
void zm_depot_put(unsigned cls, zm_magazine_t *magazine);

/* Gives back what the depot, and the part of memory in which sampled blocks lie, have not needed
 * since the last call, or all that nobody has. Returns whether there was any. Allocating does it by
 * itself before it gives up.
 */
bool zm_depot_trim(bool all);

/* Gives back blocks that the depot holds until that is at least `need` bytes; or none at all, and
 * returns false, where it does not hold so much.
 */
bool zm_depot_release(uint64_t need);

/* ---- Allocators: many small blocks, freed together ------------------------------------------ */

/* Makes an Allocator: blocks are carved from chunks, never move, and are freed all at once.
 * size: bytes of the first chunk, rounded up to a power of two, at least 512. Each further chunk is
 *    twice as large as the last, up to 1 GiB, or as large as one block needs. Chunks are counted as
 *    blocks of zm_calloc are.
 * Returns ZM_OK and sets *out, or ZM_ENOMEM (also where size is above ZM_MAX_SIZE), ZM_ELIMIT or
 *    ZM_EBACKEND.
 * The caller owns it and frees it with zm_allocator_release.
 */
int zm_allocator_new(size_t size, zm_allocator_t **out);

/* Frees an Allocator and all that came from it; NULL does nothing. No other thread may use it, nor
 * one of its cursors, meanwhile or later.
 */
void zm_allocator_release(zm_allocator_t *a);

/* Allocates n zero bytes, aligned to 8.
 * n: 0 to ZM_MAX_ALLOC. Takes n rounded up to a multiple of 8 from a chunk.
 * Returns their address, or NULL where memory ran out, the limit is reached or n is above
 *    ZM_MAX_ALLOC.
 * They are valid until zm_allocator_reset, zm_allocator_trim (where it frees their chunk) or
 * zm_allocator_release.
 * Cost: one atomic add up to ZM_WINDOW_MAX_ALLOC bytes, a lock beyond and once a window.
 */
void *zm_allocator_allocate(zm_allocator_t *a, size_t n);

/* As zm_allocator_allocate, at a multiple of align, a power of two up to ZM_MAX_ALIGN; NULL for
 * others. Takes the lock where align is above 8.
 */
void *zm_allocator_allocate_aligned(zm_allocator_t *a, size_t n, size_t align);

/* As zm_allocator_allocate_aligned, but says why not. Returns ZM_OK and sets *out; or ZM_ENOMEM
 * (also where n is above ZM_MAX_ALLOC), ZM_ELIMIT or ZM_EINVAL, and leaves *out as it was.
 */
int zm_allocator_try_allocate(zm_allocator_t *a, size_t n, size_t align, void **out);

/* As zm_allocator_allocate, with the n bytes at src copied in. */
void *zm_allocator_copy(zm_allocator_t *a, const void *src, size_t n);

/* Ends the life of all that was allocated and keeps the chunks for what comes. What was handed out
 * of them is cleared when it is handed out again. Nobody may use the Allocator meanwhile; its
 * cursors have to be opened anew.
 */
void zm_allocator_reset(zm_allocator_t *a);

/* Frees the chunks, from the last one on, until at most max bytes of them are left, which may be
 * none; what was allocated from those is gone. Nobody may use the Allocator meanwhile; its cursors
 * have to be opened anew.
 */
void zm_allocator_trim(zm_allocator_t *a, size_t max);

/* Bytes used: blocks, each rounded up to a multiple of 8, what was left at the end of full windows
 * and chunks, and what cursors hold. Exact whenever no call is under way.
 */
uint64_t zm_allocator_size(zm_allocator_t *a);

/* Bytes of all chunks. */
uint64_t zm_allocator_allocated(zm_allocator_t *a);

/* The chunk that was added last, be it the first, *size being set to its bytes, for who keeps a
 * profile; NULL and 0 where this was asked before, or the chunk is gone.
 */
void *zm_allocator_grown(zm_allocator_t *a, size_t *size);

/* A number that no other Allocator of the process has or had, never 0; and the Allocator that has
 * it, NULL where it was released.
 */
uint64_t zm_allocator_ref(const zm_allocator_t *a);
zm_allocator_t *zm_allocator_from(uint64_t ref);

/* For those who keep windows of their own, such as the Go package: allocates n bytes, 1 to
 * ZM_WINDOW_MAX_ALLOC, as zm_allocator_allocate does, from the window at *slot or, where that is
 * NULL or full, from a new one, of at most `most` bytes or 4 KiB, or a little more, that it puts
 * there. Threads may share a slot; they read it with acquire order, and move the window's counter
 * with atomics. A window that a single thread uses at a time needs none. Reset, trim and release
 * end all windows. Returns ZM_OK and sets *out, or ZM_ENOMEM or ZM_ELIMIT.
 */
int zm_allocator_refill(zm_allocator_t *a, zm_window_t **slot, size_t n, size_t most, void **out);

/* Opens a cursor: memory of the Allocator from which one thread at a time allocates without an
 * atomic. The caller owns *k. Takes no memory yet, and cannot fail.
 */
void zm_cursor_open(zm_cursor_t *k, zm_allocator_t *a);

/* As zm_allocator_allocate_aligned, from a cursor, and n is not rounded up. Blocks live as long as
 * those of the Allocator.
 * Cost: a few instructions; what does not fit takes the Allocator's lock.
 */
void *zm_cursor_allocate(zm_cursor_t *k, size_t n, size_t align);

/* As zm_cursor_allocate, but says why not, as zm_allocator_try_allocate does. */
int zm_cursor_try_allocate(zm_cursor_t *k, size_t n, size_t align, void **out);

/* Gives what is left of the cursor's memory back to the Allocator. It may be used again after that.
 */
void zm_cursor_close(zm_cursor_t *k);

/* Makes a pool that keeps up to cap Allocators for whoever needs one next. The caller owns it and
 * frees it with zm_allocator_pool_release. Returns ZM_OK and sets *out, or ZM_ENOMEM or
 * ZM_EBACKEND.
 */
int zm_allocator_pool_new(size_t cap, zm_allocator_pool_t **out);

/* Takes an Allocator from the pool, empty and with a new ref, or makes one of size bytes, as by
 * zm_allocator_new, whose results are its own, where the pool has none or is NULL.
 * zm_allocator_pool_take returns NULL instead of making one.
 */
int zm_allocator_pool_get(zm_allocator_pool_t *pool, size_t size, zm_allocator_t **out);
zm_allocator_t *zm_allocator_pool_take(zm_allocator_pool_t *pool);

/* Gives an Allocator to the pool, with all that came from it: its ref ends, and it keeps up to 400
 * MiB of chunks. Where the pool is full or NULL it is released. a may be NULL.
 */
void zm_allocator_pool_put(zm_allocator_pool_t *pool, zm_allocator_t *a);

/* Releases one Allocator of the pool if nobody asked the pool for one since this was called last:
 * call it now and then. Returns whether it did.
 */
bool zm_allocator_pool_trim(zm_allocator_pool_t *pool);

/* Frees the pool and what it keeps; NULL does nothing. No other thread may use it meanwhile or
 * later.
 */
void zm_allocator_pool_release(zm_allocator_pool_t *pool);

/* ---- Buffers: bytes or records, appended one after another ---------------------------------- */

/* A Buffer starts on the heap, becomes an anonymous mapping, which grows without being copied, and
 * past a threshold, where one is set, a mapping of a temporary file. Its bytes stay the same.
 *
 *     zm_buffer_t *b;
 *     if (zm_buffer_new(0, &b) != ZM_OK)
 *         return;
 *     memcpy(zm_buffer_add_record(b, 5, NULL), "hello", 5);
 *     size_t off = 0, n;
 *     for (const void *p; (p = zm_buffer_next(b, &off, &n));)
 *         ... // n bytes at p
 *     zm_buffer_release(b, NULL);
 *
 * A Buffer is for one thread at a time; many may read it while none calls anything else. Addresses
 * of its bytes are valid until the next call that may grow it, and until it is released. Offsets
 * count from its first byte; the first 8 bytes are reserved, so that no offset is 0, and b->len is
 * the offset at which the next byte goes. A record is 8 bytes of length, little-endian, and then
 * the bytes; where bytes are added otherwise, records cannot be found.
 *
 * Anonymous mappings count in zm_num_alloc_bytes and zm_num_allocs; those of files do not, as the
 * system may write them out. Disk blocks are reserved before they are used, so that a full disk is
 * an error rather than SIGBUS. cause may be NULL; it is filled in on ZM_ESYS and ZM_ECORRUPT.
 */

/* Makes a Buffer with room for `capacity` bytes, the first 8 included, at least 64. The caller
 * releases it. Returns ZM_OK and sets *out, or ZM_ENOMEM, ZM_ELIMIT or ZM_EBACKEND.
 */
int zm_buffer_new(size_t capacity, zm_buffer_t **out);

/* Makes one that is mapped to a temporary file from the start. The file has no name: it is gone
 * when the Buffer or the process is.
 * dir: the folder for it; copied; NULL means /tmp.
 * Returns ZM_OK and sets *out, or ZM_ENOMEM, ZM_ELIMIT, ZM_EBACKEND or ZM_ESYS.
 */
int zm_buffer_new_tmp(const char *dir, size_t capacity, zm_buffer_t **out, zm_cause_t *cause);

/* Opens the Buffer in a file, or makes it where there is no file or an empty one. It has what was
 * committed last, by zm_buffer_sync, zm_buffer_reset or zm_buffer_release, and locks the file
 * (flock) until it is released. Bytes that were added later are gone; but bytes before the
 * committed length that were changed since stay changed, unless zm_buffer_rewrite was called first.
 * Blocks on the disk are reserved for all of it, holes included.
 * Returns ZM_OK and sets *out, or ZM_ENOMEM, ZM_ELIMIT, ZM_EBACKEND, ZM_ESYS, ZM_EBUSY (open
 * already, here or in another process), ZM_ECORRUPT or ZM_EVERSION; the file is as it was then, to
 * the byte, and so is the free space of its disk.
 *
 * The file: 8 bytes "zmem.buf", 8 of version (1), 8 of committed length, zeroes up to byte 4096,
 * and the bytes of the Buffer from there on. Numbers are little-endian. The committed length counts
 * as b->len does. What is behind it is no part of the Buffer.
 */
int zm_buffer_open(const char *path, size_t capacity, zm_buffer_t **out, zm_cause_t *cause);

/* Says that bytes of b from offset `from` on are about to be changed in place, by sorting them,
 * say. Where b is in a file that stays and some of them are committed, b goes on in a copy of that
 * file, without a name, which takes the file's place at the next zm_buffer_sync or
 * zm_buffer_release: one whole state or the other is at its path, whatever happens. The copy has
 * the file's mode and owner; other hard links to the file keep the old state. Its name, the path
 * with .zmem-new behind it, for a moment, has to be free. Otherwise, and where b is in a copy
 * already, nothing happens. *copied: whether it made a copy; then addresses of b's bytes have
 * changed. Returns ZM_OK, or ZM_ENOMEM or ZM_ESYS, and nothing has changed. Cost: b->len bytes of
 * disk until then, and to copy them.
 */
int zm_buffer_rewrite(zm_buffer_t *b, size_t from, bool *copied, zm_cause_t *cause);

/* Has b go on in the file, and drops the copy, after a zm_buffer_rewrite that made one and upon
 * which nothing was changed after all. Returns false, b staying in the copy, where the file cannot
 * be mapped.
 */
bool zm_buffer_rewrite_undo(zm_buffer_t *b);

/* Makes b move to a temporary file in dir (as above) rather than grow past `threshold` bytes.
 * Returns ZM_OK, ZM_ENOMEM, or ZM_EINVAL where b is in a file already.
 */
int zm_buffer_set_spill(zm_buffer_t *b, size_t threshold, const char *dir);

/* Bounds the memory that growing b may lead to, in bytes (mappings end at a whole page): 0 for no
 * bound. What b holds already it keeps.
 */
void zm_buffer_set_max(zm_buffer_t *b, size_t max);

/* Makes room for n bytes more. Doubles what b holds, by at most 1 GiB a time; where there is no
 * room for that, half as much is tried, and so on, down to what is needed. Returns ZM_OK, or
 * ZM_ENOMEM, ZM_ELIMIT or ZM_ESYS, and b is as it was then.
 */
int zm_buffer_grow(zm_buffer_t *b, size_t n, zm_cause_t *cause);

/* Adds n bytes, or a record of n bytes, for the caller to fill in, and returns their address, which
 * is not aligned; NULL where zm_buffer_grow(b, n or n + 8) fails. The bytes are zero unless they
 * were in use before a zm_buffer_reset.
 */
void *zm_buffer_add(zm_buffer_t *b, size_t n, zm_cause_t *cause);
void *zm_buffer_add_record(zm_buffer_t *b, size_t n, zm_cause_t *cause);

/* The record at offset *off (0: the first); sets *n to its length and *off to the offset of the
 * next. NULL at the end, or where what is there is no record, *off and *n staying as they are.
 */
void *zm_buffer_next(const zm_buffer_t *b, size_t *off, size_t *n);

/* Empties b, which keeps its memory. In a file, that is committed. */
void zm_buffer_reset(zm_buffer_t *b);

/* Writes a Buffer that zm_buffer_open returned to disk and commits its length; does nothing for
 * others. Returns ZM_OK or ZM_ESYS: with errno ESTALE where zm_buffer_rewrite was called and the
 * file is not at its path any more.
 */
int zm_buffer_sync(zm_buffer_t *b, zm_cause_t *cause);

/* Frees b, after zm_buffer_sync for one in a file, which is cut to what it holds. NULL does
 * nothing. Returns ZM_OK, or ZM_ESYS where the file could not be written; b is freed all the same.
 */
int zm_buffer_release(zm_buffer_t *b, zm_cause_t *cause);

/* Takes n bytes, zero and aligned as by zm_calloc, of the kind of memory that b is in: from a
 * temporary file of its own where b is in a file, counted and from memory otherwise, or where b is
 * NULL. They are given back with the same b, in the same kind, and the same n. Returns ZM_OK and
 * sets *out, or ZM_ENOMEM, ZM_ELIMIT or ZM_ESYS.
 */
int zm_buffer_scratch(const zm_buffer_t *b, size_t n, void **out, zm_cause_t *cause);
void zm_buffer_scratch_free(const zm_buffer_t *b, void *p, size_t n);

/* Under the leak tag a Buffer is live memory of the C stack that made it; this makes it that of
 * another site (see zm_site_of). Where that is NULL, and without the leak tag, nothing changes.
 */
void zm_buffer_attribute(const zm_buffer_t *b, zm_site_t *site);

/* ---- Sorting ------------------------------------------------------------------------------ */

/* Framed records, one after another without gaps: 8 bytes that hold the length of the record in
 * little-endian order, and the record. Records may be empty.
 */
typedef enum zm_sort_key {
    ZM_SORT_BYTES = 0,  /* the record: as memcmp says, and a prefix before what it is a prefix of */
    ZM_SORT_UINT64 = 1, /* an integer in the record, in the machine's byte order */
    ZM_SORT_INT64 = 2,
} zm_sort_key_t;

/* Sorts framed records in place, those with equal keys staying in their order.
 * records, len: len bytes of records; at most ZM_MAX_SIZE. All are checked before any is moved.
 * key, off: what to sort by; an integer is at byte off of each record, aligned or not. off is
 *    ignored for ZM_SORT_BYTES.
 * scratch, nscratch: memory for the sort's own use, at least zm_sort_scratch(len) bytes, of which
 * no more are touched. threads: how many to use at most, this one included; 0: as many as there are
 * processors. The environment variable ZMEM_THREADS bounds both. All have ended when it returns.
 * fault: where a record is wrong its offset goes there, else len; may be NULL.
 * Returns ZM_OK, or ZM_EINVAL where an argument is out of range, a record does not end within the
 * range or has no 8 bytes at off; the records are unchanged then. It cannot run out of memory, and
 * does with fewer threads where the system gives none.
 * No other thread may use the records or the scratch memory meanwhile.
 * Cost: one pass where they are in order already. See docs/design.md for figures.
 */
int zm_sort(void *records, size_t len, zm_sort_key_t key, size_t off, void *scratch,
            size_t nscratch, unsigned threads, size_t *fault);

/* zm_sort that can be watched and stopped from other threads.
 * watch: all zero, or with stop set already, and valid until it returns; may be NULL. While the
 * sort goes on, watch->done grows from 0 to watch->total, which is len, as the work does; it is at
 * total when the sort has ended by itself. All of its fields are read and written by atomic
 * operations. Returns as zm_sort, or ZM_ESTOPPED where watch->stop was set: every record is whole
 * and there then, in some order. It looks at stop every few thousand records and copies what it has
 * in scratch memory back before it returns, which takes as long as copying up to half of the
 * records does.
 */
int zm_sort_watched(void *records, size_t len, zm_sort_key_t key, size_t off, void *scratch,
                    size_t nscratch, unsigned threads, size_t *fault, zm_sort_watch_t *watch);

/* The scratch memory that zm_sort needs for len bytes of records, in bytes: never more than
 * len / 2 + 64 MiB.
 */
size_t zm_sort_scratch(size_t len);

/* ---- Mapped files (on Unix systems) --------------------------------------------------------- */

/* fd is an open regular file, which stays the caller's; a mapping lives on when it is closed. Where
 * the result is ZM_ESYS or ZM_ENOMEM, *cause is filled in; cause may be NULL. Mappings are shared
 * with the file and not counted as allocated.
 *
 * To touch a mapping beyond the end of its file is SIGBUS, and so is to write to a page for which
 * the disk has no block and no room. A file that is made longer here takes no blocks, as whoever
 * maps files expects: they come when its pages are written, so that a full disk is SIGBUS then.
 * ZM_MMAP_RESERVE, or zm_mmap_reserve, makes it an error of the call. What is left is somebody else
 * cutting the file, a disk that cannot be read, and a full one where the file system reserves
 * nothing (ZFS, some network file systems) or, on tmpfs, where a hole is read. One thread at a time
 * may change the length of a file.
 */
enum {
    ZM_MMAP_WRITE = 1,   /* for writing, as well as for reading */
    ZM_MMAP_RESERVE = 2, /* its blocks are reserved, where the file system can */
};

/* Maps the first `size` bytes of a file.
 * size: 0 to ZM_MAX_SIZE; a mapping of 0 bytes is NULL.
 * flags: of ZM_MMAP_...; for writing, a file that is shorter is made as long, with zeros; for
 * reading only, that is an error with errno ENXIO, and nothing is reserved. Returns ZM_OK and sets
 * *addr, ZM_EINVAL for a size out of range, or ZM_ESYS or ZM_ENOMEM with the file and the free
 * space of its disk as they were. The caller ends it with zm_mmap_free.
 */
int zm_mmap_file(int fd, int flags, size_t size, void **addr, zm_cause_t *cause);

/* Makes a file, and the mapping of its first `old` bytes at *addr, `size` bytes long.
 * flags: as the mapping was made. ZM_MMAP_RESERVE reserves what is new.
 * What is new is zero. What is cut off is gone. The mapping may move: *addr is set to where it is,
 * NULL for 0 bytes. Nothing of it may be used meanwhile. What zm_mmap_advise said of parts of it
 * stays.
 * Returns ZM_OK, ZM_EINVAL for sizes out of range, or ZM_ESYS or ZM_ENOMEM with *addr, both lengths
 * and the free space as they were.
 * Cost: growing copies nothing on Linux; elsewhere pages are found anew when they are touched.
 */
int zm_mmap_resize(int fd, int flags, void **addr, size_t old, size_t size, zm_cause_t *cause);

/* Reserves blocks on the disk for the bytes [from, to) of a file, which are within its length, so
 * that writing to them in a mapping cannot be SIGBUS. What is in them stays. Where it fails, nobody
 * else may have written to holes there meanwhile.
 * Returns ZM_OK, also where the file system reserves nothing; ZM_EINVAL where they are not within
 * the file; or ZM_ESYS or ZM_ENOMEM with the free space as it was.
 */
int zm_mmap_reserve(int fd, size_t from, size_t to, zm_cause_t *cause);

/* Ends the mapping of `size` bytes at addr; what was written to it reaches the file. A size of 0
 * does nothing. Returns ZM_OK or ZM_ESYS.
 */
int zm_mmap_free(void *addr, size_t size, zm_cause_t *cause);

/* Waits until what was written to any bytes of a mapping is on the disk. ZM_OK or ZM_ESYS. */
int zm_mmap_sync(void *addr, size_t size, zm_cause_t *cause);

/* Says how any bytes of a mapping will be read: in any order, where what lies around them is not to
 * be read with them, or, with readahead, as the system thinks best. ZM_OK or ZM_ESYS.
 */
int zm_mmap_advise(void *addr, size_t size, bool readahead, zm_cause_t *cause);

#ifdef __cplusplus
}
#endif

#include "zm_debug.h" /* the profile, guarded blocks, leaks */

#endif /* ZMEM_H */
