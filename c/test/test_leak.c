//go:build leak

/* test_leak.c: every live block is known with its size, tag and stack, and a free that is wrong is
 * told from one that is right.
 */
#include <stdlib.h>
#include <string.h>

#include "test.h"

static const uintptr_t pcs[] = {0x1001, 0x1002, 0x1003};
static const uintptr_t other_pcs[] = {0x2001, 0x2002};

static void *leak_calloc(size_t n)
{
    return zm_leak_calloc(n, 0, zm_site_of(NULL, 0, pcs, LEN(pcs)));
}

/* Frees a block as it should be; the fault must not be touched then. */
static void leak_free(void *p, size_t n)
{
    zm_leak_fault_t fault;
    memset(&fault, 0xee, sizeof fault);
    assert_int_equal(zm_leak_free(p, n, zm_site_of(NULL, 0, other_pcs, LEN(other_pcs)), &fault),
                     ZM_OK);
    assert_true(all_are(&fault, 0xee, sizeof fault));
}

/* Frees what must not be freed; nothing may change. */
static zm_leak_fault_t leak_fault(void *p, size_t n)
{
    int64_t bytes = zm_num_alloc_bytes(), objects = zm_num_allocs();
    size_t sites = zm_leak_sites(NULL, 0);
    zm_leak_fault_t fault;
    memset(&fault, 0xee, sizeof fault);
    assert_int_equal(zm_leak_free(p, n, zm_site_of(NULL, 0, other_pcs, LEN(other_pcs)), &fault),
                     ZM_EINVAL);
    assert_counts(bytes, objects);
    assert_int_equal(zm_leak_sites(NULL, 0), sites);
    return fault;
}

static void assert_fault(zm_leak_fault_t fault, int64_t kind, const void *block, size_t size)
{
    assert_int_equal(fault.kind, kind);
    assert_int_equal(fault.block, (uintptr_t)block);
    assert_int_equal(fault.size, size);
    assert_int_equal(fault.alloc_site != NULL, kind != ZM_FAULT_FOREIGN);
    assert_int_equal(fault.free_site != NULL, kind == ZM_FAULT_FREED);
}

static void assert_site(const zm_site_t *site, const char *tag, size_t ntag, const uintptr_t *stack,
                        size_t npcs)
{
    assert_non_null(site);
    assert_int_equal(site->ntag, ntag);
    assert_int_equal(site->npcs, npcs);
    if (ntag)
        assert_memory_equal(zm_site_tag(site), tag, ntag);
    if (npcs)
        assert_memory_equal(zm_site_pcs(site), stack, npcs * sizeof *stack);
}

/* The only site with live blocks. */
static zm_leak_live_t only_site(void)
{
    zm_leak_live_t live[2];
    assert_int_equal(zm_leak_sites(live, LEN(live)), 1);
    return live[0];
}

static int check_none_left(void **state)
{
    (void)state;
    return zm_leak_sites(NULL, 0) != 0 || zm_num_alloc_bytes() != 0 || zm_num_allocs() != 0;
}

/* ---- Blocks and sites ------------------------------------------------------------------------ */

static void test_blocks(void **state)
{
    (void)state;
    void *blocks[3];
    for (size_t i = 0; i < num_boundary_sizes; i++) {
        size_t n = boundary_sizes[i];
        for (size_t align = 0; align <= 4096; align = align ? align * 2 : 1) {
            size_t want = align > promised_align(n) ? align : promised_align(n);
            for (size_t j = 0; j < LEN(blocks); j++) {
                blocks[j] = zm_leak_calloc(n, align, zm_site_of(NULL, 0, pcs, LEN(pcs)));
                assert_non_null(blocks[j]);
                assert_true(is_aligned(blocks[j], want) && all_are(blocks[j], 0, n));
                memset(blocks[j], 0xff, n);
            }
            assert_counts((int64_t)(LEN(blocks) * n), LEN(blocks));
            zm_leak_live_t live = only_site();
            assert_int_equal(live.bytes, LEN(blocks) * n);
            assert_int_equal(live.objects, LEN(blocks));
            for (size_t j = 0; j < LEN(blocks); j++)
                leak_free(blocks[j], n);
            assert_int_equal(zm_leak_sites(NULL, 0), 0);
            assert_counts(0, 0);
        }
    }
}

static void test_impossible_blocks(void **state)
{
    (void)state;
    const size_t aligns[] = {3, 48, ZM_MAX_ALIGN + 1, ZM_MAX_ALIGN * 2, SIZE_MAX};
    const size_t sizes[] = {ZM_MAX_SIZE, ZM_MAX_SIZE + 1, SIZE_MAX};
    for (size_t i = 0; i < LEN(aligns); i++)
        assert_null(zm_leak_calloc(100, aligns[i], zm_site_of(NULL, 0, pcs, LEN(pcs))));
    for (size_t i = 0; i < LEN(sizes); i++)
        assert_null(leak_calloc(sizes[i]));
    assert_int_equal(zm_leak_sites(NULL, 0), 0);
    assert_counts(0, 0);
}

static void test_freeing_nothing(void **state)
{
    (void)state;
    leak_free(NULL, 0);
    leak_free(NULL, 100);
    assert_int_equal(zm_leak_free(NULL, SIZE_MAX, zm_site_of(NULL, 0, NULL, 0), NULL), ZM_OK);
}

static void test_one_site_per_stack_and_tag(void **state)
{
    (void)state;
    const uintptr_t swapped[] = {0x1002, 0x1001, 0x1003};
    const struct {
        const char *tag;
        size_t ntag;
        const uintptr_t *pcs;
        size_t npcs;
    } differ[] = {
        {NULL, 0, pcs, 3},      {NULL, 0, pcs, 2},  {NULL, 0, pcs, 1}, {NULL, 0, swapped, 3},
        {"a", 1, pcs, 3},       {"b", 1, pcs, 3},   {"ab", 2, pcs, 3}, {"a\0b", 3, pcs, 3},
        {"a\0c", 3, pcs, 3},    {"a\0", 2, pcs, 3}, {"\0", 1, pcs, 3}, {"a", 1, pcs, 2},
        {"a", 1, other_pcs, 2},
    };
    enum { ROUNDS = 5 };
    void *blocks[ROUNDS][LEN(differ)];
    for (size_t i = 0; i < ROUNDS; i++) {
        for (size_t j = 0; j < LEN(differ); j++) {
            blocks[i][j] = zm_leak_calloc(
                j + 1, 0, zm_site_of(differ[j].tag, differ[j].ntag, differ[j].pcs, differ[j].npcs));
        }
    }
    zm_leak_live_t live[LEN(differ)];
    assert_int_equal(zm_leak_sites(live, LEN(live)), LEN(differ));
    size_t seen = 0;
    for (size_t i = 0; i < LEN(live); i++) {
        assert_int_equal(live[i].objects, ROUNDS);
        assert_int_equal(live[i].bytes % ROUNDS, 0);
        size_t j = (size_t)live[i].bytes / ROUNDS - 1; /* sizes tell them apart */
        assert_true(j < LEN(differ));
        assert_site(live[i].site, differ[j].tag, differ[j].ntag, differ[j].pcs, differ[j].npcs);
        seen |= (size_t)1 << j;
    }
    assert_int_equal(seen, ((size_t)1 << LEN(differ)) - 1);
    for (size_t i = 0; i < ROUNDS; i++) {
        for (size_t j = 0; j < LEN(differ); j++)
            leak_free(blocks[i][j], j + 1);
        assert_int_equal(zm_leak_sites(NULL, 0), i + 1 < ROUNDS ? LEN(differ) : 0);
    }
}

/* The tag and the stack are copied, and cut where they are too long. */
static void test_copies_and_limits(void **state)
{
    (void)state;
    uintptr_t stack[ZM_MAX_STACK + 10];
    char tag[ZM_MAX_TAG + 10];
    for (size_t i = 0; i < LEN(stack); i++)
        stack[i] = 0x5000 + i;
    memset(tag, 't', sizeof tag);
    void *p = zm_leak_calloc(10, 0, zm_site_of(tag, sizeof tag, stack, LEN(stack)));
    zm_leak_live_t live = only_site();
    assert_site(live.site, tag, ZM_MAX_TAG, stack, ZM_MAX_STACK);

    stack[ZM_MAX_STACK] = 1; /* beyond what is kept: the same site */
    tag[ZM_MAX_TAG] = 'x';
    void *q = zm_leak_calloc(10, 0, zm_site_of(tag, sizeof tag, stack, LEN(stack)));
    assert_ptr_equal(only_site().site, live.site);
    assert_int_equal(only_site().objects, 2);

    memset(tag, 'x', sizeof tag);
    memset(stack, 0, sizeof stack);
    assert_int_equal(zm_site_pcs(live.site)[ZM_MAX_STACK - 1], 0x5000 + ZM_MAX_STACK - 1);
    assert_true(all_are(zm_site_tag(live.site), 't', ZM_MAX_TAG));
    leak_free(p, 10);
    leak_free(q, 10);
}

static void test_sites_fit_into_less_room(void **state)
{
    (void)state;
    void *blocks[5];
    for (uintptr_t i = 0; i < LEN(blocks); i++)
        blocks[i] = zm_leak_calloc(8, 0, zm_site_of(NULL, 0, &i, 1));
    for (size_t cap = 0; cap <= LEN(blocks) + 1; cap++) {
        zm_leak_live_t live[LEN(blocks) + 1];
        memset(live, 0xee, sizeof live);
        assert_int_equal(zm_leak_sites(live, cap), LEN(blocks));
        size_t written = 0;
        for (; written < cap && written < LEN(blocks); written++) {
            assert_int_equal(live[written].objects, 1);
            for (size_t i = 0; i < written; i++)
                assert_ptr_not_equal(live[written].site, live[i].site);
        }
        assert_true(all_are(&live[written], 0xee, (LEN(live) - written) * sizeof live[0]));
    }
    for (size_t i = 0; i < LEN(blocks); i++)
        leak_free(blocks[i], 8);
}

/* So many sites that they meet in the same buckets. */
static void test_many_sites(void **state)
{
    (void)state;
    enum { SITES = 40000, ROUNDS = 2 };
    void **blocks = calloc(ROUNDS * SITES, sizeof *blocks);
    zm_leak_live_t *live = calloc(SITES, sizeof *live);
    for (size_t round = 0; round < ROUNDS; round++) {
        bool seen[SITES] = {false};
        for (uintptr_t i = 0; i < SITES; i++)
            blocks[round * SITES + i] =
                zm_leak_calloc(0, 0, zm_site_of(NULL, 0, (uintptr_t[]){i, 7}, 2));
        assert_int_equal(zm_leak_sites(live, SITES), SITES);
        for (size_t i = 0; i < SITES; i++) {
            uintptr_t which = zm_site_pcs(live[i].site)[0];
            assert_true(which < SITES && !seen[which]);
            assert_int_equal(live[i].objects, round + 1);
            assert_int_equal(live[i].bytes, 0);
            seen[which] = true;
        }
    }
    for (size_t i = 0; i < ROUNDS * SITES; i++)
        leak_free(blocks[i], 0);
    free(live);
    free(blocks);
}

/* ---- The C stack, where no other is given ---------------------------------------------------- */

typedef struct call {
    uintptr_t here;   /* the function that called zm_leak_... */
    uintptr_t caller; /* where it returned to */
} call_t;

/* The assignment after each call keeps the compiler from making it a jump. */
__attribute__((noinline)) static void *calloc_with_c_stack(call_t *call)
{
    void *p = zm_leak_calloc(10, 0, zm_site_of(NULL, 0, NULL, 0));
    *call = (call_t){(uintptr_t)calloc_with_c_stack, (uintptr_t)__builtin_return_address(0)};
    return p;
}

__attribute__((noinline)) static int free_with_c_stack(call_t *call, void *p)
{
    zm_leak_fault_t fault;
    int err = zm_leak_free(p, 10, zm_site_of(NULL, 0, NULL, 0), &fault);
    *call = (call_t){(uintptr_t)free_with_c_stack, (uintptr_t)__builtin_return_address(0)};
    return err;
}

/* The innermost address lies in the function that called us, the next is where that returned to. */
static void assert_called_by(const zm_site_t *site, call_t call)
{
    assert_non_null(site);
    assert_true(site->npcs > 2);
    const uintptr_t *stack = zm_site_pcs(site);
    assert_true(stack[0] > call.here && stack[0] < call.here + 1000);
    assert_int_equal(stack[1], call.caller);
}

static void test_c_stack(void **state)
{
    (void)state;
    call_t call;
    void *p = calloc_with_c_stack(&call);
    const zm_site_t *site = only_site().site;
    assert_called_by(site, call);
    assert_int_equal(free_with_c_stack(&call, p), ZM_OK);
    zm_leak_fault_t fault = leak_fault(p, 10);
    assert_fault(fault, ZM_FAULT_FREED, p, 10);
    assert_ptr_equal(fault.alloc_site, site);
    assert_called_by(fault.free_site, call);
}

static void *calloc_deep_down(unsigned depth, call_t *call);
static void *(*volatile deeper)(unsigned, call_t *) = calloc_deep_down; /* hides the recursion */
static volatile unsigned returned_from;                                 /* so that it returns */

static void *calloc_deep_down(unsigned depth, call_t *call)
{
    void *p = depth ? deeper(depth - 1, call) : calloc_with_c_stack(call);
    returned_from = depth;
    return p;
}

static void test_deep_c_stack(void **state)
{
    (void)state;
    call_t call;
    void *p = deeper(300, &call);
    const zm_site_t *site = only_site().site;
    assert_true(site->npcs > ZM_MAX_STACK / 2 && site->npcs <= ZM_MAX_STACK);
    assert_called_by(site, call);
    leak_free(p, 10);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static void test_fault_before_any_block(void **state)
{
    (void)state;
    char foreign;
    assert_fault(leak_fault(&foreign, 1), ZM_FAULT_FOREIGN, NULL, 0);
}

static void test_fault_foreign(void **state)
{
    (void)state;
    static char global[16];
    char local[16] = {0};
    char *p = leak_calloc(100);
    char *mine = zm_calloc(3000); /* a block, but not one that is tracked */
    void *foreign[] = {local, global, (void *)1, (void *)UINTPTR_MAX, p - 1, p + 100, p + 101};
    for (size_t i = 0; i < LEN(foreign); i++)
        assert_fault(leak_fault(foreign[i], 100), ZM_FAULT_FOREIGN, NULL, 0);
    int64_t kind = leak_fault(mine, 3000).kind; /* its address may have been a tracked one once */
    assert_true(kind == ZM_FAULT_FOREIGN || kind == ZM_FAULT_FREED);
    zm_free(mine, 3000);
    leak_free(p, 100);
}

static void test_fault_interior(void **state)
{
    (void)state;
    const size_t sizes[] = {2, 100, 5000, 200001};
    for (size_t i = 0; i < LEN(sizes); i++) {
        size_t n = sizes[i];
        char *p = zm_leak_calloc(n, 0, zm_site_of("tag", 3, pcs, LEN(pcs)));
        const size_t inside[] = {1, n / 2 | 1, n - 1 - n % 2};
        memset(p, 'x', n);
        for (size_t j = 0; j < LEN(inside); j++) {
            if (inside[j] >= n)
                continue;
            zm_leak_fault_t fault = leak_fault(p + inside[j], n);
            assert_fault(fault, ZM_FAULT_INTERIOR, p, n);
            assert_site(fault.alloc_site, "tag", 3, pcs, LEN(pcs));
        }
        assert_true(all_are(p, 'x', n));
        leak_free(p, n);
    }
}

static void test_fault_size(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 99, 101, 112, 1 << 20, ZM_MAX_SIZE, ZM_MAX_SIZE + 1, SIZE_MAX};
    char *p = zm_leak_calloc(100, 0, zm_site_of("tag", 3, pcs, LEN(pcs)));
    memset(p, 'x', 100);
    for (size_t i = 0; i < LEN(sizes); i++) {
        zm_leak_fault_t fault = leak_fault(p, sizes[i]);
        assert_fault(fault, ZM_FAULT_SIZE, p, 100);
        assert_site(fault.alloc_site, "tag", 3, pcs, LEN(pcs));
    }
    assert_true(all_are(p, 'x', 100));
    leak_free(p, 100);
}

static void test_fault_freed(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 300000; n = n ? n * 7 : 1) {
        void *p = zm_leak_calloc(n, 0, zm_site_of("tag", 3, pcs, LEN(pcs)));
        leak_free(p, n);
        for (size_t i = 0; i < 3; i++) { /* the size given does not matter any more */
            zm_leak_fault_t fault = leak_fault(p, i ? n + i : n);
            assert_fault(fault, ZM_FAULT_FREED, p, n);
            assert_site(fault.alloc_site, "tag", 3, pcs, LEN(pcs));
            assert_site(fault.free_site, NULL, 0, other_pcs, LEN(other_pcs));
        }
    }
}

/* The blocks freed last are remembered, those freed long ago are not. */
static void test_fault_freed_long_ago(void **state)
{
    (void)state;
    enum { BLOCKS = 40000 };
    void **blocks = calloc(BLOCKS, sizeof *blocks);
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = leak_calloc(24);
    for (size_t i = 0; i < BLOCKS; i++)
        leak_free(blocks[i], 24);
    for (size_t i = BLOCKS - 200; i < BLOCKS; i++)
        assert_fault(leak_fault(blocks[i], 24), ZM_FAULT_FREED, blocks[i], 24);
    for (size_t i = 0; i < 10; i++)
        assert_fault(leak_fault(blocks[i], 24), ZM_FAULT_FOREIGN, NULL, 0);
    free(blocks);
}

/* ---- The table of live blocks, against a model ----------------------------------------------- */

enum { MODEL_MAX = 8000, MODEL_TAGS = 8, MODEL_STEPS = 60000 };

typedef struct model {
    struct {
        unsigned char *p;
        size_t n;
        unsigned tag;
    } blocks[MODEL_MAX];
    size_t len;
    int64_t bytes[MODEL_TAGS], objects[MODEL_TAGS];
} model_t;

static void model_add(model_t *m, size_t n, unsigned tag)
{
    char name = (char)('a' + tag);
    unsigned char *p = zm_leak_calloc(n, 0, zm_site_of(&name, 1, pcs, LEN(pcs)));
    assert_non_null(p);
    if (n > 0)
        p[0] = (unsigned char)tag;
    m->blocks[m->len].p = p;
    m->blocks[m->len].n = n;
    m->blocks[m->len++].tag = tag;
    m->bytes[tag] += (int64_t)n;
    m->objects[tag]++;
}

static void model_remove(model_t *m, size_t i)
{
    unsigned tag = m->blocks[i].tag;
    size_t n = m->blocks[i].n;
    leak_free(m->blocks[i].p, n);
    m->bytes[tag] -= (int64_t)n;
    m->objects[tag]--;
    m->blocks[i] = m->blocks[--m->len];
}

/* A free with a wrong size finds a block and leaves it. */
static void model_check(const model_t *m)
{
    int64_t bytes = 0, objects = 0;
    for (size_t i = 0; i < m->len; i++) {
        zm_leak_fault_t fault;
        size_t wrong = m->blocks[i].n + 1;
        assert_int_equal(zm_leak_free(m->blocks[i].p, wrong, zm_site_of(NULL, 0, pcs, 1), &fault),
                         ZM_EINVAL);
        assert_fault(fault, ZM_FAULT_SIZE, m->blocks[i].p, m->blocks[i].n);
        assert_int_equal(*zm_site_tag(fault.alloc_site), 'a' + m->blocks[i].tag);
        assert_true(m->blocks[i].n == 0 || m->blocks[i].p[0] == m->blocks[i].tag);
    }
    zm_leak_live_t live[MODEL_TAGS];
    size_t nlive = zm_leak_sites(live, MODEL_TAGS);
    assert_true(nlive <= MODEL_TAGS);
    for (size_t i = 0; i < nlive; i++) {
        size_t tag = (size_t)(*zm_site_tag(live[i].site) - 'a');
        assert_int_equal(live[i].bytes, m->bytes[tag]);
        assert_int_equal(live[i].objects, m->objects[tag]);
        bytes += live[i].bytes;
        objects += live[i].objects;
    }
    assert_int_equal(objects, m->len);
    assert_counts(bytes, objects);
}

static void test_against_a_model(void **state)
{
    (void)state;
    static model_t m;
    rng_t rng = {1};
    for (size_t step = 0; step < MODEL_STEPS; step++) {
        size_t chance = step / 10000 % 2 ? 25 : 80; /* grows and shrinks in turn */
        bool add = rng_below(&rng, 100) < chance;
        if (m.len == 0 || (add && m.len < MODEL_MAX))
            model_add(&m, rng_below(&rng, 300), (unsigned)rng_below(&rng, MODEL_TAGS));
        else
            model_remove(&m, rng_below(&rng, m.len));
        if (step % 2000 == 0)
            model_check(&m);
    }
    while (m.len > 0) {
        model_remove(&m, rng_below(&rng, m.len));
        if (m.len % 500 == 0)
            model_check(&m);
    }
}

/* The chunks of an Allocator are live at one site, that of its owner, and never blocks to free. */
static void test_allocator(void **state)
{
    (void)state;
    const uintptr_t maker[] = {0xa1, 0xa2}, taker[] = {0xb1};
    zm_leak_live_t live[2];
    zm_allocator_t *a = NULL;
    zm_site_t *site = zm_site_of("tag", 3, maker, 2);
    assert_int_equal(zm_leak_allocator_new(SIZE_MAX, site, &a), ZM_ENOMEM);
    assert_int_equal(zm_leak_allocator_new(512, NULL, &a), ZM_ENOMEM);
    zm_set_limit(511);
    assert_int_equal(zm_leak_allocator_new(512, site, &a), ZM_ELIMIT);
    zm_set_limit(INT64_MAX);
    assert_null(a);
    a = new_leak_allocator(512, zm_site_of("tag", 3, maker, 2));
    unsigned char *p = zm_allocator_allocate(a, 100000);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(zm_leak_sites(live, 2), 1);
        assert_int_equal(live[0].bytes, zm_allocator_allocated(a));
        assert_int_equal(live[0].objects, 2);
        assert_counts(live[0].bytes, live[0].objects);
        assert_int_equal(zm_site_pcs(live[0].site)[0], i == 0 ? 0xa1 : 0xb1);
        assert_int_equal(live[0].site->ntag, i == 0 ? 3 : 0);
        assert_int_equal(zm_leak_free(p, 100000, zm_site_of(NULL, 0, taker, 1), NULL), ZM_EINVAL);
        zm_leak_allocator_own(a, zm_site_of(NULL, 0, taker, 1));
    }
    zm_allocator_trim(a, 512);
    assert_int_equal(zm_leak_sites(live, 2), 1);
    assert_int_equal(live[0].bytes, 512);
    assert_int_equal(live[0].objects, 1);
    zm_allocator_release(a);
    assert_int_equal(zm_leak_sites(live, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_fault_before_any_block, check_none_left),
        cmocka_unit_test_teardown(test_blocks, check_none_left),
        cmocka_unit_test_teardown(test_impossible_blocks, check_none_left),
        cmocka_unit_test_teardown(test_freeing_nothing, check_none_left),
        cmocka_unit_test_teardown(test_one_site_per_stack_and_tag, check_none_left),
        cmocka_unit_test_teardown(test_copies_and_limits, check_none_left),
        cmocka_unit_test_teardown(test_sites_fit_into_less_room, check_none_left),
        cmocka_unit_test_teardown(test_many_sites, check_none_left),
        cmocka_unit_test_teardown(test_c_stack, check_none_left),
        cmocka_unit_test_teardown(test_deep_c_stack, check_none_left),
        cmocka_unit_test_teardown(test_fault_foreign, check_none_left),
        cmocka_unit_test_teardown(test_fault_interior, check_none_left),
        cmocka_unit_test_teardown(test_fault_size, check_none_left),
        cmocka_unit_test_teardown(test_fault_freed, check_none_left),
        cmocka_unit_test_teardown(test_fault_freed_long_ago, check_none_left),
        cmocka_unit_test_teardown(test_against_a_model, check_none_left),
        cmocka_unit_test_teardown(test_allocator, check_none_left),
    };
    return cmocka_run_group_tests_name("leak", tests, NULL, NULL);
}
