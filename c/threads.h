/* threads.h: work on several threads that ends before the call does. */
#ifndef ZM_THREADS_H
#define ZM_THREADS_H

#include <stddef.h>

/* Calls task(arg, i, thread) once for each i below ntasks, in ascending order but on up to nthreads
 * threads at once, this one among them, and returns when all have returned. `thread` is below
 * nthreads, and never that of two calls at once. Where the system gives no more threads, it does
 * with fewer.
 */
void zm__threads_run(unsigned nthreads, void (*task)(void *arg, size_t i, unsigned thread),
                     void *arg, size_t ntasks);

/* How many threads to use where at most `most` are wanted, 0 meaning as many as there are
 * processors; no more than ZMEM_THREADS says, if it does. At least 1.
 */
unsigned zm__threads_default(unsigned most);

/* ---- processors_linux.c, processors_posix.c ---------------------------------------------------
 */

/* The processors that this process may use; at least 1. */
unsigned zm__num_processors(void);

#endif /* ZM_THREADS_H */
