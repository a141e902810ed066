/* processors_linux.c: how many processors this process may use, on Linux. */
#include <sched.h>

#include "threads.h"

unsigned zm__num_processors(void)
{
    cpu_set_t set; /* of 1024; the call fails on machines with more */
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 32;
    int n = CPU_COUNT(&set);
    return n > 1 ? (unsigned)n : 1;
}
