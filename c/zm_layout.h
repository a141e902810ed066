/* zm_layout.h: the structs that C and Go share.
 *
 * Each is declared once, here, and mirrored in layout.go, which asserts its size and the offset of
 * every field at compile time. Ordered so that there is nothing to pad.
 */
#ifndef ZM_LAYOUT_H
#define ZM_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

/* What a backend knows of its own memory, in bytes. */
typedef struct zm_memstats {
    uint64_t allocated; /* in blocks handed out, their rounding included */
    uint64_t active;    /* in pages that hold such blocks */
    uint64_t metadata;  /* the backend's own bookkeeping */
    uint64_t resident;  /* physical memory that the backend holds, at most */
    uint64_t mapped;    /* address space in active use */
    uint64_t retained;  /* address space kept, whose memory was given back */
} zm_memstats_t;

/* ---- Caches of free blocks; see cache.c ---------------------------------------------------- */

#define ZM_NUM_CLASSES 45  /* size classes */
#define ZM_SMALL_MAX 65536 /* size of the largest class, in bytes */

/* Whoever allocates or frees goes through a cache and a magazine, and through what begins a page:
 * the runtime's P, and often the block itself. Addresses of one offset in their pages have to share
 * a few places in a first-level data cache, and a load waits for a store in flight to such an
 * address as if it were the same one ("4K aliasing" in Intel's optimization manual). So nothing
 * that such a call changes stands in the first line of a cache, or of a magazine, which may begin a
 * page, too. (Where in a page a magazine that does not has the address of a block is left to
 * chance.)
 */

/* A magazine: a bounded stack of free blocks of one class. Behind the struct stand cap addresses;
 * the first len of them are blocks, unless it is loaded: then its shelf has the length. Its holder,
 * a cache or the depot, owns it and them.
 */
typedef struct zm_magazine {
    struct zm_magazine *next; /* in a list of the depot */
    uint32_t len;
    uint32_t cap;
    struct zm_slab *slab; /* the memory that it is part of; the depot's */
    uint64_t reserved[5]; /* fills the line */
} zm_magazine_t;

/* The magazines of one class in a cache; never NULL: where there is none it is zm_no_magazine,
 * which is empty and full at once. The length and the capacity of the loaded one stand here, so
 * that it is touched no more than where the block is. Other threads read the lengths, at any
 * time.
 */
typedef struct zm_shelf {
    zm_magazine_t *loaded;   /* taken from and put to */
    zm_magazine_t *previous; /* changes places with it when that is enough */
    uint32_t len;
    uint32_t cap;
    uint32_t previous_len; /* of previous, for who counts what is parked */
    uint32_t reserved;     /* two fill a line */
} zm_shelf_t;

/* A cache, used by one thread at a time. The counters only ever grow: what is live is the
 * difference, which is negative in a cache that mostly frees.
 */
typedef struct zm_cache {
    struct zm_cache *next; /* in the list of all caches */
    uint64_t seen;         /* what zm_cache_idle saw when it was last asked */
    uint64_t reserved[6];  /* fills the line */
    zm_shelf_t shelves[ZM_NUM_CLASSES];
    uint64_t reserved_too[4]; /* fills the line; those below fill the last one */
    uint64_t allocated_bytes;
    uint64_t allocated_objects;
    uint64_t sample_at; /* atomic; the allocation that takes allocated_bytes there is sampled; 0: to
                           be set by the next one */
    uint64_t guard_at;  /* atomic; allocated_objects from which the next is guarded; 0: to be set */
    uint64_t freed_bytes;
    uint64_t freed_objects;
    uint64_t reserved_last[2];
} zm_cache_t;

/* ---- Allocators; see allocator.c ------------------------------------------------------------ */

#define ZM_MAX_ALLOC (1 << 30)   /* bytes of the largest allocation from an Allocator */
#define ZM_WINDOW_MAX_ALLOC 2048 /* bytes of the largest one that windows serve */
#define ZM_WINDOW_BITS 4
#define ZM_NUM_WINDOWS (1 << ZM_WINDOW_BITS) /* that threads spread over */

typedef struct zm_allocator zm_allocator_t;
typedef struct zm_allocator_pool zm_allocator_pool_t;

/* A window: a piece of a chunk that any number of threads allocate from without a lock, by adding
 * to `used`: what lies between the old and the new value is theirs, unless that is beyond `size`.
 * This head stands at its start, on a cache line of its own.
 */
typedef struct zm_window {
    uint64_t used;          /* atomic; in bytes, the head included; beyond size where it is full */
    uint64_t size;          /* in bytes, the head included; never changes while threads use it */
    struct zm_window *next; /* in the list of spare ones */
    uint64_t reserved[5];   /* fills the line */
} zm_window_t;

/* A cursor: memory carved from an Allocator for one thread at a time, which takes it from its end.
 */
typedef struct zm_cursor {
    zm_allocator_t *allocator;
    unsigned char *base; /* of its memory: behind the head of a window */
    ptrdiff_t left;      /* bytes that are free, from there */
} zm_cursor_t;

/* ---- Sites; see site.c ---------------------------------------------------------------------- */

#define ZM_MAX_STACK 64 /* return addresses kept of one stack */
#define ZM_MAX_TAG 64   /* bytes kept of one tag */

/* A site: one stack and one tag. Sites are never freed, and all but the counters never change, so
 * that a pointer to one may be read at any time. Behind the struct stand npcs return addresses,
 * the innermost first, and then ntag bytes of the tag.
 */
typedef struct zm_site {
    struct zm_site *next; /* in its hash bucket */
    uint64_t hash;
    int64_t live_bytes;   /* atomic, as those below */
    int64_t live_objects; /* not freed yet */
    int64_t alloc_bytes;  /* ever allocated */
    int64_t alloc_objects;
    const char *text; /* its stack in words, or NULL; set once */
    uint32_t npcs;
    uint32_t ntag;
} zm_site_t;

/* ---- The profile; see profile.c ------------------------------------------------------------- */

/* What a site allocated, as the profile has it. */
typedef struct zm_profile_site {
    const zm_site_t *site;
    int64_t alloc_bytes; /* ever */
    int64_t alloc_objects;
    int64_t live_bytes; /* and not freed */
    int64_t live_objects;
} zm_profile_site_t;

typedef struct zm_profile_stats {
    uint64_t bytes;   /* of memory for sites and records */
    uint64_t sites;   /* that it has */
    uint64_t records; /* of live samples */
    uint64_t dropped; /* samples for which there was no memory, or more than the bound allows */
    uint64_t crowded; /* samples for which there was no room in the address range */
} zm_profile_stats_t;

/* ---- Leaks; see leak.c ---------------------------------------------------------------------- */

/* A site with live blocks, as zm_leak_sites lists it. */
typedef struct zm_leak_live {
    const zm_site_t *site;
    int64_t bytes;
    int64_t objects;
} zm_leak_live_t;

/* A live block, what was carved of an Allocator's chunk, or a Buffer's bytes, as zm_leak_blocks
 * lists it.
 */
typedef struct zm_leak_block {
    uintptr_t block;
    uint64_t size; /* in bytes, as asked for */
    const zm_site_t *site;
    uint64_t ref;     /* of the Allocator, or 0 */
    uintptr_t buffer; /* the Buffer's control block, or 0 */
} zm_leak_block_t;

/* What is wrong with an address that was to be freed. */
enum {
    ZM_FAULT_FOREIGN = 1,  /* no live block holds it, nor was it freed lately */
    ZM_FAULT_INTERIOR = 2, /* it lies inside a live block, not at its start */
    ZM_FAULT_FREED = 3,    /* the block was freed already */
    ZM_FAULT_SIZE = 4,     /* the block has another size */
};

typedef struct zm_leak_fault {
    int64_t kind;
    uintptr_t block;             /* start of the block concerned; 0 for ZM_FAULT_FOREIGN */
    uint64_t size;               /* its size, in bytes */
    const zm_site_t *alloc_site; /* who allocated it, or NULL */
    const zm_site_t *free_site;  /* who freed it, or NULL */
} zm_leak_fault_t;

/* ---- Sorting; see sort.c --------------------------------------------------------------------- */

/* What a sort shares with whoever watches it, from any thread. All zero before it begins. */
typedef struct zm_sort_watch {
    int64_t done;  /* atomic; of the work, in bytes of records: 0 to total; it never falls */
    int64_t total; /* atomic; bytes of records; set when the sort begins */
    int32_t stop;  /* atomic; the sort ends soon after somebody sets it to 1; it is not set back */
    int32_t reserved;
} zm_sort_watch_t;

/* ---- Buffers; see buffer.c ------------------------------------------------------------------ */

/* Where the bytes of a Buffer are. */
enum {
    ZM_BUFFER_HEAP = 0, /* a block from zm_calloc */
    ZM_BUFFER_ANON = 1, /* an anonymous mapping */
    ZM_BUFFER_TMP = 2,  /* a mapping of a temporary file that has no name */
    ZM_BUFFER_FILE = 3, /* a mapping of a file that stays */
    ZM_BUFFER_VIEW = 4, /* somebody else's; Go makes it, and no function of C takes it */
};

/* A Buffer. Whoever appends to it needs the first three fields; len <= cap always holds. */
typedef struct zm_buffer {
    void *data;     /* its first byte */
    size_t len;     /* where the next byte goes, counted from data */
    size_t cap;     /* up to where bytes go without growing */
    size_t start;   /* where the first byte went: 8, or 0 in a view */
    size_t size;    /* bytes that there are at data; 0 in a view */
    size_t max;     /* what growing must not pass */
    size_t spill;   /* what size must not pass outside of a file; SIZE_MAX: it may */
    size_t step;    /* the most to grow by when less would do; less than that failed */
    char *dir;      /* folder of temporary files, NUL-terminated, or NULL */
    char *path;     /* of a file that stays, NUL-terminated, or NULL */
    int32_t fd;     /* of the file, or -1 */
    int32_t kind;   /* ZM_BUFFER_... */
    int32_t old_fd; /* of the file at path, where fd is a copy that is to replace it; or -1 */
    int32_t named;  /* whether that copy has a name already */
} zm_buffer_t;

/* Why a call that concerns a file failed. */
typedef struct zm_cause {
    const char *what; /* the system call, or what is wrong with the file; static storage */
    int64_t code;     /* errno after the system call, else 0 */
} zm_cause_t;

#endif /* ZM_LAYOUT_H */
