/* Inside the shim: random numbers after a start. */
#ifndef PRELOAD_SHIM_RANDOM_H
#define PRELOAD_SHIM_RANDOM_H

#include <stdbool.h>
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
/* Whether code in [start, end) may have called getpid(3). */
SNAP_INSIDE bool snap_may_have_asked(uint64_t start, uint64_t end);
/* random_sqlite.c: the same of libsqlite3. */
SNAP_INSIDE void snap_seed_sqlite(uint64_t base);
/* counter_x86_64.c: calling the function does nothing but count. The function may be gone. */
SNAP_INSIDE bool snap_only_counts(uint64_t function);

#endif
