/* The points that go by the clock: `after:DURATION` and `idle`. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/duration.h"
#include "format/base/proc.h"
#include "tracer/run.h"

#define IDLE_SECONDS 0.5
#define IDLE_SHARE   0.02 /* of a processor: a server looks after its timers while it waits */

static enum status parse_after(struct point *point, const char *argument)
{
	if (duration_parse(argument, &point->seconds))
		return STATUS_OK;
	return fail(STATUS_FAILED, "point %s: no duration: write it like after:500ms, after:10s or after:2m",
	            point->text);
}

static bool is_time(struct run *run, const struct point *point, struct process *process, double now)
{
	if (now - process->choice.since < point->seconds)
		return false;
	snprintf(run->trigger, sizeof(run->trigger), "%g s have passed", point->seconds);
	return true;
}

/* Adds what a thread has run; false when it isn't asleep. */
static bool thread_sleeps(pid_t pid, const char *tid, uint64_t *run_time)
{
	struct text text CLEANUP(text_free) = {0};
	struct proc_stat stat;

	if (proc_try_read_stat((pid_t)atoi(tid), &stat) < 0 || stat.state != 'S')
		return false;
	/* Nanoseconds on a processor come first (Documentation/scheduler/sched-stats.rst). */
	if (proc_try_read(proc_path(pid, "task/%s/schedstat", tid).text, &text) == 0)
		*run_time += strtoull(text.bytes, NULL, 10);
	return true;
}

/* In nanoseconds, to a clock tick: of the whole process, user and system time (proc(5), fields 14 and 15). */
static uint64_t processor_time(pid_t pid)
{
	struct proc_stat stat;

	if (proc_try_read_stat(pid, &stat) < 0)
		return 0;
	return (stat.field[14] + stat.field[15]) * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

static bool all_sleep(pid_t pid, uint64_t *ret_run_time)
{
	DIR *directory = opendir(proc_path(pid, "task").text);
	struct dirent *entry;
	bool asleep = directory != NULL;

	*ret_run_time = 0;
	while (asleep && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			asleep = thread_sleeps(pid, entry->d_name, ret_run_time);
	if (directory)
		closedir(directory);
	if (asleep && *ret_run_time == 0) /* a kernel without CONFIG_SCHED_INFO */
		*ret_run_time = processor_time(pid);
	return asleep;
}

/* The clock begins again whenever a look finds the process at work, or having worked more than a little. */
static bool is_idle(struct run *run, const struct point *point, struct process *process, double now)
{
	uint64_t run_time;

	(void)point;
	/* Who waits for a child isn't idle: its child is what it does. */
	if (!all_sleep(process->pid, &run_time) || proc_find_child(process->pid, true)) {
		process->idle_since = 0;
		return false;
	}
	if (process->idle_since == 0 ||
	    (double)(run_time - process->run_time) * 1e-9 > IDLE_SECONDS * IDLE_SHARE) {
		process->idle_since = now;
		process->run_time = run_time;
		return false;
	}
	if (now - process->idle_since < IDLE_SECONDS)
		return false;
	snprintf(run->trigger, sizeof(run->trigger), "it has waited for %g s", IDLE_SECONDS);
	return true;
}

const struct point_kind point_after = {
        .word = "after:",
        .form = "after:DURATION",
        .help = "when it has run so long (ms, s, m, h)",
        .parse = parse_after,
        .is_due = is_time,
        .hint = "it was faster than that",
};

const struct point_kind point_idle = {
        .word = "idle",
        .form = "idle",
        .help = "when it waits and has used no processor for a while",
        .is_due = is_idle,
        .hint = "it never just waited, without a child, for half a second",
};
