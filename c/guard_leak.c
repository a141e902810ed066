//go:build leak

/* guard_leak.c: under the leak tag blocks pass by the caches, and none is guarded. */
#include "zm_internal.h"

int zm_guard_set_rate(uint64_t n)
{
    (void)n;
    return ZM_ENOTSUP;
}

uint64_t zm_guard_rate(void)
{
    return 0;
}

void *zm_guard_calloc(size_t n, uint64_t rate, zm_site_t *site)
{
    (void)n, (void)rate, (void)site;
    return NULL;
}

int zm_guard_free(void *p, size_t n, zm_site_t *site)
{
    (void)p, (void)n, (void)site;
    return ZM_EINVAL;
}

size_t zm_guard_report(uintptr_t address, char *out, size_t cap)
{
    (void)address, (void)out, (void)cap;
    return 0;
}

void zm__guard_locks(zm__lock_op_t *op)
{
    (void)op;
}

void zm__guard_child(void)
{
}

bool zm__is_guarded(const void *p)
{
    (void)p;
    return false;
}

size_t zm__guard_usable_size(const void *p)
{
    (void)p;
    return 0;
}

bool zm__guard_due(zm_cache_t *k)
{
    __atomic_store_n(&k->guard_at, UINT64_MAX, __ATOMIC_RELAXED);
    return false;
}
