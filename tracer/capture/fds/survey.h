/* The target's open descriptors as /proc and kcmp(2) show them: which are inherited, which share one open
 * description, and a copy of each to ask the kernel through. */
#ifndef TRACER_CAPTURE_FDS_SURVEY_H
#define TRACER_CAPTURE_FDS_SURVEY_H

#include <sys/stat.h>

#include "format/base/proc.h"

/* One open descriptor of the target. */
struct open_descriptor {
	int number;
	char *link;
	struct text info; /* /proc/PID/fdinfo/N */
	bool known;       /* stat(2) worked */
	struct stat identity;
	uint32_t flags; /* as open(2) takes them */
	uint64_t position;
	int inherited; /* the caller's descriptor it is, or -1 */
	int duplicate; /* an earlier number of the same open description, or -1 */
	bool refused;  /* a line has told */
	int object;    /* index in OBJECTS, or -1 */
	const struct policy
	        *policy; /* what the caller wants it to be instead (tracer/overrides.h); NULL: what it is */
	int copy;        /* of the very description, in this process; -1: see survey_copy() */
};

struct survey {
	pid_t pid;
	struct open_descriptor *open; /* sorted by number */
	size_t count;
};

struct policies;
enum status survey_read(struct survey *survey, const struct policies *policies)
        __attribute__((warn_unused_result));
void survey_free(struct survey *survey);
/* NULL: not open. */
struct open_descriptor *survey_find(const struct survey *survey, int number);

/* pidfd_getfd(2), Linux 5.6. The copy is closed by survey_free(). Changes through it are the target's. */
enum status survey_copy(const struct survey *survey, struct open_descriptor *it)
        __attribute__((warn_unused_result));

/* The same without a line: false, and errno, where it isn't allowed (containers may forbid it). */
bool survey_try_copy(const struct survey *survey, struct open_descriptor *it);

/* A process that isn't the target and has the same pipe, socket or file open; 0: none that may be looked at.
 */
pid_t survey_other_holder(const struct survey *survey, const struct open_descriptor *it);

/* Refuses: "WHAT can't be carried: descriptor N of process PID, LINK: ADVICE". */
enum status refuse_descriptor(const struct survey *survey, const struct open_descriptor *it, const char *what,
                              const char *advice) __attribute__((cold));

#endif
