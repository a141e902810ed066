/* sort_merge.c: merges sorted runs, two neighbours at a time, until there is one.
 *
 * To merge two runs in place, the left one is copied out to scratch memory, and what is less of it
 * and the right one goes to where they were, from the front: the gap in front of the right one has
 * always just the room of what is left of the left one. So the scratch memory need be no larger
 * than the left one, half of all.
 *
 * Where there are fewer pairs of runs than threads, a pair is cut into parts of the same output
 * size each, as in merge path (Green, McColl, Bader 2012): the marks give records to cut at, and a
 * binary search over the marks of the other run tells where it is to be cut. Once the left run is
 * copied out, each part of the right one moves to the left until it has the gap of its own part in
 * front.
 *
 * A sort that is stopped puts what is left of the left run into the gap, and merges no more.
 *
 * Locking: none; a part is one thread's, and so are the marks in its output.
 */
#include "sort.h"
#include "threads.h"

enum { MERGE_SHARE = ZM__SHARES - ZM__SHARE_SCAN - ZM__SHARE_CHUNKS };

/* ---- Cutting a pair of runs -------------------------------------------------------------------
 */

/* The first mark in the run from start on, as an index, that is a record of it if below end. */
static size_t first_mark(const zm__sort_t *s, size_t start)
{
    return start / s->grain + (start % s->grain != 0);
}

/* The offset of the first record in the run [start, end) that is not less than the record at
 * `than`.
 */
static size_t lower_bound(const zm__sort_t *s, size_t start, size_t end, size_t than)
{
    const unsigned char *b = s->base + than;
    uint64_t kb = zm__record_key(s, b);
    size_t lo = first_mark(s, start), hi = first_mark(s, end), from = start;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2, at = s->marks[mid];
        if (at < end && zm__record_less(s, s->base + at, zm__record_key(s, s->base + at), b, kb)) {
            from = at;
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    while (from < end) {
        const unsigned char *a = s->base + from;
        if (!zm__record_less(s, a, zm__record_key(s, a), b, kb))
            break;
        from += zm__record_size(a);
    }
    return from;
}

/* Cuts the pair of runs [start, mid) and [mid, end) so that about `size` bytes of output come from
 * before the cuts, whose offsets are *left and *right.
 */
static void cut_pair(const zm__sort_t *s, size_t start, size_t mid, size_t end, size_t size,
                     size_t *left, size_t *right)
{
    size_t lo = first_mark(s, start), hi = first_mark(s, mid);
    *left = mid; /* cut behind everything, if no mark is far enough */
    *right = end;
    while (lo < hi) {
        size_t i = lo + (hi - lo) / 2, l = s->marks[i];
        size_t r = l < mid ? lower_bound(s, mid, end, l) : end;
        if (l - start + (r - mid) >= size) {
            *left = l;
            *right = r;
            hi = i;
        } else {
            lo = i + 1;
        }
    }
}

/* ---- Merging
 * -------------------------------------------------------------------------------------- */

static void merge_part(const zm__sort_t *s, const zm__part_t *p)
{
    const unsigned char *l = p->left, *r = p->right;
    unsigned char *out = p->out, *look = out, *said = out;
    bool stopped = false;
    zm__marker_t marker = zm__marker(s, (size_t)(out - s->base));
    if (l < p->left_end && r < p->right_end) {
        uint64_t kl = zm__record_key(s, l), kr = zm__record_key(s, r);
        for (;;) {
            if (out >= look) {
                zm__sort_did(s, (size_t)(out - said), MERGE_SHARE, s->levels);
                said = out;
                if ((stopped = zm__sort_stopped(s)))
                    break;
                look = out + ZM__LOOK_BYTES;
            }
            zm__mark(&marker, (size_t)(out - s->base));
            if (zm__record_less(s, r, kr, l, kl)) {
                size_t size = zm__record_size(r);
                zm__record_copy(out, (size_t)(r - out), r, (size_t)(p->right_end - r), size);
                out += size;
                r += size;
                if (r == p->right_end)
                    break;
                kr = zm__record_key(s, r);
            } else {
                size_t size = zm__record_size(l);
                zm__record_copy(out, (size_t)(r - out), l, (size_t)(p->left_end - l), size);
                out += size;
                l += size;
                if (l == p->left_end)
                    break;
                kl = zm__record_key(s, l);
            }
        }
    }
    memcpy(out, l, (size_t)(p->left_end - l)); /* the rest of the right ones is in its place */
    zm__sort_did(s, (size_t)(p->right_end - said), MERGE_SHARE, s->levels);
    if (stopped)
        return;
    while (out < p->right_end) {
        zm__mark(&marker, (size_t)(out - s->base));
        out += zm__record_size(out);
    }
    zm__mark_end(&marker, (size_t)(out - s->base));
}

static void copy_task(void *sort, size_t task, unsigned thread)
{
    (void)thread;
    const zm__part_t *p = &((zm__sort_t *)sort)->parts[task];
    if (zm__sort_stopped(sort))
        return;
    memcpy(p->left, p->from, (size_t)(p->left_end - p->left));
}

static void merge_task(void *sort, size_t task, unsigned thread)
{
    (void)thread;
    const zm__sort_t *s = sort;
    merge_part(s, &s->parts[task]);
}

/* Cuts a pair of runs into nparts parts, the left ones of which are to be copied to `scratch`. */
static void plan_pair(const zm__sort_t *s, size_t start, size_t mid, size_t end, zm__part_t *parts,
                      size_t nparts, unsigned char *scratch)
{
    size_t l = start, r = mid;
    for (size_t i = 0; i < nparts; i++) {
        size_t next_l = mid, next_r = end;
        if (i + 1 < nparts)
            cut_pair(s, start, mid, end, (end - start) / nparts * (i + 1), &next_l, &next_r);
        parts[i] = (zm__part_t){
            .from = s->base + l,
            .left = scratch + (l - start),
            .left_end = scratch + (next_l - start),
            .right = s->base + r,
            .right_end = s->base + next_r,
            .out = s->base + l + (r - mid),
        };
        l = next_l;
        r = next_r;
    }
}

/* Moves the right records of each part to the end of its output. */
static void spread_parts(zm__part_t *parts, size_t nparts)
{
    for (size_t i = 0; i < nparts; i++) {
        zm__part_t *p = &parts[i];
        size_t size = (size_t)(p->right_end - p->right);
        unsigned char *to = p->out + (p->left_end - p->left);
        memmove(to, p->right, size);
        p->right = to;
        p->right_end = to + size;
    }
}

/* ---- Runs that do not fit
 * ------------------------------------------------------------------------ */

static void mark_run(const zm__sort_t *s, size_t start, size_t end)
{
    zm__marker_t marker = zm__marker(s, start);
    for (size_t at = start; at < end; at += zm__record_size(s->base + at))
        zm__mark(&marker, at);
    zm__mark_end(&marker, end);
}

/* Merges a pair of runs of which the left one may be larger than the scratch memory, the right one
 * then being smaller. The left one is cut in the middle, and the right one where the cut leads to;
 * the two inner pieces change places, and two smaller merges are left.
 */
static void merge_large(const zm__sort_t *s, size_t start, size_t mid, size_t end)
{
    while (start < mid && mid < end && !zm__sort_stopped(s)) {
        if (mid - start <= s->narea) {
            zm__part_t part;
            plan_pair(s, start, mid, end, &part, 1, s->area);
            memcpy(part.left, part.from, mid - start);
            merge_part(s, &part);
            return;
        }
        size_t cut = start,
               next = start; /* the last record that starts in the first half, or ... */
        do {
            cut = next;
            next += zm__record_size(s->base + next);
        } while (next - start <= (mid - start) / 2);
        if (next < mid)
            cut = next; /* the first one behind it */
        size_t right = lower_bound(s, mid, end, cut), moved = right - mid;
        memcpy(s->area, s->base + mid, moved);
        memmove(s->base + cut + moved, s->base + cut, mid - cut);
        memcpy(s->base + cut, s->area, moved);
        mark_run(s, cut, cut + moved);
        merge_large(s, start, cut, cut + moved);
        start = cut + moved;
        mid = right;
        if (start + zm__record_size(s->base + start) == mid)
            return; /* one record, none of the right ones is less */
    }
}

/* ---- All of them
 * ------------------------------------------------------------------------------------ */

/* Merges as many pairs of runs, from runs[i] on, as there is scratch memory for at once, at least
 * one. Returns how many runs those are.
 */
static size_t merge_some(zm__sort_t *s, const zm__cut_t *runs, size_t nruns)
{
    size_t npairs = 0, used = 0;
    while (2 * npairs + 1 < nruns) {
        size_t size = runs[2 * npairs + 1].start - runs[2 * npairs].start;
        if (size > s->narea - used)
            break;
        used += size;
        npairs++;
    }
    if (npairs == 0) {
        merge_large(s, runs[0].start, runs[1].start, runs[2].start);
        if (zm__sort_stopped(s))
            return 2;
        mark_run(s, runs[0].start, runs[2].start);
        return 2;
    }
    size_t each = s->threads == 1 ? 1 : (2 * s->threads + npairs - 1) / npairs;
    used = 0;
    for (size_t i = 0; i < npairs; i++) {
        const zm__cut_t *run = &runs[2 * i];
        plan_pair(s, run[0].start, run[1].start, run[2].start, s->parts + i * each, each,
                  s->area + used);
        used += run[1].start - run[0].start;
    }
    zm__threads_run(s->threads, copy_task, s, npairs * each);
    if (zm__sort_stopped(s)) /* perhaps not everything was copied; nothing has moved yet */
        return 2 * npairs;
    for (size_t i = 0; i < npairs; i++)
        spread_parts(s->parts + i * each, each);
    zm__threads_run(s->threads, merge_task, s, npairs * each);
    return 2 * npairs;
}

void zm__sort_merge(zm__sort_t *s)
{
    for (size_t n = s->ncuts; n > 1; n = (n + 1) / 2)
        s->levels++;
    while (s->ncuts > 1) {
        size_t first = s->ncuts % 2; /* it waits, so that left ones are not the larger ones */
        for (size_t i = first; i < s->ncuts;) {
            i += merge_some(s, s->cuts + i, s->ncuts - i);
            if (zm__sort_stopped(s))
                return;
        }
        size_t n = first;
        for (size_t i = first; i <= s->ncuts; i += 2)
            s->cuts[n++] = s->cuts[i];
        s->ncuts = n - 1;
    }
}
