/*
 * Calls that are made in the target: a stopped thread runs system calls of the
 * tracer's choice, with no change to its code, and stands afterwards where it
 * stood. Whatever happens in between ends defined:
 *
 *   the thread is killed      the call fails (STATUS_FAILED, with a line); its end is still to be waited for
 *   a signal comes            it stays pending: all are blocked while the call is made
 *   SIGSTOP comes             the call is made in the group-stop, and the thread's next stop tells of it
 *   snaptrace is killed       a target that outlives it returns by itself to where it was: what it runs looks
 * like a signal handler, whose frame (remote_frame_x86_64.h) holds its registers and mask
 */
#ifndef TRACER_PTRACE_REMOTE_H
#define TRACER_PTRACE_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "format/base/message.h"

/* Where a process can be made to run a call. */
struct remote_gate {
	uint64_t call; /* a `syscall` instruction; 0: not looked for yet */
	/* For a process that goes on when snaptrace is killed, else 0: */
	uint64_t back; /* rt_sigreturn(2), for which `call` is followed by a return */
	uint64_t room; /* REMOTE_ROOM bytes of the main thread's stack that nobody uses, for a frame */
};
#define REMOTE_MARK                                                                                          \
	0x656d617266706e73ull /* "snpframe": stands at their beginning as long as one is there               \
	                       */
enum { REMOTE_ROOM = 5 * 4096 };

/*
 * Finds the gate: in the vdso, or, if `outlives` us, one with a way back, where there is one (C libraries and
 * Go have it; a program without is left inside the vdso by a SIGKILL to snaptrace in the midst of a call).
 * /proc/PID/maps is closed to a tracer without privilege once the process has made itself undumpable
 * (proc(5)); then *gate is kept if it was found before.
 */
enum status remote_find_gate(pid_t pid, bool outlives, struct remote_gate *gate)
        __attribute__((warn_unused_result));

/* A `syscall` instruction of the program's or a library's own, outside of the vdso; 0: there is none. */
uint64_t remote_find_call(pid_t pid);

/* The scope of the calls made in a process: what it changes for them is undone by remote_leave(). */
struct remote {
	pid_t tid; /* who makes the calls; any stopped thread of the process may stand here */
	struct remote_gate gate;
	uint64_t scratch;     /* a page of the process's memory that calls write their results to; 0: none */
	uint64_t mapped;      /* how much, from there on */
	bool runs_lists;      /* two pages follow it: a list of calls, and the code that makes them */
	bool dumpable_forced; /* the program had said PR_SET_DUMPABLE 0 */
};

/* Begins a scope. /proc of a process that made itself undumpable is made readable. */
enum status remote_enter(pid_t pid, const struct remote_gate *gate, struct remote *ret_remote)
        __attribute__((warn_unused_result));
/* Maps the scratch page; after the mappings were read, so that it's not among them. If the process ends with
 * us and has no SIGTRAP ignored or pending (`may_trap`), and may have code there, lists of calls are made at
 * once. */
enum status remote_map_scratch(struct remote *remote, bool may_trap) __attribute__((warn_unused_result));
/* Ends it; a scope that was never entered, too. */
enum status remote_leave(struct remote *remote) __attribute__((warn_unused_result));

/* Makes a system call; *ret_result is what the kernel returned. A call that fails (-errno) is no failure of
 * this function. The thread must be in a ptrace-stop that is not a syscall-entry or seccomp stop; needs
 * PTRACE_O_TRACESYSGOOD. Stops of the tracer's own filter are passed over. */
enum status remote_call(const struct remote *remote, int64_t *ret_result, long number, uint64_t a, uint64_t b,
                        uint64_t c, uint64_t d) __attribute__((warn_unused_result));
/* A call that writes `size` bytes to the scratch page and answers 0, which must not fail; `what` is for the
 * message. */
enum status remote_fetch(const struct remote *remote, const char *what, void *result, size_t size,
                         long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
        __attribute__((warn_unused_result));

/* One of a list of calls that only ask: it may be that they're made twice. */
struct remote_ask {
	const char *what; /* for the message: it must not fail; NULL: it may */
	long number;
	uint64_t argument[4];
	int64_t answer; /* what the kernel returned */
};
enum { REMOTE_ASKS_MAX = 64 };

/* Makes them in turn, and reads `size` bytes of the scratch page, which they may have written to. */
enum status remote_ask_all(const struct remote *remote, struct remote_ask *ask, size_t count, void *result,
                           size_t size) __attribute__((warn_unused_result));

/* One call of six arguments outside of a scope. */
enum status remote_call_once(pid_t tid, const struct remote_gate *gate, long number,
                             const uint64_t arguments[6], int64_t *ret_result)
        __attribute__((warn_unused_result));

#endif
