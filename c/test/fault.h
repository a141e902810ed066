/* fault.h: a backend that fails when it is told to, and watches how it is used. One thread only. */
#ifndef FAULT_H
#define FAULT_H

#include "test.h"

/* Wraps the backend that ZMEM_BACKEND names, or the default; call it first in main. False where
 * there is no such backend.
 */
bool fault_init(void);

/* The k-th block asked for from now on, and no other, is refused; 1 is the next one. */
void fault_arm(size_t k);

/* Refuses no more; whether it did since fault_arm. */
bool fault_disarm(void);

/* Whether every block is refused. */
void fault_refuse_all(bool on);

/* The blocks that the core has from the backend, its own bookkeeping included. */
size_t fault_live(void);
size_t fault_live_bytes(void);

/* Calls f, if not NULL, with each block that comes back, before anything is done with it. */
void fault_on_free(void (*f)(void *p));

/* From now on the block freed last is the next one of its size and alignment to be handed out. */
void fault_reuse(bool on);

/* What the core did wrong so far, or NULL: freed what is no block, wrote behind one, asked for what
 * zm__backend_t excludes.
 */
const char *fault_misuse(void);

#endif /* FAULT_H */
