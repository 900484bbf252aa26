#include "tracer/follow/freeze.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "format/base/progress.h"
#include "tracer/capture/snapshot.h"
#include "tracer/check/timeline.h"
#include "tracer/follow/events.h"
#include "tracer/follow/interrupt.h"
#include "tracer/follow/release.h"
#include "tracer/follow/resume.h"
#include "tracer/follow/summary.h"
#include "tracer/follow/tick.h"
#include "tracer/follow/tree.h"
#include "tracer/ipc.h"
#include "tracer/processor/held.h"
#include "tracer/processor/sites.h"
#include "tracer/ptrace/breakpoint.h"
#include "tracer/ptrace/remote.h"
#include "tracer/ptrace/stop_threads.h"
#include "tracer/ptrace/wait.h"
#include "tracer/refusals.h"

enum { CODE_64 = 0x33 }; /* __USER_CS: code that runs in 64-bit mode */

/* Where kcmp(2) is denied: a parent that waits in vfork(2) waits until its child has memory of its own. It
 * may not have told yet that it waits no more. */
static bool borrows_memory(const struct process *process, const struct tracee *other)
{
	return !process->has_begun && process->parent == other->process->pid && tracee_waits_in_vfork(other);
}

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
		if (other->process != process && (processes_share_memory(process->pid, other->process->pid) ||
		                                  borrows_memory(process, other)))
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

static struct snapshot_request request_for(const struct run *run, struct tracee *tracee,
                                           const struct stopped_threads *threads)
{
	struct process *process = tracee->process;
	const struct options *options = run->options;
	return (struct snapshot_request){
	        .is_look = options->check,
	        .ends = !options->check && !options->attach && !options->continues,
	        .pid = process->pid,
	        .threads = threads,
	        .gate = process->gate,
	        .trigger = run->trigger,
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
	        .words = run->warm.words,
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
}

/* What a program that was made warm had read of its surroundings. */
static enum status add_inputs(struct run *run, const struct point *point, struct snapshot_request *request)
{
	enum status status = STATUS_OK;

	if (point->kind != &point_warm)
		return status; /* of --check */
	if (run->warm.refusal[0])
		return fail(STATUS_FAILED, "%s", run->warm.refusal);
	if (run->warm.fixed_arguments)
		status = inputs_settle(&run->warm.inputs, request->pid);
	request->input = run->warm.inputs.record;
	request->input_count = run->warm.inputs.record_count;
	return status;
}

static enum status make_ready(const struct run *run, struct tracee *tracee, struct snapshot_request *request)
{
	struct process *process = tracee->process;
	enum status status;

	if ((status = check_state(tracee)) != STATUS_OK ||
	    (!run->options->check && (status = take_out(tracee)) != STATUS_OK) ||
	    /* The program may have moved its vdso since it began: a restored one has. */
	    (status = remote_find_gate(process->pid, run->options->attach != 0, &request->gate)) != STATUS_OK)
		return status;
	process->gate = request->gate;
	return run->options->check ? STATUS_OK : held_give(tracee);
}

static enum status take(struct run *run, struct tracee *tracee, const struct arrival *arrival,
                        const struct tree *tree, struct snapshot_result *ret_result)
{
	struct snapshot_request *request = calloc(tree->count, sizeof(*request));
	struct snapshot_tree members = {.member = calloc(tree->count, sizeof(*members.member))};
	enum status status = request && members.member ? STATUS_OK : fail(STATUS_FAILED, "out of memory");
	static const struct embeds none;
	bool is_tree = tree->count > 1;
	size_t count = 0;

	for (size_t i = 0; i < tree->count && status == STATUS_OK; i++) {
		struct tracee *its = tree->process[i].tracee;
		struct snapshot_request *next = &request[count];
		members.member[i] = tree->process[i].record;
		if (!its)
			continue;
		bool is_at_point = its->process == tracee->process;
		*next = request_for(run, its, &tree->process[i].threads);
		next->point = arrival->point->text;
		next->in_tree = is_tree;
		next->is_root = i == 0;
		next->shares_descriptors =
		        (members.member[i].status & SNAPIMG_MEMBER_SHARES_DESCRIPTORS) != 0;
		if (i > 0) { /* what the first one's image has for all */
			next->embeds = &none;
			next->fixed_arguments = 0;
			next->words = NULL;
		}
		next->resume_main = is_at_point && arrival->resume_main;
		next->environ_cell = is_at_point ? arrival->environ_cell : 0;
		if (i == 0)
			status = add_inputs(run, arrival->point, next);
		if (status == STATUS_OK)
			status = make_ready(run, is_at_point ? tracee : its, next);
		count++;
	}
	members.count = is_tree ? tree->count : 0;
	if (status == STATUS_OK)
		status = snapshot_take(request, count, &members, ret_result);
	free(request);
	free(members.member);
	return status;
}

/* Each other thread goes on, or stays stopped and hears SIGCONT. */
static void let_go(struct run *run, const struct tracee *tracee, const struct tree_process *process)
{
	const struct stopped_threads *threads = &process->threads;

	if (!process->tracee)
		return;
	stopped_threads_give_back(threads, &process->tracee->process->gate);
	for (size_t i = 0; i < threads->count; i++) {
		struct tracee *other = tracee_find(threads->thread[i].tid);
		if (!other || other == tracee)
			continue;
		if (threads->thread[i].in_group_stop && run->phase != PHASE_RELEASING)
			ptrace(PTRACE_LISTEN, other->tid, 0, 0);
		else
			(void)resume(run, other, 0);
	}
}

static void go_on(struct run *run, struct tracee *tracee, const struct tree *tree)
{
	/* The kernel makes an interrupted call again on its way through a stop (get_signal(),
	 * kernel/signal.c). */
	ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0);
	for (size_t i = 0; i < tree->count; i++)
		let_go(run, tracee, &tree->process[i]);
	(void)resume(run, tracee, 0);
}

/* The program goes on, and with a log that is still written everything is followed on, else nothing. */
static enum status let_live(struct run *run, struct tracee *tracee, const struct arrival *arrival,
                            const struct tree *tree, enum status outcome)
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
	go_on(run, tracee, tree);
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

static enum status answer(void *context, struct tracee *tracee, int status)
{
	return answer_event(context, tracee, status);
}

/* All that will be in the image stands; what was stopped is in *ret_tree in any case. */
static enum status stop(struct run *run, struct tracee *tracee, struct tree *ret_tree)
{
	const struct stop_means means = {
	        .asked = run->options->attach ? asked_to_end : NULL, .answer = answer, .context = run};
	struct stopped_threads threads = {0};
	(void)refusals_end(); /* of a dump that failed in its midst */
	run->stops_all = true;
	enum status status = stop_threads(tracee, &means, &threads);

	if (status == STATUS_OK)
		status = tree_stop(run, tracee, &means, &threads, ret_tree);
	run->stops_all = false;
	if (threads.count) /* the tree has not got so far */
		status = tree_add(ret_tree, tracee, &threads, status);
	return status;
}

/* After --check has looked: the program goes on as if it had not been at a point; it won't be there again. */
static enum status pass(struct run *run, struct tracee *tracee, const struct arrival *arrival,
                        const struct tree *tree)
{
	struct user_regs_struct registers;
	struct breakpoint *breakpoint = NULL;
	enum status status = STATUS_OK;

	if (run->options->attach)
		return let_live(run, tracee, arrival, tree, STATUS_OK);
	if (tracee_get_registers(tracee, &registers))
		breakpoint = breakpoint_at(tracee->process, registers.rip);
	if (breakpoint)
		status = breakpoint_take_out(tracee->process, breakpoint);
	if (arrival->live)
		tracee_set_registers(tracee, arrival->live);
	tick_start();
	go_on(run, tracee, tree);
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
	struct tree tree CLEANUP(tree_free) = {0};
	const double began = monotonic_seconds();
	struct snapshot_result result = {0};
	struct look look = {.point = arrival->point,
	                    .pid = tracee->process->pid,
	                    .saved = summary_saved(tracee->process)};
	enum status status;

	tick_stop();
	timeline_listen();
	if ((look.status = stop(run, tracee, &tree)) == STATUS_OK)
		look.status = take(run, tracee, arrival, &tree, &result);
	if (look.status == STATUS_REFUSED)
		look.status = refusals_end();
	look.threads = result.threads;
	look.pages = result.stored_pages;
	if ((status = timeline_add(look)) == STATUS_OK)
		status = pass(run, tracee, arrival, &tree);
	leave_out(monotonic_seconds() - began);
	return status;
}

static void end_all(const struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->process[i].tracee)
			kill(tree->process[i].tracee->process->pid, SIGKILL);
}

enum status freeze(struct run *run, struct tracee *tracee, const struct arrival *arrival)
{
	struct tree tree CLEANUP(tree_free) = {0};
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
	if ((status = stop(run, tracee, &tree)) == STATUS_OK &&
	    (status = take(run, tracee, arrival, &tree, &result)) == STATUS_OK)
		summary_print(run, tracee->process, arrival->point, &result, saved);
	if (status == STATUS_REFUSED)
		status = refusals_end();
	message_reason = NULL;
	if (options->continues || (status != STATUS_OK && options->attach))
		return let_live(run, tracee, arrival, &tree, status);
	if (status != STATUS_OK)
		return status;
	end_all(&tree);
	ipc_remove_carried();
	run->phase = PHASE_REACHED;
	return STATUS_OK;
}
