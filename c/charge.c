/* charge.c: the one place where a charge that the limit refuses makes room and tries again.
 *
 * Room is what the depot keeps. Only as much of it goes back as is lacking, and none where all of
 * it is too little, so that who lives at the limit pays little for being refused. One thread makes
 * room at a time: who comes second waits for what the first is giving back.
 */
#include <stdatomic.h>

#include "zm_internal.h"

#define TRIES 4 /* others may take the room that was made */

static pthread_mutex_t making_room = PTHREAD_MUTEX_INITIALIZER;
static atomic_int makers; /* threads that make room, or wait for it */

void zm__charge_locks(zm__lock_op_t *op)
{
    op(&making_room);
}

void zm__charge_child(void)
{
    atomic_store(&makers, 0);
}

size_t zm__charge_some(size_t n, size_t min, size_t max)
{
    bool alone = atomic_load(&makers) == 0; /* all that was released before is there to be had */
    size_t fit = zm__limit_charge(n, min, max);
    if (fit >= min || (alone && !zm__depot_has(zm__limit_lacks(n * min))))
        return fit;
    atomic_fetch_add(&makers, 1);
    pthread_mutex_lock(&making_room);
    for (int i = 0; i < TRIES; i++) {
        fit = zm__limit_charge(n, min, max);
        if (fit >= min || !zm_depot_release(zm__limit_lacks(n * min)))
            break;
    }
    pthread_mutex_unlock(&making_room);
    atomic_fetch_sub(&makers, 1);
    return fit;
}

bool zm__charge(size_t n)
{
    return zm__charge_some(n, 1, 1) == 1;
}
