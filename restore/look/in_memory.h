/* An image in memory that nobody can change any more: from a pipe, or since it must stay as it was checked.
 */
#ifndef RESTORE_LOOK_IN_MEMORY_H
#define RESTORE_LOOK_IN_MEMORY_H

/* Copies all that the descriptor has to give, and closes it. Returns a descriptor of a sealed file. */
int in_memory_take(const char *path, int from);

#endif
