/* Inside convert/: work that all processors share. */
#ifndef FORMAT_CONVERT_BY_ALL_H
#define FORMAT_CONVERT_BY_ALL_H

#include <stdint.h>

enum { BY_ALL_HELPERS_MAX = 15 };
/* How many threads beside the caller's are worth it, where each takes `each` of `amount` (of any unit). */
uint32_t by_all_helpers(uint64_t amount, uint64_t each);

/* Calls work(argument) in this thread and in so many others, as far as they are to be had, and returns when
 * all have returned; what is left to do they find in what `argument` points to. */
void by_all(void *(*work)(void *argument), void *argument, uint32_t helpers);

#endif
