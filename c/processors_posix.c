//go:build !linux

/* processors_posix.c: how many processors this process may use, on other systems. */
#include <unistd.h>

#include "threads.h"

unsigned zm__num_processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 1 ? (unsigned)n : 1;
}
