/*
 * The program's descriptors. While a start may still be refused, each is made
 * close-on-exec: at its number where the caller has nothing there, else out of
 * the way. Only then do those take their numbers, and nothing of the caller's
 * was touched before.
 */
#ifndef RESTORE_FDS_TABLE_H
#define RESTORE_FDS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

/* Makes it possible to make objects, if that was not done yet. */
void descriptors_begin(void);
void descriptors_prepare(void);
/* In a new process of a tree: all begins again, with another image. */
void descriptors_restart(void);
/* Gives a file that was just opened the flags and the place that the program had. Returns 0 or lseek's
 * -errno. */
long descriptor_begin_file(int descriptor, uint32_t flags, uint64_t position);
void descriptors_commit(void);

/* Moves a descriptor, or passes an error on, to a number that is not the program's; it closes on exec. */
long descriptor_away(long descriptor);
/* The same of a copy. */
long descriptor_copy_away(int descriptor);
/* Where the program's descriptor is now; negative: it has none. */
int descriptor_now(int32_t number);
/* Whether it is where it will be, for good. */
bool descriptor_in_place(int32_t number);

#endif
