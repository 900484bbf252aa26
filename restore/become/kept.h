/* Where the program has kept its IDs: KEPT in the image. */
#ifndef RESTORE_BECOME_KEPT_H
#define RESTORE_BECOME_KEPT_H

#include <stdbool.h>

#include "format/image/reader.h"

/* The first place that only the recorded IDs are right in, or of those the first that can't be written over;
 * NULL: none.
 */
const struct snapimg_kept *kept_in_the_way(bool uncorrectable);
/* A text in memory that has the ID within it, which stays as it is whatever the IDs; NULL: none. */
const struct snapimg_kept *kept_in_text(void);
/* The program will ask which file it runs. */
bool kept_asks_for_executable(void);
/* The ID of its parent when it was frozen; 0: it isn't known. */
uint32_t kept_parent(void);
/* When all threads have their IDs: makes random generators seed themselves again, and where the IDs are new
 * ones writes them over the old. */
void kept_correct(void);
/* The same for what a thread has in registers. */
void kept_correct_registers(const struct snapimg_thread *thread, struct snapimg_registers *registers);

#endif
