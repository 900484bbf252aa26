/* --same-ids and --exe: namespaces in which the program can have its recorded ids, or its own /proc/self/exe.
 */
#ifndef RESTORE_BECOME_IDENTITY_H
#define RESTORE_BECOME_IDENTITY_H

#include <stdint.h>

/* Returns in the process that is to become the program; ends with a message where it can't be had. */
void identity_enter(void);
/* The id that the thread with this index must get; 0: any. */
uint32_t identity_wanted(uint32_t index);

#endif
