/* consumer_leak.c: as consumer.c, with a library that tracks leaks. Prints the one leak that is
 * left. */
#include <zmem.h>

#include <stdio.h>

int main(void)
{
    zm_leak_fault_t fault;
    zm_leak_live_t live[10];

    void *kept = zm_leak_calloc(128, 0, zm_site_of("kept", 4, NULL, 0));
    void *freed = zm_leak_calloc(64, 64, zm_site_of("freed", 5, NULL, 0));
    if (!kept || !freed || zm_leak_free(freed, 64, zm_site_of(NULL, 0, NULL, 0), &fault) != ZM_OK)
        return 1;
    if (zm_leak_free(freed, 64, zm_site_of(NULL, 0, NULL, 0), &fault) != ZM_EINVAL ||
        fault.kind != ZM_FAULT_FREED)
        return 1;
    if (zm_leak_sites(live, 10) != 1)
        return 1;
    printf("LEAK: %d at %.*s\n", (int)live[0].bytes, (int)live[0].site->ntag,
           zm_site_tag(live[0].site));
    return zm_site_pcs(live[0].site)[0] == 0;
}
