#include "freeze.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "breakpoint.h"
#include "inject.h"
#include "snapshot.h"

enum { CODE_64 = 0x33 }; /* __USER_CS: code that runs in 64-bit mode */

static enum status stop_thread(const struct tracee *tracee)
{
	int status;

	if (tracee->in_vfork)
		return fail(STATUS_FAILED,
		            "thread %d waits in vfork for a child: it can't be frozen there: choose another "
		            "point",
		            tracee->tid);
	/* It may be in a stop already, with an event that wait has not told yet: then that is what comes. */
	if (ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0) < 0)
		return STATUS_OK; /* gone */
	while (waitpid(tracee->tid, &status, __WALL) < 0)
		if (errno != EINTR)
			return STATUS_OK;
	return STATUS_OK;
}

static enum status stop_others(const struct tracee *tracee)
{
	enum status status;

	for (struct tracee *other = tracee_next(NULL); other; other = tracee_next(other))
		if (other != tracee && other->process == tracee->process &&
		    (status = stop_thread(other)) != STATUS_OK)
			return status;
	return STATUS_OK;
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
		if (other->process != process && processes_share_memory(process->pid, other->process->pid))
			return fail(STATUS_FAILED,
			            "process %d shares its memory with process %d (vfork): choose a later "
			            "point, or --in",
			            process->pid, other->process->pid);
	return STATUS_OK;
}

/* Whoever set it: without a filter that needed it, the kernel can be asked. */
static bool program_set_no_new_privs(const struct run *run, const struct process *process)
{
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false; /* inherited from the caller of snaptrace */
	if (run->filter_set_no_new_privs)
		return process->set_no_new_privs;
	return process_status_number(process->pid, "NoNewPrivs") == 1;
}

static void print_size(char *text, size_t size, uint64_t bytes)
{
	static const char units[] = "KMGT";
	double amount = (double)bytes / 1024;
	size_t unit = 0;

	while (amount >= 1024 && unit < sizeof(units) - 2) {
		amount /= 1024;
		unit++;
	}
	snprintf(text, size, "%.1f %ciB", amount, units[unit]);
}

static void print_summary(const struct run *run, const struct snapshot_result *result)
{
	uint64_t bytes = result->stored_pages * 4096;
	char image[32], pages[32];

	print_size(image, sizeof(image), result->image_size);
	print_size(pages, sizeof(pages), bytes);
	tell("%s: %s, %llu pages (%s, ratio %.1f), %u thread%s, at %s, in %.2f s", run->output, image,
	     (unsigned long long)result->stored_pages, pages,
	     result->image_size ? (double)bytes / (double)result->image_size : 0.0, result->threads,
	     result->threads == 1 ? "" : "s", run->point.text, result->seconds);
}

enum status freeze(struct run *run, struct tracee *tracee, bool resume_main, uint64_t environ_cell)
{
	struct process *process = tracee->process;
	const struct options *options = run->options;
	struct snapshot_request request = {
	        .pid = process->pid,
	        .gate = process->gate,
	        .point = run->point.text,
	        .trigger = run->trigger,
	        .resume_main = resume_main,
	        .environ_cell = environ_cell,
	        .guard_start = process->guard_start,
	        .guard_end = process->guard_end,
	        .shim = run->shim,
	        .no_new_privs = program_set_no_new_privs(run, process),
	        .seccomp_filters = run->point.kind->watch ? 1 : 0,
	        .drop_seccomp = options->drop_seccomp,
	        .output = {.path = run->output,
	                   .compress = options->compress,
	                   .may_be_raw = !options->compress_given && options->level == 0,
	                   .level = options->level,
	                   .progress = options->verbosity >= NORMAL && isatty(STDERR_FILENO)},
	};
	struct snapshot_result result;
	enum status status;

	explain("process %d is at the point: %s", process->pid, run->trigger);
	if ((status = stop_others(tracee)) != STATUS_OK || (status = check_state(tracee)) != STATUS_OK ||
	    (status = breakpoint_take_out_all(process)) != STATUS_OK ||
	    /* The program may have moved its vdso since it began: a restored one has. */
	    (status = inject_find_gate(process->pid, &request.gate)) != STATUS_OK ||
	    (status = snapshot_take(&request, &result)) != STATUS_OK)
		return status;
	kill(process->pid, SIGKILL);
	run->reached = true;
	print_summary(run, &result);
	return STATUS_OK;
}
