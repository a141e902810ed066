/* class.c: size classes, spaced as jemalloc spaces them.
 *
 * 8, then every 16 bytes up to 128, then four to a doubling up to ZM_SMALL_MAX: at most 20 % of a
 * block above 128 bytes is rounding. A small block always has the whole size of its class, so that
 * any block of a class can serve any request for it, whatever it was allocated for.
 */
#include "zm_internal.h"

#define LINEAR_MAX 128    /* up to here classes are 16 bytes apart */
#define LINEAR_CLASSES 9u /* 8, 16, 32, ..., 128 */

/* The position of the highest bit set in n, which is not 0. */
static unsigned log2_floor(size_t n)
{
    return 63u - (unsigned)__builtin_clzll((unsigned long long)n);
}

unsigned zm__class_of(size_t n)
{
    if (n <= 8)
        return 0;
    if (n <= LINEAR_MAX)
        return (unsigned)((n + 15) / 16);
    unsigned doubling = log2_floor(n - 1); /* n lies in (2^doubling, 2^(doubling + 1)] */
    unsigned step = (unsigned)((n - 1) >> (doubling - 2)) & 3;
    return LINEAR_CLASSES + 4 * (doubling - 7) + step;
}

size_t zm__class_size(unsigned cls)
{
    if (cls == 0)
        return 8;
    if (cls < LINEAR_CLASSES)
        return 16 * (size_t)cls;
    unsigned i = cls - LINEAR_CLASSES;
    return ((size_t)LINEAR_MAX << (i / 4)) + ((size_t)LINEAR_MAX << (i / 4)) / 4 * (i % 4 + 1);
}

size_t zm_class_size(unsigned cls)
{
    return cls < ZM_NUM_CLASSES ? zm__class_size(cls) : 0;
}
