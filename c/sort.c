/* sort.c: sorts length-framed records in place, on several threads, with scratch memory of half
 * their size and a little more.
 *
 * One pass checks every record, and whether they are in order already. It leaves behind where
 * the range may be cut into chunks, which then are sorted, each by one thread in its own part of
 * the scratch memory (sort_chunk.c), and merged (sort_merge.c). Nothing is changed before all of it
 * is known to be right, and after that nothing can fail.
 *
 * Whoever watches a sort may stop it. Threads look for that between pieces of some hundred KiB,
 * skip what they have not begun, and put back what they hold in scratch memory.
 *
 * The scratch memory has tables in front whose size goes with that of the range.
 *
 * Locking: none; threads have different tasks, and are joined between the steps.
 */
#include "sort.h"
#include "threads.h"

enum { ALIGN = 16 };

#define EXTRA ((size_t)64 << 20)       /* the most beside half of the range */
#define CHUNK_MAX ((size_t)512 << 20)  /* scratch memory of one chunk */
#define THREAD_MIN ((size_t)256 << 10) /* bytes that are worth another thread */

/* Marks in a range of len bytes: enough of them for each thread to find pieces of equal size. */
static size_t num_marks(size_t len)
{
    size_t n = len / 4096;
    return n < 1 ? 1 : n > 1024 ? 1024 : n;
}

/* The most cuts that `scan` makes: it is rid of `grain` bytes with every second one. */
static size_t max_cuts(size_t len)
{
    return 2 * num_marks(len) + 3;
}

static unsigned max_threads(size_t len)
{
    size_t n = len / THREAD_MIN;
    return n < 1 ? 1 : n > 32 ? 32 : (unsigned)n;
}

/* Parts of merges at once: two for each thread, or one for each pair of runs. */
static size_t max_parts(size_t len)
{
    return max_cuts(len) / 2 + 3 * (size_t)max_threads(len);
}

static size_t tables_size(size_t len)
{
    return 2 * ALIGN + num_marks(len) * sizeof(size_t) + max_cuts(len) * sizeof(zm__cut_t) +
           max_parts(len) * sizeof(zm__part_t);
}

size_t zm_sort_scratch(size_t len)
{
    size_t n = len > ZM_MAX_SIZE ? ZM_MAX_SIZE : len;
    size_t tables = tables_size(n), all = 4 * n + tables, most = n / 2 + EXTRA;
    return all < most ? all : most;
}

/* Checks the records, and whether they are in order; fills in what depends on that. Returns ZM_OK,
 * ZM_ESTOPPED, or ZM_EINVAL with the offset of the first record that is wrong.
 */
static int scan(zm__sort_t *s, bool *sorted, size_t *fault)
{
    size_t need = s->kind == ZM_SORT_BYTES ? 0 : s->off + 8;
    size_t n = 0, at = 0, look = 0;
    const unsigned char *last = NULL;
    uint64_t last_key = 0;
    bool ordered = true, pairs = s->off == 0 && (uintptr_t)s->base % 8 == 0;
    s->ncuts = 0;
    while (at < s->len) {
        const unsigned char *record = s->base + at;
        size_t room = s->len - at;
        if (at >= look) {
            if (zm__sort_stopped(s))
                return ZM_ESTOPPED;
            if (at > 0)
                zm__sort_did(s, ZM__LOOK_BYTES, ZM__SHARE_SCAN, 1);
            look = at + ZM__LOOK_BYTES;
        }
        *fault = at;
        if (room < ZM__FRAME || zm__load_le64(record) > room - ZM__FRAME)
            return ZM_EINVAL;
        size_t len = zm__record_len(record), cut = s->ncuts ? s->cuts[s->ncuts - 1].start : 0;
        if (len < need)
            return ZM_EINVAL;
        if (s->ncuts == 0 || at - cut >= s->grain || (at > cut && ZM__FRAME + len >= s->grain))
            s->cuts[s->ncuts++] = (zm__cut_t){at, n};
        if (ordered) {
            uint64_t key = zm__record_key(s, record);
            ordered = !last || !zm__record_less(s, record, key, last, last_key);
            last = record;
            last_key = key;
        }
        pairs &= len == 8;
        at += ZM__FRAME + len;
        n++;
    }
    s->cuts[s->ncuts] = (zm__cut_t){at, n};
    s->pairs = pairs;
    *sorted = ordered;
    *fault = s->len;
    return ZM_OK;
}

static size_t need_between(const zm__sort_t *s, zm__cut_t a, zm__cut_t b)
{
    return zm__chunk_need(s, b.before - a.before, b.start - a.start);
}

/* Chooses, among the cuts that `scan` found, those between chunks: as few as fit into the scratch
 * memory, but the same number for each thread and all about as large.
 */
static void plan_chunks(zm__sort_t *s)
{
    size_t most = s->narea / s->threads / ALIGN * ALIGN, bound = s->len / 64;
    bound = bound > CHUNK_MAX ? bound : CHUNK_MAX;
    most = most < bound ? most : bound;
    s->chunk_area = most;

    size_t need = zm__chunk_need(s, s->cuts[s->ncuts].before, s->len);
    size_t nchunks = need / (most - most / 16) + 1;
    nchunks = (nchunks + s->threads - 1) / s->threads * s->threads;
    size_t each = need / nchunks + 1, n = 0;
    zm__cut_t start = s->cuts[0], last = start;
    for (size_t i = 1; i <= s->ncuts; i++) {
        zm__cut_t cut = s->cuts[i];
        if (need_between(s, start, cut) > most && last.start > start.start)
            s->cuts[++n] = start = last;
        if (need_between(s, start, cut) >= each || i == s->ncuts)
            s->cuts[++n] = start = cut;
        last = cut;
    }
    s->ncuts = n;
}

static void chunk_task(void *sort, size_t i, unsigned thread)
{
    const zm__sort_t *s = sort;
    const zm__cut_t *cut = &s->cuts[i];
    if (zm__sort_stopped(s))
        return;
    zm__sort_chunk(s, cut[0].start, cut[1].start, cut[1].before - cut[0].before,
                   s->area + thread * s->chunk_area);
}

int zm__sort(void *records, size_t len, zm_sort_key_t key, size_t off, void *scratch,
             size_t nscratch, unsigned threads, size_t *fault, zm_sort_watch_t *watch)
{
    unsigned char *free = (unsigned char *)scratch + (-(uintptr_t)scratch & (ALIGN - 1));
    zm__sort_t s = {
        .base = records,
        .len = len,
        .kind = key,
        .off = key == ZM_SORT_BYTES ? 0 : off,
        .grain = len / num_marks(len) + 1,
        .marks = (size_t *)(void *)free,
        .watch = watch,
    };
    s.cuts = (zm__cut_t *)(void *)(s.marks + num_marks(len));
    s.parts = (zm__part_t *)(void *)(s.cuts + max_cuts(len));
    s.area = (unsigned char *)(s.parts + max_parts(len));
    s.area += -(uintptr_t)s.area & (ALIGN - 1);
    s.narea = nscratch - (size_t)(s.area - (unsigned char *)scratch);

    bool sorted = false;
    size_t wrong = len;
    int err = scan(&s, &sorted, &wrong);
    *fault = err == ZM_EINVAL ? wrong : len;
    if (err || sorted) {
        if (sorted)
            zm__sort_reached(&s, ZM__SHARES);
        return err;
    }
    zm__sort_reached(&s, ZM__SHARE_SCAN);
    s.threads = zm__threads_default(threads);
    if (s.threads > max_threads(len))
        s.threads = max_threads(len);
    plan_chunks(&s);
    zm__threads_run(s.threads, chunk_task, &s, s.ncuts);
    if (zm__sort_stopped(&s))
        return ZM_ESTOPPED;
    zm__sort_reached(&s, ZM__SHARE_SCAN + ZM__SHARE_CHUNKS);
    zm__sort_merge(&s);
    if (zm__sort_stopped(&s))
        return ZM_ESTOPPED;
    zm__sort_reached(&s, ZM__SHARES);
    return ZM_OK;
}

int zm_sort(void *records, size_t len, zm_sort_key_t key, size_t off, void *scratch,
            size_t nscratch, unsigned threads, size_t *fault)
{
    return zm_sort_watched(records, len, key, off, scratch, nscratch, threads, fault, NULL);
}

int zm_sort_watched(void *records, size_t len, zm_sort_key_t key, size_t off, void *scratch,
                    size_t nscratch, unsigned threads, size_t *fault, zm_sort_watch_t *watch)
{
    zm_sort_watch_t unwatched = {0};
    size_t ignored = 0, need = zm_sort_scratch(len);
    if (!fault)
        fault = &ignored;
    *fault = len;
    if (len > ZM_MAX_SIZE || nscratch < need || off > ZM_MAX_SIZE ||
        (key != ZM_SORT_BYTES && key != ZM_SORT_UINT64 && key != ZM_SORT_INT64))
        return ZM_EINVAL;
    if (!watch)
        watch = &unwatched;
    __atomic_store_n(&watch->total, (int64_t)len, __ATOMIC_RELAXED);
    if (len == 0)
        return ZM_OK;
    return zm__sort(records, len, key, off, scratch, need, threads, fault, watch);
}
