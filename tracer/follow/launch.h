/* Starts PROG under the tracer. */
#ifndef TRACER_FOLLOW_LAUNCH_H
#define TRACER_FOLLOW_LAUNCH_H

#include <sys/ptrace.h>

#include "tracer/run.h"

/* Forks, attaches, and lets the child become PROG (path: where that was found). Fills run->root and
 * run->launch_report, and takes the child up as the first tracee. */
enum status launch(struct run *run, const char *path) __attribute__((warn_unused_result));

/* What is traced of a process; with PTRACE_O_EXITKILL where it's our own. */
enum {
	TRACE_OPTIONS = PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
	                PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD,
};

/* Says why a process can't be traced. */
enum status seize_failed(pid_t pid, int error) __attribute__((cold));

/* Hears what the child reported. Once PROG runs, STATUS_OK; if the child ended before: prints why and
 * returns STATUS_CANNOT_RUN, STATUS_NOT_FOUND or STATUS_FAILED. */
enum status launch_hear(struct run *run) __attribute__((warn_unused_result));

#endif
