#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/contract.h"
#include "tracer/follow/events.h"
#include "tracer/follow/exec_log.h"
#include "tracer/follow/exec_stop.h"
#include "tracer/follow/freeze.h"
#include "tracer/follow/noted_calls.h"
#include "tracer/follow/resume.h"
#include "tracer/points/stream_copies.h"
#include "tracer/processor/held.h"
#include "tracer/processor/sites.h"
#include "tracer/ptrace/system_calls.h"

/* A traced process has one tracer, so what it traces itself it can't (ptrace(2), EPERM). */
static void tell_of_ptrace(struct tracee *tracee)
{
	struct process *process = tracee->process;

	if (!process->told_of_ptrace)
		tell("process %d uses ptrace: what snaptrace traces already, nobody else can: "
		     "start its target outside of snaptrace",
		     process->pid);
	process->told_of_ptrace = true;
}

/* The kernel has no strict mode beside a filter (seccomp(2), EINVAL). */
static void tell_of_strict_mode(const struct run *run, struct tracee *tracee, const struct call *call)
{
	struct process *process = tracee->process;
	bool wanted =
	        call->number == SYS_prctl
	                ? (int)call->argument[0] == PR_SET_SECCOMP && call->argument[1] == SECCOMP_MODE_STRICT
	                : call->number == SYS_seccomp && call->argument[0] == SECCOMP_SET_MODE_STRICT;

	if (wanted && run->filter.length && !process->told_of_strict) {
		tell("process %d asks for seccomp's strict mode and is refused it, which it would not be "
		     "without snaptrace's own filter: give --continue, or attach with -p",
		     process->pid);
		process->told_of_strict = true;
	}
}

/* What the program asks about what only snaptrace's filter changed is answered as without it. */
static bool answer(const struct run *run, struct tracee *tracee, const struct call *call,
                   struct user_regs_struct *registers)
{
	bool asks_privileges = call->number == SYS_prctl && (int)call->argument[0] == PR_GET_NO_NEW_PRIVS;
	bool asks_seccomp = call->number == SYS_prctl && (int)call->argument[0] == PR_GET_SECCOMP;

	if (!run->filter.length || tracee->process->launching)
		return false;
	if (asks_privileges && run->filter_set_no_new_privs && !tracee->set_no_new_privs &&
	    (call->argument[1] | call->argument[2] | call->argument[3] | call->argument[4]) == 0)
		registers->rax = 0;
	else if (asks_seccomp && process_status_number(tracee->tid, "Seccomp_filters") ==
	                                 process_status_number(getpid(), "Seccomp_filters") + 1)
		registers->rax = (unsigned long long)prctl(PR_GET_SECCOMP);
	else
		return false;
	registers->orig_rax = (unsigned long long)-1;
	tracee_set_registers(tracee, registers);
	return true;
}

/* A chosen process makes memory executable, and is shown another processor than it has. */
static bool code_call_begins(const struct run *run, struct tracee *tracee, const struct call *call)
{
	bool maps =
	        call->number == SYS_mmap || call->number == SYS_mprotect || call->number == SYS_pkey_mprotect;

	if (!maps || !run->options->cpu_level || run->phase != PHASE_BEFORE ||
	    !(call->argument[2] & PROT_EXEC) || tracee->process->choice.state != CHOICE_COUNTS)
		return false;
	return tracee_get_registers(tracee, &tracee->registers);
}

/* What snaptrace itself wants to know of a call, whatever the points are. */
static void note_call(const struct run *run, struct tracee *tracee, const struct call *call)
{
	tell_of_strict_mode(run, tracee, call);
	if (call->number == SYS_prctl && (int)call->argument[0] == PR_SET_NO_NEW_PRIVS &&
	    call->argument[1] == 1 && !tracee->process->launching)
		tracee->set_no_new_privs = true;
	if (!tracee->process->launching && noted_call_begins(tracee, call))
		tracee->awaited = AWAIT_NOTED_RESULT;
	if (code_call_begins(run, tracee, call)) {
		tracee->awaited = AWAIT_CODE;
		held_ask(tracee);
	}
	if (call->number == SYS_ptrace && !tracee->process->launching)
		tell_of_ptrace(tracee);
	if (exec_log_wanted() && (call->number == SYS_execve || call->number == SYS_execveat)) {
		exec_record_free(tracee->exec);
		tracee->exec = exec_record_read(tracee->tid, call);
		tracee->awaited = AWAIT_EXEC_RESULT;
	}
}

/* What the filter can't know of: a descriptor was inherited, but under another number. */
static bool fits_as_copy(const struct tracee *tracee, const struct point *point, const struct call *call)
{
	struct call translated = *call;

	return point->kind->follows_copies && stream_copies_translate(tracee, &translated) &&
	       call_rules_fit(&point->calls, &translated) && !call_rules_fit(&point->calls, call);
}

/* The first of the points that this call is, or NULL. `is_watched`: the rules say so, or may. */
static enum status find_met(struct run *run, struct tracee *tracee, const struct call *call, bool is_watched,
                            const struct point **ret_point)
{
	*ret_point = NULL;
	for (unsigned i = 0; i < run->points.count && !*ret_point; i++) {
		const struct point *point = &run->points.point[i];
		enum status status = STATUS_OK;
		bool met = (is_watched && call_rules_fit(&point->calls, call)) ||
		           fits_as_copy(tracee, point, call);

		if (met && point->kind->met)
			status = point->kind->met(run, tracee, point, call, &met);
		else if (met)
			snprintf(run->trigger, sizeof(run->trigger), "%s(%d, ...)",
			         system_call_name(call->number), (int)call->argument[0]);
		if (status != STATUS_OK)
			return status;
		if (met && run_counts(run, tracee, point))
			*ret_point = point;
	}
	return STATUS_OK;
}

/* If it is a point, it is skipped, so that the thread stands after it in a stop at which it could run other
 * calls. */
static enum status meet(struct run *run, struct tracee *tracee, const struct point *point,
                        const struct user_regs_struct *registers)
{
	tracee->awaited = AWAIT_CALL_END;
	tracee->met = point;
	tracee->registers = *registers;
	tracee_skip_call(tracee);
	return resume(run, tracee, 0);
}

/* A call that may matter, before it is made. */
enum status on_watched_call(struct run *run, struct tracee *tracee, int status)
{
	struct user_regs_struct registers;
	const struct point *met = NULL;
	enum status asked;

	(void)status;
	if (!tracee_get_registers(tracee, &registers))
		return STATUS_OK;
	struct call call = call_of(&registers);
	if (run_wants(run, tracee) && (asked = find_met(run, tracee, &call, true, &met)) != STATUS_OK)
		return asked;
	if (met)
		return meet(run, tracee, met, &registers);
	if (!answer(run, tracee, &call, &registers))
		note_call(run, tracee, &call);
	return resume(run, tracee, 0);
}

/* Any call of a process that has copies of inherited descriptors, before the filter sees it. */
static enum status on_call_beside_copies(struct run *run, struct tracee *tracee)
{
	struct user_regs_struct registers;
	const struct point *met = NULL;
	enum status asked;

	if (!tracee_get_registers(tracee, &registers))
		return STATUS_OK;
	struct call call = call_of(&registers);
	if (run_wants(run, tracee) && (asked = find_met(run, tracee, &call, false, &met)) != STATUS_OK)
		return asked;
	return met ? meet(run, tracee, met, &registers) : resume(run, tracee, 0);
}

/* Stands on the syscall instruction again, or after it with the answer of a restored program. */
static enum status reach_call(struct run *run, struct tracee *tracee)
{
	struct user_regs_struct answered = tracee->registers, live;

	if (run->phase != PHASE_BEFORE /* by another process, in between */ ||
	    !tracee_get_registers(tracee, &live))
		return resume(run, tracee, 0);
	if (tracee->met->kind->answered) {
		answered.rax = tracee->met->kind->answer;
		answered.orig_rax = (unsigned long long)-1;
		tracee_set_registers(tracee, &answered);
	}
	/* The one that goes on was not restored: its call is made, and answers so. */
	return freeze(run, tracee, &(struct arrival){.point = tracee->met, .live = &live});
}

static enum status on_exec_result(struct run *run, struct tracee *tracee)
{
	struct user_regs_struct registers;

	if (tracee->exec && tracee_get_registers(tracee, &registers) && (int64_t)registers.rax < 0)
		exec_log_failed(tracee->process->pid, tracee->exec, (int)-(int64_t)registers.rax);
	exec_record_free(tracee->exec);
	tracee->exec = NULL;
	return resume(run, tracee, 0);
}

/* New code is in place, and has not run yet. */
static enum status on_code(struct run *run, struct tracee *tracee)
{
	const struct call call = call_of(&tracee->registers);
	struct user_regs_struct registers;
	enum status status;

	if (!tracee_get_registers(tracee, &registers))
		return STATUS_OK;
	uint64_t start = call.number == SYS_mmap ? registers.rax : call.argument[0];
	if (held_note(tracee, &registers, start, start + call.argument[1]) || (int64_t)registers.rax < 0)
		return resume(run, tracee, 0);
	status = sites_plant(tracee, start, start + call.argument[1]);
	return status == STATUS_OK ? resume(run, tracee, 0) : status;
}

static enum status on_noted_result(struct run *run, struct tracee *tracee)
{
	struct user_regs_struct registers;

	if (tracee_get_registers(tracee, &registers))
		noted_call_ended(tracee, (int64_t)registers.rax);
	return resume(run, tracee, 0);
}

static enum status on_copy(struct run *run, struct tracee *tracee)
{
	struct user_regs_struct registers;

	if (tracee_get_registers(tracee, &registers))
		stream_copy_ended(tracee, (int64_t)registers.rax);
	return resume(run, tracee, 0);
}

enum status on_syscall_stop(struct run *run, struct tracee *tracee, int status)
{
	enum awaited awaited = tracee->awaited;
	enum status prepared;

	bool has_copies = tracee->process->copies.count > 0 && stream_copies_remain(tracee);
	if ((has_copies || run->every_call) && awaited == AWAIT_NOTHING && tracee_is_at_entry(tracee))
		return run->every_call ? on_watched_call(run, tracee, status)
		                       : on_call_beside_copies(run, tracee);
	tracee->awaited = AWAIT_NOTHING;
	if (awaited == AWAIT_CALL_END)
		return reach_call(run, tracee);
	if (awaited == AWAIT_EXEC_RESULT)
		return on_exec_result(run, tracee);
	if (awaited == AWAIT_CODE)
		return on_code(run, tracee);
	if (awaited == AWAIT_NOTED_RESULT)
		return on_noted_result(run, tracee);
	if (awaited == AWAIT_COPY)
		return on_copy(run, tracee);
	if (awaited == AWAIT_EXEC_END && run->phase == PHASE_BEFORE &&
	    (prepared = exec_stop_prepare(run, tracee)) != STATUS_OK)
		return prepared;
	return resume(run, tracee, 0);
}
