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
 *   - Nothing here prints, exits, aborts or sets errno for you to read.
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
    ZM_ENOMEM = -1,   /* the system has no memory for it */
    ZM_EINVAL = -2,   /* an argument is out of its range */
    ZM_EBACKEND = -3, /* ZMEM_BACKEND names no backend that is compiled in */
    ZM_ENOTSUP = -4,  /* this backend or system cannot do it */
    ZM_ESYS = -5,     /* the backend itself reported an error */
    ZM_ELIMIT = -6,   /* beyond the limit that was set */
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
 * Returns ZM_OK and sets *out; or ZM_ENOMEM, ZM_ELIMIT (see zm_set_limit), ZM_EINVAL or ZM_EBACKEND
 * and leaves *out as it was.
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

/* ---- The limit -------------------------------------------------------------------------------
 *
 * What counts is what zmem holds: blocks that callers have, and free ones in caches and in the
 * depot, each with the size of its class, or as it was asked for where that is above ZM_SMALL_MAX.
 * What backends and the core need for their own bookkeeping, and what an alignment wastes, does
 * not.
 */

/* Sets the most bytes to hold, and returns what was set before; a negative number changes nothing.
 * INT64_MAX, as it is at first, is no limit. An allocation that would pass it fails, after all that
 * the depot holds has been given back. Nothing is freed when more is held already.
 */
int64_t zm_set_limit(int64_t bytes);

/* The bytes that count now. */
int64_t zm_num_held_bytes(void);

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
 * Returns ZM_OK or ZM_EBACKEND.
 */
int zm_init(void);

/* The backend in use, for example "jemalloc"; NULL where zm_init fails. Static storage. */
const char *zm_backend(void);

/* The backends compiled in, the default first, separated by commas; chooses none. Static storage.
 */
const char *zm_backends(void);

/* ---- Caches: allocating from one thread at a time, at the price of a few instructions ---------
 */

/* Makes an empty cache, or returns NULL when out of memory. Caches are never freed: keep them in a
 * pool rather than one for each thread that comes and goes.
 */
zm_cache_t *zm_cache_new(void);

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

/* Gives back to the backend the blocks that the depot has not needed since the last call, or all
 * of them. Returns whether there were any. Allocating does it by itself before it gives up.
 */
bool zm_depot_trim(bool all);

/* ---- Leak tracking (only in a library built with the leak tag) ---------------------------- */

/* As zm_calloc_aligned (align 0: as zm_calloc), and remembers who allocated the block.
 * pcs: the caller's stack, innermost first, of at most ZM_MAX_STACK return addresses (more are
 *    dropped); where npcs is 0 the C stack of this call is taken.
 * tag: ntag bytes of text that tell blocks of one stack apart; copied; at most ZM_MAX_TAG are kept.
 * Returns NULL too where there is no memory to remember the block in.
 * A block from here is freed with zm_leak_free, never with zm_free.
 * Cost: about 100 ns and 32 to 64 bytes a live block, and each different stack once for ever.
 */
void *zm_leak_calloc(size_t n, size_t align, const char *tag, size_t ntag, const uintptr_t *pcs,
                     size_t npcs);

/* As zm_leak_calloc, but says why not, as zm_try_calloc does. */
int zm_leak_try_calloc(size_t n, size_t align, const char *tag, size_t ntag, const uintptr_t *pcs,
                       size_t npcs, void **out);

/* Frees a block that zm_leak_calloc returned, checking that it is live, that p is its start and
 * that n is its size. pcs, npcs: the stack that frees it, as above. fault may be NULL.
 * Returns ZM_OK, or ZM_EINVAL with *fault saying what is wrong, nothing being freed then.
 */
int zm_leak_free(void *p, size_t n, const uintptr_t *pcs, size_t npcs, zm_leak_fault_t *fault);

/* Writes the sites that have live blocks to out[0..cap), in no order, and returns how many there
 * are, which may be more than cap. Exact whenever no call is under way.
 */
size_t zm_leak_sites(zm_leak_live_t *out, size_t cap);

/* Writes the live blocks to out[0..cap), in no order, and returns how many there are, as
 * zm_leak_sites does. By the time it returns, other threads may have freed some: do not touch them,
 * but use zm_leak_read.
 */
size_t zm_leak_blocks(zm_leak_block_t *out, size_t cap);

/* Copies n bytes of a block that zm_leak_blocks listed, from byte `offset` on, to out. Returns
 * false, out being as it was, where the block is no longer live or has no such bytes. It is not
 * freed meanwhile, as that waits; but its owner may write to it, so that what is copied may be half
 * old.
 */
bool zm_leak_read(const zm_leak_block_t *block, size_t offset, void *out, size_t n);

/* The stack of a site, site->npcs return addresses, and its tag, site->ntag bytes with no NUL
 * behind them. Static storage.
 */
const uintptr_t *zm_site_pcs(const zm_site_t *site);
const char *zm_site_tag(const zm_site_t *site);

#ifdef __cplusplus
}
#endif

#endif /* ZMEM_H */
