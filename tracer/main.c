/*
 * snaptrace: runs a program up to a point and keeps it there as an image.
 *
 *   options             what is asked for
 *   prepare, point      all that can be refused before PROG runs
 *   program, launch     PROG is found and started under ptrace; or attach to one that runs
 *   loop, events_*      its life, event by event
 *     exec_stop         each new program is prepared and the point armed in it
 *     point_*           is this stop the point?
 *     freeze            it is: snapshot.h takes over
 *     release           and the program goes on without us, if it is to
 *   processor/          what it hears of the processor, under --cpu
 *   exec_log            what it all ran
 *   outcome             what snaptrace ends with
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/output_file.h"
#include "format/base/own_libraries.h"
#include "format/base/progress.h"
#include "tracer/caller.h"
#include "tracer/capture/snapshot.h"
#include "tracer/follow/apart.h"
#include "tracer/follow/attach.h"
#include "tracer/follow/distinct_id.h"
#include "tracer/follow/interrupt.h"
#include "tracer/follow/launch.h"
#include "tracer/follow/loop.h"
#include "tracer/follow/release.h"
#include "tracer/hot/cache_copy.h"
#include "tracer/hot/hot.h"
#include "tracer/outcome.h"
#include "tracer/prepare.h"
#include "tracer/processor/sites.h"
#include "tracer/ptrace/tracee.h"
#include "tracer/surroundings.h"
#include "tracer/warm/training.h"

/* One call of snaptrace, and all that it owns. */
struct call_of_ours {
	struct options options;
	struct run run;
	struct launcher loaded; /* --refresh: the one that is there */
	char *path, *output;    /* PROG's file, and the image's where none was named */
	FILE *report;           /* --check */
};

static bool has_breakpoints(const struct run *run)
{
	for (unsigned i = 0; i < run->points.count; i++)
		if (run->points.point[i].kind->hit)
			return true;
	return false;
}

static enum status run_program(struct run *run, const char *path)
{
	enum status status;

	if (run->options->attach == getpid())
		return fail(STATUS_FAILED, "-p %d: that is snaptrace itself", getpid());
	if (run->options->attach && has_breakpoints(run) &&
	    (status = apart_begin(run->options->train_count == 0, SIGTERM)) != STATUS_OK)
		return status;
	/* Who stands in for us is PROG's parent. */
	if (!run->options->attach && leave_small_ids() && (status = apart_begin(false, SIGKILL)) != STATUS_OK)
		return status;
	interrupt_catch();
	run->began = monotonic_seconds();
	if (run->options->attach) {
		interrupt_set_mode(INTERRUPT_LET_GO, run->options->attach);
		status = attach_to(run);
	} else {
		status = launch(run, path);
		interrupt_set_mode(run_has_points(run) ? INTERRUPT_END : INTERRUPT_PASS_ON, run->root);
	}
	if (status == STATUS_OK)
		status = loop(run);
	if (status != STATUS_OK && run->options->attach && run->phase != PHASE_RELEASING) {
		release_begin(run, status);
		status = loop(run);
	}
	if (run->phase !=
	    PHASE_RELEASING) /* after that nothing is traced, and PROG must not be waited for here */
		tracees_end_all();
	return status;
}

static bool is_stdout(const char *output)
{
	return output && strcmp(output, "-") == 0;
}

/* -o -: nothing else must come in between, so what PROG writes goes to standard error. It still inherits
 * both, each as its own. */
static enum status claim_output(const struct options *options)
{
	if (!is_stdout(options->output) || output_file_claim_stdout())
		return STATUS_OK;
	return fail(STATUS_FAILED, "-o -: %s: open standard output and standard error", strerror(errno));
}

/* --check: what it found is alone on standard output; what PROG writes there goes to standard error. */
static enum status claim_report(const struct options *options, FILE **ret_report)
{
	int report;

	*ret_report = NULL;
	if (!options->check)
		return STATUS_OK;
	report = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (report < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || !(*ret_report = fdopen(report, "w")))
		return fail(STATUS_FAILED, "--check: %s: open standard output and standard error",
		            strerror(errno));
	return STATUS_OK;
}

/* Reads what is asked, and sets this process up for it. options->done: all is answered. */
static enum status begin(struct call_of_ours *ours, int argc, char **argv)
{
	struct options *options = &ours->options;
	enum status status;

	if ((status = options_read(argc, argv, options)) != STATUS_OK || options->done ||
	    (status = claim_output(options)) != STATUS_OK ||
	    (status = claim_report(options, &ours->report)) != STATUS_OK ||
	    (status = surroundings_enter(options)) != STATUS_OK ||
	    (status = snapshot_remember_caller()) != STATUS_OK)
		return status;
	options->words = argv;
	the_caller.attached = options->attach != 0;
	sites_begin(options->cpu_level);
	message_set_verbosity(options->verbosity);
	return STATUS_OK;
}

/* PROG is run up to the point. */
static enum status run_to_point(struct call_of_ours *ours)
{
	const struct options *options = &ours->options;
	struct run *run = &ours->run;
	enum status status = prepare(run, &ours->path, &ours->output);

	if (status != STATUS_OK)
		return status;
	bool trains = options->warm && !options->warm_loads_nothing && !options->check &&
	              !is_stdout(options->output) && training_begin(&run->warm);
	status = run_program(run, ours->path);
	if (trains)
		training_end(&run->warm);
	return status;
}

/* What is done with the image once it is written. */
static enum status finish(const struct call_of_ours *ours)
{
	const struct options *options = &ours->options;
	const struct run *run = &ours->run;
	enum status status = STATUS_OK;

	if (run->phase == PHASE_REACHED && options->train_count > 0) {
		interrupt_set_mode(INTERRUPT_END_ALWAYS,
		                   0); /* of a process that was attached to nothing is left */
		status = hot_train(options, run->output);
	}
	if (status == STATUS_OK && run->phase == PHASE_REACHED && options->launcher)
		status = launcher_finish(&run->launcher);
	if (status == STATUS_OK && run->phase != PHASE_BEFORE && run->outcome == STATUS_OK && run->output &&
	    !options->launcher && !options->no_cache && !is_stdout(run->output))
		cache_copy_make(run->output, options->verbosity > NORMAL);
	return status;
}

/* Returns the exit status. */
static int make_image(struct call_of_ours *ours)
{
	const struct options *options = &ours->options;
	enum status status = STATUS_OK;

	ours->run.program = options->program;
	if (options->program[0] || options->attach) /* --check alone is about the machine */
		status = run_to_point(ours);
	if (status == STATUS_OK)
		status = finish(ours);
	if (options->refresh && (status != STATUS_OK || ours->run.phase == PHASE_BEFORE))
		launcher_refused(&ours->loaded);
	else if (options->refresh && options->if_needed)
		launcher_made_again(&ours->loaded);
	if (options->check)
		return report(&ours->run, status, ours->report);
	return status == STATUS_OK ? outcome(&ours->run) : (int)status;
}

/* Returns the exit status. */
static int perform(struct call_of_ours *ours)
{
	struct options *options = &ours->options;
	bool nothing = false;
	enum status status;
	int ended;

	if (options->lists)
		return (int)launcher_list();
	if (options->remove)
		return (int)launcher_remove(options->remove);
	if (options->refresh &&
	    ((status = launcher_refresh(options, &ours->loaded, &nothing)) != STATUS_OK || nothing))
		return (int)status;
	if (options->record_hot) {
		status = hot_record(options, &ended);
		return status == STATUS_OK ? end_as(ended) : (int)status;
	}
	return make_image(ours);
}

static void end(struct call_of_ours *ours)
{
	points_free(&ours->run.points);
	call_rules_free(&ours->run.own_calls);
	filter_free(&ours->run.filter);
	warm_free(&ours->run.warm);
	launcher_free(&ours->run.launcher);
	launcher_free(&ours->loaded);
	free(ours->run.shim);
	free(ours->output);
	free(ours->path);
	options_free(&ours->options);
}

int main(int argc, char **argv)
{
	struct call_of_ours ours = {0};
	enum status status;
	int result;

	own_libraries(argv);
	ours.run.options = ours.run.launcher_options = &ours.options;
	ours.run.launch_report = -1;
	status = begin(&ours, argc, argv);
	result = status == STATUS_OK && !ours.options.done ? perform(&ours) : (int)status;
	end(&ours);
	return result;
}
