/* decay.c: when memory that is free goes back to the system, for backends that keep it.
 *
 * glibc's free gives back what lies at the end of its heap, and nothing else. malloc_trim gives
 * back all whole pages that are free, but it is dear: it visits every free piece of a page or more,
 * and locks each arena meanwhile. Nor can glibc say cheaply how much is free. So limit.c's counter
 * says it: what was held at most since memory last went back, less what is held, is free.
 *
 * Memory that is free for a moment is needed again, and then costs a page fault a page. So what is
 * free is weighed by how long it has been: it goes back when its bytes, times the seconds for which
 * nobody needed them, are worth it. Where nearly all that was held is free that takes a second,
 * where an eighth is four, where a 32nd is sixteen; less than that stays. Seconds in
 * which what is held falls count a sixteenth: the last block of a page may be about to go.
 *
 * The processor time that it takes is paid from a budget, to which each second adds a 50th of one.
 *
 * Whoever finds another thread here leaves: there is nothing to wait for.
 */
#include <stdatomic.h>
#include <time.h>

#include "zm_internal.h"

#define MIN_FREE ((int64_t)1 << 20) /* bytes: less is not worth it, nor is a 32nd of the most */
#define WORTH_BYTES ((double)(4u << 20)) /* byte-seconds, beside a half of the most */
#define FALLING (1.0 / 16)               /* what they count while what is held falls */
#define SHARE 0.02                       /* of a second, that each second adds to the budget */
#define MAX_BUDGET 2.0                   /* seconds */

static zm__decay_t state;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static double min(double a, double b)
{
    return a < b ? a : b;
}

zm__decay_when_t zm__decay_look(zm__decay_t *d, int64_t peak, int64_t held, double now)
{
    double seconds = now - d->looked;
    d->looked = now;
    d->budget = min(d->budget + SHARE * seconds, MAX_BUDGET);
    d->high = max(d->high, peak);
    int64_t least = max(MIN_FREE, d->high / 32);
    int64_t unneeded = d->high - peak;
    double weight = peak - held >= least ? FALLING : 1;
    d->due = unneeded < least ? 0 : d->due + weight * (double)unneeded * seconds;
    if (d->high - held < least)
        return ZM__DECAY_NONE;
    bool worth_it = d->due >= (double)d->high / 2 + WORTH_BYTES;
    return worth_it && d->budget > 0 ? ZM__DECAY_NOW : ZM__DECAY_LATER;
}

void zm__decay_done(zm__decay_t *d, int64_t held, double seconds)
{
    d->high = held;
    d->due = 0;
    d->budget -= seconds;
}

/* Seconds that a clock shows. */
static double time_of(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void zm__decay_child(void)
{
    atomic_flag_clear(&busy);
}

bool zm__decay(int (*purge)(void))
{
    if (atomic_flag_test_and_set(&busy))
        return true;
    int64_t peak = zm__take_peak();
    double now = time_of(CLOCK_MONOTONIC);
    int64_t held = zm_num_held_bytes() - (int64_t)zm__depot_bytes(); /* what it has may go next */
    zm__decay_when_t when = zm__decay_look(&state, peak, held, now);
    if (when == ZM__DECAY_NOW) {
        double began = time_of(CLOCK_THREAD_CPUTIME_ID); /* what others take is not our price */
        purge();
        zm__decay_done(&state, zm_num_held_bytes(), time_of(CLOCK_THREAD_CPUTIME_ID) - began);
    }
    atomic_flag_clear(&busy);
    return when != ZM__DECAY_NONE;
}
