/* test.h: what every test includes: cmocka, the core's private header and a few helpers. */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zm_internal.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Sizes around every boundary that the core knows, and some beyond. */
extern const size_t boundary_sizes[];
extern const size_t num_boundary_sizes;

/* A generator of random numbers, the same everywhere for the same seed. */
typedef struct rng {
    uint64_t state;
} rng_t;

uint64_t rng_next(rng_t *r);
size_t rng_below(rng_t *r, size_t n); /* 0 to n - 1 */

/* Spreads a word over all bits: the pattern that belongs to an address. */
uint64_t pattern_of(uintptr_t address);

bool all_are(const void *p, unsigned char byte, size_t n);
bool is_aligned(const void *p, size_t align);
size_t promised_align(size_t n); /* what zmem.h says of zm_calloc(n) */

/* What the constructors make; NULL where they return an error. */
zm_cache_t *new_cache(void);
zm_buffer_t *new_buffer(size_t capacity);
zm_allocator_t *new_allocator(size_t size);
zm_allocator_pool_t *new_pool(size_t cap);
zm_allocator_t *pool_get(zm_allocator_pool_t *pool, size_t size);

/* The same, for tests with the leak tag. */
static inline zm_allocator_t *new_leak_allocator(size_t size, zm_site_t *site)
{
    zm_allocator_t *a = NULL;
    zm_leak_allocator_new(size, site, &a);
    return a;
}

/* The counters are these, and the test fails if not. */
#define assert_counts(bytes, objects)                                                              \
    do {                                                                                           \
        assert_int_equal(zm_num_alloc_bytes(), bytes);                                             \
        assert_int_equal(zm_num_allocs(), objects);                                                \
    } while (0)

/* Runs a function in a child process; whether it returned true there. cmocka's checks are not for
 * it, MUST is.
 */
bool in_child(bool (*f)(const void *arg), const void *arg);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                    \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

#endif /* TEST_H */
