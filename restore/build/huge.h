/* Memory that is filled in huge pages. */
#ifndef RESTORE_BUILD_HUGE_H
#define RESTORE_BUILD_HUGE_H

#include <stdint.h>

/* To be called before pages below `end` are filled, by any worker. Makes a huge
 * page of each aligned 2 MiB that begins there, lies in one anonymous mapping and is mostly stored. Where
 * there are none, or none for this memory, its pages are as small as they were, and nobody is told. */
void huge_expect(uint64_t end);

#endif
