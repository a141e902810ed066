//go:build zmem_check

/* test_check.c: the check build sees each invariant that is broken, and names it. A child process
 * breaks one and goes on as a program would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dies.h"

enum { CLS = 5, SIZE = 80 }; /* a class and its size */

/* ---- Magazines, shelves, the depot ----------------------------------------------------------- */

static zm_magazine_t *filled(void)
{
    return zm_depot_full(CLS, &zm_no_magazine);
}

/* The depot with n full magazines. */
static void stock(size_t n)
{
    zm_magazine_t *m[8];
    for (size_t i = 0; i < n; i++)
        m[i] = filled();
    for (size_t i = 0; i < n; i++)
        zm_depot_put(CLS, m[i]);
}

static void magazine_len(void)
{
    zm_magazine_t *m = filled();
    m->len = m->cap + 1;
    zm_depot_put(CLS, m);
}

static void magazine_cap(void)
{
    zm_magazine_t *m = filled();
    m->cap--;
    m->len = 1;
    zm_depot_put(CLS, m);
}

static void magazine_class(void)
{
    zm_depot_put(CLS + 20, filled());
}

static void magazine_not_spent(void)
{
    zm_depot_full(CLS, filled());
}

static void magazine_not_filled(void)
{
    zm_magazine_t *m = zm_depot_empty(CLS, &zm_no_magazine);
    zm_depot_empty(CLS, m);
}

static void magazine_twice(void)
{
    zm_magazine_t *m = filled();
    zm__blocks(m)[0] = zm__blocks(m)[1];
    zm_depot_put(CLS, m);
}

static void magazine_null(void)
{
    zm_magazine_t *m = filled();
    zm__blocks(m)[0] = NULL;
    zm_depot_put(CLS, m);
}

static void magazine_misaligned(void)
{
    zm_magazine_t *m = filled();
    zm__blocks(m)[0] = (char *)zm__blocks(m)[0] + 1;
    zm_depot_put(CLS, m);
}

static void magazine_small_block(void)
{
    zm_magazine_t *m = filled();
    zm__blocks(m)[0] = zm_calloc(16);
    zm_depot_put(CLS, m);
}

static void magazine_slab(void)
{
    zm_magazine_t *m = filled();
    m->slab = NULL;
    zm_depot_put(CLS, m);
}

static void magazine_slab_live(void)
{
    zm_magazine_t *m = filled();
    *(size_t *)(void *)m->slab = 0;
    zm_depot_put(CLS, m);
}

static void no_magazine(void)
{
    zm_no_magazine.len = 1;
    stock(1);
}

static void depot_low(void)
{
    stock(2);
    zm__check_depot_of(CLS)->low = 3;
    zm_depot_empty(CLS, &zm_no_magazine);
}

static void depot_nfull(void)
{
    stock(2);
    zm__check_depot_of(CLS)->nfull = 0;
    zm__check_depot_of(CLS)->low = 0;
    zm_depot_put(CLS, zm_depot_empty(CLS, &zm_no_magazine));
}

static void depot_short_list(void)
{
    stock(3);
    zm__check_depot_of(CLS)->full->next = NULL;
    zm_depot_trim(false);
}

static void depot_long_list(void)
{
    stock(3);
    zm__check_depot_of(CLS)->full->next->next = zm__check_depot_of(CLS)->full;
    zm__check_depot_of(CLS)->nfull = 2;
    zm_depot_trim(false);
}

static void depot_empty_ring(void)
{
    zm_magazine_t *m[3];
    for (size_t i = 0; i < 3; i++)
        m[i] = zm_depot_empty(CLS, &zm_no_magazine);
    for (size_t i = 0; i < 3; i++)
        zm_depot_put(CLS, m[i]);
    m[0]->next = m[2];
    zm_depot_trim(false);
}

static void depot_kept(void)
{
    stock(3);
    zm__depot_t *d = zm__check_depot_of(CLS);
    d->full = d->full->next;
    d->nfull--;
    d->low = 0;
    zm_depot_trim(false);
}

static void depot_block_twice(void)
{
    stock(3);
    zm_magazine_t *m = zm__check_depot_of(CLS)->full;
    zm__blocks(m)[0] = zm__blocks(m->next)[0];
    zm_depot_trim(false);
}

static void depot_slab_live(void)
{
    zm_magazine_t *m = filled(), *n = filled();
    m->slab = n->slab; /* two of a slab of one; m stands where no magazine of it could */
    zm_depot_put(CLS, m);
}

static zm_cache_t *cache_in_use(void)
{
    zm_cache_t *k = new_cache();
    void *p = zm_cache_calloc(k, SIZE);
    zm_cache_free(k, p, SIZE);
    return k;
}

static void shelf_len(void)
{
    zm_cache_t *k = cache_in_use();
    k->shelves[CLS].len = k->shelves[CLS].cap + 1;
    zm_cache_drain(k);
}

static void shelf_cap(void)
{
    zm_cache_t *k = cache_in_use();
    k->shelves[CLS].cap++;
    zm_cache_drain(k);
}

static void shelf_same(void)
{
    zm_cache_t *k = cache_in_use();
    k->shelves[CLS].previous = k->shelves[CLS].loaded;
    zm_cache_drain(k);
}

static void shelf_null(void)
{
    zm_cache_t *k = cache_in_use();
    k->shelves[CLS].previous = NULL;
    zm_cache_drain(k);
}

static void shelf_block_twice(void)
{
    zm_cache_t *k = cache_in_use();
    k->shelves[CLS].previous = filled();
    zm__blocks(k->shelves[CLS].previous)[0] = zm__blocks(k->shelves[CLS].loaded)[0];
    zm_cache_drain(k);
}

/* A double free through a cache, seen when it is drained. */
static void shelf_double_free(void)
{
    zm_cache_t *k = new_cache();
    void *p = zm_cache_calloc(k, SIZE);
    zm_cache_free(k, p, SIZE);
    zm__unpoison(p, SIZE); /* AddressSanitizer would come first */
    zm_cache_free(k, p, SIZE);
    zm_cache_drain(k);
}

static void cache_seen(void)
{
    zm_cache_t *k = cache_in_use();
    k->seen = 1000;
    zm_cache_drain(k);
}

static void cache_address(void)
{
    static zm_cache_t caches[2];
    zm_cache_drain((uintptr_t)&caches[0] % 2048 ? &caches[0] : &caches[1]);
}

static void test_caches(void **state)
{
    (void)state;
    DIES(magazine_len, "len <= m->cap");
    DIES(magazine_cap, "m->cap == magazine_cap(cls)");
    DIES(magazine_class, "m->cap == magazine_cap(cls)");
    DIES(magazine_not_spent, "spent magazine");
    DIES(magazine_not_filled, "filled magazine");
    DIES(magazine_twice, "is twice in magazine");
    DIES(magazine_null, "block 0 of magazine");
    DIES(magazine_misaligned, "block 0 of magazine");
    void *p = zm_calloc(16);
    if (zm_usable_size(p) > 0) /* where this system can tell */
        DIES(magazine_small_block, "usable >= zm__class_size(cls)");
    zm_free(p, 16);
    DIES(magazine_slab, "has no slab");
    DIES(magazine_slab_live, "live >= 1");
    DIES(no_magazine, "zm_no_magazine was written to: len 1, cap 0");
    DIES(depot_low, "d->low <= d->nfull");
    DIES(depot_nfull, "nfull 0, the list begins at");
    DIES(depot_short_list, "the full list has 1, nfull is 3");
    DIES(depot_long_list, "the full list is longer than nfull, 2");
    DIES(depot_empty_ring, "the empty list is a ring");
    DIES(depot_kept, "sum == atomic_load(&kept)");
    DIES(depot_block_twice, "is in it twice");
    DIES(depot_slab_live, "of its slab");
    DIES(shelf_len, "s->len <= s->cap");
    DIES(shelf_cap, "s->cap == s->loaded->cap");
    DIES(shelf_same, "is both loaded and previous");
    DIES(shelf_null, "s->loaded && s->previous");
    DIES(shelf_block_twice, "is in both magazines");
    DIES(shelf_double_free, "is in both magazines");
    DIES(cache_seen, "k->seen <= calls");
    DIES(cache_address, "is not at a multiple of 2048");
}

/* ---- The limit ------------------------------------------------------------------------------- */

static void held_negative(void)
{
    zm__uncharge((size_t)zm_num_held_bytes() + 1);
}

static void held_wrong_size(void)
{
    zm_free(zm_calloc(100), 1 << 20);
}

static void held_lost(void)
{
    zm__charge(100);
    zm__check_rest();
}

static void held_too_little(void)
{
    void *p = zm_calloc(SIZE);
    zm__uncharge(SIZE);
    zm__check_rest();
    zm_free(p, SIZE);
}

static void test_limit(void **state)
{
    (void)state;
    DIES(held_negative, "-1 bytes are held");
    DIES(held_wrong_size, "held >= 0");
    DIES(held_lost, "held == parked");
    DIES(held_too_little, "held >= parked + live");
}

/* ---- Buffers --------------------------------------------------------------------------------- */

static void buffer_len(void)
{
    zm_buffer_t *b = new_buffer(100);
    b->len = b->cap + 1;
    zm_buffer_grow(b, 10, NULL);
}

static void buffer_start(void)
{
    zm_buffer_t *b = new_buffer(100);
    b->start = 0;
    zm_buffer_reset(b);
}

static void buffer_cap(void)
{
    zm_buffer_t *b = new_buffer(100);
    b->cap = b->size + 1;
    zm_buffer_release(b, NULL);
}

static void buffer_cap_rule(void)
{
    zm_buffer_t *b = new_buffer(100);
    b->cap = b->len;
    zm_buffer_release(b, NULL);
}

static void buffer_fd(void)
{
    zm_buffer_t *b = new_buffer(100);
    b->fd = 0;
    zm_buffer_release(b, NULL);
}

static void buffer_no_fd(void)
{
    zm_buffer_t *b = NULL;
    if (zm_buffer_new_tmp(NULL, 100, &b, NULL) == ZM_OK)
        b->fd = -1;
    zm_buffer_reset(b);
}

static void buffer_kind(void)
{
    zm_buffer_t *b = new_buffer(100);
    b->kind = ZM_BUFFER_VIEW;
    zm_buffer_release(b, NULL);
}

static void buffer_pages(void)
{
    zm_buffer_t *b = new_buffer((size_t)4 << 20);
    b->size -= 8;
    b->cap -= 8;
    zm_buffer_release(b, NULL);
}

static void buffer_data(void)
{
    zm_buffer_t *b = new_buffer(100);
    b->data = NULL;
    zm_buffer_grow(b, 1000, NULL);
}

/* A Buffer in a file that is gone as soon as it is open. */
static zm_buffer_t *in_file(void)
{
    char dir[] = "/tmp/zmem-test-check-XXXXXX", path[64];
    zm_buffer_t *b = NULL;
    if (!mkdtemp(dir))
        return NULL;
    snprintf(path, sizeof path, "%s/buffer", dir);
    zm_buffer_open(path, 100, &b, NULL);
    unlink(path);
    rmdir(dir);
    return b;
}

static void buffer_committed(void)
{
    zm_buffer_t *b = in_file();
    zm__put_le64((char *)b->data - ZM__FILE_HEADER + 16, b->len + 1);
    zm_buffer_sync(b, NULL);
}

static void buffer_magic(void)
{
    zm_buffer_t *b = in_file();
    memset((char *)b->data - ZM__FILE_HEADER, 0, 8);
    zm_buffer_sync(b, NULL);
}

static void test_buffers(void **state)
{
    (void)state;
    DIES(buffer_len, "b->len <= b->cap");
    DIES(buffer_start, "start 0, len 0");
    DIES(buffer_cap, "b->cap <= b->size");
    DIES(buffer_cap_rule, "b->cap >= least");
    DIES(buffer_fd, "is of kind 0, with the descriptor 0");
    DIES(buffer_no_fd, "is of kind 2, with the descriptor -1");
    DIES(buffer_kind, "is of kind 4");
    DIES(buffer_pages, "is no whole pages");
    DIES(buffer_data, "has no memory");
    DIES(buffer_committed, "has committed 9 bytes, and has 8");
    DIES(buffer_magic, "begins otherwise");
}

/* ---- Allocators ------------------------------------------------------------------------------ */

/* An Allocator of two chunks with a window in a slot and a spare one. */
static zm_allocator_t *in_use(void)
{
    zm_allocator_t *a = new_allocator(1 << 16);
    zm_cursor_t k;
    zm_allocator_allocate(a, 100);
    zm_cursor_open(&k, a);
    zm_cursor_allocate(&k, 10, 1);
    zm_cursor_close(&k);
    zm_allocator_allocate(a, 100000);
    return a;
}

static zm_window_t *window_of(zm_allocator_t *a)
{
    size_t i = 0;
    while (a->windows[i]->size == 0)
        i++;
    return a->windows[i];
}

static _Alignas(64) zm_window_t elsewhere = {.used = 64, .size = 128};
static zm__chunk_t no_chunk = {.size = 1};

#define BREAKS_ALLOCATOR(name, breaking)                                                           \
    static void name(void)                                                                         \
    {                                                                                              \
        zm_allocator_t *a = in_use();                                                              \
        breaking;                                                                                  \
        zm_allocator_reset(a);                                                                     \
    }

BREAKS_ALLOCATOR(chunk_carved, a->first->carved = a->first->size + 1)
BREAKS_ALLOCATOR(chunk_dirty, a->first->dirty = a->first->size + 1)
BREAKS_ALLOCATOR(chunk_idle, a->first->idle = a->first->carved + 1)
BREAKS_ALLOCATOR(chunk_lost, a->first->next = NULL)
BREAKS_ALLOCATOR(chunk_ring, a->first->next->next = a->first)
BREAKS_ALLOCATOR(chunk_base, a->first->base++)
BREAKS_ALLOCATOR(chunk_current, a->current = &no_chunk)
BREAKS_ALLOCATOR(chunk_no_current, a->current = NULL)
BREAKS_ALLOCATOR(chunk_grown, a->grown = &no_chunk)
BREAKS_ALLOCATOR(allocated_too_much, a->allocated++)
BREAKS_ALLOCATOR(window_used, window_of(a)->used = 0)
BREAKS_ALLOCATOR(window_size, window_of(a)->size = 1 << 20)
BREAKS_ALLOCATOR(window_aligned, a->spare = (zm_window_t *)(void *)((char *)a->spare + 8))
BREAKS_ALLOCATOR(window_outside, a->spare = &elsewhere)
BREAKS_ALLOCATOR(window_null, a->windows[3] = NULL)
BREAKS_ALLOCATOR(spare_used, a->spare->used += 8)
BREAKS_ALLOCATOR(spare_in_slot, (a->spare = window_of(a))->used = 64)
BREAKS_ALLOCATOR(spare_idle, a->idle += 8)
BREAKS_ALLOCATOR(spare_ring, a->spare->next = a->spare)
BREAKS_ALLOCATOR(too_much_left,
                 (a->first->idle = a->first->carved, a->first->next->idle = a->first->next->carved))

/* Broken, and seen by the next call that takes the lock. */
static void chunk_on_refill(void)
{
    zm_allocator_t *a = in_use();
    a->first->dirty = a->first->size + 1;
    zm_allocator_allocate(a, 5000);
}

static void cursor_left(void)
{
    zm_allocator_t *a = in_use();
    zm_cursor_t k;
    zm_cursor_open(&k, a);
    zm_cursor_allocate(&k, 10, 1);
    k.left += 1000;
    zm_cursor_close(&k);
}

static zm_allocator_pool_t *pool_of_two(void)
{
    zm_allocator_pool_t *pool = new_pool(2);
    zm_allocator_t *a = in_use(), *b = in_use();
    zm_allocator_pool_put(pool, a);
    zm_allocator_pool_put(pool, b);
    return pool;
}

static void pool_len(void)
{
    zm_allocator_pool_t *pool = pool_of_two();
    pool->len = 3;
    zm_allocator_pool_trim(pool);
}

static void pool_list(void)
{
    zm_allocator_pool_t *pool = pool_of_two();
    pool->first->pool_next = NULL;
    zm_allocator_pool_trim(pool);
}

static void pool_in_use(void)
{
    zm_allocator_pool_t *pool = pool_of_two();
    zm_allocator_allocate(pool->first, 100);
    zm_allocator_pool_trim(pool);
}

static void pool_found(void)
{
    zm_allocator_pool_t *pool = pool_of_two();
    zm__allocator_show(pool->first);
    zm_allocator_pool_take(pool);
}

static void test_allocators(void **state)
{
    (void)state;
    DIES(chunk_carved, "c->carved <= c->size");
    DIES(chunk_dirty, "c->dirty <= c->size");
    DIES(chunk_idle, "c->idle <= c->carved");
    DIES(chunk_lost, "size == a->allocated");
    DIES(chunk_ring, "size <= a->allocated");
    DIES(chunk_base, "chunk");
    DIES(chunk_current, "the current chunk");
    DIES(chunk_no_current, "current chunk");
    DIES(chunk_grown, "the chunk grown last");
    DIES(allocated_too_much, "size == a->allocated");
    DIES(window_used, "used >= HEAD");
    DIES(window_size, "is in no chunk");
    DIES(window_aligned, "does not start at a cache line");
    DIES(window_outside, "window");
    DIES(window_null, "has no window in slot 3");
    DIES(spare_used, "spare window");
    DIES(spare_in_slot, "lies in the window");
    DIES(spare_idle, "idle == a->idle");
    DIES(spare_ring, "idle <= a->idle");
    DIES(too_much_left, "left <= used");
    DIES(chunk_on_refill, "c->dirty <= c->size");
    DIES(cursor_left, "bytes left of a window");
    DIES(pool_len, "pool->len <= pool->cap");
    DIES(pool_list, "lists 1 Allocators, len is 2");
    DIES(pool_in_use, "are carved in Allocator");
    DIES(pool_found, "waits in a pool, and has the ref");
}

/* ---- Sites and records ----------------------------------------------------------------------- */

static zm_site_t *site(void)
{
    return zm_site_of("tag", 3, (const uintptr_t[]){1, 2, 3}, 3);
}

static void site_negative(void)
{
    site()->live_bytes = -1;
    zm_depot_trim(false);
}

static void site_hash(void)
{
    site()->hash++;
    site();
}

static void site_stack(void)
{
    site()->npcs = ZM_MAX_STACK + 1;
    site();
}

static void site_lost(void)
{
    zm_site_t *s = site();
    *(uintptr_t *)(void *)(s + 1) = 2; /* its first return address */
    site();
}

/* Records of 40 blocks in a table of 64. */
static void make_records(zm__records_t *t)
{
    *t = (zm__records_t){0};
    for (uintptr_t i = 1; i <= 40; i++)
        zm__record_add(t, (zm__record_t){i * 16, 16, site(), 1});
}

static void records_len(void)
{
    zm__records_t t;
    make_records(&t);
    t.len--;
    zm__check_records(&t);
}

static void records_cap(void)
{
    zm__records_t t;
    make_records(&t);
    t.cap--;
    zm__check_records(&t);
}

/* One is moved to where it cannot be found, and whoever adds next to it sees it. */
static void records_moved(void)
{
    zm__records_t t;
    make_records(&t);
    for (size_t i = 0; i < t.cap; i++) {
        zm__record_t *r = &t.table[i], *next = &t.table[(i + 2) % t.cap];
        if (r->block && !next->block && !t.table[(i + 1) % t.cap].block) {
            *next = *r;
            r->block = 0;
            break;
        }
    }
    zm__check_records(&t);
}

static void records_site(void)
{
    zm__records_t t;
    make_records(&t);
    zm__record_find(&t, 16)->alloc_site = NULL;
    zm__record_remove(&t, zm__record_find(&t, 16));
}

static void records_full(void)
{
    zm__records_t t;
    make_records(&t);
    t.len = t.cap;
    zm__record_remove(&t, zm__record_find(&t, 16));
}

static void test_records(void **state)
{
    (void)state;
    DIES(site_negative, "has -1 bytes live");
    DIES(site_hash, "has the hash");
    DIES(site_stack, "has 65 return addresses");
    DIES(site_lost, "has the hash");
    DIES(records_len, "n == t->len");
    DIES(records_cap, "t->cap & (t->cap - 1)");
    DIES(records_moved, "is not found from its home");
    DIES(records_site, "has site");
    DIES(records_full, "t->len <= t->cap / 4 * 3");
}

/* ---- What is in order -------------------------------------------------------------------------
 */

/* After work of every kind nothing is found, and held is what is parked and live. */
static void test_rest(void **state)
{
    (void)state;
    zm_cache_t *k = new_cache();
    void *p[600];
    for (size_t n = 1; n <= ZM_SMALL_MAX; n = n * 3 + 1) {
        for (size_t i = 0; i < LEN(p); i++)
            assert_non_null(p[i] = zm_cache_calloc(k, n));
        zm__check_rest();
        for (size_t i = 0; i < LEN(p); i++)
            zm_cache_free(k, p[i], n);
        zm__check_rest();
    }
    zm_allocator_t *a = in_use();
    zm_buffer_t *b = in_file(), *c = new_buffer((size_t)3 << 20);
    assert_non_null(b);
    assert_non_null(zm_buffer_add(b, 100000, NULL));
    assert_int_equal(zm_buffer_sync(b, NULL), ZM_OK);
    zm__check_rest();
    zm_buffer_release(b, NULL);
    zm_buffer_release(c, NULL);
    zm_allocator_release(a);
    zm_cache_drain(k);
    zm__check_rest();
    zm_depot_trim(true);
    zm__check_rest();
    assert_int_equal(zm_num_held_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest),       cmocka_unit_test(test_caches),
        cmocka_unit_test(test_limit),      cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_allocators), cmocka_unit_test(test_records),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
