/* A thawed copy of a frozen image, kept in the user's cache and used instead of it: snapimg(1), "cache". */
#ifndef RESTORE_LOOK_CACHE_H
#define RESTORE_LOOK_CACHE_H

#include <stdbool.h>
#include <stdint.h>

/* A frozen file that is smaller is started from as fast as its copy. */
enum { CACHE_LEAST = 128 << 10 };

/* Opens the copy of the image with this digest, if there is one that nobody but the caller can have made: its
 * descriptor, or -1. */
int cache_find(const uint8_t *digest);
/* The copy that was found turned out to be none, or damaged. */
void cache_remove(void);
/* It is of another boot (UNSYNCED): no more than that it is not there. */
void cache_forget(void);
/* When it is known which file is started from. */
void cache_close(void);
/* Where no copy was found and one may be: lets snapimg make it and start again from it, in this process's
 * place. Returns when that cannot be done. */
void cache_make(void);

/* --key: becomes snapimg, which checks the signature and starts this program again with what it checked; ends
 * if that can't be. */
void key_enter(void);

#endif
