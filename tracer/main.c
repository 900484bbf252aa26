/*
 * snaptrace: runs a program up to a point and keeps it there as an image.
 *
 *   options, point      what is asked for
 *   program, launch     PROG is found and started under ptrace; or attach to one that runs
 *   loop, events_*      its life, event by event
 *     exec_stop         each new program is prepared and the point armed in it
 *     point_*           is this stop the point?
 *     freeze            it is: snapshot.h takes over
 *     release           and the program goes on without us, if it is to
 *   processor/          what it hears of the processor, under --cpu
 *   exec_log            what it all ran
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/output_file.h"
#include "format/base/own_libraries.h"
#include "format/base/progress.h"
#include "tracer/caller.h"
#include "tracer/capture/snapshot.h"
#include "tracer/check/timeline.h"
#include "tracer/follow/apart.h"
#include "tracer/follow/attach.h"
#include "tracer/follow/exec_log.h"
#include "tracer/follow/exec_stop.h"
#include "tracer/follow/interrupt.h"
#include "tracer/follow/launch.h"
#include "tracer/follow/loop.h"
#include "tracer/follow/noted_calls.h"
#include "tracer/follow/release.h"
#include "tracer/hot/cache_copy.h"
#include "tracer/hot/hot.h"
#include "tracer/processor/sites.h"
#include "tracer/program.h"
#include "tracer/ptrace/tracee.h"
#include "tracer/surroundings.h"
#include "tracer/warm/training.h"

/* Memory that becomes executable. */
static void watch_code(struct call_rules *rules)
{
	static const uint32_t calls[] = {SYS_mmap, SYS_mprotect, SYS_pkey_mprotect};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		call_rule_when(call_rules_add(rules, calls[i], calls[i]), 2, PROT_EXEC, PROT_EXEC);
}

/* What snaptrace itself must see, points or not. */
static void choose_own_calls(struct run *run)
{
	static const uint32_t options[] = {PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_SECCOMP,
	                                   PR_GET_SECCOMP};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		call_rule_when(call_rules_add(&run->own_calls, SYS_prctl, SYS_prctl), 0, UINT32_MAX,
		               options[i]);
	call_rule_when(call_rules_add(&run->own_calls, SYS_seccomp, SYS_seccomp), 0, UINT32_MAX,
	               SECCOMP_SET_MODE_STRICT);
	call_rules_add(&run->own_calls, SYS_ptrace, SYS_ptrace);
	if (run_has_points(run))
		noted_calls_watch(&run->own_calls);
	if (run->options->cpu_level)
		watch_code(&run->own_calls);
	if (run->options->log)
		exec_log_watch(&run->own_calls);
}

/* Where no point needs calls, a program can be followed without a filter, too, but not as exactly: so where
 * there may be none it goes on without. What a process did before it was attached to wasn't seen anyhow. */
static enum status choose_calls(struct run *run)
{
	const struct options *options = run->options;
	struct call_rules all = {0};
	enum status status = STATUS_OK;
	bool of_points;

	choose_own_calls(run);
	for (unsigned i = 0; i < run->points.count; i++)
		call_rules_join(&all, &run->points.point[i].calls);
	of_points = all.count > 0;
	run->every_call = (options->attach && of_points) || (options->continues && !options->log);
	run->filter_is_needed = of_points || options->log || options->cpu_level;
	if (!run->every_call && !options->attach) {
		call_rules_join(&all, &run->own_calls);
		status = filter_make(&all, &run->filter);
	}
	call_rules_free(&all);
	return status;
}

static enum status choose_output(struct run *run, char **ret_output)
{
	const struct options *options = run->options;
	char name[PATH_MAX] = "";
	const char *prog = options->program[0] ? options->program[0] : name;

	if (options->attach && readlink(proc_path(options->attach, "exe").text, name, sizeof(name) - 1) < 0)
		return fail(STATUS_FAILED, "-p %d: %s", options->attach,
		            errno == ENOENT ? "no such process" : strerror(errno));
	if (!options->output &&
	    asprintf(ret_output, "%s.%s", base_name(prog), options->runnable ? "run" : "snap") < 0)
		return fail(STATUS_FAILED, "out of memory");
	run->output = run->launcher.image ? run->launcher.image
	              : options->output   ? options->output
	                                  : *ret_output;
	return snapshot_check_output(run->output);
}

/* All that can be refused before the program runs. *ret_path and *ret_output are the caller's to free. */
static enum status prepare(struct run *run, char **ret_path, char **ret_output)
{
	const struct options *options = run->options;
	enum status status = STATUS_OK;

	for (unsigned i = 0; i < options->point_count && status == STATUS_OK; i++)
		status = points_add(&run->points, options->points[i]);
	if (status == STATUS_OK && options->log)
		status = exec_log_open(options->log_file, options->json);
	if (status == STATUS_OK)
		status = choose_calls(run);
	if (status == STATUS_OK && !options->attach)
		status = program_find(options->program[0], run_has_points(run), ret_path);
	if (status != STATUS_OK || !run_has_points(run))
		return status;
	if (!options->attach && (status = exec_stop_find_shim(&run->shim)) != STATUS_OK)
		return status;
	if (options->launcher &&
	    ((status = launcher_begin(run->launcher_options, ret_path, &run->launcher)) != STATUS_OK ||
	     (status = launcher_check(&run->launcher)) != STATUS_OK))
		return status;
	if (options->warm && (status = warm_prepare(options, run->shim, ret_path, &run->warm)) != STATUS_OK)
		return status;
	if (options->warm)
		run->program = run->warm.words;
	return options->check ? STATUS_OK : choose_output(run, ret_output);
}

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
	    (status = apart_begin(run->options->train_count == 0)) != STATUS_OK)
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

/* PROG goes on untraced: it's waited for all the same. */
static void wait_for_root(struct run *run)
{
	int status;

	interrupt_set_mode(INTERRUPT_PASS_ON, run->root);
	while (!run->root_ended) {
		pid_t pid = waitpid(run->root, &status, 0);

		if (pid == run->root) {
			run->root_ended = true;
			run->root_end = status;
		} else if (pid < 0 && errno != EINTR) {
			break;
		}
	}
}

/* Ends as PROG did, by the same signal where it was one; its core dump is enough. */
static int end_as(int wait_status)
{
	if (WIFEXITED(wait_status))
		return WEXITSTATUS(wait_status);
	int number = WTERMSIG(wait_status);
	sigset_t one;

	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	signal(number, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, number);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	raise(number);
	return 128 + number; /* not reached but for a signal that can't end us */
}

static enum status tell_end(const struct run *run)
{
	const char *name = run->options->attach ? "the process" : run->options->program[0];
	bool several = run->points.count > 1;
	const char *point = several ? "a point" : run->points.point[0].text;
	const char *hint = !run->chosen ? "--in admitted none of the programs it ran"
	                   : several    ? "snaptrace -v tells what is met"
	                                : run->points.point[0].kind->hint;

	if (run->root_ended && WIFSIGNALED(run->root_end))
		return fail(STATUS_ENDED, "%s was ended by signal %d (%s) before %s was reached: %s", name,
		            WTERMSIG(run->root_end), strsignal(WTERMSIG(run->root_end)), point, hint);
	return fail(STATUS_ENDED, "%s ended with status %d before %s was reached: %s", name,
	            WEXITSTATUS(run->root_end), point, hint);
}

/* What snaptrace ends with, after all went as it should. */
static int outcome(struct run *run)
{
	const struct options *options = run->options;

	if (run_has_points(run) && run->phase == PHASE_BEFORE)
		return (int)tell_end(run);
	if (options->attach || (run_has_points(run) && !options->continues))
		return interrupt_asked() ? end_as(interrupt_asked()) : (int)run->outcome;
	if (run->phase == PHASE_RELEASING)
		wait_for_root(run);
	return run->outcome != STATUS_OK ? (int)run->outcome : end_as(run->root_end);
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

/* --check alone is about the machine. */
static bool is_of_program(const struct options *options)
{
	return options->program[0] || options->attach;
}

static void describe_end(const struct run *run, char *text, size_t size)
{
	if (run->options->attach)
		snprintf(text, size, "goes on");
	else if (!run->root_ended)
		snprintf(text, size, "was ended after %g s", run->options->timeout);
	else if (WIFSIGNALED(run->root_end))
		snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(run->root_end),
		         strsignal(WTERMSIG(run->root_end)));
	else
		snprintf(text, size, "ended with status %d", WEXITSTATUS(run->root_end));
}

static int report(const struct run *run, enum status status, FILE *out)
{
	const struct options *options = run->options;
	char end[80];

	describe_end(run, end, sizeof(end));
	if (status == STATUS_OK)
		status = timeline_report(&run->points, options->asked, end, options->json, out);
	if ((fflush(out) == EOF || ferror(out)) && status == STATUS_OK)
		status = fail(STATUS_FAILED, "standard output: %s", strerror(errno));
	fclose(out);
	return (int)status;
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

int main(int argc, char **argv)
{
	struct options options;
	struct run run = {.options = &options, .launcher_options = &options, .launch_report = -1};
	char *path = NULL, *output = NULL;
	FILE *to = NULL;
	struct launcher loaded = {0};
	bool nothing = false;
	enum status status;
	int result;

	own_libraries(argv);
	if ((status = options_read(argc, argv, &options)) != STATUS_OK || options.done ||
	    (status = claim_output(&options)) != STATUS_OK ||
	    (status = claim_report(&options, &to)) != STATUS_OK ||
	    (status = surroundings_enter(&options)) != STATUS_OK ||
	    (status = snapshot_remember_caller()) != STATUS_OK) {
		options_free(&options);
		return (int)status;
	}
	options.words = argv;
	the_caller.attached = options.attach != 0;
	run.program = options.program;
	sites_begin(options.cpu_level);
	message_set_verbosity(options.verbosity);
	if (options.lists || options.remove) {
		status = options.lists ? launcher_list() : launcher_remove(options.remove);
		options_free(&options);
		return (int)status;
	}
	if (options.refresh &&
	    ((status = launcher_refresh(&options, &loaded, &nothing)) != STATUS_OK || nothing)) {
		launcher_free(&loaded);
		options_free(&options);
		return (int)status;
	}
	run.program = options.program;
	if (options.record_hot) {
		status = hot_record(&options, &result);
		return status == STATUS_OK ? end_as(result) : (int)status;
	}
	if (is_of_program(&options) && (status = prepare(&run, &path, &output)) == STATUS_OK) {
		bool trains = options.warm && !options.warm_loads_nothing && !options.check &&
		              !is_stdout(options.output) && training_begin(&run.warm);
		status = run_program(&run, path);
		if (trains)
			training_end(&run.warm);
	}
	if (status == STATUS_OK && run.phase == PHASE_REACHED && options.train_count > 0) {
		interrupt_set_mode(INTERRUPT_END_ALWAYS,
		                   0); /* of a process that was attached to nothing is left */
		status = hot_train(&options, run.output);
	}
	if (status == STATUS_OK && run.phase == PHASE_REACHED && options.launcher)
		status = launcher_finish(&run.launcher);
	if (options.refresh && (status != STATUS_OK || run.phase == PHASE_BEFORE))
		launcher_refused(&loaded);
	if (status == STATUS_OK && run.phase != PHASE_BEFORE && run.outcome == STATUS_OK && run.output &&
	    !options.launcher && !options.no_cache && !is_stdout(run.output))
		cache_copy_make(run.output, options.verbosity > NORMAL);
	if (options.check)
		result = report(&run, status, to);
	else
		result = status == STATUS_OK ? outcome(&run) : (int)status;
	points_free(&run.points);
	call_rules_free(&run.own_calls);
	filter_free(&run.filter);
	warm_free(&run.warm);
	launcher_free(&run.launcher);
	launcher_free(&loaded);
	free(run.shim);
	free(output);
	free(path);
	options_free(&options);
	return result;
}
