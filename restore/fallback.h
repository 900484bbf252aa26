/* --fallback: start the original program as exec would, instead of failing. */
#ifndef RESTORE_FALLBACK_H
#define RESTORE_FALLBACK_H

/* Returns only when the program is not known (no valid image) or cannot be executed. */
void fallback_start(void);

#endif
