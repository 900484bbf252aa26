#include "tracer/run.h"

bool run_wants(const struct run *run, const struct tracee *tracee)
{
	return run->phase == PHASE_BEFORE && !run->stops_all && !tracee->process->launching &&
	       tracee->process->choice.state == CHOICE_COUNTS;
}

bool run_counts(struct run *run, const struct tracee *tracee, const struct point *point)
{
	if (run->options->check) {
		bool first = !run->looked[point->index];

		run->looked[point->index] = true;
		return first;
	}
	if (run->passed >= run->options->skip)
		return true;
	run->passed++;
	explain("process %d: %s is passed over, %lu of %lu", tracee->process->pid, point->text, run->passed,
	        run->options->skip);
	return false;
}
