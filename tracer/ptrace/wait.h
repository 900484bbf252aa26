/* Waiting for one thread, which may end in a way that nobody is told of. */
#ifndef TRACER_PTRACE_WAIT_H
#define TRACER_PTRACE_WAIT_H

#include <stdbool.h>
#include <sys/types.h>

/* What a thread that was let go, or asked to stop, came to. */
enum waited {
	WAITED_STOP,   /* it stands */
	WAITED_END,    /* it is gone, or a zombie; its end is still there for who waits for all */
	WAITED_ENOUGH, /* neither, for as long as was given */
};

/*
 * Waits for a thread of ours: until it stops (*ret_status is then as from waitpid(2), and the stop is taken)
 * or ends, at most `seconds` (0: as long as it takes). A first thread that was killed with the others is a
 * zombie of which wait tells nothing before all the others were waited for (kernel/exit.c,
 * delay_group_leader); that counts as its end.
 */
enum waited tracee_wait(pid_t tid, double seconds, int *ret_status) __attribute__((warn_unused_result));

/* The same, without waiting. */
enum waited tracee_look(pid_t tid, int *ret_status) __attribute__((warn_unused_result));

/* Whether a stopped thread is in its stop still: a SIGKILL takes it out. */
bool tracee_stands(pid_t tid);

#endif
