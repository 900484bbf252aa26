/* The caller's resource limits, which the loader raises as far as it may while it prepares a start. */
#ifndef RESTORE_BASE_LIMITS_H
#define RESTORE_BASE_LIMITS_H

#include <stdint.h>

/* Raises the soft limit of a resource (RLIMIT_…, setrlimit(2)) to the hard one, which it returns. */
uint64_t limit_raise(unsigned resource);
/* All are as the caller had them again. */
void limits_put_back(void);

#endif
