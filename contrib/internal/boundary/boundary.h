/* boundary.h: blocks that go from C to Go, and from Go to C. What differs is in two files: one for
 * a build with the leak tag, where the tracker is to know of each block, and one for all others.
 */
#ifndef BOUNDARY_H
#define BOUNDARY_H

#include <stddef.h>
#include <stdint.h>

/* n bytes, all of them 'c', that z.Free frees; NULL where there is no memory. */
void *boundary_alloc(size_t n);

/* Frees the n bytes at p, from z.Calloc(n) or boundary_alloc(n). Returns 0, or a zm_err_t where
 * they are no such block.
 */
int boundary_free(void *p, size_t n);

/* n bytes, all of them 'c', of the Allocator with that Ref, whose release frees them; NULL where
 * there is no such Allocator, or no memory.
 */
void *boundary_allocate(uint64_t ref, size_t n);

#endif
