/*
 * The point `warm`: a language's helper (preload/warm/) says that the program
 * is about to look at its arguments. It says so by access(2) of names that
 * exist nowhere:
 *
 *     /snap/warm/begin           the program itself begins
 *     /snap/warm/variable/NAME   it has read this variable; NAME*: all that begin so; =: the names of all
 *     /snap/warm/pause, resume   what is read in between counts by what follows
 *     /snap/warm/made            the directory that it makes next is taken away before the point, and made
 * again by each start /snap/warm/load/MODULE     it is loaded now, before its time; without MODULE: no more
 * are /snap/warm/drop/MODULE     it is not to be; then /snap/warm/again           all begins again without
 * them /snap/warm/module/MODULE   of a run that trains, after the point: it was loaded /snap/warm the point;
 * 0 is the answer after a start
 *
 * What reaches outside between the first and the last would be missing in each
 * start, so it is refused.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer/points/effect_policy.h"
#include "tracer/points/point.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/system_calls.h"
#include "tracer/run.h"
#include "tracer/warm/passing.h"
#include "tracer/warm/training.h"

static const char mark[] = "/snap/warm";
static struct call_rules effects; /* of the calls that the point wants to see, those that may have one */
enum { MARK_LENGTH = sizeof(mark) - 1, NAME_ROOM = PATH_MAX };

static void watch(struct point *point)
{
	inputs_watch(&point->calls);
	effect_policy_watch(&effects);
	call_rules_join(&point->calls, &effects);
}

/* What follows the mark in a path that the call names, or NULL. */
static const char *find_mark(const struct tracee *tracee, const struct call *call, char *room)
{
	unsigned mask = system_call_path_mask(call->number);

	if (!mask ||
	    tracee_read_string(tracee->tid, call->argument[__builtin_ctz(mask)], room, NAME_ROOM) < 0)
		return NULL;
	return strncmp(room, mark, MARK_LENGTH) == 0 ? room + MARK_LENGTH : NULL;
}

/* Of --check the program goes on, and the line is told where it looks. */
__attribute__((format(printf, 2, 3))) static enum status refuse_point(struct run *run, const char *format,
                                                                      ...)
{
	char line[sizeof(run->warm.refusal)];
	va_list words;

	va_start(words, format);
	vsnprintf(line, sizeof(line), format, words);
	va_end(words);
	if (!run->options->check)
		return fail(STATUS_FAILED, "%s", line);
	if (!run->warm.refusal[0])
		memcpy(run->warm.refusal, line, sizeof(line));
	return STATUS_OK;
}

/* It's ended by that, so what it would have taken away itself goes now. */
static enum status refuse_effect(struct run *run, const struct tracee *tracee, const struct call *call)
{
	unsigned mask = system_call_path_mask(call->number);
	char path[200] = "...";

	if (run->warm.trains)
		training_end(&run->warm);
	if (mask)
		(void)!tracee_read_string(tracee->tid, call->argument[__builtin_ctz(mask)], path,
		                          sizeof(path));
	if (!run->options->check)
		passing_take_away(&run->warm.inputs);
	if (run->warm.loading) {
		training_leave_out(&run->warm, run->warm.loading);
		return training_again(&run->warm, run->options->words);
	}
	return refuse_point(
	        run,
	        "--warm: %s has an effect outside before it looks at its arguments: %s(%s): every start "
	        "would lack it: if it fills a cache, run it once first; else leave out --warm, or choose a "
	        "point with --at",
	        run->options->program[0], system_call_name(call->number), path);
}

/* Its own command line, or environment, by the name that /proc has for it: these are no inputs, but the
 * start's. */
static bool reads_arguments(const struct tracee *tracee, const struct call *call, char *room)
{
	static const char *const names[] = {"cmdline", "environ"};
	unsigned mask = system_call_path_mask(call->number);
	char own[64];

	if (!mask ||
	    tracee_read_string(tracee->tid, call->argument[__builtin_ctz(mask)], room, NAME_ROOM) < 0)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(own, sizeof(own), "/proc/%d/%s", tracee->process->pid, names[i]);
		if (strcmp(room, own) == 0 ||
		    (strncmp(room, "/proc/self/", 11) == 0 && strcmp(room + 11, names[i]) == 0))
			return true;
	}
	return false;
}

/* What follows `word` in what the helper has said, or NULL. */
static const char *after(const char *said, const char *word)
{
	size_t length = strlen(word);

	return strncmp(said, word, length) == 0 ? said + length : NULL;
}

/* True: it is about the modules that are loaded before the point. */
static bool hear_of_module(struct warm_run *warm, const char *said)
{
	const char *module;

	if ((module = after(said, "/load/"))) {
		free(warm->loading);
		warm->loading = *module ? strdup(module) : NULL;
	} else if ((module = after(said, "/drop/"))) {
		training_leave_out(warm, module);
	} else if ((module = after(said, "/module/"))) {
		if (warm->trains)
			training_add(warm, module);
	} else {
		return false;
	}
	return true;
}

static bool opens(const struct call *call)
{
#ifdef SYS_open /* newer architectures have none */
	if (call->number == SYS_open)
		return true;
#endif
	return call->number == SYS_openat;
}

/* A run that trains loads by the system's calls what no helper is told of: modules that node imports. */
static void note_opened(const struct warm_run *warm, const struct tracee *tracee, const struct call *call,
                        char *room)
{
	unsigned mask = system_call_path_mask(call->number);
	char line[NAME_ROOM + 8];
	const char *end;

	if (!opens(call) ||
	    tracee_read_string(tracee->tid, call->argument[__builtin_ctz(mask)], room, NAME_ROOM) < 0)
		return;
	end = strrchr(room, '.');
	if (room[0] != '/' || !end || (strcmp(end, ".mjs") != 0 && strcmp(end, ".js") != 0))
		return;
	snprintf(line, sizeof(line), "open %s", room);
	training_add(warm, line);
}

/* True: the helper has said something that is not the point. */
static bool hear(struct run *run, const struct tracee *tracee, const char *said)
{
	static const char variable[] = "/variable/";

	if (strcmp(said, "/begin") == 0)
		run->warm.begun = tracee->process->pid;
	else if (strcmp(said, "/pause") == 0 || strcmp(said, "/resume") == 0)
		run->warm.inputs.is_paused = said[1] == 'p';
	else if (strcmp(said, "/made") == 0)
		run->warm.inputs.makes_again = true;
	else if (strncmp(said, variable, sizeof(variable) - 1) == 0)
		inputs_note_variable(&run->warm.inputs, said + sizeof(variable) - 1);
	else
		return hear_of_module(&run->warm, said);
	return true;
}

/* Of an interpreter that begins: perl's and node's complaints of what is in the environment. */
static bool writes_a_line(const struct call *call)
{
	return (call->number == SYS_write || call->number == SYS_writev) &&
	       (call->argument[0] == STDOUT_FILENO || call->argument[0] == STDERR_FILENO);
}

static enum status met(struct run *run, struct tracee *tracee, const struct point *point,
                       const struct call *call, bool *ret_met)
{
	char room[NAME_ROOM];
	const char *said = find_mark(tracee, call, room);
	bool program_runs = run->warm.begun != 0;

	*ret_met = false;
	if (run->looked[point->index]) /* of --check: what it does afterwards is of no concern */
		return STATUS_OK;
	*ret_met = said && !*said && !run->warm.trains;
	if (said && strcmp(said, "/again") == 0)
		return training_again(&run->warm, run->options->words);
	if (said && !*said && run->warm.trains) {
		run->warm.looked = true;
		return STATUS_OK;
	}
	if (run->warm.looked && !said)
		note_opened(&run->warm, tracee, call, room);
	if (*ret_met)
		snprintf(run->trigger, sizeof(run->trigger), "the first look at the arguments");
	if (said && (*ret_met || hear(run, tracee, said)))
		return STATUS_OK;
	if (program_runs && reads_arguments(tracee, call, room)) {
		if (run->warm.loading || run->warm.trains)
			return refuse_effect(run, tracee, call);
		return refuse_point(
		        run,
		        "--warm: %s reads %s, so no moment is known that is the same for all arguments: "
		        "leave "
		        "out --warm, or choose a point with --at",
		        run->options->program[0], room);
	}
	if (!program_runs && writes_a_line(call))
		return refuse_effect(run, tracee, call);
	if (program_runs && passing_takes(&run->warm.inputs, tracee->tid, call, run->warm.trains))
		return STATUS_OK;
	if (program_runs && call->number != SYS_exit_group && call_rules_fit(&effects, call) &&
	    effect_is_certain(tracee->tid, call))
		return refuse_effect(run, tracee, call);
	inputs_note(&run->warm.inputs, tracee->tid, call, program_runs);
	return STATUS_OK;
}

const struct point_kind point_warm = {
        .word = "warm",
        .form = "warm",
        .help = "where a language's helper says that the arguments are looked at first (--warm)",
        .watch = watch,
        .met = met,
        .answered = true,
        .hint = "it never looked at its arguments, or ended before",
};
