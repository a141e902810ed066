//go:build !leak

/* guard.c: blocks beside pages that nobody may touch, in the manner of GWP-ASan (Serebryany et al.,
 * "GWP-ASan: Sampling-Based Detection of Memory-Safety Bugs in Production", 2023).
 *
 * There is a fixed number of slots, each in the middle of inaccessible pages. A block lies at the
 * end of its slot, or at the start, in turns. A block that is freed becomes inaccessible, and its
 * slot is the last in the queue for another. The slots are in the range of sampled.c, so that
 * whoever frees a block knows it by the same comparison.
 *
 * One lock is over all of it. The signal handler takes none: what it reads of a slot is atomic, and
 * sites never change.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zm_internal.h"

#define SLOTS 256
#define STRIDE ((size_t)1 << 18) /* bytes from slot to slot */
#define MARGIN                                                                                     \
    ((size_t)ZM_SMALL_MAX) /* bytes in front of a slot, which has as many, as seldom used          \
                              as those behind */
#define MAX_RATE ((uint64_t)1 << 32)
#define MAX_REPORT 16384 /* bytes */

typedef zm__guard_slot_t slot_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uintptr_t area; /* where the slots are; 0: nowhere */
static size_t page;
static slot_t slots[SLOTS];
static unsigned queue[SLOTS]; /* of free slots, a ring */
static size_t head, waiting;  /* the first of them, and how many there are */
static bool at_start;         /* where in its slot the next block lies */

static _Atomic uint64_t current_rate;

static atomic_flag reporting = ATOMIC_FLAG_INIT; /* a thread in the signal handler */

void zm__guard_locks(zm__lock_op_t *op)
{
    op(&lock);
}

void zm__guard_child(void)
{
    atomic_flag_clear(&reporting);
}

static slot_t *slot_of(uintptr_t address)
{
    uintptr_t base = atomic_load_explicit(&area, memory_order_acquire);
    size_t i = (address - base) / STRIDE;
    return base && address >= base && i < SLOTS ? &slots[i] : NULL;
}

bool zm__is_guarded(const void *p)
{
    return slot_of((uintptr_t)p) != NULL;
}

size_t zm__guard_usable_size(const void *p)
{
    const slot_t *s = slot_of((uintptr_t)p);
    return atomic_load(&s->live) && atomic_load(&s->block) == (uintptr_t)p ? atomic_load(&s->size)
                                                                           : 0;
}

/* ---- The report: everything here may run in a signal handler --------------------------------- */

typedef struct text {
    char *out;
    size_t cap;
    size_t len;
} text_t;

static void put(text_t *t, const char *s)
{
    while (*s && t->len < t->cap)
        t->out[t->len++] = *s++;
}

static void put_number(text_t *t, uint64_t n, unsigned base)
{
    char digits[21];
    size_t i = sizeof digits;
    digits[--i] = 0;
    do
        digits[--i] = "0123456789abcdef"[n % base];
    while (n /= base);
    put(t, base == 16 ? "0x" : "");
    put(t, &digits[i]);
}

static void put_bytes(text_t *t, uint64_t n)
{
    put_number(t, n, 10);
    put(t, n == 1 ? " byte" : " bytes");
}

static void put_site(text_t *t, const char *what, const zm_site_t *site)
{
    if (!site)
        return;
    put(t, what);
    if (site->ntag > 0) {
        put(t, " as \"");
        for (size_t i = 0; i < site->ntag && t->len < t->cap; i++)
            t->out[t->len++] = zm_site_tag(site)[i];
        put(t, "\"");
    }
    put(t, " by:\n");
    const char *text = __atomic_load_n(&site->text, __ATOMIC_ACQUIRE);
    if (text) {
        put(t, text);
        return;
    }
    for (size_t i = 0; i < site->npcs; i++) {
        put(t, "    ");
        put_number(t, zm_site_pcs(site)[i], 16);
        put(t, "\n");
    }
}

size_t zm_guard_report(uintptr_t address, char *out, size_t cap)
{
    const slot_t *s = slot_of(address);
    uintptr_t block = s ? atomic_load(&s->block) : 0;
    if (block == 0)
        return 0;
    size_t size = atomic_load(&s->size);
    bool live = atomic_load(&s->live);
    text_t t = {out, cap, 0};
    put(&t, "zmem: fault at ");
    put_number(&t, address, 16);
    put(&t, ": ");
    if (address < block) {
        put_bytes(&t, block - address);
        put(&t, " before the start of");
    } else if (address >= block + size) {
        put_bytes(&t, address - (block + size) + 1);
        put(&t, " past the end of");
    } else {
        put_bytes(&t, address - block);
        put(&t, " into");
    }
    put(&t, live ? " a block of " : " a freed block of ");
    put_bytes(&t, size);
    put(&t, " at ");
    put_number(&t, block, 16);
    put(&t, "\n");
    put_site(&t, "allocated", atomic_load(&s->alloc_site));
    if (!live)
        put_site(&t, "freed", atomic_load(&s->free_site));
    return t.len;
}

/* ---- The signal ------------------------------------------------------------------------------ */

static const int signals[] = {SIGSEGV, SIGBUS}; /* which of them a guard raises differs by system */
static struct sigaction before[2];

static void on_fault(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    if (!atomic_flag_test_and_set(&reporting)) { /* of threads that fault at once, one reports */
        static char report[MAX_REPORT];
        size_t len = zm_guard_report((uintptr_t)info->si_addr, report, sizeof report);
        for (size_t done = 0; done < len;) {
            ssize_t n = write(STDERR_FILENO, report + done, len - done);
            if (n <= 0)
                break;
            done += (size_t)n;
        }
        atomic_flag_clear(&reporting);
    }
    errno = saved;

    const struct sigaction *next = &before[sig == signals[0] ? 0 : 1];
    if (next->sa_flags & SA_SIGINFO)
        next->sa_sigaction(sig, info, context);
    else if (next->sa_handler == SIG_DFL || next->sa_handler == SIG_IGN)
        signal(sig, SIG_DFL); /* the same instruction faults again, and ends the process */
    else
        next->sa_handler(sig);
}

static void install(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    action.sa_sigaction = on_fault;
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < 2; i++) {
        /* What was there is read first: a fault may come before sigaction returns. */
        sigaction(signals[i], NULL, &before[i]);
        sigaction(signals[i], &action, NULL);
    }
}

/* Makes the slots, the lock being held; false where there is no room for them. */
static bool setup(void)
{
    unsigned char *p = zm__sampled_take(SLOTS * STRIDE);
    if (!p)
        return false;
    page = (size_t)sysconf(_SC_PAGESIZE);
    for (unsigned i = 0; i < SLOTS; i++)
        queue[i] = i;
    waiting = SLOTS;
    atomic_store_explicit(&area, (uintptr_t)p, memory_order_release);
    install();
    return true;
}

/* ---- The rate -------------------------------------------------------------------------------- */

int zm_guard_set_rate(uint64_t n)
{
    if (n > MAX_RATE)
        return ZM_EINVAL;
    pthread_mutex_lock(&lock);
    bool ok = n == 0 || atomic_load(&area) || setup();
    pthread_mutex_unlock(&lock);
    if (!ok)
        return ZM_ENOMEM;
    atomic_store(&current_rate, n);
    zm__cache_guard_anew();
    return ZM_OK;
}

uint64_t zm_guard_rate(void)
{
    return atomic_load(&current_rate);
}

bool zm__guard_due(zm_cache_t *k)
{
    uint64_t at = __atomic_load_n(&k->guard_at, __ATOMIC_SEQ_CST); /* as zm__profile_due */
    uint64_t rate = zm_guard_rate(), next = UINT64_MAX;
    if (rate > 0) /* from 0 to 2 rate - 2 are passed over, evenly distributed */
        next = k->allocated_objects + (uint64_t)(zm__chance() * (double)(2 * rate - 1));
    if (rate == 1)
        next = 0;
    __atomic_compare_exchange_n(&k->guard_at, &at, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return rate == 1 || (rate > 0 && at > 0);
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* The whole pages of a slot's block. */
static void pages_of(uintptr_t block, size_t size, unsigned char **start, size_t *len)
{
    uintptr_t first = block / page * page, end = (block + size + page - 1) / page * page;
    *start = (unsigned char *)first;
    *len = end - first;
}

/* Makes a block in slot i; 0 where the system does not let us. */
static uintptr_t open_slot(unsigned i, size_t n)
{
    uintptr_t block = atomic_load(&area) + i * STRIDE + MARGIN;
    size_t align = n <= 8 ? 8 : 16;
    if (!at_start)
        block += ZM_SMALL_MAX - (n + align - 1) / align * align;
    unsigned char *start;
    size_t len;
    pages_of(block, n, &start, &len);
    if (mprotect(start, len, PROT_READ | PROT_WRITE) != 0)
        return 0;
    memset((void *)block, 0, n);
    at_start = !at_start;
    return block;
}

/* Makes a slot's block inaccessible. One page stays ours, as a slot seldom has more and to give it
 * back takes twice as long. Where the system refuses, uses after free go unseen.
 */
static void close_slot(uintptr_t block, size_t n)
{
    unsigned char *start;
    size_t len;
    pages_of(block, n, &start, &len);
    if (len == page)
        (void)mprotect(start, len, PROT_NONE);
    else
        (void)mmap(start, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                   -1, 0);
}

void *zm_guard_calloc(size_t n, uint64_t rate, zm_site_t *site)
{
    if (n == 0 || n > ZM_SMALL_MAX || !site || !atomic_load(&area))
        return NULL;
    uintptr_t block = 0;
    pthread_mutex_lock(&lock);
    if (waiting > 0 && (block = open_slot(queue[head], n))) {
        slot_t *s = &slots[queue[head]];
        head = (head + 1) % SLOTS;
        waiting--;
        atomic_store(&s->block, block);
        atomic_store(&s->size, n);
        atomic_store(&s->alloc_site, site);
        atomic_store(&s->free_site, NULL);
        atomic_store(&s->live, true);
    }
    ZM__CHECK(zm__check_slots());
    pthread_mutex_unlock(&lock);
    if (!block)
        return NULL;
    if (rate > 0)
        (void)zm__profile_remember((void *)block, n, rate, site);
    zm__count(n, 1);
    return (void *)block;
}

bool zm__guard_free(void *p, zm_site_t *free_site)
{
    slot_t *s = slot_of((uintptr_t)p);
    pthread_mutex_lock(&lock);
    bool live = s && atomic_load(&s->live) && atomic_load(&s->block) == (uintptr_t)p;
    if (live) {
        (void)zm__profile_forget(p);
        atomic_store(&s->free_site, free_site);
        atomic_store(&s->live, false);
        close_slot((uintptr_t)p, atomic_load(&s->size));
        queue[(head + waiting++) % SLOTS] = (unsigned)(s - slots);
    }
    ZM__CHECK(zm__check_slots());
    pthread_mutex_unlock(&lock);
    return live;
}

int zm_guard_free(void *p, size_t n, zm_site_t *site)
{
    if (!zm__guard_free(p, site))
        return ZM_EINVAL;
    zm__count(0 - (uint64_t)n, 0 - (uint64_t)1);
    return ZM_OK;
}

/* ---- The check build ------------------------------------------------------------------------ */

#ifdef ZM_CHECK
static void check_slot(size_t i)
{
    const slot_t *s = &slots[i];
    uintptr_t block = atomic_load(&s->block), from = atomic_load(&area) + i * STRIDE + MARGIN;
    size_t size = atomic_load(&s->size);
    bool live = atomic_load(&s->live);
    ZM__MUST(!live || block, "guard slot %zu is live, and was never used", i);
    if (!block)
        return;
    ZM__MUST(size >= 1 && size <= ZM_SMALL_MAX && block >= from &&
                 block + size <= from + ZM_SMALL_MAX,
             "guard slot %zu at %#zx has a block of %zu bytes at %#zx", i, (size_t)from, size,
             (size_t)block);
    ZM__MUST(atomic_load(&s->alloc_site), "guard slot %zu has a block without a site", i);
}

void zm__check_slots(void)
{
    bool queued[SLOTS] = {false};
    if (!atomic_load(&area))
        return;
    ZM__MUST(head < SLOTS && waiting <= SLOTS, "guard queue: head %zu, waiting %zu of %d", head,
             waiting, SLOTS);
    for (size_t k = 0; k < waiting; k++) {
        unsigned i = queue[(head + k) % SLOTS];
        ZM__MUST(i < SLOTS && !queued[i], "guard queue: slot %u is in it twice, or of %d", i,
                 SLOTS);
        queued[i] = true;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        check_slot(i);
        bool live = atomic_load(&slots[i].live);
        ZM__MUST(live != queued[i], "guard slot %zu is %s, and %s the queue", i,
                 live ? "live" : "free", queued[i] ? "in" : "not in");
    }
}

uint64_t zm__check_guards(void)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&lock);
    zm__check_slots();
    for (size_t i = 0; i < SLOTS; i++)
        bytes += atomic_load(&slots[i].live) ? atomic_load(&slots[i].size) : 0;
    pthread_mutex_unlock(&lock);
    return bytes;
}

zm__guard_slot_t *zm__check_guard(unsigned **q, size_t **w)
{
    *q = queue;
    *w = &waiting;
    return slots;
}
#endif
