/* The program's working directory. */
#ifndef RESTORE_BECOME_DIRECTORY_H
#define RESTORE_BECOME_DIRECTORY_H

/* Sees that the program can go there; ends with a message otherwise. */
void directory_prepare(void);
/* A descriptor of it, or AT_FDCWD where it is the caller's. */
int directory_descriptor(void);
/* Calls the function in it, while the caller's stays what it is. The function must not end the loader. 0 or
 * -errno where it could not be called. */
long directory_run(void (*function)(void *), void *argument);
/* Goes there. */
void directory_commit(void);

/* In a new process of a tree: the next one is another. */
void directory_forget(void);

#endif
