/* The work of package alloc's benchmarks as plain C loops on jemalloc: what they cost where nothing
 * stands between the program and the allocator. One call runs the whole loop, so that the crossing
 * from Go is not part of it.
 *
 * Each loop does, in the same order, what the Go bodies do (alloc/body.go.tmpl): it writes the
 * first and the last byte of every block and stores its address where others could find it.
 */
#ifndef ZMEM_BENCH_FLOOR_H
#define ZMEM_BENCH_FLOOR_H

#include <stddef.h>
#include <stdint.h>

/* Allocates and frees a block of n bytes, `iters` times. */
void floor_calloc_free(size_t n, long iters);

/* Fills live[0..count) with blocks of n bytes, or, where sizes is not NULL, of sizes[i & mask]. */
void floor_fill(void **live, size_t count, size_t n, const uint32_t *sizes, size_t mask);

/* Replaces live[order[i & mask]] by a new block of n bytes, `iters` times. */
void floor_replace(void **live, size_t n, const uint32_t *order, size_t mask, long iters);

/* Replaces live[pos & live_mask] by a block of sizes[pos & sizes_mask], pos counting up, `iters`
 * times. */
void floor_mixed(void **live, size_t live_mask, const uint32_t *sizes, size_t sizes_mask,
                 size_t pos, long iters);

/* Frees live[0..count). */
void floor_drop(void **live, size_t count);

/* jemalloc's own version text; never NULL. Static storage. */
const char *floor_jemalloc_version(void);

#endif
