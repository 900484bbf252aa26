#include <string.h>

#include "tracer/option_values.h"

enum status options_check(const struct options *options)
{
	if (options->output && !*options->output)
		return fail(STATUS_FAILED, "-o: the name of the image is empty");
	if (options->train_count > 0 &&
	    (options->runnable || (options->output && strcmp(options->output, "-") == 0)))
		return fail(
		        STATUS_FAILED,
		        "--train: only an image in a file can be trained: give -o FILE without --runnable, "
		        "then use snapimg runnable");
	if (options->in && (!*options->in || strchr(options->in, '/')))
		return fail(STATUS_FAILED,
		            "--in %s: not a base name: give a program's name without directories",
		            options->in);
	if (options->warm &&
	    (options->attach || options->record_hot || (options->point_count > 1 && !options->check) ||
	     strcmp(options->points[0], "warm") != 0))
		return fail(STATUS_FAILED, "--warm: is a point of its own, of a program that begins: give no "
		                           "--at, -p or --record-hot with it");
	if (options->launcher && (options->output || options->runnable || options->continues))
		return fail(STATUS_FAILED,
		            "--launcher: its image has a place of its own: leave out -o, --runnable and "
		            "--continue");
	if ((options->warm_exits_fully || options->warm_loads_nothing) && !options->warm)
		return fail(STATUS_FAILED, "--warm-%s: is about --warm: give that, too",
		            options->warm_exits_fully ? "exit" : "load");
	if (options->whole && options->root_only)
		return fail(STATUS_FAILED, "--whole and --tree=root contradict each other");
	if (options->json && !options->log && !options->check)
		return fail(STATUS_FAILED,
		            "--json: it is the form of the log, or of --check: give --log-exec too");
	if (options->check &&
	    (options->output || options->runnable || options->record_hot || options->log ||
	     options->continues || options->skip || options->launcher || options->train_count > 0))
		return fail(STATUS_FAILED,
		            "--check: writes nothing, and passes all points: leave out what is "
		            "about the image or the end");
	if (options->record_hot && (options->attach || options->log || options->continues || options->skip ||
	                            options->in || options->point_count > 0 || options->embeds.count > 0))
		return fail(STATUS_FAILED, "--record-hot: goes with -o, --timeout, -q and -v only");
	if ((options->portable || options->reproducible) && (options->attach || options->record_hot))
		return fail(STATUS_FAILED,
		            "--%s: the program has begun already: start it with snaptrace, without %s",
		            options->portable ? "portable" : "reproducible",
		            options->attach ? "-p" : "--record-hot");
	if (options->record_hot && options->self_contained)
		return fail(STATUS_FAILED, "--self-contained: an image is made so when PROG is frozen, not "
		                           "later: leave out --record-hot");
	if (options->continues && !options->others_go_on)
		return fail(STATUS_FAILED, "--continue and --others=kill contradict each other");
	if (options->log_file && !*options->log_file)
		return fail(STATUS_FAILED, "--log-exec: the name of the log is empty");
	if (options->attach && options->program[0])
		return fail(STATUS_FAILED, "-p %d and %s: either attach or start a program", options->attach,
		            options->program[0]);
	if (options->cpu_level && (options->attach || options->record_hot))
		return fail(
		        STATUS_FAILED,
		        "--cpu: the program has asked its processor already: start it with snaptrace --cpu");
	if (options->refresh || options->remove || options->lists)
		return options->program[0] || options->launcher
		               ? fail(STATUS_FAILED,
		                      "--refresh, --remove and --list: go with nothing else: leave "
		                      "out %s",
		                      options->program[0] ? options->program[0] : "--launcher")
		               : STATUS_OK;
	if (!options->program[0] && !options->attach && !options->check)
		return fail(STATUS_FAILED, "no PROG to run: see snaptrace --help");
	return STATUS_OK;
}
