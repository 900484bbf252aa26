/* The program's working directory. */
#ifndef RESTORE_BECOME_DIRECTORY_H
#define RESTORE_BECOME_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

/* Sees that the program can go there; ends with a message otherwise. */
void directory_prepare(void);
/* A descriptor of it, or AT_FDCWD where it is the caller's. */
int directory_descriptor(void);
/* Calls the function in it, while the caller's stays what it is. The function must not end the loader. 0 or
 * -errno where it could not be called. */
long directory_run(void (*function)(void *), void *argument);
/* A descriptor of one that is removed at once, as the program's was: where that lay, or where anybody may
 * make one; or -errno. */
long directory_make_removed(const char *path, uint32_t flags);
/* Goes there. */
void directory_commit(void);

/* In a new process of a tree: the next one is another. What is open may be so for the one that made it, too.
 */
void directory_forget(bool is_anothers);

#endif
