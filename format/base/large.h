/* Memory for megabytes that are used at once: of huge pages where there are some, for a page fault each costs
 * more than to fill it. */
#ifndef FORMAT_BASE_LARGE_H
#define FORMAT_BASE_LARGE_H

#include <stddef.h>

/* Zeros, at a multiple of a page. What is not touched costs nothing, but where huge pages are given. NULL:
 * errno. */
void *large_new(size_t size);
/* The same of ordinary pages: for what is used here and there. */
void *scattered_new(size_t size);
/* Of either; the same size; also for NULL. */
void large_free(void *memory, size_t size);

#endif
