/* zm_internal.h: what the files of the core share with each other and with nobody else.
 *
 * Glossary
 *   backend     the allocator below us: libc's or jemalloc
 *   size class  one of the sizes that small requests are rounded up to; see class.c
 *   magazine    a bounded stack of free blocks of one size class; see depot.c
 *   depot       where caches exchange empty magazines for full ones and back; see depot.c
 *   cache       magazines for one thread at a time, to allocate from without a lock; see cache.c
 *   shard       one of several copies of a counter or table, so that threads seldom meet
 *   site        a stack that allocated or freed, with its tag; see leak.c
 *
 * Prototypes are grouped by the file that defines them.
 */
#ifndef ZM_INTERNAL_H
#define ZM_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zmem.h"

#define ZM__CACHE_LINE 64

/* ---- backend_<name>.c -------------------------------------------------------------------- */

/* A backend. Sizes are never 0 and never above ZM_MAX_SIZE; alignments are powers of two. */
typedef struct zm__backend {
    const char *name;
    /* n zero bytes aligned to `align`, which is at least 8; NULL when out of memory */
    void *(*calloc)(size_t n, size_t align);
    void (*free)(void *p);
    /* up to len blocks of n bytes each, not cleared, into out; returns how many there are. What
     * threads that come and go leave behind in caches of the backend's must be bounded. */
    size_t (*fill)(size_t n, void **out, size_t len);
    void (*flush)(void *const *blocks, size_t len); /* the reverse */
    void (*settle)(void); /* gives up what the backend keeps for the next fill */
    size_t (*good_size)(size_t n);
    size_t (*usable_size)(const void *p); /* 0 where it cannot tell */
    int (*stats)(zm_memstats_t *out);     /* *out is zero on entry */
    int (*purge)(void);
    int (*text)(char **text); /* the string comes from zm__meta_calloc */
} zm__backend_t;

extern const zm__backend_t zm__backend_libc;
extern const zm__backend_t zm__backend_jemalloc;

/* Those compiled in, the default first, NULL at the end. In the file of the default backend. */
extern const zm__backend_t *const zm__backends[];

/* ---- backend.c ---------------------------------------------------------------------------- */

/* The backend in use, chosen on first use; NULL where ZMEM_BACKEND names none. */
const zm__backend_t *zm__backend(void);

/* Zero memory for our own bookkeeping, from the backend, at the start of a cache line and not
 * counted; NULL when out of memory.
 */
void *zm__meta_calloc(size_t n);
void zm__meta_free(void *p);

/* ---- class.c ------------------------------------------------------------------------------ */

/* The class that serves n, for n up to ZM_SMALL_MAX, and the size of a class, in bytes. */
unsigned zm__class_of(size_t n);
size_t zm__class_size(unsigned cls);

/* ---- limit.c ------------------------------------------------------------------------------ */

/* Charges n bytes, not 0, that are about to be taken from the system or a backend; false, nothing
 * being charged, where the limit does not allow it even when what the depot holds goes back. What
 * was not to be had after all, or is given back, is uncharged. No lock may be held.
 */
bool zm__charge(size_t n);
void zm__uncharge(size_t n);

/* The same for as many blocks of n bytes as may be, from min to max; returns how many, or 0. */
size_t zm__charge_some(size_t n, size_t min, size_t max);

/* ---- depot.c ------------------------------------------------------------------------------ */

/* Gives back all blocks that the depot holds; whether there were any. */
bool zm__depot_flush(void);

/* The addresses that stand behind a magazine. */
static inline void **zm__blocks(zm_magazine_t *m)
{
    return (void **)(m + 1);
}

/* ---- asan_on.c, asan_off.c ----------------------------------------------------------------- */

/* Under AddressSanitizer, makes any use of the n bytes at p an error, or allows it again. */
void zm__poison(void *p, size_t n);
void zm__unpoison(void *p, size_t n);

/* The same for n bytes of each of len blocks; and for whole blocks on their way to the backend. */
void zm__poison_blocks(void *const *blocks, size_t n, size_t len);
void zm__unpoison_blocks(void *const *blocks, size_t len);

/* ---- cache.c ------------------------------------------------------------------------------ */

/* What is live by the counters of all caches. */
void zm__cache_counts(uint64_t *bytes, uint64_t *objects);

/* ---- libc_glibc.c, libc_other.c ------------------------------------------------------------- */

/* What libc offers beyond the C standard, which differs between systems. */
size_t zm__libc_good_size(size_t n);
size_t zm__libc_usable_size(const void *p);
int zm__libc_stats(zm_memstats_t *out);
int zm__libc_purge(void);

#endif /* ZM_INTERNAL_H */
