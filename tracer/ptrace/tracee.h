/* The traced processes and their threads. */
#ifndef TRACER_PTRACE_TRACEE_H
#define TRACER_PTRACE_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "format/base/message.h"
#include "tracer/ptrace/noted.h"
#include "tracer/ptrace/remote.h"

struct point;
struct exec_record;

/* What an int3 of ours is there for. */
enum breakpoint_use {
	BREAKPOINT_UNUSED,
	BREAKPOINT_POINT,  /* a point itself */
	BREAKPOINT_ENTRY,  /* the program's entry: libraries are loaded, their symbols can be looked up */
	BREAKPOINT_LOADED, /* the dynamic linker's r_brk: a library came or went */
	BREAKPOINT_SPENT,  /* taken out; a thread that hit it before may still be on its way to tell */
};
struct breakpoint {
	enum breakpoint_use use;
	uint8_t original;
	uint64_t address;
	const struct point *point; /* BREAKPOINT_POINT */
};
enum { BREAKPOINTS_MAX = 36 }; /* POINTS_MAX, the entry, r_brk, and spent ones */

/* Whether points count in a process: see follow/choice.h, which alone changes it. */
struct choice {
	enum choice_state {
		CHOICE_NONE,
		CHOICE_COMING, /* its exec is not through yet */
		CHOICE_COUNTS,
	} state;
	double since; /* monotonic seconds */
};

/* Copies of inherited descriptors that it has under numbers of its own: see points/stream_copies.h. */
enum { COPIES_MAX = 16 };
struct copies {
	unsigned count;
	struct copy {
		int number, original;
	} copy[COPIES_MAX];
};

struct process {
	pid_t pid;
	pid_t parent; /* for the log, as it was at the birth or the last exec */
	unsigned threads;
	bool launching; /* snaptrace's own child before it became PROG */
	bool has_begun; /* a program of its own, not its parent's */
	double began;   /* monotonic seconds: its first program; 0: snaptrace was not there */
	struct choice choice;
	bool told_of_ptrace; /* the user knows that it can't trace */
	bool told_of_strict; /* … that it can't have seccomp's strict mode */
	struct noted noted;
	struct remote_gate gate;
	uint64_t guard_start, guard_end;
	uint64_t entry;          /* AT_ENTRY */
	uint64_t bias;           /* of the executable: address in memory minus address in the file */
	uint32_t searched;       /* bit i: point i's symbol has not been found yet */
	const struct point *due; /* it is to be frozen at its next stop */
	double idle_since;       /* 0: not idle at the last look */
	uint64_t run_time;       /* nanoseconds of processor time when it began to look idle */
	uint64_t calls[32];      /* POINTS_MAX: entries of point i's system call so far */
	struct copies copies;
	struct breakpoint breakpoints[BREAKPOINTS_MAX];
};

/* What the next syscall-stop of a thread is the end of. */
enum awaited {
	AWAIT_NOTHING,
	AWAIT_EXEC_END,
	AWAIT_CALL_END,
	AWAIT_EXEC_RESULT,
	AWAIT_NOTED_RESULT,
	AWAIT_COPY,
	AWAIT_CODE /* is mapped: see tracer/processor/ */
};

struct tracee {
	pid_t tid;
	struct process *process; /* shared by its threads */
	enum awaited awaited;
	bool in_vfork;                     /* waits for its child, and can't be stopped meanwhile */
	struct user_regs_struct registers; /* AWAIT_CALL_END, AWAIT_CODE: at the call's entry */
	const struct point *met;           /* AWAIT_CALL_END: the point */
	struct exec_record *exec;          /* AWAIT_EXEC_RESULT, for the log: owned */
	int copied;                        /* AWAIT_COPY: the inherited descriptor */
	bool set_no_new_privs;             /* by the program itself, as far as we saw */
	struct {                           /* AWAIT_NOTED_RESULT: follow/noted_calls.h */
		const struct noted_row *row;
		uint64_t argument, before;
	} noting;
	struct tracee *next_in_bucket, *next, *previous;
};

/* NULL if it's not known. */
struct tracee *tracee_find(pid_t tid);
struct process *process_find(pid_t pid);

/* Takes up the first thread of a process, or another thread of one that is known. What a new process
 * inherits is copied from `parent` (NULL: nothing). */
enum status tracee_add(pid_t tid, pid_t pid, const struct process *parent, struct tracee **ret_tracee)
        __attribute__((warn_unused_result));
void tracee_remove(struct tracee *tracee);
/* Called first for one that is removed, by whoever keeps something of it (exec); NULL: nobody does. */
typedef void tracee_forgetter(struct tracee *tracee);
extern tracee_forgetter *tracees_forget;
/* Answers an int3 that stands for another instruction; true if it was one. NULL: there are none. */
typedef bool tracee_int3_answerer(const struct tracee *tracee, const struct user_regs_struct *registers);
extern tracee_int3_answerer *tracees_answer_int3;
/* For iterating: the next thread after `tracee` (NULL: the first), or NULL. A thread may be removed while its
 * successor is known. */
struct tracee *tracee_next(const struct tracee *tracee);
size_t tracees_count(void);

/* Takes up a stopped thread that no event announced, as a part of its process or the child of its parent. */
enum status tracee_adopt(pid_t tid, struct tracee **ret_tracee) __attribute__((warn_unused_result));

/* Waits for the next event of any child or thread. Returns its id, or -1 with errno (EINTR; ECHILD: none is
 * left); *ret_status is as from waitpid(2). */
pid_t tracees_wait(int *ret_status);

/* Kills all and waits until they are gone. Async-signal-safe, at any moment. */
void tracees_end_all(void);
/* A child that is no tracee and is to be killed with them, or 0. Set while signals are blocked. */
void tracees_set_companion(pid_t pid);

/* False where the thread is gone. */
bool tracee_get_registers(const struct tracee *tracee, struct user_regs_struct *ret_registers);
void tracee_set_registers(const struct tracee *tracee, const struct user_regs_struct *registers);
/* It sleeps uninterruptibly until its child execs or ends (vfork(2), CLONE_VFORK of clone(2)): nothing stops
 * it. */
bool tracee_waits_in_vfork(const struct tracee *tracee);
/* At the entry of a call, or the seccomp stop before it: the call is not made, and the thread stands on its
 * instruction again when it ends; so it is made again, whoever lets the thread run. False where the thread is
 * gone. */
bool tracee_skip_call(const struct tracee *tracee);
/* In a syscall-stop: before the call, not after it. Linux 5.3. Only asked where every call stops. */
bool tracee_is_at_entry(const struct tracee *tracee);

/* A number of /proc/PID/status ("Tgid", "PPid", "NoNewPrivs"), or -1. */
long process_status_number(pid_t pid, const char *field);
/* Whether two processes share their memory (vfork, CLONE_VM). */
bool processes_share_memory(pid_t one, pid_t other);
/* False where kcmp(2) is denied, as containers do: then the others all look apart. */
bool processes_are_comparable(void);

#endif
