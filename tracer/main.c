/*
 * snaptrace: runs a program up to a point and keeps it there as an image.
 *
 *   options, point      what is asked for
 *   program, launch     PROG is found and started under ptrace
 *   loop                its life, event by event
 *     exec_stop         each new program is prepared and the point armed in it
 *     point_*           is this stop the point?
 *     freeze            it is: snapshot.h takes over
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec_stop.h"
#include "interrupt.h"
#include "launch.h"
#include "loop.h"
#include "program.h"
#include "snapshot.h"
#include "tracee.h"

/* All that can be refused before the program runs. *ret_path and *ret_output are the caller's to free. */
static enum status prepare(struct run *run, char **ret_path, char **ret_output)
{
	const struct options *options = run->options;
	enum status status;

	if ((status = point_parse(options->point, &run->point)) != STATUS_OK ||
	    (status = program_find(options->program[0], ret_path)) != STATUS_OK ||
	    (status = exec_stop_find_shim(&run->shim)) != STATUS_OK)
		return status;
	if (!options->output && asprintf(ret_output, "%s.snap", base_name(options->program[0])) < 0)
		return fail(STATUS_FAILED, "out of memory");
	run->output = options->output ? options->output : *ret_output;
	return snapshot_check_output(run->output);
}

static enum status run_program(struct run *run, const char *path)
{
	enum status status;

	interrupt_catch();
	if ((status = launch(run, path)) == STATUS_OK)
		status = loop(run);
	tracees_end_all();
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	struct run run = {.options = &options, .launch_report = -1};
	char *path = NULL, *output = NULL;
	enum status status;

	if ((status = snapshot_remember_caller()) != STATUS_OK ||
	    (status = options_read(argc, argv, &options)) != STATUS_OK || options.done)
		return (int)status;
	message_set_verbosity(options.verbosity);
	if ((status = prepare(&run, &path, &output)) == STATUS_OK)
		status = run_program(&run, path);
	free(run.point.file);
	free(run.point.symbol);
	free(run.shim);
	free(output);
	free(path);
	return (int)status;
}
