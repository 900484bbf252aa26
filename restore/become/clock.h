/* Clocks that go on where the program's were: restore/become/clock.c. */
#ifndef RESTORE_BECOME_CLOCK_H
#define RESTORE_BECOME_CLOCK_H

/* Where the machine's clocks are behind the recorded ones: goes into a time namespace in which they are not,
 * or ends with a message. Before anything that another namespace needs (identity.h), while there is one
 * thread. */
void clock_enter(void);

#endif
