/* Locks, which fdinfo shows with the description that they were taken through:
 * "1: FLOCK  ADVISORY  WRITE 123 08:01:456 0 EOF" (fs/locks.c, lock_get_status). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/caller.h"
#include "tracer/capture/fds/kinds.h"

static uint32_t kind_of(const char *word)
{
	static const char *const words[] = {
	        [SNAPIMG_LOCK_FLOCK] = "FLOCK",
	        [SNAPIMG_LOCK_POSIX] = "POSIX",
	        [SNAPIMG_LOCK_OFD] = "OFDLCK",
	};

	for (uint32_t kind = SNAPIMG_LOCK_FLOCK; kind <= SNAPIMG_LOCK_OFD; kind++)
		if (strcmp(word, words[kind]) == 0)
			return kind;
	return 0;
}

static bool read_lock(const char *line, struct snapimg_lock *lock)
{
	char kind[16], access[16], end[24];

	/* A lease of a reader that nobody is breaking. */
	if (sscanf(line, "lock: %*s LEASE ACTIVE %15s", access) == 1 && strcmp(access, "READ") == 0) {
		lock->kind = SNAPIMG_LOCK_LEASE;
		return true;
	}
	if (sscanf(line, "lock: %*s %15s ADVISORY %15s %*s %*s %" SCNu64 " %23s", kind, access, &lock->start,
	           end) != 4)
		return false;
	lock->kind = kind_of(kind);
	lock->exclusive = strcmp(access, "WRITE") == 0;
	lock->length = strcmp(end, "EOF") == 0 ? 0 : strtoull(end, NULL, 10) - lock->start + 1;
	return lock->kind != 0 && (lock->exclusive || strcmp(access, "READ") == 0);
}

/* Whether the caller's descriptor had it before the program began. Each line has its number, "1: ", first. */
static bool was_there(const struct open_descriptor *it, const char *line)
{
	const struct text *before = it->inherited >= 0 ? caller_info(it->inherited) : NULL;
	const char *lock = strstr(line, ": ");
	const char *found = before && lock ? before->bytes : NULL;
	size_t length = lock ? strcspn(lock, "\n") : 0;

	while (found && (found = strstr(found, "lock:"))) {
		found = strstr(found, ": ");
		if (found && strcspn(found, "\n") == length && strncmp(found, lock, length) == 0)
			return true;
	}
	return false;
}

enum status take_locks(struct taking *taking, const struct open_descriptor *it)
{
	enum status status = STATUS_OK;

	for (const char *line = it->info.bytes; line && status == STATUS_OK; line = strchr(line, '\n')) {
		struct snapimg_lock lock = {.number = it->number};
		line += *line == '\n';
		if (strncmp(line, "lock:", 5) != 0 || was_there(it, line))
			continue;
		if (!read_lock(line, &lock))
			return refuse_descriptor(
			        taking->survey, it,
			        "a lease of a writer, or one that is broken now, or another lock",
			        "take it after the point");
		status = objects_lock(taking->objects, &lock);
	}
	return status;
}
