/* Where another process becomes the program, for its recorded IDs or its session: the one that snaprun was
 * started as. */
#ifndef RESTORE_BECOME_KEEPER_H
#define RESTORE_BECOME_KEEPER_H

#include <stdint.h>

/* In a process whose children are in a new PID namespace. Starts its init, a process with the id `parent` and
 * a child of that with the id `tid`, and returns in that child, which has the signal actions and mask of the
 * caller. The caller itself stays, passes signals on, and ends as the child does. */
void keeper_split(uint32_t tid, uint32_t parent);
/* The same in no namespace: a guard, and a child with any id. */
void keeper_split_here(void);

#endif
