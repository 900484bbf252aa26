/* Process 1 of the namespace that is made for the recorded IDs: it mounts /proc and reaps; when it ends, so
 * does all in it. */
#ifndef RESTORE_BECOME_INIT_H
#define RESTORE_BECOME_INIT_H

/* Starts it; returns in the caller when it is ready. All signals must be blocked. */
void init_start(void);
/* In the caller, before it ends: the program has ended. Without that, its end is that of all in the
 * namespace. */
void init_tell_end(void);

#endif
