/* The points that go by the clock: `after:DURATION` and `idle`. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

	if (proc_try_read_stat((pid_t)atoi(tid), &stat) < 0)
		return false;
	if (stat.state != 'S')
		return stat.state == 'Z'; /* a main thread that has ended */
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

static bool all_sleep(pid_t pid, uint64_t *run_time)
{
	DIR *directory = opendir(proc_path(pid, "task").text);
	struct dirent *entry;
	bool asleep = directory != NULL;
	uint64_t its = 0;

	while (asleep && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			asleep = thread_sleeps(pid, entry->d_name, &its);
	if (directory)
		closedir(directory);
	*run_time += asleep && its == 0 ? processor_time(pid) /* a kernel without CONFIG_SCHED_INFO */ : its;
	return asleep;
}

/* The processes of a tree: all wait, and what they have run. */
struct quiet {
	unsigned count;
	bool all_wait;
	uint64_t run_time;
};

/* Who is stopped waits, and who is dead. */
static bool add_child(void *context, pid_t child, const struct proc_stat *stat)
{
	struct quiet *quiet = context;

	if (proc_has_ended(child))
		return true;
	quiet->count++;
	if (stat->state != 'T' && stat->state != 't')
		quiet->all_wait = all_sleep(child, &quiet->run_time);
	if (quiet->all_wait)
		proc_visit_children(child, add_child, quiet);
	return quiet->all_wait;
}

/* It is in wait4 or waitid: its child is what it does, as a shell's is. A thread beside the first one, as the
 * reaper that Java has for each child, is not what the process does.
 */
static bool waits_for_child(pid_t pid)
{
	struct text call CLEANUP(text_free) = {0};
	char *end;

	if (proc_try_read(proc_path(pid, "syscall").text, &call) < 0 || !call.bytes)
		return false;
	long number = strtol(call.bytes, &end, 10);
	return end != call.bytes && (number == SYS_wait4 || number == SYS_waitid) &&
	       proc_find_child(pid, true) != 0;
}

/* A process above it is the one to be idle, when all below it are. */
static bool is_led(pid_t pid)
{
	struct proc_stat stat;
	const struct process *parent;

	while (proc_try_read_stat(pid, &stat) == 0 &&
	       (parent = process_find(pid = (pid_t)stat.field[STAT_PPID])))
		if (!parent->launching && parent->choice.state == CHOICE_COUNTS && !waits_for_child(pid))
			return true;
	return false;
}

/* The clock begins again whenever a look finds a process of the tree at work, or all having worked more than
 * a little. */
static bool is_idle(struct run *run, const struct point *point, struct process *process, double now)
{
	struct quiet quiet = {.count = 1};

	(void)point;
	quiet.all_wait = !is_led(process->pid) && all_sleep(process->pid, &quiet.run_time);
	if (quiet.all_wait)
		proc_visit_children(process->pid, add_child, &quiet);
	if (!quiet.all_wait || (quiet.count > 1 && waits_for_child(process->pid))) {
		process->idle_since = 0;
		return false;
	}
	if (process->idle_since == 0 ||
	    (double)(quiet.run_time - process->run_time) * 1e-9 > IDLE_SECONDS * IDLE_SHARE * quiet.count) {
		process->idle_since = now;
		process->run_time = quiet.run_time;
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
        .help = "when it waits with all its children, and uses no processor",
        .is_due = is_idle,
        .hint = "it never just waited for half a second, with all its children; who waits for a child to end "
                "is not idle",
};
