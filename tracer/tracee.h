/* The traced processes and their threads. */
#ifndef TRACER_TRACEE_H
#define TRACER_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "message.h"

/* What an int3 of ours is there for. */
enum breakpoint_use {
	BREAKPOINT_UNUSED,
	BREAKPOINT_POINT,  /* the point itself */
	BREAKPOINT_ENTRY,  /* the program's entry: libraries are loaded, their symbols can be looked up */
	BREAKPOINT_LOADED, /* the dynamic linker's r_brk: a library came or went */
	BREAKPOINT_SPENT,  /* taken out; a thread that hit it before may still be on its way to tell */
};
struct breakpoint {
	enum breakpoint_use use;
	uint8_t original;
	uint64_t address;
};
enum { BREAKPOINTS_MAX = 4 };

struct process {
	pid_t pid;
	unsigned threads;
	bool launching;        /* snaptrace's own child before it became PROG */
	bool selected;         /* the point applies to it: see --in */
	bool set_no_new_privs; /* by the program itself, as far as we saw */
	uint64_t gate;         /* inject.h */
	uint64_t guard_start, guard_end;
	uint64_t entry; /* AT_ENTRY */
	uint64_t bias;  /* of the executable: address in memory minus address in the file */
	uint64_t calls; /* entries of the point's system call so far */
	struct breakpoint breakpoints[BREAKPOINTS_MAX];
};

/* What the next syscall-stop of a thread is the end of. */
enum awaited { AWAIT_NOTHING, AWAIT_EXEC_END, AWAIT_CALL_END };

struct tracee {
	pid_t tid;
	struct process *process; /* shared by its threads */
	enum awaited awaited;
	bool in_vfork;                     /* waits for its child, and can't be stopped meanwhile */
	struct user_regs_struct registers; /* AWAIT_CALL_END: at the call's entry */
};

/* NULL if it's not known. */
struct tracee *tracee_find(pid_t tid);
struct process *process_find(pid_t pid);

/* Takes up the first thread of a process, or another thread of one that is known. What a new process
 * inherits is copied from `parent` (NULL: nothing). */
enum status tracee_add(pid_t tid, pid_t pid, const struct process *parent, struct tracee **ret_tracee)
        __attribute__((warn_unused_result));
void tracee_remove(struct tracee *tracee);
/* For iterating: the next thread after `tracee` (NULL: the first), or NULL. */
struct tracee *tracee_next(const struct tracee *tracee);

/* Takes up a stopped thread that no event announced, as a part of its process or the child of its parent. */
enum status tracee_adopt(pid_t tid, struct tracee **ret_tracee) __attribute__((warn_unused_result));

/* Kills all processes. Async-signal-safe as long as the table isn't being changed. */
void tracees_kill_all(void);
/* Kills all and waits until they are gone. Async-signal-safe likewise. */
void tracees_end_all(void);

/* A number of /proc/PID/status ("Tgid", "PPid", "NoNewPrivs"), or -1. */
long process_status_number(pid_t pid, const char *field);
/* Whether two processes share their memory (vfork, CLONE_VM). */
bool processes_share_memory(pid_t one, pid_t other);

#endif
