#include "tracer/follow/summary.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "format/base/progress.h"

static void print_size(char *text, size_t size, uint64_t bytes)
{
	static const char units[] = "KMGT";
	double amount = (double)bytes / 1024;
	size_t unit = 0;

	while (amount >= 1024 && unit < sizeof(units) - 2) {
		amount /= 1024;
		unit++;
	}
	snprintf(text, size, "%.1f %ciB", amount, units[unit]);
}

/* A start that saves less is hardly worth an image: it takes some milliseconds itself. */
#define LITTLE 0.01

/* Seconds from the exec of the process's first program to now; of one that was attached to, since its birth.
 */
double summary_saved(const struct process *process)
{
	struct timespec now;
	struct proc_stat stat;

	if (process->began > 0)
		return monotonic_seconds() - process->began;
	if (proc_try_read_stat(process->pid, &stat) < 0 || clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		return 0;
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9 -
	       (double)stat.field[STAT_START_TIME] / (double)sysconf(_SC_CLK_TCK);
}

static void print_saved(char *text, size_t size, double seconds, const struct point *point)
{
	bool early = seconds < LITTLE && point->kind->at_start;

	snprintf(text, size, seconds < 1 ? "a start saves %.0f ms%s" : "a start saves %.1f s%s",
	         seconds < 1 ? seconds * 1e3 : seconds, early ? ", a later point more" : "");
}

/* Who asked for no process by its name may take another one than PROG for PROG. */
static void tell_who_is_left_out(const struct run *run, const struct process *process)
{
	const struct options *options = run->options;
	char name[PATH_MAX];

	if (process->pid == run->root || options->whole || options->in || options->attach ||
	    options->launcher || options->warm || !tracee_find(run->root) ||
	    proc_read_link(proc_path(process->pid, "exe"), name, sizeof(name)) != STATUS_OK)
		return;
	const char *program = base_name(options->program[0]);
	tell("%s: has %s, which %s started, and not %s itself: --whole takes both", run->output,
	     base_name(name), program, program);
}

void summary_print(const struct run *run, const struct process *process, const struct point *point,
                   const struct snapshot_result *result, double saved)
{
	uint64_t bytes = result->stored_pages * 4096;
	char image[32], pages[32], start[64], processes[32] = "";

	print_size(image, sizeof(image), result->image_size);
	print_size(pages, sizeof(pages), bytes);
	print_saved(start, sizeof(start), saved, point);
	if (result->processes > 1)
		snprintf(processes, sizeof(processes), "%u processes, ", result->processes);
	tell("%s: %s, %llu pages (%s, ratio %.1f), %s%u thread%s, at %s, in %.2f s; %s", run->output, image,
	     (unsigned long long)result->stored_pages, pages,
	     result->image_size ? (double)bytes / (double)result->image_size : 0.0, processes,
	     result->threads, result->threads == 1 ? "" : "s", point->text, result->seconds, start);
	tell_who_is_left_out(run, process);
}
