/* sort_chunk.c: sorts the records of a chunk, in one thread.
 *
 * Not the records are sorted but an index of them, entries of 16 bytes with a key and a position;
 * then the records are copied to scratch memory in the order of the index, and back. Where all
 * records are 8-byte words, they are the index.
 *
 * The index is sorted by a radix sort (LSD, hence stable) on the highest few bytes in which keys
 * differ, as many as tell most of the entries apart. Entries that are still equal then stand
 * together: a few of them are sorted by insertion, many of them by the same method on the bytes
 * that follow, those of the key first and then the next 8 of the records. So the work is never more
 * than a constant for each byte of the records, whatever they hold.
 *
 * A sort that is stopped leaves the records where they were, or, where they are the index, all
 * entries in the one half of the index and scratch memory that has them whole, and copies them back
 * from there.
 *
 * Locking: none; a chunk is one thread's.
 */
#include "sort.h"

enum {
    FEW = 24,       /* entries up to which insertion is faster */
    MAX_DIGITS = 4, /* of one radix sort */
    FIRST = 4096,   /* entries in which most pages are met first: a huge one takes long to get */
};

typedef struct chunk {
    const zm__sort_t *sort;
    size_t n;                  /* entries */
    size_t left;               /* bytes whose sorting was not yet said to be done */
    const unsigned char *base; /* what positions count from */
    zm__entry_t *tmp;          /* as long as the index */
    bool rest;                 /* records go on behind their keys */
} chunk_t;

static bool stopped(const chunk_t *c)
{
    return zm__sort_stopped(c->sort);
}

/* Says that of `bytes` bytes of the chunk, of those left, n of `all` entries are done. */
static void did(chunk_t *c, size_t bytes, size_t n, size_t all)
{
    size_t part = (size_t)((double)bytes * (double)n / (double)all);
    part = part < c->left ? part : c->left;
    c->left -= part;
    zm__sort_did(c->sort, part, ZM__SHARE_CHUNKS, 1);
}

static size_t look_from(size_t i, size_t n, size_t step)
{
    return n - i < step ? n : i + step;
}

static bool entry_less(const chunk_t *c, const zm__entry_t *a, const zm__entry_t *b, size_t depth)
{
    return a->key < b->key || (a->key == b->key && c->rest &&
                               zm__rest_less(c->base + a->pos, c->base + b->pos, depth));
}

/* Sorts entries by all of the records from byte depth - 8 on; their keys reach to depth. */
static void sort_by_insertion(const chunk_t *c, zm__entry_t *e, size_t n, size_t depth)
{
    for (size_t i = 1; i < n; i++) {
        zm__entry_t x = e[i];
        size_t j = i;
        for (; j > 0 && entry_less(c, &x, &e[j - 1], depth); j--)
            e[j] = e[j - 1];
        e[j] = x;
    }
}

/* Sorts entries by the digits of their keys that begin at the given bits, the lowest first.
 * Stopped, it leaves them in some order.
 */
static void sort_by_digits(chunk_t *c, zm__entry_t *e, size_t n, const unsigned *shifts,
                           unsigned ndigits)
{
    size_t ends[MAX_DIGITS][256];
    memset(ends, 0, ndigits * sizeof ends[0]);
    for (size_t i = 0, look; i < n;) {
        if (stopped(c))
            return;
        for (look = look_from(i, n, ZM__LOOK_ENTRIES); i < look; i++) {
            for (unsigned d = 0; d < ndigits; d++)
                ends[d][e[i].key >> shifts[d] & 255]++;
        }
    }
    zm__entry_t *from = e, *to = c->tmp;
    size_t bytes =
        n == c->n ? c->left / 2 : 0; /* that this sorts, as far as a watcher needs to know */
    for (unsigned d = 0; d < ndigits; d++) {
        size_t *next = ends[d], sum = 0;
        for (size_t i = 0; i < 256; i++) {
            size_t count = next[i];
            next[i] = sum;
            sum += count;
        }
        for (size_t i = 0, look; i < n;) {
            if (stopped(c)) {
                ndigits = d; /* all of them are in `from` still */
                break;
            }
            if (bytes > 0 && i > 0 && i % ZM__LOOK_ENTRIES == 0)
                did(c, bytes, ZM__LOOK_ENTRIES, n * ndigits);
            for (look = look_from(i, n, i < FIRST ? FIRST / 512 : 1024); i < look; i++)
                to[next[from[i].key >> shifts[d] & 255]++] = from[i];
        }
        if (d == ndigits)
            break;
        zm__entry_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != e)
        memcpy(e, from, n * sizeof *e);
}

/* Sorts entries by the highest few bytes in which their keys differ, those being set in `diff`.
 * Returns the bit from which on they are sorted.
 */
static unsigned sort_by_high_bytes(chunk_t *c, zm__entry_t *e, size_t n, uint64_t diff)
{
    unsigned high[MAX_DIGITS], shifts[MAX_DIGITS], ndigits = 0;
    size_t left = n;
    for (unsigned shift = 56; ndigits < MAX_DIGITS; shift -= 8) {
        if (diff >> shift & 255) {
            high[ndigits++] = shift;
            left /= 256;
        }
        if (left == 0 || shift == 0)
            break;
    }
    for (unsigned d = 0; d < ndigits; d++)
        shifts[d] = high[ndigits - 1 - d];
    sort_by_digits(c, e, n, shifts, ndigits);
    return shifts[0];
}

/* Of entries whose records are equal up to `depth` or their end, which is behind depth - 8, moves
 * those that end up to there to the front, the shortest first, and gives the others their next key.
 * Returns the number of the former; stopped, n.
 */
static size_t extend_keys(chunk_t *c, zm__entry_t *e, size_t n, size_t depth)
{
    const unsigned shift = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % ZM__LOOK_ENTRIES == 0 && stopped(c))
            return n;
        size_t len = zm__record_len(c->base + e[i].pos);
        e[i].key = len > depth ? 9 : len + 8 - depth;
    }
    sort_by_digits(c, e, n, &shift, 1);
    size_t ended = 0;
    while (ended < n && e[ended].key < 9)
        ended++;
    for (size_t i = ended; i < n; i++) {
        if (i % ZM__LOOK_ENTRIES == 0 && stopped(c))
            return n;
        e[i].key = zm__record_prefix(c->base + e[i].pos, depth);
    }
    return ended;
}

/* Sorts entries whose keys reach up to byte `depth`, before which they are equal otherwise. Calls
 * itself for at most half of the entries, so that it never goes deep. Stopped, it leaves them in
 * some order.
 */
static void sort_entries(chunk_t *c, zm__entry_t *e, size_t n, size_t depth)
{
    while (n > FEW) {
        if (stopped(c))
            return;
        uint64_t diff = 0;
        for (size_t i = 1; i < n; i++)
            diff |= e[i].key ^ e[0].key;
        if (diff == 0) {
            if (!c->rest)
                return;
            size_t ended = extend_keys(c, e, n, depth);
            e += ended;
            n -= ended;
            depth += 8;
            continue;
        }
        unsigned shift = sort_by_high_bytes(c, e, n, diff);
        if (shift == 0 && !c->rest)
            return;
        zm__entry_t *most = e; /* the longest sequence of equals */
        size_t nmost = 0, look = 0;
        for (size_t i = 0, j; i < n; i = j) {
            if (i >= look) {
                if (stopped(c))
                    return;
                look = i + ZM__LOOK_ENTRIES;
            }
            for (j = i + 1; j < n && (e[j].key ^ e[i].key) >> shift == 0;)
                j++;
            zm__entry_t *equal = e + i;
            size_t nequal = j - i;
            if (nequal <= FEW) {
                sort_by_insertion(c, equal, nequal, depth);
                continue;
            }
            if (nequal > nmost) {
                zm__entry_t *p = most;
                size_t np = nmost;
                most = equal;
                nmost = nequal;
                equal = p;
                nequal = np;
            }
            sort_entries(c, equal, nequal, depth);
        }
        e = most;
        n = nmost;
    }
    sort_by_insertion(c, e, n, depth);
}

/* ---- A chunk of 8-byte words ------------------------------------------------------------------
 */

/* Turns the words of records into keys; done twice, back again. */
static void flip_words(const zm__sort_t *s, zm__entry_t *e, size_t n)
{
    for (size_t i = 0; i < n && s->kind == ZM_SORT_BYTES; i++)
        e[i].key = zm__load_be64((const unsigned char *)&e[i].key);
    for (size_t i = 0; i < n && s->kind == ZM_SORT_INT64; i++)
        e[i].key ^= (uint64_t)1 << 63;
}

static void sort_pairs(const zm__sort_t *s, size_t start, size_t n, unsigned char *area)
{
    zm__entry_t *e = (zm__entry_t *)(void *)(s->base + start);
    flip_words(s, e, n);
    chunk_t c = {s, n, n * sizeof *e, NULL, (zm__entry_t *)(void *)area, false};
    sort_entries(&c, e, n, 8);
    flip_words(s, e, n);
    did(&c, c.left, 1, 1);
    if (stopped(&c))
        return;
    zm__marker_t marker = zm__marker(s, start);
    for (size_t i = 0; i < n; i++)
        zm__mark(&marker, start + i * sizeof *e);
    zm__mark_end(&marker, start + n * sizeof *e);
}

/* ---- A chunk of anything ------------------------------------------------------------------------
 */

size_t zm__chunk_need(const zm__sort_t *s, size_t n, size_t bytes)
{
    if (s->pairs)
        return bytes;
    size_t index = n * sizeof(zm__entry_t);
    return index + (bytes > index ? bytes : index);
}

static void prefetch(const void *p)
{
    __builtin_prefetch(p, 0, 0);
}

void zm__sort_chunk(const zm__sort_t *s, size_t start, size_t end, size_t n, unsigned char *area)
{
    enum { AHEAD = 16 };
    if (s->pairs) {
        sort_pairs(s, start, n, area);
        return;
    }
    unsigned char *base = s->base + start;
    size_t bytes = end - start;
    zm__marker_t marker = zm__marker(s, start);
    if (n == 1) { /* which may be one for which there is no scratch memory */
        zm__mark(&marker, start);
        zm__mark_end(&marker, end);
        zm__sort_did(s, bytes, ZM__SHARE_CHUNKS, 1);
        return;
    }
    zm__entry_t *e = (zm__entry_t *)(void *)area;
    unsigned char *out = area + n * sizeof *e;
    for (size_t i = 0, pos = 0; i < n; i++) {
        if (i % ZM__LOOK_ENTRIES == 0 && zm__sort_stopped(s))
            return;
        e[i] = (zm__entry_t){pos, zm__record_key(s, base + pos)};
        pos += zm__record_size(base + pos);
    }
    chunk_t c = {s, n, bytes, base, (zm__entry_t *)(void *)out, s->kind == ZM_SORT_BYTES};
    sort_entries(&c, e, n, 8);
    if (stopped(&c)) /* of the index some entries may be missing */
        return;

    size_t used = 0, look = ZM__LOOK_BYTES, rest = c.left;
    for (size_t i = 0; i < n; i++) {
        if (used >= look) {
            if (stopped(&c))
                return;
            did(&c, rest, ZM__LOOK_BYTES, bytes);
            look = used + ZM__LOOK_BYTES;
        }
        if (n - i > AHEAD)
            prefetch(base + e[i + AHEAD].pos);
        const unsigned char *record = base + e[i].pos;
        size_t size = zm__record_size(record);
        zm__mark(&marker, start + used);
        zm__record_copy(out + used, bytes - used, record, bytes - e[i].pos, size);
        used += size;
    }
    zm__mark_end(&marker, end);
    memcpy(base, out, bytes);
    did(&c, c.left, 1, 1);
}
