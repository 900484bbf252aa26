/* The point `effect`: the first system call whose effect would reach outside of the process. */
#include <stdio.h>

#include "tracer/points/effect_policy.h"
#include "tracer/points/point.h"
#include "tracer/points/stream_copies.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/system_calls.h"
#include "tracer/run.h"

static void watch(struct point *point)
{
	effect_policy_watch(&point->calls);
}

static enum status met(struct run *run, struct tracee *tracee, const struct point *point,
                       const struct call *call, bool *ret_met)
{
	unsigned mask = system_call_path_mask(call->number);
	char path[200] = "";

	(void)point;
	*ret_met = effect_is_certain(tracee->tid, call) && !stream_copy_begins(tracee, call);
	if (*ret_met && mask &&
	    tracee_read_string(tracee->tid, call->argument[__builtin_ctz(mask)], path, sizeof(path)) >= 0)
		snprintf(run->trigger, sizeof(run->trigger), "%s(\"%s\")", system_call_name(call->number),
		         path);
	else if (*ret_met)
		snprintf(run->trigger, sizeof(run->trigger), "%s(%d, ...)", system_call_name(call->number),
		         (int)call->argument[0]);
	return STATUS_OK;
}

const struct point_kind point_effect = {
        .word = "effect",
        .form = "effect",
        .help = "at the first call that reaches outside the process",
        .watch = watch,
        .met = met,
        .follows_copies = true,
        .hint = "it made no call that has an effect outside",
};
