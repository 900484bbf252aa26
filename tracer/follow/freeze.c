#include "tracer/follow/freeze.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "format/base/progress.h"
#include "tracer/capture/snapshot.h"
#include "tracer/check/timeline.h"
#include "tracer/follow/interrupt.h"
#include "tracer/follow/release.h"
#include "tracer/follow/resume.h"
#include "tracer/follow/summary.h"
#include "tracer/follow/tick.h"
#include "tracer/processor/held.h"
#include "tracer/processor/sites.h"
#include "tracer/ptrace/breakpoint.h"
#include "tracer/ptrace/remote.h"
#include "tracer/ptrace/stop_threads.h"
#include "tracer/ptrace/wait.h"
#include "tracer/refusals.h"

enum { CODE_64 = 0x33 }; /* __USER_CS: code that runs in 64-bit mode */

static enum status check_state(const struct tracee *tracee)
{
	const struct process *process = tracee->process;
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, tracee->tid, 0, &registers) < 0)
		return fail(STATUS_FAILED, "registers of thread %d: %s", tracee->tid, strerror(errno));
	if (registers.cs != CODE_64)
		return fail(STATUS_FAILED,
		            "process %d runs 32-bit code at the point: only 64-bit can be frozen",
		            process->pid);
	for (struct tracee *other = tracee_next(NULL); other; other = tracee_next(other))
		if (other->process != process && processes_share_memory(process->pid, other->process->pid))
			return fail(STATUS_FAILED,
			            "process %d shares its memory with process %d (vfork): choose a later "
			            "point, or --in",
			            process->pid, other->process->pid);
	return STATUS_OK;
}

/* What was written into a page after a first jump into it can't be answered (processor/held.h). */
static enum status tell_of_unmet(const struct tracee *tracee)
{
	uint64_t address;
	enum status status = sites_find_unmet(tracee, &address);

	if (status == STATUS_OK && address)
		tell("--cpu: process %d: code that it made itself asks the processor (cpuid at 0x%llx), and "
		     "may have "
		     "heard what this one has: give the option of its runtime for that, too (see "
		     "snaptrace(1))",
		     tracee->process->pid, (unsigned long long)address);
	return status;
}

/* What is of snaptrace in the program's code. */
static enum status take_out(struct tracee *tracee)
{
	enum status status;

	if ((status = tell_of_unmet(tracee)) != STATUS_OK ||
	    (status = breakpoint_take_out_all(tracee->process)) != STATUS_OK)
		return status;
	return sites_take_out(tracee);
}

static enum status take(struct run *run, struct tracee *tracee, const struct arrival *arrival,
                        const struct stopped_threads *threads, struct snapshot_result *ret_result)
{
	struct process *process = tracee->process;
	const struct options *options = run->options;
	struct snapshot_request request = {
	        .is_look = options->check,
	        .pid = process->pid,
	        .threads = threads,
	        .gate = process->gate,
	        .point = arrival->point->text,
	        .trigger = run->trigger,
	        .resume_main = arrival->resume_main,
	        .environ_cell = arrival->environ_cell,
	        .guard_start = process->guard_start,
	        .guard_end = process->guard_end,
	        .shim = run->shim,
	        .noted = &process->noted,
	        .noted_all = !options->attach && !run->filter_missing,
	        .no_new_privs_is_ours = run->filter_set_no_new_privs,
	        .seccomp_filters = run->filter.length ? 1 : 0,
	        .self_contained = options->self_contained,
	        .drop_seccomp = options->drop_seccomp,
	        .cpu_level = options->cpu_level,
	        .fixed_arguments = run->warm.fixed_arguments,
	        .overrides = &options->overrides,
	        .carry = &options->carry,
	        .embeds = &options->embeds,
	        .output = {.path = run->output,
	                   .runnable = run->options->runnable,
	                   .compress = options->compress,
	                   .may_be_raw = !options->compress_given && options->level == 0,
	                   .settings = {.codec = options->codec, .level = options->level},
	                   .progress = options->verbosity >= NORMAL && isatty(STDERR_FILENO)},
	};
	enum status status;

	if (run->warm.fixed_arguments &&
	    (status = inputs_settle(&run->warm.inputs, process->pid)) != STATUS_OK)
		return status;
	request.input = run->warm.inputs.record;
	request.input_count = run->warm.inputs.record_count;
	if ((status = check_state(tracee)) != STATUS_OK ||
	    (!options->check && (status = take_out(tracee)) != STATUS_OK) ||
	    /* The program may have moved its vdso since it began: a restored one has. */
	    (status = remote_find_gate(process->pid, options->attach != 0, &request.gate)) != STATUS_OK)
		return status;
	process->gate = request.gate;
	if (!options->check && (status = held_give(tracee)) != STATUS_OK)
		return status;
	return snapshot_take(&request, ret_result);
}

static void go_on(struct run *run, struct tracee *tracee, const struct stopped_threads *threads)
{
	/* The kernel makes an interrupted call again on its way through a stop (get_signal(),
	 * kernel/signal.c). */
	ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0);
	stopped_threads_give_back(threads, &tracee->process->gate);
	for (size_t i = 0; i < threads->count; i++) {
		struct tracee *other = tracee_find(threads->thread[i].tid);
		if (!other || other == tracee)
			continue;
		if (threads->thread[i].in_group_stop && run->phase != PHASE_RELEASING)
			ptrace(PTRACE_LISTEN, other->tid, 0, 0);
		else
			(void)resume(run, other, 0);
	}
	(void)resume(run, tracee, 0);
}

/* The program goes on, and with a log that is still written everything is followed on, else nothing. */
static enum status let_live(struct run *run, struct tracee *tracee, const struct arrival *arrival,
                            const struct stopped_threads *threads, enum status outcome)
{
	enum status status = release_clean(tracee);

	if (arrival->live)
		tracee_set_registers(tracee, arrival->live);
	run->outcome = outcome;
	run->phase = PHASE_REACHED;
	if (!run->options->attach) /* from now on it's the program's to answer */
		interrupt_set_mode(INTERRUPT_PASS_ON, run->root);
	else
		tick_start(); /* what tells of a signal to us */
	if (!run->options->log)
		release_begin(run, outcome);
	go_on(run, tracee, threads);
	return status;
}

/* A target that was killed meanwhile is the reason for whatever fails. */
static struct {
	pid_t tid, pid;
	bool told;
} frozen;

static bool tell_if_ended(void)
{
	if (gettid() != getpid() || tracee_stands(frozen.tid)) /* only the tracer's thread can ask */
		return false;
	if (!frozen.told)
		message_error("the program ended: process %d: while it was being frozen", frozen.pid);
	frozen.told = true;
	return true;
}

static bool asked_to_end(void)
{
	return interrupt_asked() != 0;
}

/* After --check has looked: the program goes on as if it had not been at a point; it won't be there again. */
static enum status pass(struct run *run, struct tracee *tracee, const struct arrival *arrival,
                        const struct stopped_threads *threads)
{
	struct user_regs_struct registers;
	struct breakpoint *breakpoint = NULL;
	enum status status = STATUS_OK;

	if (run->options->attach)
		return let_live(run, tracee, arrival, threads, STATUS_OK);
	if (tracee_get_registers(tracee, &registers))
		breakpoint = breakpoint_at(tracee->process, registers.rip);
	if (breakpoint)
		status = breakpoint_take_out(tracee->process, breakpoint);
	if (arrival->live)
		tracee_set_registers(tracee, arrival->live);
	tick_start();
	go_on(run, tracee, threads);
	return status;
}

/* The time of a look is none of the program's. */
static void leave_out(double seconds)
{
	for (struct tracee *tracee = tracee_next(NULL); tracee; tracee = tracee_next(tracee))
		if (tracee->tid == tracee->process->pid && tracee->process->began > 0)
			tracee->process->began += seconds;
}

static enum status look(struct run *run, struct tracee *tracee, const struct arrival *arrival)
{
	struct stopped_threads threads CLEANUP(stopped_threads_free) = {0};
	const double began = monotonic_seconds();
	struct snapshot_result result = {0};
	struct look look = {.point = arrival->point,
	                    .pid = tracee->process->pid,
	                    .saved = summary_saved(tracee->process)};
	enum status status;

	tick_stop();
	timeline_listen();
	if ((look.status = stop_threads(tracee, asked_to_end, &threads)) == STATUS_OK)
		look.status = take(run, tracee, arrival, &threads, &result);
	if (look.status == STATUS_REFUSED)
		look.status = refusals_end();
	look.threads = result.threads;
	look.pages = result.stored_pages;
	if ((status = timeline_add(look)) == STATUS_OK)
		status = pass(run, tracee, arrival, &threads);
	leave_out(monotonic_seconds() - began);
	return status;
}

enum status freeze(struct run *run, struct tracee *tracee, const struct arrival *arrival)
{
	struct stopped_threads threads CLEANUP(stopped_threads_free) = {0};
	const struct options *options = run->options;
	const double saved = summary_saved(tracee->process);
	struct snapshot_result result;
	enum status status;

	if (options->check)
		return look(run, tracee, arrival);
	tick_stop();
	if (!options->attach)
		interrupt_set_mode(INTERRUPT_END_ALWAYS, run->root);
	explain("process %d is at the point: %s", tracee->process->pid, run->trigger);
	frozen.tid = tracee->tid;
	frozen.pid = tracee->process->pid;
	message_reason = tell_if_ended;
	if ((status = stop_threads(tracee, options->attach ? asked_to_end : NULL, &threads)) == STATUS_OK &&
	    (status = take(run, tracee, arrival, &threads, &result)) == STATUS_OK)
		summary_print(run, arrival->point, &result, saved);
	if (status == STATUS_REFUSED)
		status = refusals_end();
	message_reason = NULL;
	if (options->continues || (status != STATUS_OK && options->attach))
		return let_live(run, tracee, arrival, &threads, status);
	if (status != STATUS_OK)
		return status;
	kill(tracee->process->pid, SIGKILL);
	run->phase = PHASE_REACHED;
	return STATUS_OK;
}
