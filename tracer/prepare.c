#include "tracer/prepare.h"

#include <errno.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "tracer/capture/snapshot.h"
#include "tracer/follow/exec_log.h"
#include "tracer/follow/exec_stop.h"
#include "tracer/follow/noted_calls.h"
#include "tracer/program.h"
#include "tracer/ptrace/tracee.h"

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

/* What a ring is about to do is in the kernel, so few can be frozen (--io-uring); libuv makes one in each
 * loop, and does without where the kernel has none. Of several rules for a call the first counts: a point's
 * own. */
static void hide_rings(struct call_rules *rules)
{
	call_rules_add(rules, SYS_io_uring_setup, SYS_io_uring_setup)->is_missing = true;
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
		if (run->points.count > 0 && !options->continues && !options->io_uring)
			hide_rings(&all);
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

	if (options->attach && readlink(proc_path(options->attach, "exe").text, name, sizeof(name) - 1) < 0 &&
	    proc_has_ended(options->attach))
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

enum status prepare(struct run *run, char **ret_path, char **ret_output)
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
