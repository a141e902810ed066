/* sortdemoc: fills a Buffer with records, sorts them by their key and checks the order, on zmem's C
 * interface alone.
 *
 * The same work as sortdemo, its twin in Go, whose documentation tells more: for one --n and --seed
 * the same keys, and so the same checksum. Exits with 0, 1 when the records are not in order or not
 * all there, or memory or the disk ran out, and 2 for flags that make no sense.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "zmem.h"

#define MIB ((size_t)1 << 20)
#define RECORD sizeof(uint64_t)   /* the key, in the machine's byte order */
#define FRAMED (8 + RECORD)       /* in the Buffer */
#define BATCH ((uint64_t)1 << 16) /* records for which room is made at once */

/* ---- What to do -------------------------------------------------------------------------- */

typedef struct plan {
    uint64_t n;      /* records */
    size_t cap;      /* bytes beyond which they are in a file; 0: never */
    const char *dir; /* folder for that file */
    uint64_t seed;
    bool quiet;
} plan_t;

static const char usage[] =
    "sortdemoc sorts records in manual memory, or on disk.\n\n"
    "usage: sortdemoc [flags], sizes as in 512MiB\n\n"
    "  --n NUMBER    of records (default 10000000)\n"
    "  --cap SIZE    beyond which the records are in a file; 0: never (default 1GiB)\n"
    "  --dir FOLDER  for that file, on a disk (default $TMPDIR, else /tmp)\n"
    "  --seed N      that the random keys follow from (default 1)\n"
    "  --quiet       print the table at the end and nothing else\n";

static _Noreturn void bad_flag(const char *flag, const char *value, const char *why)
{
    fprintf(stderr, "sortdemoc: --%s %s: %s\n", flag, value, why);
    exit(2);
}

/* Reads a number up to `most` and, where units are allowed, KiB, MiB or GiB behind it. */
static uint64_t number_arg(const char *flag, const char *text, uint64_t most, bool units)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (units && *end)
        shift = strcmp(end, "KiB") == 0   ? 10
                : strcmp(end, "MiB") == 0 ? 20
                : strcmp(end, "GiB") == 0 ? 30
                                          : 0;
    if (!isdigit((unsigned char)text[0]) || (*end && !shift) || errno || n > most >> shift)
        bad_flag(flag, text, units ? "not a size such as 512MiB" : "not a number, or out of range");
    return n << shift;
}

static plan_t parse(int argc, char **argv)
{
    static const struct option flags[] = {
        {"n", required_argument, NULL, 'n'},
        {"cap", required_argument, NULL, 'c'},
        {"dir", required_argument, NULL, 'd'},
        {"seed", required_argument, NULL, 's'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    const char *tmp = getenv("TMPDIR");
    plan_t p = {.n = 10000000, .cap = 1024 * MIB, .dir = tmp && *tmp ? tmp : "/tmp", .seed = 1};
    for (int c; (c = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (c) {
        case 'n':
            p.n = number_arg("n", optarg, ZM_MAX_SIZE / FRAMED / 2, false);
            break;
        case 'c':
            p.cap = (size_t)number_arg("cap", optarg, ZM_MAX_SIZE, true);
            break;
        case 'd':
            p.dir = optarg;
            break;
        case 's':
            p.seed = number_arg("seed", optarg, UINT64_MAX, false);
            break;
        case 'q':
            p.quiet = true;
            break;
        case 'H':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs("sortdemoc: try --help\n", stderr);
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "sortdemoc: %s: sortdemoc takes only flags\n", argv[optind]);
        exit(2);
    }
    return p;
}

/* ---- How long a step takes, and the memory that the process holds meanwhile ---------------- */

typedef struct memory {
    uint64_t resident;
    uint64_t private; /* of it what the system cannot write to a file and take back */
} memory_t;

typedef struct step {
    const char *name;
    double seconds;
    memory_t peak;
} step_t;

static int statm = -1; /* /proc/self/statm, kept open */
static atomic_bool ended;

static void look(memory_t *peak)
{
    char text[128];
    ssize_t n = pread(statm, text, sizeof text - 1, 0);
    uint64_t all, files;
    if (n <= 0)
        return;
    text[n] = 0;
    if (sscanf(text, "%*s %" SCNu64 " %" SCNu64, &all, &files) != 2)
        return;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (peak->resident < all * page)
        peak->resident = all * page;
    if (peak->private < (all - files) * page)
        peak->private = (all - files) * page;
}

static void *watch(void *peak)
{
    while (!atomic_load(&ended)) {
        look(peak);
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    look(peak);
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* An amount with commas. */
typedef struct text {
    char text[32];
} text_t;

static text_t commas(double amount)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%.0f", amount);
    text_t t = {.text = ""};
    char *p = t.text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    return t;
}

static void row(const plan_t *p, const step_t *s)
{
    double records = (double)p->n / (s->seconds > 1e-9 ? s->seconds : 1e-9);
    printf("%-6s %9.3f %14s %9s %14s %14s\n", s->name, s->seconds, commas(records).text,
           commas(records * (double)FRAMED / (double)MIB).text,
           commas((double)s->peak.resident / (double)MIB).text,
           commas((double)s->peak.private / (double)MIB).text);
}

/* ---- The steps ------------------------------------------------------------------------------ */

/* splitmix64, as in sortdemo. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* The records, and what their keys add up to, each of them mixed, so that two changes seldom cancel
 * out; the order does not count.
 */
static zm_buffer_t *buffer;
static uint64_t checksum;

/* What went wrong, in words, or NULL. */
static const char *failure(int err, const zm_cause_t *cause)
{
    static char text[256];
    if (err == ZM_OK)
        return NULL;
    if (err != ZM_ESYS)
        return zm_err_text(err);
    snprintf(text, sizeof text, "%s: %s", cause->what, strerror((int)cause->code));
    return text;
}

static const char *fill(const plan_t *p)
{
    uint64_t random = p->seed;
    zm_cause_t cause = {NULL, 0};
    for (uint64_t done = 0; done < p->n; done++) {
        if (done % BATCH == 0) {
            uint64_t left = p->n - done;
            int err = zm_buffer_grow(buffer, (left < BATCH ? left : BATCH) * FRAMED, &cause);
            if (err != ZM_OK)
                return failure(err, &cause);
        }
        uint64_t key = random_next(&random), mixed = key;
        memcpy(zm_buffer_add_record(buffer, RECORD, NULL), &key, RECORD);
        checksum += random_next(&mixed);
    }
    return NULL;
}

static const char *sort(const plan_t *p)
{
    (void)p;
    size_t len = buffer->len - buffer->start, nscratch = zm_sort_scratch(len);
    zm_cause_t cause = {NULL, 0};
    void *scratch;
    int err = zm_buffer_scratch(buffer, nscratch, &scratch, &cause);
    if (err != ZM_OK)
        return failure(err, &cause);
    err = zm_sort((char *)buffer->data + buffer->start, len, ZM_SORT_UINT64, 0, scratch, nscratch,
                  0, NULL);
    zm_buffer_scratch_free(buffer, scratch, nscratch);
    return failure(err, &cause);
}

static const char *check(const plan_t *p)
{
    uint64_t records = 0, last = 0, sum = 0;
    size_t off = 0, n;
    for (const void *record; (record = zm_buffer_next(buffer, &off, &n)); records++) {
        uint64_t key, mixed;
        if (n != RECORD)
            return "a record has another length";
        memcpy(&key, record, RECORD);
        if (key < last)
            return "the records are not in order";
        last = mixed = key;
        sum += random_next(&mixed);
    }
    return records != p->n || sum != checksum ? "the records are not those that there were" : NULL;
}

/* Carries out a step and prints its line. Returns what went wrong, or NULL. */
static const char *run(const plan_t *p, const char *name, const char *(*work)(const plan_t *))
{
    step_t s = {.name = name};
    pthread_t watcher;
    atomic_store(&ended, false);
    if (pthread_create(&watcher, NULL, watch, &s.peak) != 0)
        return "no thread";
    double start = now();
    const char *wrong = work(p);
    s.seconds = now() - start;
    atomic_store(&ended, true);
    pthread_join(watcher, NULL);
    row(p, &s);
    fflush(stdout);
    return wrong;
}

int main(int argc, char **argv)
{
    plan_t p = parse(argc, argv);
    statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (statm < 0) {
        perror("sortdemoc: /proc/self/statm");
        return 1;
    }
    if (!p.quiet)
        printf("%s records of %zu bytes, %s MiB with their lengths; beyond %s MiB (0: never) in a "
               "file "
               "in %s; seed %" PRIu64 "\n",
               commas((double)p.n).text, RECORD, commas((double)(p.n * FRAMED) / (double)MIB).text,
               commas((double)p.cap / (double)MIB).text, p.dir, p.seed);
    printf("%-6s %9s %14s %9s %14s %14s\n", "", "seconds", "records/s", "MiB/s", "resident, MiB",
           "private, MiB");

    const char *wrong = failure(zm_buffer_new(0, &buffer), NULL);
    if (!wrong && p.cap > 0)
        wrong = failure(zm_buffer_set_spill(buffer, p.cap, p.dir), NULL);
    wrong = wrong ? wrong : run(&p, "fill", fill);
    wrong = wrong ? wrong : run(&p, "sort", sort);
    wrong = wrong ? wrong : run(&p, "check", check);
    zm_buffer_release(buffer, NULL);
    if (!wrong && (zm_num_alloc_bytes() != 0 || zm_num_allocs() != 0))
        wrong = "memory is left allocated";
    if (wrong) {
        fprintf(stderr, "sortdemoc: %s\n", wrong);
        return 1;
    }
    printf("in order: %s records, checksum %016" PRIx64 "\n", commas((double)p.n).text, checksum);
    return 0;
}
