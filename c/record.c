/* record.c: what is known of a block, found by its address: a hash table with open addressing and
 * linear probing, in memory of our own that is not counted.
 *
 * The leak tracker and the profile each have one of these in every shard of theirs, and hold that
 * shard's lock around each call.
 */
#include "zm_internal.h"

#define FIRST_CAP 64 /* a power of two */

static size_t home_of(const zm__records_t *t, uintptr_t block)
{
    return (size_t)(zm__mix(block) / ZM__SHARDS) & (t->cap - 1);
}

zm__record_t *zm__record_find(const zm__records_t *t, uintptr_t block)
{
    if (t->cap == 0)
        return NULL;
    size_t i = home_of(t, block);
    while (t->table[i].block && t->table[i].block != block)
        i = (i + 1) & (t->cap - 1);
    return &t->table[i];
}

/* Makes room for one record more. */
static bool grow(zm__records_t *t)
{
    if (t->len < t->cap / 4 * 3)
        return true;
    zm__record_t *old = t->table;
    size_t old_cap = t->cap;
    size_t cap = old_cap ? 2 * old_cap : FIRST_CAP;
    zm__record_t *table = zm__meta_calloc(cap * sizeof *table);
    if (!table)
        return false;
    t->table = table;
    t->cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].block)
            *zm__record_find(t, old[i].block) = old[i];
    }
    zm__meta_free(old);
    ZM__CHECK(zm__check_records(t));
    return true;
}

bool zm__record_add(zm__records_t *t, zm__record_t r)
{
    if (!grow(t))
        return false;
    zm__record_t *slot = zm__record_find(t, r.block);
    *slot = r;
    t->len++;
    ZM__CHECK(zm__check_run(t, (size_t)(slot - t->table)));
    return true;
}

/* Empties the slot and moves up what linear probing had put behind it. */
void zm__record_remove(zm__records_t *t, const zm__record_t *r)
{
    size_t mask = t->cap - 1;
    size_t first = (size_t)(r - t->table), hole = first;
    ZM__CHECK(zm__check_run(t, first));
    for (size_t i = (hole + 1) & mask; t->table[i].block; i = (i + 1) & mask) {
        size_t home = home_of(t, t->table[i].block);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->table[hole] = t->table[i];
            hole = i;
        }
    }
    t->table[hole].block = 0;
    t->len--;
    ZM__CHECK(zm__check_run(t, first));
}
