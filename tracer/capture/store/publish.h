/*
 * An output file that doesn't exist before it is complete: it's written
 * without a name (O_TMPFILE), synced, and then put in its place in one step.
 * Where the filesystem knows no nameless files it has a hidden name until then.
 */
#ifndef TRACER_CAPTURE_STORE_PUBLISH_H
#define TRACER_CAPTURE_STORE_PUBLISH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/base/message.h"

struct publication {
	const char *path; /* as given, for messages; borrowed */
	int fd, directory;
	char name[NAME_MAX + 1];   /* in the directory */
	char hidden[NAME_MAX + 1]; /* the name it has until it's complete; "": none */
	uint8_t *buffer;           /* writes are gathered */
	size_t buffered;
	uint64_t buffer_offset;
	bool direct, direct_refused; /* O_DIRECT: is set, can't be */
	int error;                   /* of the first write that failed */
	void (*limit_action)(int);   /* what SIGXFSZ did before */
};

/* Whether the file could be made; nothing is left of the attempt. */
enum status publish_check(const char *path) __attribute__((warn_unused_result));

/* allow_nameless false: as on a filesystem without O_TMPFILE (for tests). *ret_publication must stay where it
 * is until publish_end(). */
enum status publish_begin(const char *path, bool allow_nameless, struct publication *ret_publication)
        __attribute__((warn_unused_result));
/* A snapimg_sink whose context is a struct publication. Keeps the error for publish_failed(). */
int publish_sink(void *context, uint64_t offset, const void *bytes, size_t size);
/* Prints why a write failed. */
enum status publish_failed(const struct publication *publication, int error) __attribute__((cold));
/* Makes it the file of that name, replacing an older one. On failure nothing has changed. */
enum status publish_finish(struct publication *publication) __attribute__((warn_unused_result));
/* Gives everything back; what was not finished is gone. */
void publish_end(struct publication *publication);

/* Async-signal-safe, for one who is about to die: takes the hidden name of a publication under way away. */
void publish_abandon(void);

#endif
