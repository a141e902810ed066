/* forks.h: threads at work, and forks of their process, whose children do the same work. */
#ifndef FORKS_H
#define FORKS_H

#include "stress.h"

typedef struct forks_worker {
    rng_t rng;
    zm_cache_t *cache;
} forks_worker_t;

/* A piece of work that leaves nothing live. It checks with CHECK. */
typedef void forks_step_t(forks_worker_t *w);

/* Has stress_args.threads threads take steps at random, one more wait in zm_wait_held, and forks
 * stress_args.iterations times meanwhile. A child takes each step, some of them fork again and wait
 * in zm_wait_held. Returns how many checks failed and how many children hung or ended badly; stops
 * at the first that hangs.
 */
size_t forks_run(forks_step_t *const *steps, size_t num_steps);

#endif /* FORKS_H */
