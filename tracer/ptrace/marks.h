/* What threads and processes share by clone(2), asked where kcmp(2) is denied, as in containers: a change
 * that is made in one of them is seen in those that share it. */
#ifndef TRACER_PTRACE_MARKS_H
#define TRACER_PTRACE_MARKS_H

#include <stdbool.h>

#include "tracer/ptrace/remote.h"

struct mark {
	int64_t value; /* a descriptor, or the umask; negative: the change can't be made */
	int64_t before;
};

/* All who may share it stand. Nothing of the change stays. */
struct mark_kind {
	enum status (*set)(const struct remote *remote, struct mark *mark);
	/* Of a process, or a thread. */
	bool (*is_seen)(pid_t tid, const struct mark *mark);
	enum status (*undo)(const struct remote *remote, const struct mark *mark);
};
extern const struct mark_kind mark_of_descriptors; /* CLONE_FILES */
extern const struct mark_kind mark_of_place;       /* CLONE_FS */

#endif
