/* memtestc: shows whether an allocator gives memory back, on zmem's C interface alone.
 *
 * The same loop as memtest, its twin in Go, and for one --seed the same blocks: a linked list of
 * structs, each with a buffer of random size that is written to its last byte, grows until --hi
 * bytes are in use, shrinks by random nodes until --lo are, and so on for --cycles; then all is
 * freed. What the process holds of the machine's memory is read from /proc/self/statm after every
 * block. memtest's documentation tells more.
 *
 * One thread. Exits with 0, 1 when bytes were left, memory was damaged or ran out, 2 for flags that
 * make no sense, and 128 plus the number of a signal that ended it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "zmem.h"

#define MIB ((int64_t)1 << 20)
#define PAGE 4096 /* how far apart the bytes are that are checked */
#define MAX_CYCLES 1000

/* ---- What to do -------------------------------------------------------------------------- */

typedef struct plan {
    int64_t hi, lo; /* bytes in use at each peak and low point */
    int64_t max;    /* largest block, in bytes */
    int cycles;
    uint64_t seed;
    double rest; /* seconds at each low point, in which the allocator may give back */
    bool give_back;
    bool quiet;
    const char *csv; /* file for all samples, or NULL */
} plan_t;

static const char usage[] =
    "memtestc shows whether an allocator gives memory back.\n\n"
    "usage: memtestc [flags], sizes as in 512MiB\n\n"
    "  --backend NAME  one of those compiled in (default: $ZMEM_BACKEND, else the first)\n"
    "  --hi SIZE       in use at each peak (default 1GiB)\n"
    "  --lo SIZE       in use at each low point (default hi/16)\n"
    "  --cycles N      times to go up and down (default 6)\n"
    "  --max SIZE      of the largest block (default 32MiB, or lo/8)\n"
    "  --seed N        that the random sizes follow from (default 1)\n"
    "  --rest TIME     to wait at each low point, in s or ms (default 2s)\n"
    "  --return        after freeing, ask the allocator to return memory\n"
    "  --csv FILE      write samples to FILE\n"
    "  --quiet         print the table at the end and nothing else\n";

static _Noreturn void bad_flag(const char *flag, const char *value, const char *why)
{
    fprintf(stderr, "memtestc: --%s %s: %s\n", flag, value, why);
    exit(2);
}

/* Reads "512MiB", "1.5 GiB", "64kB" or "4096". */
static int64_t size_arg(const char *flag, const char *text)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"KiB", 1024},
        {"MiB", 1048576},
        {"kB", 1e3},
        {"GiB", 1073741824},
        {"TiB", 1099511627776},
        {"MB", 1e6},
        {"GB", 1e9},
        {"TB", 1e12},
    };
    char *end;
    double n = strtod(text, &end);
    if (end == text || !isdigit((unsigned char)text[0]) || strpbrk(text, "xXnNpPeE"))
        bad_flag(flag, text, "not a size such as 512MiB");
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        n *= units[i].factor;
        if (n > (double)ZM_MAX_SIZE)
            bad_flag(flag, text, "more than any machine has");
        return (int64_t)n;
    }
    bad_flag(flag, text, "not a size such as 512MiB");
}

static uint64_t number_arg(const char *flag, const char *text, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end || errno || n > most)
        bad_flag(flag, text, "not a number, or out of range");
    return n;
}

static double seconds_arg(const char *flag, const char *text)
{
    char *end;
    double n = strtod(text, &end);
    if (strcmp(end, "ms") == 0)
        n /= 1000;
    else if (strcmp(end, "s") != 0 && strcmp(text, "0") != 0)
        bad_flag(flag, text, "not a time such as 2s");
    if (end == text || !(n >= 0 && n <= 3600))
        bad_flag(flag, text, "it takes 0s to 3600s");
    return n;
}

static plan_t parse(int argc, char **argv)
{
    static const struct option flags[] = {
        {"backend", required_argument, NULL, 'b'}, {"hi", required_argument, NULL, 'h'},
        {"lo", required_argument, NULL, 'l'},      {"cycles", required_argument, NULL, 'c'},
        {"max", required_argument, NULL, 'm'},     {"seed", required_argument, NULL, 's'},
        {"rest", required_argument, NULL, 't'},    {"return", no_argument, NULL, 'r'},
        {"csv", required_argument, NULL, 'f'},     {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'H'},          {NULL, 0, NULL, 0},
    };
    plan_t p = {.hi = 1024 * MIB, .lo = -1, .max = -1, .cycles = 6, .seed = 1, .rest = 2};
    for (int c; (c = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (c) {
        case 'b':
            if (setenv("ZMEM_BACKEND", optarg, 1) != 0)
                bad_flag("backend", optarg, strerror(errno));
            break;
        case 'h':
            p.hi = size_arg("hi", optarg);
            break;
        case 'l':
            p.lo = size_arg("lo", optarg);
            break;
        case 'c':
            p.cycles = (int)number_arg("cycles", optarg, MAX_CYCLES);
            break;
        case 'm':
            p.max = size_arg("max", optarg);
            break;
        case 's':
            p.seed = number_arg("seed", optarg, UINT64_MAX);
            break;
        case 't':
            p.rest = seconds_arg("rest", optarg);
            break;
        case 'r':
            p.give_back = true;
            break;
        case 'f':
            p.csv = optarg;
            break;
        case 'q':
            p.quiet = true;
            break;
        case 'H':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs("memtestc: try --help\n", stderr);
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "memtestc: %s: memtestc takes only flags\n", argv[optind]);
        exit(2);
    }
    if (p.lo < 0)
        p.lo = p.hi / 16;
    if (p.max < 0) {
        int64_t eighth = p.lo < 8 ? 1 : p.lo / 8;
        p.max = eighth < 32 * MIB ? eighth : 32 * MIB;
    }
    const char *wrong = p.cycles < 1       ? "--cycles: at least 1"
                        : p.lo < 1         ? "--lo has to be above 0"
                        : p.lo >= p.hi     ? "--lo is not below --hi"
                        : p.max < 1        ? "--max: a block has at least 1 byte"
                        : p.max > p.lo / 4 ? "--max: --lo has to hold at least 4 such blocks"
                                           : NULL;
    if (wrong) {
        fprintf(stderr, "memtestc: %s\n", wrong);
        exit(2);
    }
    if (zm_init() != ZM_OK) {
        fprintf(stderr, "memtestc: ZMEM_BACKEND or --backend %s: this program has: %s\n",
                getenv("ZMEM_BACKEND"), zm_backends());
        exit(2);
    }
    return p;
}

/* ---- The list ---------------------------------------------------------------------------- */

typedef struct node {
    struct node *next;
    unsigned char *buf;
    size_t size; /* of buf, in bytes */
} node_t;

static node_t *front;
static const char *damage; /* what is wrong with the memory, or NULL */

static bool push(size_t n, unsigned char pattern)
{
    node_t *node = zm_calloc(sizeof *node);
    unsigned char *buf = zm_calloc(n);
    if (!node || !buf) {
        zm_free(node, sizeof *node);
        zm_free(buf, n);
        return false;
    }
    for (size_t i = 0; i < n; i += PAGE)
        if (buf[i])
            damage = "a new block is not zero";
    if (buf[n - 1])
        damage = "a new block is not zero";
    memset(buf, pattern, n);
    *node = (node_t){front, buf, n};
    front = node;
    return true;
}

/* Frees the node that *at points to, which then points to the next. */
static void free_at(node_t **at)
{
    node_t *node = *at;
    unsigned char pattern = node->buf[0];
    bool same = pattern != 0 && node->buf[node->size - 1] == pattern;
    for (size_t i = 0; i < node->size; i += PAGE)
        same = same && node->buf[i] == pattern;
    if (!same)
        damage = "a block has changed since it was written";
    *at = node->next;
    zm_free(node->buf, node->size);
    zm_free(node, sizeof *node);
}

/* splitmix64, as in memtest. */
static uint64_t random_state;

static uint64_t random_next(void)
{
    uint64_t x = random_state += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* ---- Samples ----------------------------------------------------------------------------- */

typedef struct sample {
    double seconds;
    int64_t in_use, resident; /* bytes */
    bool taken;
} sample_t;

static struct {
    sample_t start, freed;
    sample_t peak; /* the most of each, which need not have come at one time */
    sample_t low[MAX_CYCLES];
} seen;

static int statm = -1; /* /proc/self/statm, kept open */
static FILE *csv;
static struct timespec began;
static double next_row; /* of the CSV file, in seconds */
static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    signalled = number;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)(t.tv_sec - began.tv_sec) + (double)(t.tv_nsec - began.tv_nsec) * 1e-9;
}

static int64_t resident(void)
{
    char text[128];
    ssize_t n = pread(statm, text, sizeof text - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = 0;
    long long pages = 0;
    if (sscanf(text, "%*s %lld", &pages) != 1)
        return 0;
    return pages * sysconf(_SC_PAGESIZE);
}

/* Takes a sample, for the peak and for the CSV file, which gets one every 10 ms. */
static sample_t sample(int cycle, const char *phase)
{
    sample_t s = {seconds(), zm_num_alloc_bytes(), resident(), true};
    seen.peak.taken = true;
    if (s.resident > seen.peak.resident)
        seen.peak.resident = s.resident;
    if (s.in_use > seen.peak.in_use)
        seen.peak.in_use = s.in_use;
    if (csv && s.seconds >= next_row) {
        fprintf(csv, "%s,%.6f,%d,%s,%" PRId64 ",%" PRId64 "\n", zm_backend(), s.seconds, cycle,
                phase, s.in_use, s.resident);
        next_row = s.seconds + 0.01;
    }
    return s;
}

/* An amount in whole MiB, with commas. */
typedef struct mib {
    char text[32];
} mib_t;

static mib_t mib(int64_t bytes)
{
    long long n = llround((double)bytes / (double)MIB);
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%lld", llabs(n));
    mib_t m = {.text = ""};
    char *p = m.text;
    if (n < 0)
        *p++ = '-';
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    return m;
}

static sample_t point(const plan_t *p, const char *name, int cycle, const char *phase)
{
    next_row = 0; /* turning points are always in the file */
    sample_t s = sample(cycle, phase);
    zm_memstats_t m = {0};
    char title[32];
    snprintf(title, sizeof title, cycle ? "%s %d" : "%s", name, cycle);
    if (!p->quiet && zm_memstats(&m) == ZM_OK)
        printf("%-9s%-12s %10s %10s %14s %10s %10s %10s %10s\n", zm_backend(), title,
               mib(s.in_use).text, mib(s.resident).text, mib((int64_t)m.allocated).text,
               mib((int64_t)m.active).text, mib((int64_t)m.metadata).text,
               mib((int64_t)m.mapped).text, mib((int64_t)m.retained).text);
    fflush(stdout);
    return s;
}

/* ---- The loop ------------------------------------------------------------------------------ */

static void settle(const plan_t *p, int cycle)
{
    if (p->give_back)
        zm_return_memory();
    for (double end = seconds() + p->rest; seconds() < end && !signalled;) {
        sample(cycle, "rest");
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
}

/* Allocates blocks until hi is in use; false where memory ran out. */
static bool go_up(const plan_t *p, int cycle, unsigned *blocks)
{
    while (!signalled) {
        int64_t room = p->hi - zm_num_alloc_bytes() - (int64_t)sizeof(node_t);
        if (room < 1)
            break;
        int64_t n = 1 + (int64_t)(random_next() % (uint64_t)p->max);
        if (!push((size_t)(n < room ? n : room), (unsigned char)(++*blocks % 255 + 1)))
            return false;
        sample(cycle, "up");
    }
    return true;
}

/* Walks the list, again and again, and frees each node with probability 1/2 until lo is in use. */
static void go_down(const plan_t *p, int cycle)
{
    while (zm_num_alloc_bytes() > p->lo && !signalled) {
        for (node_t **at = &front; *at && zm_num_alloc_bytes() > p->lo && !signalled;) {
            if ((random_next() & 1) == 0) {
                free_at(at);
                sample(cycle, "down");
            } else {
                at = &(*at)->next;
            }
        }
    }
}

static bool cycles(const plan_t *p)
{
    unsigned blocks = 0;
    random_state = p->seed;
    for (int cycle = 1; cycle <= p->cycles && !damage; cycle++) {
        if (!go_up(p, cycle, &blocks))
            return false;
        if (signalled)
            break;
        point(p, "peak", cycle, "up");
        go_down(p, cycle);
        settle(p, cycle);
        if (signalled)
            break;
        seen.low[cycle - 1] = point(p, "low", cycle, "rest");
    }
    return true;
}

/* ---- The table ------------------------------------------------------------------------------ */

static void row(const char *name, sample_t s)
{
    if (!s.taken) {
        printf("%-12s %10s %10s %12s %10s\n", name, "-", "-", "-", "-");
        return;
    }
    int64_t above = s.resident - seen.start.resident;
    char times[32] = "-";
    if (s.in_use > 0)
        snprintf(times, sizeof times, "%.2f", (double)above / (double)s.in_use);
    printf("%-12s %10s %10s %12s %10s\n", name, mib(s.in_use).text, mib(s.resident).text,
           mib(above).text, times);
}

static void table(const plan_t *p)
{
    printf("%s, in MiB\n", zm_backend());
    printf("%-12s %10s %10s %12s %10s\n", "", "in use", "resident", "above start", "x in use");
    row("start", seen.start);
    row("peak", seen.peak);
    for (int cycle = 1; cycle <= p->cycles; cycle++) {
        char name[32];
        snprintf(name, sizeof name, "low %d", cycle);
        if (!seen.low[cycle - 1].taken && cycle < p->cycles) {
            snprintf(name, sizeof name, "low %d-%d", cycle, p->cycles);
            cycle = p->cycles; /* nor are those after it */
        }
        row(name, seen.low[cycle - 1]);
    }
    row("all freed", seen.freed);
    printf("%-12s %10.1f\n", "seconds", seen.freed.seconds);
}

int main(int argc, char **argv)
{
    plan_t p = parse(argc, argv);
    statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (statm < 0) {
        perror("memtestc: /proc/self/statm");
        return 1;
    }
    if (p.csv && !(csv = fopen(p.csv, "w"))) {
        fprintf(stderr, "memtestc: --csv %s: %s\n", p.csv, strerror(errno));
        return 2;
    }
    if (csv)
        fputs("backend,seconds,cycle,phase,in_use_bytes,resident_bytes\n", csv);
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);

    if (!p.quiet) {
        printf("%-21s %10s %10s %14s\n", "", "program:", "process:", "allocator:");
        printf("%-21s %10s %10s %14s %10s %10s %10s %10s\n", "MiB", "in use", "resident",
               "allocated", "active", "metadata", "mapped", "retained");
    }
    clock_gettime(CLOCK_MONOTONIC, &began);
    seen.start = point(&p, "start", 0, "up");
    bool enough = cycles(&p);
    while (front)
        free_at(&front);
    if (!signalled && enough)
        settle(&p, 0);
    seen.freed = point(&p, "all freed", 0, "rest");

    if (!p.quiet)
        putchar('\n');
    table(&p);
    int code = 0;
    if (!enough) {
        fputs("memtestc: out of memory\n", stderr);
        code = 1;
    }
    if (damage) {
        fprintf(stderr, "memtestc: memory damaged: %s\n", damage);
        code = 1;
    }
    if (zm_num_alloc_bytes() != 0) {
        fprintf(stderr, "memtestc: %" PRId64 " bytes are left allocated\n", zm_num_alloc_bytes());
        code = 1;
    }
    if (csv && (ferror(csv) | fclose(csv))) {
        fprintf(stderr, "memtestc: --csv %s: could not be written\n", p.csv);
        code = 1;
    }
    if (signalled) {
        fprintf(stderr, "memtestc: ended by %s\n", strsignal(signalled));
        code = 128 + signalled;
    }
    return code;
}
