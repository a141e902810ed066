/* sort.h: what sort.c, sort_chunk.c and sort_merge.c share.
 *
 * Glossary
 *   chunk   neighbouring records that are sorted in one go; see sort_chunk.c
 *   run     neighbouring records that are in order already
 *   mark    where the first record at or after a certain offset starts; marks are spaced evenly, so
 *           that a run can be searched although its records have different lengths
 */
#ifndef ZM_SORT_H
#define ZM_SORT_H

#include <string.h>

#include "zm_internal.h"

enum { ZM__FRAME = 8 }; /* bytes of length in front of each record */

/* Where a run or a chunk starts. */
typedef struct zm__cut {
    size_t start;  /* offset */
    size_t before; /* records in front of it; of use before sorting only */
} zm__cut_t;

/* A part of a merge, which is no thread's but one's: left before right where neither is less. The
 * output ends where `right` does; the gap between `out` and `right` has room for all of `left`.
 */
typedef struct zm__part {
    unsigned char *from; /* where the left records are before they are copied out */
    unsigned char *left, *left_end;
    unsigned char *right, *right_end;
    unsigned char *out;
} zm__part_t;

/* A sort under way. Nothing in it changes while threads work but marks and parts, of which each
 * thread has its own.
 */
typedef struct zm__sort {
    unsigned char *base; /* the records */
    size_t len;
    zm_sort_key_t kind;
    size_t off; /* of the key in each record */
    bool pairs; /* every record is an 8-byte word and aligned: a zm__entry_t as it lies there */
    unsigned threads;
    size_t grain;    /* bytes from mark to mark */
    size_t *marks;   /* one for each multiple of grain below len */
    zm__cut_t *cuts; /* the chunks, later the runs, and one more at the end */
    size_t ncuts;    /* without that one */
    zm__part_t *parts;
    unsigned char *area; /* the rest of the scratch memory */
    size_t narea;
    size_t chunk_area; /* that of a thread while it sorts chunks */
    unsigned levels;   /* of merging */
    zm_sort_watch_t *watch;
} zm__sort_t;

/* What parts of the work take, roughly, in sixteenths of it. Merging takes the rest. */
enum { ZM__SHARES = 16, ZM__SHARE_SCAN = 1, ZM__SHARE_CHUNKS = 10 };

/* How much is done from one look at whether to stop to the next: entries of an index, bytes. */
enum { ZM__LOOK_ENTRIES = 1 << 15, ZM__LOOK_BYTES = 1 << 19 };

/* Whether the sort is to end. Once true it stays true, so that what was skipped is known later. */
static inline bool zm__sort_stopped(const zm__sort_t *s)
{
    return __atomic_load_n(&s->watch->stop, __ATOMIC_RELAXED) != 0;
}

/* Says that `bytes` more went through one of `parts` equal parts of a share of the work. Rounds
 * down, so that nobody is ahead of zm__sort_reached.
 */
static inline void zm__sort_did(const zm__sort_t *s, size_t bytes, unsigned share, unsigned parts)
{
    int64_t done = (int64_t)((uint64_t)bytes * share / (ZM__SHARES * parts));
    __atomic_fetch_add(&s->watch->done, done, __ATOMIC_RELAXED);
}

/* Says that so many shares are done. No other thread is at work. */
static inline void zm__sort_reached(const zm__sort_t *s, unsigned shares)
{
    int64_t done = (int64_t)((uint64_t)s->len * shares / ZM__SHARES);
    __atomic_store_n(&s->watch->done, done, __ATOMIC_RELAXED);
}

/* An index entry, which is also the layout of a framed record of 8 bytes. */
typedef struct zm__entry {
    uint64_t pos; /* of the record */
    uint64_t key; /* compares as the record does, as far as it goes */
} zm__entry_t;

static inline bool zm__is_little_endian(void)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static inline uint64_t zm__load_le64(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return zm__is_little_endian() ? x : __builtin_bswap64(x);
}

static inline uint64_t zm__load_be64(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return zm__is_little_endian() ? __builtin_bswap64(x) : x;
}

/* The bytes of a record, without its frame. The range was validated, so that they fit a size_t. */
static inline size_t zm__record_len(const unsigned char *record)
{
    return (size_t)zm__load_le64(record);
}

static inline size_t zm__record_size(const unsigned char *record)
{
    return ZM__FRAME + zm__record_len(record);
}

/* Bytes [depth, depth + 8) as a number that compares as they do, zeroes standing for those behind
 * the end. Of a short record the 8 bytes up to its end are loaded, which begin in its frame.
 */
static inline uint64_t zm__record_prefix(const unsigned char *record, size_t depth)
{
    size_t len = zm__record_len(record);
    if (len >= depth + 8)
        return zm__load_be64(record + ZM__FRAME + depth);
    if (len <= depth)
        return 0;
    return zm__load_be64(record + len) << 8 * (8 - (len - depth));
}

/* A number that compares as the key does: all of an integer, or the first 8 bytes. */
static inline uint64_t zm__record_key(const zm__sort_t *s, const unsigned char *record)
{
    if (s->kind == ZM_SORT_BYTES)
        return zm__record_prefix(record, 0);
    uint64_t key;
    memcpy(&key, record + ZM__FRAME + s->off, sizeof key);
    return s->kind == ZM_SORT_INT64 ? key ^ (uint64_t)1 << 63 : key;
}

/* Whether record a is less than b, where the prefixes up to depth are equal. */
static inline bool zm__rest_less(const unsigned char *a, const unsigned char *b, size_t depth)
{
    size_t na = zm__record_len(a), nb = zm__record_len(b), n = na < nb ? na : nb;
    int c = n > depth ? memcmp(a + ZM__FRAME + depth, b + ZM__FRAME + depth, n - depth) : 0;
    return c < 0 || (c == 0 && na < nb);
}

/* Whether record a with key ka is less than b with key kb. */
static inline bool zm__record_less(const zm__sort_t *s, const unsigned char *a, uint64_t ka,
                                   const unsigned char *b, uint64_t kb)
{
    return ka < kb || (ka == kb && s->kind == ZM_SORT_BYTES && zm__rest_less(a, b, 8));
}

/* Copies a framed record, whose size is `size`, towards lower addresses or out of the way. Where
 * there is room behind both ends, more than needed is copied, as that takes no branch that depends
 * on the size. src_room and dst_room are the bytes from src and from dst on that may be read and
 * written.
 */
static inline void zm__record_copy(unsigned char *dst, size_t dst_room, const unsigned char *src,
                                   size_t src_room, size_t size)
{
    enum { SMALL = 16, LARGE = 64 };
    if (size == SMALL) {
        unsigned char b[SMALL];
        memcpy(b, src, SMALL);
        memcpy(dst, b, SMALL);
    } else if (size <= LARGE && dst_room >= LARGE && src_room >= LARGE) {
        unsigned char b[LARGE];
        memcpy(b, src, LARGE);
        memcpy(dst, b, LARGE);
    } else {
        memmove(dst, src, size);
    }
}

/* ---- Marks. Who writes records to [start, end) sets the marks there, in ascending order.
 * --------- */

typedef struct zm__marker {
    size_t *mark; /* the next one */
    size_t at;    /* and its multiple of grain */
    size_t grain;
} zm__marker_t;

static inline zm__marker_t zm__marker(const zm__sort_t *s, size_t start)
{
    size_t i = start / s->grain + (start % s->grain != 0);
    return (zm__marker_t){s->marks + i, i * s->grain, s->grain};
}

/* A record starts at off. */
static inline void zm__mark(zm__marker_t *m, size_t off)
{
    while (m->at <= off) {
        *m->mark++ = off;
        m->at += m->grain;
    }
}

/* No record starts before end any more, and the marks from there on are another's. */
static inline void zm__mark_end(zm__marker_t *m, size_t end)
{
    for (; m->at < end; m->at += m->grain)
        *m->mark++ = end;
}

/* ---- sort.c ------------------------------------------------------------------------------------
 */

/* zm_sort_watched for arguments that are right, len > 0, with as much scratch memory as there is:
 * from len / 2 + 256 KiB on.
 */
int zm__sort(void *records, size_t len, zm_sort_key_t key, size_t off, void *scratch,
             size_t nscratch, unsigned threads, size_t *fault, zm_sort_watch_t *watch);

/* ---- sort_chunk.c -------------------------------------------------------------------------------
 */

/* The scratch memory that a chunk of n records in `bytes` bytes needs, in bytes. */
size_t zm__chunk_need(const zm__sort_t *s, size_t n, size_t bytes);

/* Sorts the n records in [start, end), with scratch memory of zm__chunk_need(s, n, end - start)
 * bytes at `area`, which is aligned to 8 bytes, and sets the marks there. Stopped, it leaves them
 * in some order, and no marks.
 */
void zm__sort_chunk(const zm__sort_t *s, size_t start, size_t end, size_t n, unsigned char *area);

/* ---- sort_merge.c -------------------------------------------------------------------------------
 */

/* Merges the runs into one; or, stopped, into any number of them. */
void zm__sort_merge(zm__sort_t *s);

#endif /* ZM_SORT_H */
