//go:build !leak

/* leak_off.c: without the leak tag nobody knows all blocks, nor all Buffers. */
#include "zm_internal.h"

void zm__leak_locks(zm__lock_op_t *op)
{
    (void)op;
}

void zm__leak_buffer_locks(zm__lock_op_t *op)
{
    (void)op;
}

bool zm__leak_buffer_add(const zm_buffer_t *b)
{
    (void)b;
    return true;
}

void zm__leak_buffer_remove(const zm_buffer_t *b)
{
    (void)b;
}

void zm__leak_buffer_lock(void)
{
}

void zm__leak_buffer_unlock(void)
{
}

void zm__leak_buffer_count(const zm_buffer_t *b, size_t bytes)
{
    (void)b, (void)bytes;
}

void zm_buffer_attribute(const zm_buffer_t *b, zm_site_t *site)
{
    (void)b, (void)site;
}
