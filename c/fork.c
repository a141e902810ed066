/* fork.c: the core's locks at a fork.
 *
 * The child of a fork has one thread. A lock that another thread held would stay taken there, and
 * what it guards half changed. So fork takes all locks of the core first, in their order
 * (zm_internal.h), and both processes release them.
 *
 * Handlers that run before a fork do so in reverse order of their registration. The backend has
 * registered its own by the time that ours are: ours run first, so that whoever holds a lock of
 * the core gets what it waits for from the backend, and releases it.
 */
#include <pthread.h>

#include "zm_internal.h"

static void (*const order[])(zm__lock_op_t *op) = {
    zm__pool_locks,    zm__refs_locks,   zm__allocator_locks, zm__leak_buffer_locks,
    zm__guard_locks,   zm__leak_locks,   zm__profile_locks,   zm__site_locks,
    zm__sampled_locks, zm__charge_locks, zm__depot_locks,     zm__limit_locks,
    zm__backend_locks,
};

enum { NUM = sizeof order / sizeof order[0] };

void zm__fork_locks(zm__lock_op_t *op)
{
    for (size_t i = 0; i < NUM; i++)
        order[i](op);
}

static void prepare(void)
{
    zm__fork_locks(pthread_mutex_lock);
}

static void parent(void)
{
    for (size_t i = NUM; i-- > 0;)
        order[i](pthread_mutex_unlock);
}

static void child(void)
{
    zm__limit_child();
    zm__charge_child();
    zm__decay_child();
    zm__guard_child();
    parent();
}

bool zm__fork_register(void)
{
    return pthread_atfork(prepare, parent, child) == 0;
}
