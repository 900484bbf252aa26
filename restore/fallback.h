/* --fallback: start the original program as exec would, instead of failing. */
#ifndef RESTORE_FALLBACK_H
#define RESTORE_FALLBACK_H

/* The image must be valid. Returns only when the program cannot be executed. */
void fallback_start(void);

#endif
