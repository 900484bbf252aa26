/*
 * An output file that doesn't exist before it is complete: it is written
 * without a name (O_TMPFILE), synced, and then put in its place in one step.
 * Where the filesystem knows no nameless files it has a hidden name until then,
 * ".NAME.0.part", and a lock (flock(2)) that ends with its writer: so what a
 * killed writer left there is known, and the next one takes it away.
 *
 *     if (output_file_begin(&file, path, 0)) {
 *             … output_file_sink(&file, …) …
 *             done = output_file_finish(&file);
 *     }
 *     output_file_end(&file);
 */
#ifndef FORMAT_BASE_OUTPUT_FILE_H
#define FORMAT_BASE_OUTPUT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct output_file {
	const char *path; /* as given, for messages; borrowed */
	int descriptor;   /* -1: none */
	int directory;    /* -1: none, it is in memory */
	unsigned int flags;
	char name[NAME_MAX + 1];   /* in the directory */
	char hidden[NAME_MAX + 1]; /* the name it has until it's complete; "": none */
	uint8_t *buffer;           /* writes are gathered */
	size_t buffer_size, buffered;
	uint64_t buffer_offset;
	uint64_t base;               /* where in the file the sink's offset 0 is */
	uint64_t sync_begun;         /* what is before it is on its way to the disk */
	bool direct, direct_refused; /* O_DIRECT: is set, can't be */
	bool is_stdout;              /* it goes there when it is finished */
	bool limit_ignored;
	void (*limit_action)(int); /* what SIGXFSZ did before */
	int error;                 /* errno of the first thing that failed */
};

enum output_file_flags {
	OUTPUT_PAST_CACHE = 1,   /* what is large does not stay in the page cache: nobody reads it soon */
	OUTPUT_REPLACE_LINK = 2, /* a symbolic link is replaced itself, not what it leads to */
	OUTPUT_UNSYNCED = 8, /* nobody waits for the disk: the power may take the bytes, and leave the name */
	OUTPUT_NAMED = 4,    /* as on a filesystem without O_TMPFILE (for tests) */
};

/* The path "-" is standard output: the file is gathered in memory, and written there when it is finished.
 * After this call standard output is what standard error is, for all but that. False: errno. */
bool output_file_claim_stdout(void) __attribute__((warn_unused_result));

/* Opens a new file for `path`, mode 0600. What a symbolic link leads to is replaced, not the link. Only a
 * regular file is replaced: EEXIST for others, EISDIR for a directory. False: error says why. *file must stay
 * where it is until output_file_end(), which is due in any case. */
bool output_file_begin(struct output_file *file, const char *path, unsigned int flags)
        __attribute__((warn_unused_result));
/* The same for a file in memory, which never gets a name in a directory. */
bool output_file_begin_in_memory(struct output_file *file, const char *name)
        __attribute__((warn_unused_result));
/* The mode that it will have. */
bool output_file_set_mode(struct output_file *file, mode_t mode) __attribute__((warn_unused_result));

/* Puts bytes before all that the sink will be given: its offset 0 is after them. */
bool output_file_prepend(struct output_file *file, const void *bytes, size_t size)
        __attribute__((warn_unused_result));

/* A snapimg_sink, for a struct output_file. What is not written reads as zeros, and takes no room. */
int output_file_sink(void *context, uint64_t offset, const void *bytes, size_t size);

/* Syncs the file and gives it its name, in place of what had it. False: error says why, and nothing has
 * changed. In memory: what was gathered is there. */
bool output_file_finish(struct output_file *file) __attribute__((warn_unused_result));
/* Always last; what was not finished is gone. */
void output_file_end(struct output_file *file);

/* Whether a file could be made and put there; nothing is left of the attempt. 0 or an errno. */
int output_file_check(const char *path);

/* What an error means, and what to do about it: the last two parts of the message. */
const char *output_file_reason(int error);
const char *output_file_advice(int error);

/* Async-signal-safe, for one who is about to die: takes the hidden name of a file under way away. */
void output_file_abandon(void);

/* For a tool with no handlers of its own: a signal that ends it does this first. */
void output_file_abandon_on_signals(void);

/* Whether this is a hidden file that a killed writer of ours left in the directory. */
bool output_file_is_left_over(int directory, const char *hidden);

#endif
