/*
 * The point `warm`: a language's helper (preload/warm/) says that the program
 * is about to look at its arguments. It says so by access(2) of names that
 * exist nowhere:
 *
 *     /snap/warm/begin           the program itself begins
 *     /snap/warm/variable/NAME   it has read this variable; NAME*: all that begin so
 *     /snap/warm/pause, resume   what is read in between counts by what follows
 *     /snap/warm                 the point; 0 is the answer after a start
 *
 * What reaches outside between the first and the last would be missing in each
 * start, so it is refused.
 */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "tracer/points/effect_policy.h"
#include "tracer/points/point.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/system_calls.h"
#include "tracer/run.h"
#include "tracer/warm/passing.h"

static const char mark[] = "/snap/warm";
static struct call_rules effects; /* of the calls that the point wants to see, those that may have one */
enum { MARK_LENGTH = sizeof(mark) - 1, NAME_ROOM = 512 };

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

/* It's ended by that, so what it would have taken away itself goes now. */
static enum status refuse_effect(const struct run *run, const struct tracee *tracee, const struct call *call)
{
	unsigned mask = system_call_path_mask(call->number);
	char path[200] = "...";

	if (mask)
		(void)!tracee_read_string(tracee->tid, call->argument[__builtin_ctz(mask)], path,
		                          sizeof(path));
	passing_take_away(&run->warm.inputs);
	return fail(
	        STATUS_FAILED,
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

/* True: the helper has said something that is not the point. */
static bool hear(struct run *run, const struct tracee *tracee, const char *said)
{
	static const char variable[] = "/variable/";

	if (strcmp(said, "/begin") == 0)
		run->warm.begun = tracee->process->pid;
	else if (strcmp(said, "/pause") == 0 || strcmp(said, "/resume") == 0)
		run->warm.inputs.is_paused = said[1] == 'p';
	else if (strncmp(said, variable, sizeof(variable) - 1) == 0)
		inputs_note_variable(&run->warm.inputs, said + sizeof(variable) - 1);
	else
		return false;
	return true;
}

static enum status met(struct run *run, struct tracee *tracee, const struct point *point,
                       const struct call *call, bool *ret_met)
{
	char room[NAME_ROOM];
	const char *said = find_mark(tracee, call, room);
	bool program_runs = run->warm.begun != 0;

	(void)point;
	*ret_met = said && !*said;
	if (*ret_met)
		snprintf(run->trigger, sizeof(run->trigger), "the first look at the arguments");
	if (said && (*ret_met || hear(run, tracee, said)))
		return STATUS_OK;
	if (program_runs && reads_arguments(tracee, call, room))
		return fail(STATUS_FAILED,
		            "--warm: %s reads %s, so no moment is known that is the same for all arguments: "
		            "leave "
		            "out --warm, or choose a point with --at",
		            run->options->program[0], room);
	if (program_runs && passing_takes(&run->warm.inputs, tracee->tid, call))
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
