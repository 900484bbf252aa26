/* The loader, as it stands before the image in a runnable file (format/facts/runnable.h). */
#ifndef FORMAT_IMAGE_LOADER_H
#define FORMAT_IMAGE_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOADER_PATH_SIZE = 4096, LOADER_MODE = 0700 /* of a runnable file */ };

struct loader_bytes {
	uint8_t *bytes; /* owned: free() */
	size_t size;    /* whole pages: the image begins after them */
};

/* The loader is not there, or it is not one. */
struct loader_failure {
	const char *what;
	char path[LOADER_PATH_SIZE];
	const char *advice;
};

/* Reads the snaprun that lies beside this program, without its symbols, and notes in it that an image
 * follows. False: *ret_failure says why. */
bool snapimg_loader_read(struct loader_bytes *ret_loader, struct loader_failure *ret_failure)
        __attribute__((warn_unused_result));

#endif
