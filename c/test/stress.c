/* stress.c: the threads of stress.h.
 *
 * A thread makes a parcel: a few blocks of one size, zero when it gets them, filled with a pattern
 * that follows from their addresses. It puts the parcel into one of many slots, takes out what was
 * there, most often another thread's, checks that the pattern is whole, and frees that.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

#define SLOTS 256
#define MAX_BATCH 64
#define DISTURB 500 /* iterations */

typedef struct parcel {
    size_t n;
    size_t len;
    void *blocks[MAX_BATCH];
} parcel_t;

typedef struct worker {
    const stress_target_t *target;
    pthread_t thread;
    rng_t rng;
    void *self;
} worker_t;

stress_args_t stress_args = {1, 4, 4000};

static _Atomic(parcel_t *) slots[SLOTS];
static atomic_size_t failures;

bool stress_parse(int argc, char **argv)
{
    if (argc > 1)
        stress_args.seed = strtoull(argv[1], NULL, 0);
    if (argc > 2)
        stress_args.threads = strtoul(argv[2], NULL, 0);
    if (argc > 3)
        stress_args.iterations = strtoul(argv[3], NULL, 0);
    if (argc > 4 || stress_args.threads == 0 || stress_args.threads > 1000) {
        fprintf(stderr, "usage: %s [SEED [THREADS [ITERATIONS]]]\n", argv[0]);
        return false;
    }
    return true;
}

void stress_check(bool ok, const char *what, const char *file, int line)
{
    if (!ok && atomic_fetch_add(&failures, 1) < 10)
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
}

size_t stress_failures(void)
{
    return atomic_load(&failures);
}

static size_t random_size(rng_t *rng)
{
    size_t kind = rng_below(rng, 100);
    size_t most = kind < 50 ? 129 : kind < 80 ? 2049 : kind < 96 ? ZM_SMALL_MAX + 1 : 200000;
    return rng_below(rng, most);
}

/* Words of a large block are only samples. */
static size_t step_of(size_t n)
{
    return n <= 8192 ? 8 : 1024;
}

static void fill(unsigned char *p, size_t n)
{
    for (size_t i = 0; i + 8 <= n; i += step_of(n)) {
        uint64_t word = pattern_of((uintptr_t)p + i);
        memcpy(p + i, &word, sizeof word);
    }
    for (size_t i = n & ~(size_t)7; i < n; i++)
        p[i] = (unsigned char)pattern_of((uintptr_t)p + i);
}

static bool is_filled(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i + 8 <= n; i += step_of(n)) {
        uint64_t word = pattern_of((uintptr_t)p + i);
        if (memcmp(p + i, &word, sizeof word) != 0)
            return false;
    }
    for (size_t i = n & ~(size_t)7; i < n; i++) {
        if (p[i] != (unsigned char)pattern_of((uintptr_t)p + i))
            return false;
    }
    return true;
}

static parcel_t *parcel_new(worker_t *w)
{
    const stress_target_t *t = w->target;
    parcel_t *parcel = t->calloc(w->self, sizeof *parcel, 0);
    if (!parcel)
        return NULL;
    CHECK(all_are(parcel, 0, sizeof *parcel));
    size_t n = random_size(&w->rng), kind = rng_below(&w->rng, 10), align = promised_align(n);
    if (kind == 0 && n <= 2048) {
        parcel->len = rng_below(&w->rng, MAX_BATCH + 1);
        CHECK(t->calloc_batch(w->self, n, parcel->blocks, parcel->len));
    } else {
        bool aligned = kind <= 2;
        if (aligned) {
            size_t want = (size_t)1 << rng_below(&w->rng, 14);
            align = want > align ? want : align;
        }
        parcel->len = 1;
        parcel->blocks[0] = t->calloc(w->self, n, aligned ? align : 0);
    }
    parcel->n = n;
    for (size_t i = 0; i < parcel->len; i++) {
        void *p = parcel->blocks[i];
        CHECK(p);
        if (!p)
            continue;
        CHECK(is_aligned(p, align));
        CHECK(all_are(p, 0, n));
        fill(p, n);
    }
    return parcel;
}

static void parcel_free(worker_t *w, parcel_t *parcel)
{
    const stress_target_t *t = w->target;
    for (size_t i = 0; i < parcel->len; i++)
        CHECK(parcel->blocks[i] && is_filled(parcel->blocks[i], parcel->n));
    if (parcel->len == 1)
        t->free(w->self, parcel->blocks[0], parcel->n);
    else
        t->free_batch(w->self, parcel->blocks, parcel->n, parcel->len);
    memset(parcel, 0xff, sizeof *parcel);
    t->free(w->self, parcel, sizeof *parcel);
}

static void *work(void *arg)
{
    worker_t *w = arg;
    w->self = w->target->enter();
    for (size_t i = 0; i < stress_args.iterations; i++) {
        parcel_t *parcel = parcel_new(w);
        CHECK(parcel);
        if (!parcel)
            break;
        size_t slot = rng_below(&w->rng, SLOTS);
        parcel = atomic_exchange_explicit(&slots[slot], parcel, memory_order_acq_rel);
        if (parcel)
            parcel_free(w, parcel);
        if (i % DISTURB == DISTURB - 1)
            w->target->disturb(w->self, &w->rng);
    }
    w->target->leave(w->self);
    return NULL;
}

size_t stress_run(const stress_target_t *target)
{
    worker_t *workers = calloc(stress_args.threads, sizeof *workers);
    atomic_store(&failures, 0);
    for (size_t i = 0; i < stress_args.threads; i++) {
        workers[i].target = target;
        workers[i].rng.state = pattern_of((uintptr_t)(stress_args.seed * 1000 + i));
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < stress_args.threads; i++)
        pthread_join(workers[i].thread, NULL);

    worker_t last = {.target = target, .self = target->enter()};
    for (size_t i = 0; i < SLOTS; i++) {
        parcel_t *parcel = atomic_exchange(&slots[i], NULL);
        if (parcel)
            parcel_free(&last, parcel);
    }
    target->leave(last.self);
    free(workers);
    return atomic_load(&failures);
}
