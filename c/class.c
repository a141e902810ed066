/* class.c: size classes, spaced as jemalloc spaces them.
 *
 * 8, then every 16 bytes up to 128, then four to a doubling up to ZM__SMALL_MAX: at most 20 % of
 * a block above 128 bytes is rounding. A small block always has the whole size of its class, so
 * that any block of a class can serve any request for it, whatever it was allocated for.
 */
#include "zm_internal.h"

size_t zm__class_size(size_t n)
{
    if (n <= 8)
        return 8;
    if (n <= 128)
        return (n + 15) & ~(size_t)15;
    size_t doubling = (size_t)1 << (63 - __builtin_clzll((unsigned long long)n - 1));
    size_t step = doubling / 4; /* n lies in (doubling, 2 * doubling] */
    return (n + step - 1) & ~(step - 1);
}
