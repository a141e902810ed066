/* test_decay.c: free memory goes back when it is much, has been free for long, and giving back has
 * not taken too much of the time; with times and sizes that nothing waits for.
 */
#include "test.h"

#define MIB ((int64_t)1 << 20)
#define PERIOD 0.5 /* seconds between two looks */

/* A program that is looked at. */
typedef struct world {
    zm__decay_t decay;
    double now;
    int64_t held;
    double price; /* seconds that giving back takes */
    size_t given; /* times that it went back */
} world_t;

static world_t begin(int64_t held)
{
    world_t w = {.now = 1e6, .held = held, .price = 0.001};
    assert_int_equal(zm__decay_look(&w.decay, held, held, w.now), ZM__DECAY_NONE);
    return w;
}

/* One period, in which `peak` is held at most, and `held` in the end. */
static zm__decay_when_t period(world_t *w, int64_t peak, int64_t held)
{
    w->now += PERIOD;
    w->held = held;
    zm__decay_when_t when = zm__decay_look(&w->decay, peak, held, w->now);
    if (when == ZM__DECAY_NOW) {
        w->given++;
        w->now += w->price;
        zm__decay_done(&w->decay, held, w->price);
    }
    return when;
}

/* The periods with `held` bytes until memory goes back; 0 where there is nothing to wait for. */
static size_t periods(world_t *w, int64_t held)
{
    for (size_t n = 1; n < 1000; n++) {
        zm__decay_when_t when = period(w, held, held);
        if (when != ZM__DECAY_LATER)
            return when == ZM__DECAY_NOW ? n : 0;
    }
    fail_msg("waits for ever");
    return 0;
}

/* The more is free, the sooner it goes back: by bytes times seconds. */
static void test_how_much_and_how_long(void **state)
{
    (void)state;
    const struct {
        int64_t high, left;
        size_t least, most; /* periods */
    } cases[] = {
        {1000 * MIB, 0, 2, 2},
        {1000 * MIB, 500 * MIB, 3, 3},
        {1000 * MIB, 875 * MIB, 8, 9},
        {1000 * MIB, 960 * MIB, 25, 26},
        {1000 * MIB, 969 * MIB, 0, 0}, /* less than a 32nd */
        {1 << 20, 0, 9, 9},
        {MIB - 1, 0, 0, 0},
        {1000000 * MIB, 0, 2, 2},
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        world_t w = begin(cases[i].high);
        bool any = cases[i].most > 0;
        assert_int_equal(period(&w, cases[i].high, cases[i].left),
                         any ? ZM__DECAY_LATER : ZM__DECAY_NONE);
        size_t n = periods(&w, cases[i].left);
        assert_true(n >= cases[i].least && n <= cases[i].most);
        assert_int_equal(w.given, any ? 1 : 0);
        assert_int_equal(periods(&w, cases[i].left), 0); /* and that was all */
    }
}

/* What is needed again within each period is not free. */
static void test_what_is_needed_stays(void **state)
{
    (void)state;
    world_t w = begin(1000 * MIB);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(period(&w, 1000 * MIB, 10 * MIB), ZM__DECAY_LATER);
    for (size_t i = 0; i < 10000; i++) /* now and then is often enough */
        period(&w, i % 2 ? 1000 * MIB : 10 * MIB, 10 * MIB);
    assert_int_equal(w.given, 0);
    assert_int_equal(periods(&w, 10 * MIB), 2);
}

/* While a program frees it waits for the rest, but not for ever. */
static void test_waits_for_the_end_of_a_fall(void **state)
{
    (void)state;
    world_t w = begin(1000 * MIB);
    for (int64_t held = 1000; held > 0; held -= 125)
        assert_int_equal(period(&w, held * MIB, (held - 125) * MIB), ZM__DECAY_LATER);
    assert_int_equal(periods(&w, 0), 1);

    w = begin(1000 * MIB);
    size_t n = 1;
    while (period(&w, 200 * MIB, 100 * MIB) == ZM__DECAY_LATER)
        n++;
    assert_true(n > 4 && n < 40 && w.given == 1);
}

/* However much a program frees, giving back takes no more than a 50th of the time. */
static void test_the_price_is_bounded(void **state)
{
    (void)state;
    const double prices[] = {0.001, 0.1, 3, 60};
    for (size_t i = 0; i < LEN(prices); i++) {
        world_t w = begin(1000 * MIB);
        w.price = prices[i];
        double start = w.now;
        while (w.now < start + 10000) { /* up, down, and a pause */
            period(&w, 1000 * MIB, 1000 * MIB);
            period(&w, 1000 * MIB, 0);
            period(&w, 0, 0);
            period(&w, 0, 0);
        }
        double spent = (double)w.given * w.price, share = spent / (w.now - start);
        assert_true(w.given > 0);
        assert_true(spent <= 0.02 * (w.now - start) + 2 + w.price);
        assert_true(prices[i] < 0.1 || share > 0.01); /* and it does take that */
        if (prices[i] < 0.01)
            assert_true(w.given > 4000); /* what is cheap is done each time */
    }
}

/* A clock that stands still, or jumps, and sums that have wrapped around do no harm. */
static void test_odd_input(void **state)
{
    (void)state;
    zm__decay_t d = {0};
    for (size_t i = 0; i < 100; i++)
        assert_int_not_equal(zm__decay_look(&d, 1000 * MIB, i ? 0 : 1000 * MIB, 0), ZM__DECAY_NOW);
    world_t w = begin(1000 * MIB);
    w.now += 1e9;
    assert_int_equal(period(&w, 1000 * MIB, 0), ZM__DECAY_LATER);
    assert_int_equal(periods(&w, -5 * MIB), 2);
    assert_int_equal(periods(&w, -5 * MIB), 0);
}

/* The most that was held, each time since the last question. */
static void test_the_peak(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    zm__take_peak();
    void *p = zm_calloc(N), *q = zm_calloc(N);
    zm_free(q, N);
    assert_int_equal(zm__take_peak(), 2 * N);
    assert_int_equal(zm__take_peak(), N);
    zm_free(p, N);
    assert_int_equal(zm__take_peak(), N);
    assert_int_equal(zm__take_peak(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_much_and_how_long),
        cmocka_unit_test(test_what_is_needed_stays),
        cmocka_unit_test(test_waits_for_the_end_of_a_fall),
        cmocka_unit_test(test_the_price_is_bounded),
        cmocka_unit_test(test_odd_input),
        cmocka_unit_test(test_the_peak),
    };
    return cmocka_run_group_tests_name("decay", tests, NULL, NULL);
}
