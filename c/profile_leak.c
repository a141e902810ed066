//go:build leak

/* profile_leak.c: under the leak tag every block is known (leak.c), so that the profile is exact,
 * and there is nothing to sample.
 */
#include "zm_internal.h"

const size_t zm__max_sites = SIZE_MAX;

int zm_profile_set_rate(uint64_t bytes)
{
    (void)bytes;
    return ZM_ENOTSUP;
}

uint64_t zm_profile_rate(void)
{
    return 1;
}

void zm_profile_range(uintptr_t *base, size_t *size)
{
    *base = *size = 0;
}

void *zm_profile_calloc(size_t n, size_t align, uint64_t rate, zm_site_t *site)
{
    (void)n, (void)align, (void)rate, (void)site;
    return NULL;
}

void zm_profile_add(const void *p, size_t n, uint64_t rate, zm_site_t *site)
{
    (void)p, (void)n, (void)rate, (void)site;
}

void zm_profile_remove(const void *p)
{
    (void)p;
}

void zm_profile_stats(zm_profile_stats_t *out)
{
    *out = (zm_profile_stats_t){0};
    zm__site_memory(&out->sites, &out->bytes);
}

void zm__profile_locks(zm__lock_op_t *op)
{
    (void)op;
}

uint64_t zm__profile_due(zm_cache_t *k)
{
    __atomic_store_n(&k->sample_at, UINT64_MAX, __ATOMIC_RELAXED);
    return 0;
}

bool zm__profile_take(const void *p, zm__record_t *out)
{
    (void)p, (void)out;
    return false;
}

void zm__profile_put(const zm__record_t *r, bool freed)
{
    (void)r, (void)freed;
}

bool zm__profile_free(void *p)
{
    (void)p;
    return false;
}
