/* Stops all threads of a process, so that each can be read and can run calls for the tracer. */
#ifndef TRACER_FOLLOW_STOP_THREADS_H
#define TRACER_FOLLOW_STOP_THREADS_H

#include <signal.h>

#include "tracer/ptrace/tracee.h"

struct stopped_thread {
	pid_t tid;
	bool has_ended; /* a main thread, before the others: nothing can be asked of it; proc_look_through()
	                 */
	bool at_point;
	bool in_group_stop; /* by job control: it is to listen for SIGCONT again */
	int stop_signal;    /* which one stopped it */
	siginfo_t signal;   /* was about to be delivered, and is no longer pending in the kernel; si_signo 0:
	                       none */
};

struct stopped_threads {
	struct stopped_thread *thread; /* the first is the main thread */
	size_t count;
};

/* What whoever stops threads is asked meanwhile. */
struct stop_means {
	bool (*asked)(void); /* whether to stop waiting for threads that don't stop; NULL: never */
	/* Answers an event of a thread that must not be stopped yet, as if nothing were to be stopped: it
	 * goes on, or is gone. */
	enum status (*answer)(void *context, struct tracee *tracee, int status);
	void *context;
};

/*
 * `tracee` is stopped already, at the point; its registers are what it is resumed with. All others are
 * stopped where they are: not at the entry of a call, nor within clone, fork or exec, and not on a breakpoint
 * of ours. Threads that are born meanwhile are found, those that end forgotten. A thread that waits in vfork
 * is stopped when its child has become another program, or ended. Refuses a process that is stopped by job
 * control, or whose child does not come to that; what was stopped before is in *ret_threads all the same.
 * Owned; stopped_threads_free() takes it apart.
 */
enum status stop_threads(struct tracee *tracee, const struct stop_means *means,
                         struct stopped_threads *ret_threads) __attribute__((warn_unused_result));
/* The same of a process that met no point, runs or is stopped by job control, and may end just now: then
 * there are fewer threads, or none. Its main thread is `tracee`, which may be gone afterwards. */
enum status stop_process(const struct tracee *tracee, const struct stop_means *means,
                         struct stopped_threads *ret_threads) __attribute__((warn_unused_result));
/* For a program that goes on: the signals that were taken from its threads are pending again, with their
 * siginfo. gate: see ptrace/remote.h. */
void stopped_threads_give_back(const struct stopped_threads *threads, const struct remote_gate *gate);
void stopped_threads_free(struct stopped_threads *threads);

#endif
