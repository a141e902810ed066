/* consumer.c: a program as a user writes it, in C and in C++, with nothing but the installed header
 * and library. Prints the backend's name; exits with 1 where anything is not as zmem.h says.
 */
#include <zmem.h>

#include <stdio.h>
#include <string.h>

static int failed(const char *what)
{
    fprintf(stderr, "consumer: %s\n", what);
    return 1;
}

int main(void)
{
    void *batch[10];
    zm_memstats_t stats;
    char *text = NULL;

    if (zm_init() != ZM_OK)
        return failed(zm_err_text(zm_init()));
    char *b = (char *)zm_calloc(100);
    if (!b || b[0] != 0 || b[99] != 0)
        return failed("zm_calloc");
    memset(b, 'x', 100);
    double *aligned = (double *)zm_calloc_aligned(8 * sizeof(double), 64);
    if (!aligned || (uintptr_t)aligned % 64 != 0)
        return failed("zm_calloc_aligned");
    if (zm_calloc_batch(50, batch, 10) != ZM_OK)
        return failed("zm_calloc_batch");
    if (zm_num_alloc_bytes() != 664 || zm_num_allocs() != 12)
        return failed("counters");
    if (zm_good_size(100) < 100 || zm_memstats(&stats) != ZM_OK || stats.allocated == 0)
        return failed("statistics");
    if (zm_stats_text(&text) != ZM_OK || strlen(text) < 10)
        return failed("zm_stats_text");
    zm_text_free(text);
    zm_free_batch(batch, 50, 10);
    zm_free(aligned, 8 * sizeof(double));
    zm_free(b, 100);
    if (zm_num_alloc_bytes() != 0 || zm_num_allocs() != 0)
        return failed("something is left");
    printf("%s of %s, zmem %s\n", zm_backend(), zm_backends(), ZM_VERSION);
    return 0;
}
