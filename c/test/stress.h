/* stress.h: threads that allocate, hand blocks to each other and free them, all at once. */
#ifndef STRESS_H
#define STRESS_H

#include "test.h"

/* How long and how hard; the same seed gives each thread the same decisions again. */
typedef struct stress_args {
    uint64_t seed;
    size_t threads;
    size_t iterations; /* of each thread */
} stress_args_t;

extern stress_args_t stress_args;

/* From the command line: [SEED [THREADS [ITERATIONS]]]. False where they make no sense. */
bool stress_parse(int argc, char **argv);

/* What is put under stress. `self` is what enter returned in the thread that calls. */
typedef struct stress_target {
    void *(*enter)(void);
    void (*leave)(void *self);
    void *(*calloc)(void *self, size_t n, size_t align); /* align 0: none in particular */
    void (*free)(void *self, void *p, size_t n);
    bool (*calloc_batch)(void *self, size_t n, void **out, size_t len);
    void (*free_batch)(void *self, void *const *blocks, size_t n, size_t len);
    void (*disturb)(void *self, rng_t *rng); /* called now and then */
} stress_target_t;

/* Runs it; the number of checks that failed, the first of which are printed. */
size_t stress_run(const stress_target_t *target);

/* For use in a thread of a target, where cmocka's own checks cannot be. */
void stress_check(bool ok, const char *what, const char *file, int line);
size_t stress_failures(void); /* how often one was not so, ever */
#define CHECK(condition) stress_check(condition, #condition, __FILE__, __LINE__)

#endif /* STRESS_H */
