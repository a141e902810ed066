//go:build zmem_check && !leak

/* test_check_sampled.c: the check build sees what is broken of sampled and of guarded blocks. */
#include "dies.h"

enum { SIZE = 80 };

static zm_site_t *site(void)
{
    return zm_site_of("tag", 3, (const uintptr_t[]){1, 2, 3}, 3);
}

static void *sample(void)
{
    zm_profile_set_rate(512 << 10);
    return zm_profile_calloc(SIZE, 0, 1, site());
}

/* A span with three blocks, of which two are free again; returns the one that is live. */
static void *three(zm__span_t **s)
{
    void *p[3];
    for (size_t i = 0; i < 3; i++)
        p[i] = sample();
    zm_free(p[0], SIZE);
    zm_free(p[1], SIZE);
    *s = zm__check_span_of(p[2]);
    return p[2];
}

/* Broken, and seen by the next sample, or when the last block of the span is freed. */
#define BREAKS_SPAN(name, breaking)                                                                \
    static void name(void)                                                                         \
    {                                                                                              \
        zm__span_t *s;                                                                             \
        void *p = three(&s);                                                                       \
        breaking;                                                                                  \
        zm_free(p, SIZE);                                                                          \
    }

BREAKS_SPAN(span_live, s->live++)
BREAKS_SPAN(span_carved, s->carved--)
BREAKS_SPAN(span_too_many, (s->carved += 1 << 20, s->nfree += 1 << 20))
BREAKS_SPAN(span_free_beyond, s->free[0] = 100)
BREAKS_SPAN(span_free_twice, s->free[0] = s->free[1])
BREAKS_SPAN(span_class, s->cls = ZM_NUM_CLASSES)
BREAKS_SPAN(span_prev, s->prev = s)
BREAKS_SPAN(span_base, s->base += 8)

/* Only a walk over all of a span sees this. */
static void span_free_twice_below(void)
{
    zm__span_t *s;
    void *p[4];
    for (size_t i = 0; i < 4; i++)
        p[i] = sample();
    for (size_t i = 0; i < 3; i++)
        zm_free(p[i], SIZE);
    s = zm__check_span_of(p[3]);
    s->free[0] = s->free[1];
    zm_depot_trim(false);
}

static void span_not_listed(void)
{
    zm__span_t *s;
    (void)three(&s);
    zm_free(zm_profile_calloc(SIZE, 0, 1, site()), SIZE);
    s->next = s;
    zm_depot_trim(false);
}

static void record_size(void)
{
    void *p = sample();
    zm__records_t *t = zm__check_records_of(p);
    zm__record_find(t, (uintptr_t)p)->weight = 0;
    zm_depot_trim(false);
}

static void record_shard(void)
{
    void *p = sample();
    zm__records_t *t = zm__check_records_of(p);
    uintptr_t other = (uintptr_t)p;
    while (zm__check_records_of((void *)other) == t)
        other += 16;
    zm__record_add(t, (zm__record_t){other, 8, site(), 1});
    zm_depot_trim(false);
}

static void records_outside(void)
{
    size_t n = ZM_SMALL_MAX + 1;
    void *p = zm_profile_calloc(n, 0, 1, site());
    zm__profile_forget(p); /* which leaves num_outside to its caller */
    zm__check_rest();
}

static void test_sampled(void **state)
{
    (void)state;
    DIES(span_live, "s->live + s->nfree == s->carved");
    DIES(span_carved, "s->live + s->nfree == s->carved");
    DIES(span_too_many, "s->carved <= blocks_of(s->cls)");
    DIES(span_free_beyond, "block 100 is free, 3 are carved");
    DIES(span_free_twice, "is free twice");
    DIES(span_free_twice_below, "is free twice");
    DIES(span_class, "is of class 45");
    DIES(span_prev, "is not in the list of those");
    DIES(span_base, "is at no place for a span");
    DIES(span_not_listed, "span");
    DIES(record_size, "stands for 0");
    DIES(record_shard, "of the profile");
    DIES(records_outside, "num_outside is 1");
}

static unsigned *queue;
static size_t *waiting;
static zm__guard_slot_t *slots;

/* A guarded block, and the slot that it is in. */
static void *guarded(zm__guard_slot_t **slot)
{
    zm_guard_set_rate(1000);
    slots = zm__check_guard(&queue, &waiting);
    void *p = zm_guard_calloc(SIZE, 0, site());
    for (*slot = slots; (*slot)->block != (uintptr_t)p;)
        ++*slot;
    return p;
}

#define BREAKS_GUARD(name, breaking)                                                               \
    static void name(void)                                                                         \
    {                                                                                              \
        zm__guard_slot_t *s;                                                                       \
        (void)guarded(&s);                                                                         \
        breaking;                                                                                  \
        zm_guard_calloc(SIZE, 0, site());                                                          \
    }

BREAKS_GUARD(guard_queue_twice, queue[20] = queue[21])
BREAKS_GUARD(guard_queue_lost, --*waiting)
BREAKS_GUARD(guard_queue_beyond, *waiting = 258)
BREAKS_GUARD(guard_queue_number, queue[20] = 256)
BREAKS_GUARD(guard_live, s->live = false)
BREAKS_GUARD(guard_block, s->block = s->block + (1 << 18))
BREAKS_GUARD(guard_size, s->size = ZM_SMALL_MAX + 1)
BREAKS_GUARD(guard_site, s->alloc_site = NULL)
BREAKS_GUARD(guard_never_used, s->block = 0)

static void test_guarded(void **state)
{
    (void)state;
    DIES(guard_queue_twice, "is in it twice");
    DIES(guard_queue_lost, "is free, and not in the queue");
    DIES(guard_queue_beyond, "waiting <= SLOTS");
    DIES(guard_queue_number, "slot 256 is in it twice, or of 256");
    DIES(guard_live, "is free, and not in the queue");
    DIES(guard_block, "has a block of 80 bytes");
    DIES(guard_size, "has a block of 65537 bytes");
    DIES(guard_site, "has a block without a site");
    DIES(guard_never_used, "is live, and was never used");
}

/* Sampled and guarded blocks that are in order, and held is right by them. */
static void test_rest(void **state)
{
    (void)state;
    zm__guard_slot_t *slot;
    void *p[100], *g = guarded(&slot), *large = zm_profile_calloc(100000, 0, 1, site());
    for (size_t i = 0; i < LEN(p); i++)
        assert_non_null(p[i] = sample());
    zm__check_rest();
    for (size_t i = 0; i < LEN(p); i++)
        zm_free(p[i], SIZE);
    zm_free(large, 100000);
    zm_free(g, SIZE);
    zm__check_rest();
    zm_depot_trim(true);
    zm__check_rest();
    assert_int_equal(zm_num_held_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampled),
        cmocka_unit_test(test_guarded),
        cmocka_unit_test(test_rest),
    };
    return cmocka_run_group_tests_name("check, sampled", tests, NULL, NULL);
}
