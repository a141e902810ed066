/* threads.c: work on several threads that ends before the call does.
 *
 * Threads are made for each piece of work and joined at its end, which costs some 20 us a thread:
 * none is left that somebody would have to stop, nor one that a fork would lose.
 *
 * They block all signals, which belong to the program's own threads.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "threads.h"

enum { MAX_THREADS = 32 };

typedef struct work {
    void (*task)(void *arg, size_t i, unsigned thread);
    void *arg;
    size_t ntasks;
    atomic_size_t next;
} work_t;

typedef struct worker {
    work_t *work;
    unsigned number;
    pthread_t thread;
} worker_t;

static void *do_tasks(void *arg)
{
    const worker_t *me = arg;
    work_t *w = me->work;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
        if (i >= w->ntasks)
            return NULL;
        w->task(w->arg, i, me->number);
    }
}

void zm__threads_run(unsigned nthreads, void (*task)(void *arg, size_t i, unsigned thread),
                     void *arg, size_t ntasks)
{
    work_t work = {task, arg, ntasks, 0};
    worker_t workers[MAX_THREADS];
    unsigned made = 1, most = ntasks < MAX_THREADS ? (unsigned)ntasks : MAX_THREADS;
    if (most > nthreads)
        most = nthreads;
    sigset_t all, old;
    sigfillset(&all);
    if (most > 1 && pthread_sigmask(SIG_SETMASK, &all, &old) == 0) {
        for (; made < most; made++) {
            workers[made].work = &work;
            workers[made].number = made;
            if (pthread_create(&workers[made].thread, NULL, do_tasks, &workers[made]) != 0)
                break;
        }
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    workers[0].work = &work;
    workers[0].number = 0;
    do_tasks(&workers[0]);
    while (made > 1)
        pthread_join(workers[--made].thread, NULL);
}

unsigned zm__threads_default(unsigned most)
{
    unsigned n = most > 0 ? most : zm__num_processors();
    const char *text = getenv("ZMEM_THREADS");
    unsigned long bound = text ? strtoul(text, NULL, 10) : 0;
    if (bound > 0 && bound < n)
        n = (unsigned)bound;
    return n < MAX_THREADS ? n : MAX_THREADS;
}
