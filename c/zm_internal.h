/* zm_internal.h: what the files of the core share with each other and with nobody else.
 *
 * Glossary
 *   backend     the allocator below us: libc's or jemalloc
 *   size class  one of the sizes that small requests are rounded up to; see class.c
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

/* Zero memory for our own bookkeeping, from the backend, not counted; NULL when out of memory. */
void *zm__meta_calloc(size_t n);
void zm__meta_free(void *p);

/* ---- class.c ------------------------------------------------------------------------------ */

#define ZM__SMALL_MAX ((size_t)32768) /* the largest size class, in bytes */

/* The size of the class that serves n, for n up to ZM__SMALL_MAX. */
size_t zm__class_size(size_t n);

/* ---- libc_<system>.c ---------------------------------------------------------------------- */

/* What libc offers beyond the C standard, which differs between systems. */
size_t zm__libc_good_size(size_t n);
size_t zm__libc_usable_size(const void *p);
int zm__libc_stats(zm_memstats_t *out);
int zm__libc_purge(void);

#endif /* ZM_INTERNAL_H */
