#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "breakpoint.h"
#include "exec_stop.h"
#include "freeze.h"
#include "interrupt.h"
#include "launch.h"
#include "point_start.h"
#include "preload/contract.h"
#include "tracee.h"
#include "tracee_memory.h"

enum { SYSCALL_STOP = SIGTRAP | 0x80, SYSCALL_INSTRUCTION = 2 /* bytes of `syscall` */ };

struct event {
	pid_t tid; /* 0: no tracee is left */
	int status;
};

/* Every event owes the thread a resumption, sooner or later. ESRCH: it was killed meanwhile, and wait tells.
 */
static enum status resume(const struct tracee *tracee, int signal_number)
{
	ptrace(tracee->awaited == AWAIT_NOTHING ? PTRACE_CONT : PTRACE_SYSCALL, tracee->tid, 0,
	       signal_number);
	return STATUS_OK;
}

static bool get_registers(const struct tracee *tracee, struct user_regs_struct *ret_registers)
{
	return ptrace(PTRACE_GETREGS, tracee->tid, 0, ret_registers) == 0;
}

static void set_registers(const struct tracee *tracee, const struct user_regs_struct *registers)
{
	ptrace(PTRACE_SETREGS, tracee->tid, 0, registers);
}

/* Whether an event of this process can still be the point. */
static bool is_wanted(const struct run *run, const struct process *process)
{
	return !run->reached && !process->launching && process->selected;
}

/* A thread ended: nothing is owed to it any more. */
static enum status on_end(struct run *run, struct tracee *tracee, int status)
{
	bool launching = tracee->process->launching;

	if (tracee->tid == run->root) {
		run->root_ended = true;
		run->root_end = status;
	}
	tracee_remove(tracee);
	if (!launching)
		return STATUS_OK;
	enum status heard = launch_hear(run);
	return heard != STATUS_OK ? heard
	                          : fail(STATUS_FAILED, "%s: the new process was killed before it ran",
	                                 run->options->program[0]);
}

/* A new program, seen inside execve: the old one's threads, breakpoints and guard are gone. It is prepared
 * at the end of that call. Reported under the process's id whichever thread called execve (ptrace(2)). */
static enum status on_exec(struct run *run, struct tracee *tracee, int status)
{
	struct process *process = tracee->process;
	struct tracee *next;

	(void)status;
	for (struct tracee *other = tracee_next(NULL); other; other = next) {
		next = tracee_next(other);
		if (other != tracee && other->process == process) {
			tracee_remove(other);
			next = tracee_next(NULL); /* removal reorders the table */
		}
	}
	if (process->launching) {
		enum status heard = launch_hear(run);

		if (heard != STATUS_OK)
			return heard;
	}
	*process = (struct process){.pid = process->pid,
	                            .threads = process->threads,
	                            .set_no_new_privs = process->set_no_new_privs};
	tracee->in_vfork = false;
	tracee->awaited = run->reached ? AWAIT_NOTHING : AWAIT_EXEC_END;
	return resume(tracee, 0);
}

/* A child or thread more: the kernel has attached it; it inherits what its parent's memory holds. */
static enum status on_birth(struct run *run, struct tracee *tracee, int status)
{
	unsigned long message;
	struct tracee *born;
	enum status added;

	(void)run;
	if (status >> 16 == PTRACE_EVENT_VFORK)
		tracee->in_vfork = true;
	if (ptrace(PTRACE_GETEVENTMSG, tracee->tid, 0, &message) == 0 && !tracee_find((pid_t)message)) {
		long pid = process_status_number((pid_t)message, "Tgid");

		added = tracee_add((pid_t)message, pid > 0 ? (pid_t)pid : (pid_t)message, tracee->process,
		                   &born);
		if (added != STATUS_OK)
			return added;
	}
	return resume(tracee, 0);
}

static enum status on_vfork_done(struct run *run, struct tracee *tracee, int status)
{
	(void)run;
	(void)status;
	tracee->in_vfork = false;
	return resume(tracee, 0);
}

/* A call that the filter stops, before it is made. If it is the point, it is skipped, so that the thread
 * stands behind it in a stop at which it could run other calls. */
static enum status on_watched_call(struct run *run, struct tracee *tracee, int status)
{
	struct user_regs_struct registers;
	bool met = false;

	(void)status;
	if (!get_registers(tracee, &registers))
		return STATUS_OK;
	if (registers.orig_rax == SYS_prctl && registers.rdi == PR_SET_NO_NEW_PRIVS && registers.rsi == 1 &&
	    !tracee->process->launching)
		tracee->process->set_no_new_privs = true;
	if (is_wanted(run, tracee->process)) {
		enum status asked = run->point.kind->met(run, tracee, &registers, &met);

		if (asked != STATUS_OK)
			return asked;
	}
	if (met) {
		tracee->awaited = AWAIT_CALL_END;
		tracee->registers = registers;
		registers.orig_rax = (unsigned long long)-1; /* no call (seccomp(2), SECCOMP_RET_TRACE) */
		set_registers(tracee, &registers);
	}
	return resume(tracee, 0);
}

/* Stands on the syscall instruction again, or behind it with the answer of a restored program. */
static enum status reach_call(struct run *run, struct tracee *tracee)
{
	struct user_regs_struct registers = tracee->registers;
	bool answered = run->point.kind->answered && !run->reached;

	if (answered) {
		registers.rax = SNAP_RESUMED;
	} else {
		registers.rax = registers.orig_rax;
		registers.rip -= SYSCALL_INSTRUCTION;
	}
	registers.orig_rax = (unsigned long long)-1;
	set_registers(tracee, &registers);
	if (run->reached) /* by another process, in between */
		return resume(tracee, 0);
	return freeze(run, tracee, false, 0);
}

static enum status on_syscall_stop(struct run *run, struct tracee *tracee, int status)
{
	enum awaited awaited = tracee->awaited;
	enum status prepared;

	(void)status;
	tracee->awaited = AWAIT_NOTHING;
	if (awaited == AWAIT_CALL_END)
		return reach_call(run, tracee);
	if (awaited == AWAIT_EXEC_END && !run->reached &&
	    (prepared = exec_stop_prepare(run, tracee)) != STATUS_OK)
		return prepared;
	return resume(tracee, 0);
}

/* A thread of its own process may have hit it, or one of a process whose memory is a copy of another's. */
static struct breakpoint *find_breakpoint(struct process *process, uint64_t address)
{
	struct breakpoint *own = breakpoint_at(process, address);
	uint8_t byte;

	for (struct tracee *other = tracee_next(NULL); !own && other; other = tracee_next(other)) {
		const struct breakpoint *copied = breakpoint_at(other->process, address);

		if (!copied || tracee_read(process->pid, address, &byte, 1) < 0 || byte != 0xcc)
			continue;
		memcpy(process->breakpoints, other->process->breakpoints, sizeof(process->breakpoints));
		own = breakpoint_at(process, address);
	}
	return own;
}

static enum status on_breakpoint(struct run *run, struct tracee *tracee, struct breakpoint *breakpoint)
{
	enum status status;
	int end_status;
	bool ended;

	if (!is_wanted(run, tracee->process) || breakpoint->use == BREAKPOINT_SPENT)
		status = breakpoint_take_out(tracee->process, breakpoint);
	else
		status = run->point.kind->hit(run, tracee, breakpoint);
	if (status != STATUS_OK || breakpoint->use == BREAKPOINT_SPENT)
		return status != STATUS_OK ? status : resume(tracee, 0);
	if ((status = breakpoint_step_over(tracee, breakpoint, &ended, &end_status)) != STATUS_OK)
		return status;
	return ended ? on_end(run, tracee, end_status) : resume(tracee, 0);
}

/* An int3 of the kernel's making (do_int3, arch/x86/kernel/traps.c, signals it without details): ours, the
 * shim's, or else the program's own, which is its business. */
static enum status on_int3(struct run *run, struct tracee *tracee)
{
	struct user_regs_struct registers;
	struct breakpoint *breakpoint;

	if (!get_registers(tracee, &registers))
		return STATUS_OK;
	if ((breakpoint = find_breakpoint(tracee->process, registers.rip - 1))) {
		registers.rip--;
		set_registers(tracee, &registers);
		return on_breakpoint(run, tracee, breakpoint);
	}
	if (is_main_marker(&registers)) {
		enum status status = main_marker_met(run, tracee, &registers);

		return status != STATUS_OK ? status : resume(tracee, 0);
	}
	return resume(tracee, SIGTRAP);
}

/* A signal about to be delivered: handed on; its siginfo stays with it as long as the number is the same. */
static enum status on_signal(struct run *run, struct tracee *tracee, int status)
{
	siginfo_t info;

	if (WSTOPSIG(status) == SIGTRAP && ptrace(PTRACE_GETSIGINFO, tracee->tid, 0, &info) == 0 &&
	    info.si_code == SI_KERNEL)
		return on_int3(run, tracee);
	return resume(tracee, WSTOPSIG(status));
}

/* A group-stop, in which the thread stays stopped but hears SIGCONT; or a birth, or the end of that stop. */
static enum status on_stop(struct run *run, struct tracee *tracee, int status)
{
	(void)run;
	if (WSTOPSIG(status) == SIGTRAP)
		return resume(tracee, 0);
	ptrace(PTRACE_LISTEN, tracee->tid, 0, 0);
	return STATUS_OK;
}

typedef enum status event_handler(struct run *run, struct tracee *tracee, int status);

/* By the event in the third byte of the wait status (ptrace(2)). */
static const struct {
	int event;
	event_handler *handler;
} handlers[] = {
        {PTRACE_EVENT_EXEC, on_exec},
        {PTRACE_EVENT_FORK, on_birth},
        {PTRACE_EVENT_VFORK, on_birth},
        {PTRACE_EVENT_CLONE, on_birth},
        {PTRACE_EVENT_VFORK_DONE, on_vfork_done},
        {PTRACE_EVENT_SECCOMP, on_watched_call},
        {PTRACE_EVENT_STOP, on_stop},
};

static event_handler *handler_of(int status)
{
	if (!WIFSTOPPED(status))
		return on_end;
	if (WSTOPSIG(status) == SYSCALL_STOP)
		return on_syscall_stop;
	for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++)
		if (status >> 16 == handlers[i].event)
			return handlers[i].handler;
	return on_signal;
}

static struct event next_event(void)
{
	struct event event = {0};

	do {
		event.tid = waitpid(-1, &event.status, __WALL);
	} while (event.tid < 0 && errno == EINTR);
	if (event.tid < 0) /* ECHILD */
		event.tid = 0;
	return event;
}

static bool dispatch_event(struct run *run, struct event event, enum status *status)
{
	struct tracee *tracee = tracee_find(event.tid);

	if (!event.tid)
		return false;
	if (!tracee && !WIFSTOPPED(event.status))
		return true; /* a thread that an exec or an end had taken with it */
	if (!tracee && (*status = tracee_adopt(event.tid, &tracee)) != STATUS_OK)
		return false;
	*status = handler_of(event.status)(run, tracee, event.status);
	if (run->reached)
		interrupt_image_written();
	return *status == STATUS_OK;
}

static enum status tell_end(const struct run *run)
{
	const char *name = run->options->program[0], *point = run->point.text;
	const char *hint =
	        run->selected ? run->point.kind->hint : "--in admitted none of the programs it ran";

	if (run->root_ended && WIFSIGNALED(run->root_end))
		return fail(STATUS_ENDED, "%s was ended by signal %d (%s) before %s was reached: %s", name,
		            WTERMSIG(run->root_end), strsignal(WTERMSIG(run->root_end)), point, hint);
	return fail(STATUS_ENDED, "%s ended with status %d before %s was reached: %s", name,
	            WEXITSTATUS(run->root_end), point, hint);
}

enum status loop(struct run *run)
{
	enum status status = STATUS_OK;

	while (dispatch_event(run, next_event(), &status))
		;
	if (status != STATUS_OK)
		return status;
	return run->reached ? STATUS_OK : tell_end(run);
}
