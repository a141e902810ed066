/* zm_debug.h: the part of zmem.h that finds who holds memory, and who uses it wrongly: sites, the
 * sampled profile, guarded blocks, leak tracking. Include zmem.h, whose rules hold here too.
 */
#ifndef ZM_DEBUG_H
#define ZM_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zm_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Sites: who allocated ------------------------------------------------------------------- */

/* The site of a stack and a tag: one that is there already, else a new one, which stays for ever.
 * pcs: return addresses, innermost first, at most ZM_MAX_STACK (more are dropped); where npcs is 0,
 *    those of whoever calls zm_site_of.
 * tag: ntag bytes of text that tell apart what one stack allocates; copied; at most ZM_MAX_TAG are
 *    kept.
 * Returns NULL where there is no memory for a new one or, without the leak tag, there are 65,536
 * already. That may be passed on wherever a site is asked for, which says what comes of it.
 * Cost: about 50 ns where it is known, and some microseconds where npcs is 0.
 */
zm_site_t *zm_site_of(const char *tag, size_t ntag, const uintptr_t *pcs, size_t npcs);

/* The stack of a site, site->npcs return addresses, and its tag, site->ntag bytes with no NUL
 * behind them. Static storage.
 */
const uintptr_t *zm_site_pcs(const zm_site_t *site);
const char *zm_site_tag(const zm_site_t *site);

/* ---- The sampled profile -------------------------------------------------------------------- */

/* Sets how many bytes are allocated, on average, from one sampled allocation to the next: 1 samples
 * all, 0 none, which is what a C program starts with. An allocation of n bytes is sampled with
 * probability 1 - exp(-n/bytes), and counts as the inverse of that many, so that sums over a site
 * are unbiased. It holds for all threads from their next allocation on.
 * Sampled are allocations from caches and what is passed to zm_profile_calloc and zm_profile_add;
 * zm_calloc and zm_calloc_batch are not.
 * bytes: up to ZM_MAX_SIZE.
 * Returns ZM_OK, ZM_EINVAL, or ZM_ENOMEM where the address range for sampled blocks cannot be had:
 * nothing is sampled then. In a library with the leak tag the profile is exact, nothing is sampled,
 * and this is ZM_ENOTSUP.
 */
int zm_profile_set_rate(uint64_t bytes);

/* The rate that is set: 0 for off; 1 in a library with the leak tag. */
uint64_t zm_profile_rate(void);

/* The address range in which all sampled or guarded blocks of up to ZM_SMALL_MAX bytes lie, and
 * nothing else: such a block must not be put in a magazine, but goes to zm_free. *size is 0 where
 * there is none. It is reserved by the first call that sets a rate, and never changes.
 */
void zm_profile_range(uintptr_t *base, size_t *size);

/* As zm_calloc_aligned (align 0: as zm_calloc), for an allocation that was chosen to be sampled at
 * `rate`, which is not 0: remembers that `site` allocated it.
 * Returns NULL also where site is, n is 0, or there is no room for it or for what is to be
 * remembered; then allocate as ever.
 * The block is freed as any other.
 */
void *zm_profile_calloc(size_t n, size_t align, uint64_t rate, zm_site_t *site);

/* The same for n bytes at p that come from elsewhere, such as a mapping. zm_profile_remove is to be
 * called before they go; it does nothing for an address that is not known.
 */
void zm_profile_add(const void *p, size_t n, uint64_t rate, zm_site_t *site);
void zm_profile_remove(const void *p);

/* Writes the sites that ever allocated to out[0..cap), in no order, and returns how many there are,
 * which may be more than cap. Numbers are estimates of all allocations, sampled or not; exact with
 * the leak tag.
 */
size_t zm_profile_sites(zm_profile_site_t *out, size_t cap);

/* Fills *out with what the profile itself takes, and has missed. */
void zm_profile_stats(zm_profile_stats_t *out);

/* Gives a site its stack in words, for zm_guard_report: n bytes, copied, lines that begin with four
 * spaces and end with a newline. What comes after the first does nothing, as where memory ran out.
 */
void zm_site_set_text(zm_site_t *site, const char *text, size_t n);

/* ---- Guarded blocks ------------------------------------------------------------------------- */

/* Has one in n allocations of up to ZM_SMALL_MAX bytes from caches be guarded, chosen at random.
 * n: up to 2^32; 1 guards all, 0 none, which is what a program starts with.
 * A guarded block ends at an inaccessible page, or begins at one, in turns. There are 256 places
 * for them; while all are taken, none is guarded. One that is freed is inaccessible until all other
 * free places have been used. Use of either raises SIGSEGV. Blocks are aligned as ever, so that
 * what is written into the up to 15 bytes between their end and the page is not seen. The first
 * call that is not for 0 installs a handler for SIGSEGV and SIGBUS (SA_ONSTACK). It writes
 * zm_guard_report to standard error, and then passes the signal on to whichever handler was there.
 * Returns ZM_OK, ZM_EINVAL, or ZM_ENOMEM where there is no range for sampled blocks, or too small a
 * one. In a library with the leak tag this is ZM_ENOTSUP.
 */
int zm_guard_set_rate(uint64_t n);
uint64_t zm_guard_rate(void);

/* Allocates a guarded block of n zero bytes, aligned as by zm_calloc.
 * n: 1 to ZM_SMALL_MAX.
 * rate: the rate at which it was chosen to be sampled as well, or 0.
 * site: who allocates; give it its text for reports.
 * Returns its address, or NULL where site is, or there is no place, no memory, or no guarding.
 * The caller owns the block and frees it with zm_free, or with zm_guard_free, which takes the site
 * that frees it, NULL where that is not known: n is for the counters, as there. It returns ZM_OK,
 * or ZM_EINVAL, having freed nothing, where p is not the start of a live guarded block.
 */
void *zm_guard_calloc(size_t n, uint64_t rate, zm_site_t *site);
int zm_guard_free(void *p, size_t n, zm_site_t *site);

/* Writes what a fault at `address` was to out[0..cap): which block it concerns, how far outside,
 * who allocated and who freed it; text that is cut off at cap, without NUL. Returns its length; 0
 * where the address is not one that is guarded. May be called in a signal handler.
 */
size_t zm_guard_report(uintptr_t address, char *out, size_t cap);

/* ---- Leak tracking (only in a library built with the leak tag) ---------------------------- */

/* As zm_calloc_aligned (align 0: as zm_calloc), and remembers that `site` allocated the block.
 * Returns NULL too where site is, and where there is no memory to remember the block in.
 * A block from here is freed with zm_leak_free, never with zm_free.
 * Cost: about 100 ns and 43 to 85 bytes a live block.
 */
void *zm_leak_calloc(size_t n, size_t align, zm_site_t *site);

/* As zm_leak_calloc, but says why not, as zm_try_calloc does; ZM_ENOMEM where site is NULL. */
int zm_leak_try_calloc(size_t n, size_t align, zm_site_t *site, void **out);

/* Frees a block that zm_leak_calloc returned, checking that it is live, that p is its start and
 * that n is its size. site: who frees it, NULL where that is not known. fault may be NULL.
 * Returns ZM_OK, or ZM_EINVAL with *fault saying what is wrong, nothing being freed then.
 */
int zm_leak_free(void *p, size_t n, zm_site_t *site, zm_leak_fault_t *fault);

/* As zm_allocator_new; its chunks count as live blocks of `site`. ZM_ENOMEM where that is NULL. */
int zm_leak_allocator_new(size_t size, zm_site_t *site, zm_allocator_t **out);

/* Makes the chunks of an Allocator count as those of `site` from now on; where that is NULL it
 * leaves them with whose they were.
 */
void zm_leak_allocator_own(zm_allocator_t *a, zm_site_t *site);

/* Writes the sites that have live blocks to out[0..cap), in no order, and returns how many there
 * are, which may be more than cap. Exact whenever no call is under way.
 */
size_t zm_leak_sites(zm_leak_live_t *out, size_t cap);

/* Writes the live blocks, the chunks of live Allocators that have a site as far as they are carved,
 * and of each Buffer the bytes [0, len), to out[0..cap), in no order, and returns how many there
 * are, as zm_leak_sites does. By the time it returns, other threads may have freed some: do not
 * touch them, but use zm_leak_read.
 */
size_t zm_leak_blocks(zm_leak_block_t *out, size_t cap);

/* Copies n bytes of a block that zm_leak_blocks listed, from byte `offset` on, to out. Returns
 * false, out being as it was, where the block is no longer live or has no such bytes. It is neither
 * freed nor moved meanwhile, as that waits; but its owner may write to it, so that what is copied
 * may be half old. A Buffer is read where it is now.
 */
bool zm_leak_read(const zm_leak_block_t *block, size_t offset, void *out, size_t n);

#ifdef __cplusplus
}
#endif

#endif /* ZM_DEBUG_H */
