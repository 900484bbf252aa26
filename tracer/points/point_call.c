/* The points at a system call: `path:PATH`, `syscall:NAME[#N]` and `here`. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/contract.h"
#include "tracer/points/point.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/system_calls.h"
#include "tracer/run.h"

static enum status parse_path(struct point *point, const char *argument)
{
	if (!*argument)
		return fail(STATUS_FAILED, "point %s: no path: write path:PATH", point->text);
	if (strlen(argument) >= PATH_MAX)
		return fail(STATUS_FAILED, "point path: the path is longer than a path can be (%d)",
		            PATH_MAX);
	point->path = argument;
	return STATUS_OK;
}

static void watch_paths(struct point *point)
{
	size_t count;
	const struct path_call *calls = system_calls_with_path(&count);

	for (size_t i = 0; i < count; i++)
		call_rules_add(&point->calls, (uint32_t)calls[i].number, (uint32_t)calls[i].number);
}

/* Only as many bytes as tell whether it is the one. A bad pointer is the call's own EFAULT to come. What has
 * changed its user, or has made itself undumpable, is read with CAP_SYS_PTRACE only (ptrace(2)). */
static bool names_path(struct run *run, pid_t pid, uint64_t address, const char *path)
{
	char buffer[PATH_MAX];
	size_t size = strlen(path) + 1;

	if (tracee_read_string(pid, address, buffer, size) >= 0)
		return strcmp(buffer, path) == 0;
	run->is_unreadable = run->is_unreadable || errno == EPERM;
	return false;
}

static enum status met_path(struct run *run, struct tracee *tracee, const struct point *point,
                            const struct call *call, bool *ret_met)
{
	unsigned mask = system_call_path_mask(call->number);

	*ret_met = false;
	for (size_t i = 0; i < CALL_ARGUMENTS && !*ret_met; i++)
		if (mask & 1u << i)
			*ret_met = names_path(run, tracee->tid, call->argument[i], point->path);
	if (*ret_met)
		snprintf(run->trigger, sizeof(run->trigger), "%s(\"%.200s\")", system_call_name(call->number),
		         point->path);
	return STATUS_OK;
}

static enum status parse_syscall(struct point *point, const char *argument)
{
	const char *hash = strchr(argument, '#');
	char name[64];
	char *end;

	snprintf(name, sizeof(name), "%.*s", hash ? (int)(hash - argument) : (int)sizeof(name) - 1, argument);
	if ((point->number = system_call_number(name)) < 0)
		return fail(STATUS_FAILED, "point %s: no system call %s: see syscalls(2) for their names",
		            point->text, name);
	point->nth = 1;
	if (!hash)
		return STATUS_OK;
	errno = 0;
	point->nth = strtoull(hash + 1, &end, 10);
	if (errno || end == hash + 1 || *end || hash[1] == '-' || point->nth == 0)
		return fail(STATUS_FAILED, "point %s: %s is no count: write syscall:%s#N with N from 1",
		            point->text, hash + 1, name);
	return STATUS_OK;
}

static void watch_syscall(struct point *point)
{
	call_rules_add(&point->calls, (uint32_t)point->number, (uint32_t)point->number);
}

/* Counted by process, from its exec on. */
static enum status met_syscall(struct run *run, struct tracee *tracee, const struct point *point,
                               const struct call *call, bool *ret_met)
{
	*ret_met = ++tracee->process->calls[point->index] == point->nth;
	if (*ret_met)
		snprintf(run->trigger, sizeof(run->trigger), "entry %llu of %s",
		         (unsigned long long)point->nth, system_call_name(call->number));
	return STATUS_OK;
}

static void watch_here(struct point *point)
{
	uint32_t number = (uint32_t)system_call_number("prctl");

	call_rule_when(call_rules_add(&point->calls, number, number), 0, UINT32_MAX, SNAP_MARKER);
}

static enum status met_here(struct run *run, struct tracee *tracee, const struct point *point,
                            const struct call *call, bool *ret_met)
{
	(void)point;
	*ret_met = call->argument[1] == SNAP_REQUEST_HERE;
	if (*ret_met && call->argument[2] != SNAP_CONTRACT_VERSION)
		return fail(STATUS_FAILED,
		            "snap_here() of process %d: its snap.h is of another version (contract %" PRIu64
		            ", not %d): build the program with this snaptrace's snap.h",
		            tracee->process->pid, call->argument[2], SNAP_CONTRACT_VERSION);
	if (*ret_met)
		snprintf(run->trigger, sizeof(run->trigger), "snap_here()");
	return STATUS_OK;
}

const struct point_kind point_path = {
        .word = "path:",
        .form = "path:PATH",
        .help = "at the first system call that names PATH",
        .parse = parse_path,
        .watch = watch_paths,
        .met = met_path,
        .hint = "a path counts when it is written exactly so in a system call",
};

const struct point_kind point_syscall = {
        .word = "syscall:",
        .form = "syscall:NAME[#N]",
        .help = "at the Nth system call NAME",
        .parse = parse_syscall,
        .watch = watch_syscall,
        .met = met_syscall,
        .hint = "calls are counted by process, from its exec on; strace -c shows what a program makes",
};

const struct point_kind point_here = {
        .word = "here",
        .form = "here",
        .help = "where the program calls snap_here() of snap.h",
        .watch = watch_here,
        .met = met_here,
        .answered = true,
        .answer = SNAP_RESUMED,
        .hint = "call snap_here() of snap.h, or of the shim",
};
