/* Inside the shim: random numbers after a start. */
#ifndef PRELOAD_SHIM_RANDOM_H
#define PRELOAD_SHIM_RANDOM_H

#include <stdint.h>

#include "preload/contract.h"

#define SNAP_INSIDE __attribute__((visibility("hidden")))

/* The loader fills it, through the shim's resume block. */
SNAP_INSIDE extern struct snap_generators snap_generators_table;
SNAP_INSIDE struct snap_generators *snap_generators_now(void);
/* Has it done after each start. */
SNAP_INSIDE void snap_seed_at_starts(void);
/* random_nss.c: libnss3, whose first byte is mapped at `base`, gets new entropy. */
SNAP_INSIDE void snap_seed_nss(uint64_t base);

#endif
