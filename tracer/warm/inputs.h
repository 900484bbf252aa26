/*
 * What a warm program reads of its surroundings up to the point: noted call by
 * call as it is named, and looked at once when the program is frozen. FORMAT.md,
 * INPUTS, says what is recorded.
 */
#ifndef TRACER_WARM_INPUTS_H
#define TRACER_WARM_INPUTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "format/base/message.h"
#include "tracer/capture/snapshot.h"
#include "tracer/points/call_rules.h"

/* How a path was used. */
enum path_use { PATH_FOLLOWED = 1, PATH_ITSELF = 2, PATH_LISTED = 4 };
struct noted_path {
	char *path;
	unsigned uses; /* enum path_use */
};

struct inputs {
	struct noted_path *path;
	size_t path_count;
	char **variable; /* names; "NAME*" is all that begin so */
	size_t variable_count;
	char **made; /* files that it made and has not taken away yet */
	size_t made_count;
	bool is_paused;   /* nothing is noted */
	bool makes_again; /* the next directory that it makes: each start does */
	bool cwd_is_used;
	uint32_t asked;      /* of the caller's state: bits 1 << kind - SNAPIMG_INPUT_UMASK */
	uint32_t limits;     /* bits 1 << RLIMIT_... */
	unsigned streams[3]; /* asked of descriptors 0 to 2: bits 1 << kind - SNAPIMG_INPUT_STREAM */
	int64_t began;       /* nanoseconds of Unix time: what is younger changed meanwhile */
	struct snapshot_input *record; /* inputs_settle()'s */
	size_t record_count;
};

/* Before the program is started: what changes from now on is younger than that. */
void inputs_begin(struct inputs *inputs);
/* Adds the calls that are to be noted. */
void inputs_watch(struct call_rules *rules);
/* One of them, before it is made; `program_runs`: not the interpreter's own start any more, which asks for
 * the streams too, and whose answers a helper puts right. */
void inputs_note(struct inputs *inputs, pid_t pid, const struct call *call, bool program_runs);
void inputs_note_path(struct inputs *inputs, const char *path, unsigned uses);
void inputs_note_variable(struct inputs *inputs, const char *name);
/* The path that a call names, absolute but otherwise as it is written; false: none. */
bool inputs_path(pid_t pid, const struct call *call, char path[PATH_MAX], bool *ret_by_cwd);

/* Where a descriptor, or AT_FDCWD, leads to; false: nowhere in the filesystem. */
bool inputs_directory(pid_t pid, int descriptor, char path[PATH_MAX]);

/* Looks at all that was noted, and makes the records. Refuses by name what changed meanwhile, for nobody
 * knows what the program has read of it, and what the program made and left. */
enum status inputs_settle(struct inputs *inputs, pid_t pid) __attribute__((warn_unused_result));
void inputs_free(struct inputs *inputs);

#endif
