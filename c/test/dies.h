/* dies.h: functions that the check build ends. */
#ifndef DIES_H
#define DIES_H

#include "test.h"

/* Runs f in a child process, which has to end by abort, with a line of the check build's on stderr
 * that has `words`.
 */
void check_dies(void (*f)(void), const char *words, const char *name);

#define DIES(f, words) check_dies(f, words, #f)

#endif /* DIES_H */
