/* forks.c: the threads and the forks of forks.h.
 *
 * The threads work from shortly before a fork until it is done, a bounded number of steps, and rest
 * while the child works, which then has the machine's processors. A child that makes no progress is
 * found by the time it takes, HANG_SECONDS, which is a thousand times what one needs on a quiet
 * machine.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "forks.h"

enum { HANG_SECONDS = 60, MAX_THREADS = 64, AGAIN = 16, ROUND_STEPS = 10 };

static forks_step_t *const *steps;
static size_t num_steps;
static atomic_bool stop;
static atomic_size_t rounds; /* odd: a fork is near */

static void pause_for(long microseconds)
{
    struct timespec t = {.tv_nsec = microseconds * 1000};
    nanosleep(&t, NULL);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* where the threads rest */
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;

static void open_gate(void)
{
    pthread_mutex_lock(&gate);
    atomic_fetch_add(&rounds, 1);
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&gate);
}

/* In one round of two all take steps of one kind, so that they meet at its locks. */
static void step(forks_worker_t *w, size_t round)
{
    size_t kind = round / 2;
    size_t i = kind % 2 ? kind / 2 % num_steps : rng_below(&w->rng, num_steps);
    steps[i](w);
}

static void *work(void *arg)
{
    forks_worker_t w = {{stress_args.seed * 1000 + (uintptr_t)arg}, new_cache()};
    while (!atomic_load(&stop)) {
        size_t round = atomic_load(&rounds);
        for (size_t i = 0; round % 2 && i < ROUND_STEPS && atomic_load(&rounds) == round; i++)
            step(&w, round);
        pthread_mutex_lock(&gate);
        while (atomic_load(&rounds) == round && !atomic_load(&stop))
            pthread_cond_wait(&opened, &gate);
        pthread_mutex_unlock(&gate);
    }
    zm_cache_drain(w.cache);
    return NULL;
}

/* Mostly asleep, and often woken. */
static void *follow(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        int64_t held = zm_num_held_bytes();
        zm_wait_held(held - (1 << 20), held + (1 << 20));
    }
    return NULL;
}

/* Waits for a child; false where it hung, and was killed, or ended badly. */
static bool ended_well(pid_t pid, bool *hung)
{
    int status = 0;
    pid_t got;
    time_t start = time(NULL);
    while ((got = waitpid(pid, &status, WNOHANG)) == 0) {
        *hung = time(NULL) - start > HANG_SECONDS;
        if (*hung) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            fprintf(stderr, "a child hung\n");
            return false;
        }
        pause_for(500);
    }
    if (got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    fprintf(stderr, "a child ended with status %#x\n", (unsigned)status);
    return false;
}

static void *wait_until_woken(void *arg)
{
    zm_wait_held(INT64_MIN, INT64_MAX);
    return arg;
}

/* The parent's waiter is not there; one of the child's own waits and is woken. */
static void wait_anew(void)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&thread, NULL, wait_until_woken, NULL) == 0);
        pause_for(1000);
        zm_wake_held();
        pthread_join(thread, NULL);
    }
}

static bool do_fork(uint64_t seed, bool *hung);

/* Ends the process. */
static void child(uint64_t seed, bool again)
{
    size_t failures = stress_failures();
    forks_worker_t w = {{pattern_of(seed)}, new_cache()};
    int64_t bytes = zm_num_alloc_bytes(), objects = zm_num_allocs();
    void *p = zm_calloc(100);
    CHECK(p && zm_num_alloc_bytes() == bytes + 100 && zm_num_allocs() == objects + 1);
    zm_free(p, 100);
    for (size_t i = 0; i < num_steps; i++)
        steps[i](&w);
    if (again) {
        bool hung = false;
        CHECK(do_fork(seed + 1, &hung));
        wait_anew();
    }
    zm_cache_drain(w.cache);
    _exit(stress_failures() > failures ? 1 : 0);
}

/* A seed that is a multiple of AGAIN has the child fork, too. */
static bool do_fork(uint64_t seed, bool *hung)
{
    pid_t pid = fork();
    if (pid == 0)
        child(seed, seed % AGAIN == 0);
    atomic_fetch_add(&rounds, 1); /* even again */
    CHECK(pid > 0);
    return pid > 0 && ended_well(pid, hung);
}

size_t forks_run(forks_step_t *const *its_steps, size_t its_num_steps)
{
    pthread_t threads[MAX_THREADS], follower;
    size_t n = stress_args.threads < MAX_THREADS ? stress_args.threads : MAX_THREADS;
    size_t bad = 0, made = 0;
    bool hung = false;
    steps = its_steps;
    num_steps = its_num_steps;
    atomic_store(&stop, false);
    CHECK(pthread_create(&follower, NULL, follow, NULL) == 0);
    /* cppcheck-suppress knownConditionTrueFalse */
    for (uintptr_t i = 0; i < n; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    forks_worker_t w = {{stress_args.seed}, new_cache()};
    for (; made < stress_args.iterations && !hung; made++) {
        open_gate();
        for (size_t i = rng_below(&w.rng, 5); i > 0; i--) /* until others have woken up */
            step(&w, atomic_load(&rounds));
        bad += !do_fork(made, &hung);
    }
    zm_cache_drain(w.cache);
    atomic_store(&stop, true);
    open_gate();
    zm_wake_held();
    pthread_join(follower, NULL);
    /* cppcheck-suppress knownConditionTrueFalse */
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    print_message("    %zu forks, %zu bad\n", made, bad);
    return bad + stress_failures();
}
