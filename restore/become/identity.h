/* Which IDs the program has, and what /proc/self/exe shows it: --ids and --exe. */
#ifndef RESTORE_BECOME_IDENTITY_H
#define RESTORE_BECOME_IDENTITY_H

#include <stdint.h>

/* Returns in the process that is to become the program; ends with a message where what it needs can't be had.
 */
void identity_enter(void);
/* Unshares these, in a user namespace of its own where that is needed; before identity_enter(). Negative
 * where none may be made: then nothing has changed. */
long namespaces_make(uint64_t flags);
/* Who can change that, for a message. */
extern const char namespaces_advice[];
/* The id that the thread with this index must get; 0: any. */
uint32_t identity_wanted(uint32_t index);

#endif
