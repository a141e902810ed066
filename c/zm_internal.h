/* zm_internal.h: what the files of the core share with each other and with nobody else.
 *
 * Glossary
 *   backend     the allocator below us: libc's or jemalloc
 *   size class  one of the sizes that small requests are rounded up to; see class.c
 *   magazine    a bounded stack of free blocks of one size class; see depot.c
 *   slab        memory of several magazines; see depot.c
 *   depot       where caches exchange empty magazines for full ones and back; see depot.c
 *   cache       magazines for one thread at a time, to allocate from without a lock; see cache.c
 *   shelf       the two magazines of one size class in a cache
 *   span        memory of sampled blocks of one size class; see sampled.c
 *   Allocator   many small blocks that are freed together; see allocator.c
 *   chunk       a large block that an Allocator carves
 *   window      a piece of a chunk that threads allocate from without its lock
 *   cursor      a piece of a chunk for one thread at a time
 *   shard       one of several copies of a counter or table, so that threads seldom meet
 *   site        a stack that allocated or freed, with its tag; see site.c
 *   record      what is known of a block, found by its address; see record.c
 *
 * Locks, in their order: a thread that holds one takes only such as are named further on, and one
 * at a time of those that a line names together. Only a fork takes them all (fork.c).
 *   allocator_pool.c  the one of all pools
 *   allocator.c       the one of the table by ref; then each Allocator's
 *   leak_buffer.c     the one of all Buffers, under the leak tag
 *   guard.c           the one of guarded blocks
 *   leak.c            its shards', under the leak tag
 *   profile.c         its shards'
 *   site.c            its shards'
 *   sampled.c         its shards'; then the one of the range
 *   charge.c          the one of who makes room
 *   depot.c           each size class's
 *   limit.c           the one to wait with
 *   backend_<name>.c  jemalloc's lanes; then the locks of the allocator below us
 * Any of them may be held while the backend is called, which calls nothing of ours.
 *
 * Prototypes are grouped by the file that defines them.
 */
#ifndef ZM_INTERNAL_H
#define ZM_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "zmem.h"

#define ZM__CACHE_LINE 64
#define ZM__SHARDS 64 /* of tables; a power of two */

/* Spreads a word over all bits (the finalizer of Austin Appleby's MurmurHash3). */
static inline uint64_t zm__mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
}

/* ---- fork.c ------------------------------------------------------------------------------- */

/* What is done with each of a file's locks: pthread_mutex_lock or pthread_mutex_unlock. */
typedef int zm__lock_op_t(pthread_mutex_t *lock);

/* Does it with all locks of the core, in their order. */
void zm__fork_locks(zm__lock_op_t *op);

/* Has every fork from now on take them; called once. False when out of memory. */
bool zm__fork_register(void);

/* Those of one file. A file without any under this build's tags does nothing. */
void zm__pool_locks(zm__lock_op_t *op);
void zm__refs_locks(zm__lock_op_t *op);
void zm__allocator_locks(zm__lock_op_t *op);
void zm__leak_buffer_locks(zm__lock_op_t *op);
void zm__guard_locks(zm__lock_op_t *op);
void zm__leak_locks(zm__lock_op_t *op);
void zm__profile_locks(zm__lock_op_t *op);
void zm__site_locks(zm__lock_op_t *op);
void zm__sampled_locks(zm__lock_op_t *op);
void zm__charge_locks(zm__lock_op_t *op);
void zm__depot_locks(zm__lock_op_t *op);
void zm__limit_locks(zm__lock_op_t *op);
void zm__backend_locks(zm__lock_op_t *op);

/* In the child of a fork, while all locks are held: forget the threads that are not there. */
void zm__limit_child(void);
void zm__guard_child(void);
void zm__charge_child(void);
void zm__decay_child(void);

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
    /* Gives back to the system what has been free for a while; returns whether there was any, or
     * will be later. A backend that does it by itself returns false. */
    bool (*decay)(void);
    size_t (*good_size)(size_t n);
    size_t (*usable_size)(const void *p); /* 0 where it cannot tell */
    int (*stats)(zm_memstats_t *out);     /* *out is zero on entry */
    int (*purge)(void);
    int (*text)(char **text);         /* the string comes from zm__meta_calloc */
    void (*locks)(zm__lock_op_t *op); /* as zm__depot_locks, for locks of that file's own */
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
void *zm__meta_calloc_aligned(size_t n, size_t align); /* align: ZM__CACHE_LINE or more */
void zm__meta_free(void *p);

/* ---- class.c ------------------------------------------------------------------------------ */

/* The class that serves n, for n up to ZM_SMALL_MAX, and the size of a class, in bytes. */
unsigned zm__class_of(size_t n);
size_t zm__class_size(unsigned cls);

/* ---- limit.c ------------------------------------------------------------------------------ */

/* Charges for as many blocks of n bytes, not 0, as the limit allows, from min to max, and returns
 * how many; or 0, nothing being charged.
 */
size_t zm__limit_charge(size_t n, size_t min, size_t max);

/* By how many bytes the limit is too low for n bytes more; 0 where they fit. */
uint64_t zm__limit_lacks(size_t n);

/* Uncharges what was not to be had after all, or is given back. */
void zm__uncharge(size_t n);

/* ---- charge.c ----------------------------------------------------------------------------- */

/* As zm__limit_charge, for what is about to be taken from the system or a backend; where that is
 * refused, what the depot holds goes back first, as far as it takes. No lock of the depot may be
 * held. zm__charge is for n bytes, or none.
 */
size_t zm__charge_some(size_t n, size_t min, size_t max);
bool zm__charge(size_t n);

/* The most bytes held since this was called last. One thread at a time. */
int64_t zm__take_peak(void);

/* ---- decay.c ------------------------------------------------------------------------------ */

/* What decides when free memory goes back to the system; zero at first. */
typedef struct zm__decay {
    int64_t high;  /* the most bytes held since memory last went back */
    double due;    /* byte-seconds: what nobody needed in each period, by its length */
    double looked; /* when, in seconds */
    double budget; /* seconds that giving back may take; below 0 it has to wait */
} zm__decay_t;

typedef enum zm__decay_when { ZM__DECAY_NONE, ZM__DECAY_LATER, ZM__DECAY_NOW } zm__decay_when_t;

/* Whether it is time to give back: peak is the most bytes held since the last look, held what is
 * held now, `now` a time in seconds. NONE: nothing is free that would be worth it.
 */
zm__decay_when_t zm__decay_look(zm__decay_t *d, int64_t peak, int64_t held, double now);

/* Says that memory went back, with `held` bytes held after it, and the processor time that it took.
 */
void zm__decay_done(zm__decay_t *d, int64_t held, double seconds);

/* A backend's decay: looks, and calls purge when it is time. */
bool zm__decay(int (*purge)(void));

/* ---- depot.c ------------------------------------------------------------------------------ */

/* What the depot has of one class. */
typedef struct zm__depot {
    _Alignas(ZM__CACHE_LINE) pthread_mutex_t lock;
    zm_magazine_t *full; /* those that hold a block at least */
    zm_magazine_t *empty;
    size_t nfull;
    size_t low;            /* the fewest there were since the last trim */
    _Atomic size_t blocks; /* in the full ones; read without the lock */
} zm__depot_t;

/* The bytes of the blocks that the depot holds; and whether they are so many. */
uint64_t zm__depot_bytes(void);
bool zm__depot_has(uint64_t bytes);

/* As zm_depot_put, for a magazine that nobody has needed since the last trim. */
void zm__depot_put_idle(unsigned cls, zm_magazine_t *m);

/* The addresses that stand behind a magazine. */
static inline void **zm__blocks(zm_magazine_t *m)
{
    return (void **)(m + 1);
}

/* ---- alloc.c ------------------------------------------------------------------------------ */

/* Adds to what zm_num_alloc_bytes and zm_num_allocs return; negative numbers as their complement.
 */
void zm__count(uint64_t bytes, uint64_t objects);

/* Adds to what zm_num_file_bytes returns. */
void zm__count_file(int64_t bytes);

/* This thread's number, by which threads are dealt to shards: they are numbered in turn. */
unsigned zm__thread(void);

/* As zm_calloc_batch, except that what is in the blocks is not cleared. */
int zm__alloc_batch(size_t n, void **out, size_t len);

/* ---- leak_buffer.c, leak_off.c: nothing of this does anything without the leak tag ----------- */

/* Has the leak tracker know a Buffer, which has no memory yet, as the C stack's; false when out of
 * memory. Until zm__leak_buffer_remove, other threads read what it has.
 */
bool zm__leak_buffer_add(const zm_buffer_t *b);
void zm__leak_buffer_remove(const zm_buffer_t *b);

/* While this is locked no Buffer is read, so that one may get other memory. */
void zm__leak_buffer_lock(void);
void zm__leak_buffer_unlock(void);

/* Says that a Buffer has so much memory now that counts as allocated; the lock is held. */
void zm__leak_buffer_count(const zm_buffer_t *b, size_t bytes);

/* zm_leak_blocks and zm_leak_read for the bytes of all Buffers. */
size_t zm__leak_buffer_list(zm_leak_block_t *out, size_t cap);
bool zm__leak_buffer_read(const zm_leak_block_t *block, size_t offset, void *out, size_t n);

/* ---- map.c, map_linux.c, map_posix.c -------------------------------------------------------- */

/* n, at most ZM_MAX_SIZE, rounded up to whole pages. */
size_t zm__map_round(size_t n);

/* A mapping of n bytes, whole pages, anonymous and zero; NULL with errno set where there is none.
 */
void *zm__map_anon(size_t n);

/* A mapping of the first n bytes of a file, not 0, shared with it; NULL with errno set. */
void *zm__map_file(int fd, bool writable, size_t n);

/* Makes a mapping of n bytes of one of `old` bytes, which is less, and returns where it is now;
 * NULL with errno set where that fails, p being as it was. fd is that of the file, or -1 for
 * anonymous memory. What the system was advised of parts of it stays.
 */
void *zm__map_grow(int fd, bool writable, void *p, size_t old, size_t n);
void zm__map_free(void *p, size_t n);

/* Has the system find the pages of memory that is about to be written to all at once, if it can. */
void zm__map_populate(void *p, size_t n);

/* The same for n bytes of a file's mapping, whole pages, whose blocks were reserved just now, if
 * those are in memory: to find them one by one costs ten times as much as to write to them.
 */
void zm__map_populate_file(int fd, void *p, size_t n);

/* Makes a mapping of n bytes, whole pages, of a new file in dir (NULL: /tmp), their blocks
 * reserved; *fd stays open.
 */
int zm__map_tmpfile(const char *dir, size_t n, void **out, int *fd, zm_cause_t *cause);

/* ---- file.c, file_linux.c, file_posix.c -------------------------------------------------------
 */

/* How often a system call is made that signals interrupt, or that others undo, until it fails. */
#define ZM__MAX_TRIES 100

/* ZM_ENOMEM or ZM_ESYS by errno, after a system call that failed; fills in cause if it is not NULL.
 */
int zm__sys_error(const char *call, zm_cause_t *cause);

/* open, with O_CLOEXEC. */
int zm__file_open(const char *path, int flags, unsigned mode);

/* Opens a new file in dir that has no name. zm__file_tmp_named gives it one for a moment. */
int zm__file_tmp(const char *dir, int *fd, zm_cause_t *cause);
int zm__file_tmp_named(const char *dir, int *fd, zm_cause_t *cause);

/* Opens a new file, for its owner alone, that is to get the name `name`, in dir, by zm__file_link:
 * it has none yet, so that nothing is left of it when the process dies, or, where this system
 * cannot do that, has it already, as *named says. zm__file_new gives it the name at once.
 * zm__file_link returns false with errno set where it fails.
 */
int zm__file_beside(const char *dir, const char *name, int *fd, bool *named, zm_cause_t *cause);
int zm__file_new(const char *name, int *fd, bool *named, zm_cause_t *cause);
bool zm__file_link(int fd, const char *name);

/* Whether the file that fstat described is what a path leads to. False with errno set: to ESTALE
 * where that is another file, or none.
 */
struct stat;
bool zm__file_is_at(const char *path, const struct stat *file);

/* Reads up to n bytes from the start of a file; how many, or -1 with errno set. */
ssize_t zm__file_read(int fd, void *p, size_t n);

/* Writes n bytes at byte `to`; where it fails some of them may have been written. */
int zm__file_write(int fd, const void *p, size_t n, size_t to, zm_cause_t *cause);

/* Makes a file `to` bytes long, more than it was: a hole, which takes no room on the disk. */
int zm__file_extend(int fd, size_t to, zm_cause_t *cause);

/* What zm__file_reserve did to a file. */
typedef struct zm__hole {
    off_t from, to;
} zm__hole_t;

typedef struct zm__reserved {
    off_t had;          /* bytes that the file had */
    bool longer;        /* it has more now */
    zm__hole_t *holes;  /* that it had, in order */
    size_t nholes, cap; /* in use, and with memory */
    size_t filled;      /* of the first so many holes */
} zm__reserved_t;

/* Reserves blocks on the disk for all bytes [from, to) of a file that have none, and makes it `to`
 * bytes long where it is shorter; from is not behind its end. What is new is zero. On a file system
 * that reserves nothing, zeros are written behind the end, and holes stay. Where it fails the file
 * is as it was; where it does not, either of zm__reserved_keep and zm__reserved_undo is to follow.
 */
int zm__file_reserve(int fd, size_t from, size_t to, zm__reserved_t *r, zm_cause_t *cause);
void zm__reserved_keep(zm__reserved_t *r);
void zm__reserved_undo(int fd, zm__reserved_t *r); /* keeps errno */

/* Clears the bytes [from, to) of a file that is mapped, writable, at p: no more than has data. */
void zm__file_clear(int fd, void *p, size_t from, size_t to);

/* zm__file_reserve, for the system at hand: false with errno set, EOPNOTSUPP where the file system
 * cannot do it; the file may have become longer. And blocks back from [from, to), which is a hole
 * then.
 */
bool zm__file_allocate(int fd, off_t from, off_t to);
void zm__file_punch(int fd, off_t from, off_t to);

/* ---- buffer.c, buffer_file.c ----------------------------------------------------------------- */

#define ZM__BUFFER_START 8   /* offset of a Buffer's first byte */
#define ZM__BUFFER_MIN 64    /* the least that one holds, in bytes */
#define ZM__FILE_HEADER 4096 /* bytes in front of a Buffer that is in a file */

/* Makes a Buffer without memory whose temporary files go to the folder that the first ndir bytes of
 * dir name. Freed by zm__buffer_free, or by zm_buffer_release once it has memory.
 */
int zm__buffer_block(const char *dir, size_t ndir, zm_buffer_t **out);
void zm__buffer_free(zm_buffer_t *b);

/* Gives b memory in place of what it had, which the caller has copied and frees. */
void zm__buffer_adopt(zm_buffer_t *b, int kind, void *data, size_t size, int fd);

/* For a Buffer of kind ZM_BUFFER_FILE: commits its length, as after a reset, without waiting for
 * the disk; and syncs, unmaps and closes its file.
 */
void zm__buffer_commit(zm_buffer_t *b);
int zm__buffer_close(zm_buffer_t *b, zm_cause_t *cause);

/* The start of its mapping, and the length that its header has. */
static inline char *zm__buffer_file(const zm_buffer_t *b)
{
    return (char *)b->data - ZM__FILE_HEADER;
}
size_t zm__buffer_committed(const zm_buffer_t *b);

/* Whether an open file begins as that of a Buffer does. */
bool zm__buffer_is_file(int fd);

/* Unlocks and closes a file, and returns what close did. */
int zm__buffer_unlock(int fd);

/* ---- buffer_copy.c: the copy that zm_buffer_rewrite made, where b->old_fd is not -1 -------------
 */

/* Puts the copy, which has been written to disk, in the place of the file, which is closed; and
 * ends the file's use where that never came about, the copy's name being removed.
 */
int zm__buffer_publish(zm_buffer_t *b, zm_cause_t *cause);
void zm__buffer_discard(zm_buffer_t *b);

/* Removes the copy that a process which died has left beside b's file, if so. */
void zm__buffer_sweep(const zm_buffer_t *b);

/* Numbers as records and files have them. */
static inline uint64_t zm__le64(const void *p)
{
    const unsigned char *b = p;
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | b[i];
    return v;
}

static inline void zm__put_le64(void *p, uint64_t v)
{
    unsigned char *b = p;
    for (int i = 0; i < 8; i++)
        b[i] = (unsigned char)(v >> (8 * i));
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

/* Has every cache set its sample_at, or guard_at, anew. */
void zm__cache_sample_anew(void);
void zm__cache_guard_anew(void);

/* ---- allocator.c -------------------------------------------------------------------------- */

typedef struct zm__chunk {
    struct zm__chunk *next;
    unsigned char *base;
    size_t size;
    size_t carved; /* bytes, from its start */
    size_t dirty;  /* bytes from its start that are to be cleared when they are carved */
    size_t idle;   /* bytes carved and not used: heads of windows, padding */
} zm__chunk_t;

struct zm_allocator {
    zm_window_t *windows[ZM_NUM_WINDOWS]; /* slots, for C callers */
    pthread_mutex_t lock;
    zm__chunk_t *first;
    zm__chunk_t *current; /* where small pieces come from; NULL where there is no chunk */
    zm_window_t *spare;   /* what closed cursors had left */
    size_t first_size;    /* bytes of the first chunk */
    zm__chunk_t *grown;   /* the last one, until zm_allocator_grown told of it */
    uint64_t allocated;   /* bytes of all chunks */
    uint64_t idle;        /* bytes of spare windows, without their heads */
    zm_site_t *site;      /* whose chunks they are for the leak tracker, or NULL */
    uint64_t ref;
    zm_allocator_t *ref_next;  /* in its bucket of the table by ref */
    zm_allocator_t *pool_next; /* in the pool that keeps it */
};

/* Allocators that wait for their next use; see allocator_pool.c. */
struct zm_allocator_pool {
    zm_allocator_t *first;
    size_t len;
    size_t cap;
    bool asked; /* since zm_allocator_pool_trim was called last */
};

/* As zm_allocator_new; site, if not NULL, is whose live bytes and blocks the chunks count as. */
int zm__allocator_new(size_t size, zm_site_t *site, zm_allocator_t **out);

/* Counts the chunks as another site's from now on. */
void zm__allocator_set_site(zm_allocator_t *a, zm_site_t *site);

/* zm_leak_blocks and zm_leak_read for the chunks of all Allocators that have a site. */
size_t zm__allocator_chunks(zm_leak_block_t *out, size_t cap);
bool zm__allocator_read(const zm_leak_block_t *chunk, size_t offset, void *out, size_t n);

/* Gives an Allocator a new ref; and takes it away, so that nobody finds it. */
void zm__allocator_show(zm_allocator_t *a);
void zm__allocator_hide(zm_allocator_t *a);

/* ---- site.c ------------------------------------------------------------------------------- */

/* How many sites there may be; stands in profile.c and profile_leak.c. */
extern const size_t zm__max_sites;

/* Adds to what a site has live and, where that is positive, to what it ever allocated. */
static inline void zm__site_count(zm_site_t *s, int64_t bytes, int64_t objects)
{
    __atomic_fetch_add(&s->live_bytes, bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->live_objects, objects, __ATOMIC_RELAXED);
    if (bytes > 0)
        __atomic_fetch_add(&s->alloc_bytes, bytes, __ATOMIC_RELAXED);
    if (objects > 0)
        __atomic_fetch_add(&s->alloc_objects, objects, __ATOMIC_RELAXED);
}

/* Calls f with every site, a lock being held. */
void zm__site_each(void (*f)(const zm_site_t *site, void *arg), void *arg);

/* How many sites there are, and the bytes that they take. */
void zm__site_memory(uint64_t *sites, uint64_t *bytes);

/* ---- record.c ----------------------------------------------------------------------------- */

typedef struct zm__record {
    uintptr_t block; /* 0: none */
    uint64_t size;
    zm_site_t *alloc_site;
    uint64_t weight; /* how many blocks of this size it stands for */
} zm__record_t;

typedef struct zm__records {
    zm__record_t *table;
    size_t cap; /* a power of two, or 0 */
    size_t len;
} zm__records_t;

/* The record of a block, or the free slot where it belongs; NULL where there is no table. */
zm__record_t *zm__record_find(const zm__records_t *t, uintptr_t block);

/* Adds the record of a block that has none; false when out of memory. */
bool zm__record_add(zm__records_t *t, zm__record_t r);

/* Removes the record that zm__record_find returned; others may move. */
void zm__record_remove(zm__records_t *t, const zm__record_t *r);

/* ---- sampled.c: blocks whose address says that they are sampled ----------------------------- */

typedef struct zm__sampled {
    uintptr_t base; /* atomic */
    size_t size;    /* atomic; 0: nothing is reserved; set last */
} zm__sampled_t;

extern zm__sampled_t zm__sampled;

typedef struct zm__span {
    struct zm__span *next, *prev; /* in its shard's list of those of its class that have room */
    struct zm__span_shard *shard;
    unsigned char *base;
    unsigned cls;
    uint32_t live;   /* blocks that are handed out */
    uint32_t carved; /* blocks that ever were */
    uint32_t nfree;  /* carved, but not handed out */
    bool used;       /* a block was handed out since the last trim */
    uint16_t free[]; /* their numbers */
} zm__span_t;

/* Whether p lies in the range of sampled blocks. */
static inline bool zm__is_sampled(const void *p)
{
    size_t size = __atomic_load_n(&zm__sampled.size, __ATOMIC_ACQUIRE);
    return (uintptr_t)p - __atomic_load_n(&zm__sampled.base, __ATOMIC_RELAXED) < size;
}

/* Reserves the range, once; false where that is impossible. */
bool zm__sampled_reserve(void);

/* A block of n zero bytes, n being 1 to ZM_SMALL_MAX, aligned as by zm_calloc and to `align`: 0 or
 * a power of two up to ZM_SMALL_MAX. Not counted. NULL where there is no room.
 */
void *zm__sampled_calloc(size_t n, size_t align);
void zm__sampled_free(void *p);
size_t zm__sampled_usable_size(const void *p);

/* Takes n bytes of the range away from it, for ever: inaccessible, and at the start of a span,
 * which are 256 KiB. NULL where there are none.
 */
unsigned char *zm__sampled_take(size_t n);

/* Gives back the spans without a live block that were not needed since the last call, or all of
 * them. Returns whether there were any.
 */
bool zm__sampled_trim(bool all);

/* ---- profile.c, profile_leak.c -------------------------------------------------------------- */

/* The rate at which the allocation that took a cache to its sample_at is to be sampled; 0 where it
 * is not. Sets the next sample_at.
 */
uint64_t zm__profile_due(zm_cache_t *cache);

/* A random number, evenly distributed over (0, 1]. */
double zm__chance(void);

/* Adds a record of n bytes at p, sampled at `rate`; false where there is no room. And removes it;
 * false where there is none.
 */
bool zm__profile_remember(const void *p, size_t n, uint64_t rate, zm_site_t *site);
bool zm__profile_forget(const void *p);

/* Takes the record of a mapping that may move into *out, its numbers staying in the profile; false
 * where it has none. zm__profile_put ends that: the mapping was freed, or moved; or, not `freed`,
 * it is where it was and has its record again.
 */
bool zm__profile_take(const void *p, zm__record_t *out);
void zm__profile_put(const zm__record_t *r, bool freed);

/* Frees a block for which zm__is_sampled holds. Returns false, and does nothing, where it is not
 * the start of a live one.
 */
bool zm__profile_free(void *p);

/* ---- guard.c, guard_leak.c ------------------------------------------------------------------ */

typedef struct zm__guard_slot {
    _Atomic uintptr_t block; /* 0: never used */
    _Atomic size_t size;
    _Atomic(zm_site_t *) alloc_site;
    _Atomic(zm_site_t *) free_site;
    _Atomic bool live;
} zm__guard_slot_t;

/* Whether p lies in the part of the range of sampled blocks that has guarded ones. */
bool zm__is_guarded(const void *p);
size_t zm__guard_usable_size(const void *p);

/* Frees a guarded block, which is not counted here; false where p is not the start of a live one.
 */
bool zm__guard_free(void *p, zm_site_t *free_site);

/* Whether the next allocation from a cache that was as many as its guard_at says is to be guarded.
 * Sets the next guard_at.
 */
bool zm__guard_due(zm_cache_t *cache);

/* ---- libc_glibc.c, libc_other.c ------------------------------------------------------------- */

/* What libc offers beyond the C standard, which differs between systems. */
size_t zm__libc_good_size(size_t n);
size_t zm__libc_usable_size(const void *p);
int zm__libc_stats(zm_memstats_t *out);
int zm__libc_purge(void);
bool zm__libc_decay(void);

/* ---- The check build ------------------------------------------------------------------------
 *
 * Under ZM_CHECK (CHECK=1 of the Makefile, the tag zmem_check of Go) the invariants that comments
 * state are verified: what a slow path has in hand, whenever it runs; whole structures, when memory
 * is given back. The first that does not hold ends the program. What is checked of a file's own
 * state stands at its end, the rest in check_on.c. Without ZM_CHECK none of it is compiled.
 */
#ifdef ZM_CHECK
#define ZM__CHECK(call) (call)

/* An invariant: says which does not hold, and, by a format as printf has it, of what. */
#define ZM__MUST(holds, ...)                                                                       \
    ((holds) ? (void)0 : zm__check_failed(__FILE__, __LINE__, #holds, __VA_ARGS__))

_Noreturn void zm__check_failed(const char *file, int line, const char *what, const char *format,
                                ...) __attribute__((format(printf, 4, 5)));

/* A set of words other than 0, in a table of mask + 1 zeros, of which half stay free. */
typedef struct zm__set {
    uintptr_t *table; /* NULL where there was no memory: such a set takes everything */
    size_t mask;
} zm__set_t;

zm__set_t zm__set_new(size_t most);               /* to be freed by free(set.table) */
bool zm__set_add(zm__set_t *set, uintptr_t word); /* false where it is there already */

/* depot.c. A magazine with len blocks; one that is spent, or zm_no_magazine; one that has a block.
 * What can be said of a class at once, its lock being held. The whole depot; returns the bytes of
 * the blocks that it has.
 */
void zm__check_magazine(unsigned cls, zm_magazine_t *m, size_t len);
void zm__check_spent(unsigned cls, zm_magazine_t *m);
void zm__check_filled(unsigned cls, zm_magazine_t *m);
void zm__check_depot(unsigned cls);
uint64_t zm__check_depots(void);

/* cache.c. A cache that nobody uses meanwhile, and all of them; the bytes of their blocks. */
uint64_t zm__check_cache(zm_cache_t *cache);
uint64_t zm__check_caches(void);

/* limit.c */
void zm__check_held(int64_t held);

/* allocator_pool.c; the lock is held, or nobody else has the pool. */
void zm__check_pool(const zm_allocator_pool_t *pool);

/* sampled.c. A span, its shard's lock being held; and all of them. */
void zm__check_span(const zm__span_t *s);
void zm__check_sampled(void);

/* guard.c. All slots, the lock being held; the same without, and the bytes of live blocks. */
void zm__check_slots(void);
uint64_t zm__check_guards(void);

/* site.c. All sites; sets the bytes and blocks that are live by them. */
void zm__check_sites(bool at_rest, int64_t *bytes, int64_t *objects);

/* profile.c or leak.c: all records of blocks. At rest, also what only holds while no call is under
 * way. Returns the live bytes that no limit counts: those of guarded blocks.
 */
uint64_t zm__check_tracked(bool at_rest);

/* leak_buffer.c: all Buffers; allocator.c: the chunks of Allocators that have a site. They add to
 * the bytes and blocks that sites have live.
 */
void zm__check_leak_buffers(int64_t *bytes, int64_t *objects);
void zm__check_chunks(int64_t *bytes, int64_t *objects);

/* buffer_file.c. The header of the file of a Buffer of kind ZM_BUFFER_FILE. */
void zm__check_buffer_file(const zm_buffer_t *b);

/* check_on.c. A shelf; a Buffer with memory; records, as a whole, and those that stand from slot i
 * on up to a free one. An Allocator whose lock is held, or that nobody else has: what can be said
 * at once, or all. A window of it, other than one that is full since there is none.
 */
void zm__check_shelf(unsigned cls, const zm_shelf_t *s);
void zm__check_buffer(const zm_buffer_t *b);
void zm__check_records(const zm__records_t *t);
void zm__check_run(const zm__records_t *t, size_t i);
void zm__check_allocator(const zm_allocator_t *a, bool whole);
void zm__check_window(const zm_allocator_t *a, const zm_window_t *w);

/* A cursor's memory, behind the head w, of which the end is used. */
void zm__check_cursor(const zm_cursor_t *k, const zm_window_t *w);

/* An Allocator that a pool keeps is found by no ref. */
void zm__check_hidden(const zm_allocator_t *a);

/* All that is not somebody's own, with no lock held but an Allocator's. */
void zm__check_drain(void);

/* All there is, while no other thread is in a call, and held against parked and live: in a program
 * that gave each block back with the size that it had asked for.
 */
void zm__check_rest(void);

/* What only this build's tests look at, to break it. */
zm__depot_t *zm__check_depot_of(unsigned cls);
zm__span_t *zm__check_span_of(const void *p);
zm__guard_slot_t *zm__check_guard(unsigned **queue, size_t **waiting);
zm__records_t *zm__check_records_of(const void *block);
#else
#define ZM__CHECK(call) ((void)0)
#endif

#endif /* ZM_INTERNAL_H */
