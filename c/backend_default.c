//go:build !jemalloc

/* backend_default.c: without the jemalloc tag, libc's allocator is the only backend. */
#include "zm_internal.h"

const zm__backend_t *const zm__backends[] = {&zm__backend_libc, NULL};
