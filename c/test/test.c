/* test.c: the helpers of test.h, and how the sanitizers are to behave. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

const size_t boundary_sizes[] = {
    0,     1,     2,     7,      8,      9,      15,     16,      17,      24,      31,    32,
    33,    63,    64,    65,     100,    127,    128,    129,     160,     161,     255,   256,
    257,   511,   512,   513,    1000,   1023,   1024,   1025,    4095,    4096,    4097,  5000,
    8191,  8192,  8193,  9999,   16383,  16384,  16385,  28672,   28673,   32767,   32768, 32769,
    65535, 65536, 65537, 131071, 131072, 131073, 200000, 1048575, 1048576, 1048577,
};
const size_t num_boundary_sizes = LEN(boundary_sizes);

uint64_t rng_next(rng_t *r)
{
    return pattern_of((uintptr_t)(r->state += 0x9e3779b97f4a7c15ULL));
}

size_t rng_below(rng_t *r, size_t n)
{
    return (size_t)(rng_next(r) % n);
}

/* Stafford's variant 13 of MurmurHash3's finalizer, as in splitmix64. */
uint64_t pattern_of(uintptr_t address)
{
    uint64_t z = address;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* A loop over bytes would take most of the time that sanitizers need for all of the tests. */
bool all_are(const void *p, unsigned char byte, size_t n)
{
    const unsigned char *b = p;
    return n == 0 || (b[0] == byte && memcmp(b, b + 1, n - 1) == 0);
}

bool is_aligned(const void *p, size_t align)
{
    return (uintptr_t)p % align == 0;
}

size_t promised_align(size_t n)
{
    return n <= 8 ? 8 : 16;
}

bool in_child(bool (*f)(const void *arg), const void *arg)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = f(arg);
        fflush(NULL);
        _exit(ok ? 0 : 1);
    }
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* The sanitizers ask for these by name. A size that no machine has is a test here, not an error. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:detect_stack_use_after_return=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* jemalloc makes an arena, with its locks, in one thread and publishes it to others, its own
 * background thread among them, by an atomic store. That is not instrumented, so that the first use
 * of such a lock seems to race with its making, or with the mapping of the memory that it is in; of
 * these two the stack may be forgotten. Nothing of ours is below any of the three.
 */
const char *__tsan_default_suppressions(void)
{
    return "race:malloc_mutex_trylock_final\n"
           "race:malloc_mutex_init\n"
           "race:pages_map\n";
}

const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1";
}

zm_cache_t *new_cache(void)
{
    zm_cache_t *k = NULL;
    zm_cache_new(&k);
    return k;
}

zm_buffer_t *new_buffer(size_t capacity)
{
    zm_buffer_t *b = NULL;
    zm_buffer_new(capacity, &b);
    return b;
}

zm_allocator_t *new_allocator(size_t size)
{
    zm_allocator_t *a = NULL;
    zm_allocator_new(size, &a);
    return a;
}

zm_allocator_pool_t *new_pool(size_t cap)
{
    zm_allocator_pool_t *pool = NULL;
    zm_allocator_pool_new(cap, &pool);
    return pool;
}

zm_allocator_t *pool_get(zm_allocator_pool_t *pool, size_t size)
{
    zm_allocator_t *a = NULL;
    zm_allocator_pool_get(pool, size, &a);
    return a;
}
