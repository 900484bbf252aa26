/*
 * A program holds moments of CLOCK_MONOTONIC until which it waits, and differences
 * to earlier ones. After a reboot, or on another machine, that clock may be behind
 * what the program has seen; a wait of a second would then last for the difference.
 * So it goes on in a time namespace (time_namespaces(7), Linux 5.6), in which the
 * clock continues. Where it's ahead, waits are over sooner, as after a suspension.
 */
#include "restore/become/clock.h"

#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/time.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/identity.h"
#include "restore/loader.h"

enum { NANOSECONDS = 1000000000, CLOCKS = 2 };

static const char offsets_path[] = "/proc/self/timens_offsets";

static const struct {
	int clock;
	const char *name; /* in timens_offsets */
} clocks[CLOCKS] = {{CLOCK_MONOTONIC, "monotonic"}, {CLOCK_BOOTTIME, "boottime"}};

static int64_t read_clock(int clock)
{
	struct {
		int64_t seconds, nanoseconds;
	} now = {0};
	sys(__NR_clock_gettime, clock, &now);
	return now.seconds * NANOSECONDS + now.nanoseconds;
}

static const char *skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

static const char *read_number(const char *at, int64_t *ret_number)
{
	int64_t number = 0;
	at = skip_blanks(at);
	bool negative = *at == '-';
	for (at += negative; *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (*at - '0');
	*ret_number = negative ? -number : number;
	return at;
}

/* Offsets are from the machine's own clocks, and a new namespace begins with its maker's. */
static bool read_offsets(int64_t offset[CLOCKS])
{
	char text[256] = "";
	long descriptor = sys(__NR_openat, AT_FDCWD, offsets_path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return false;
	long size = sys(__NR_read, descriptor, text, sizeof text - 1);
	sys(__NR_close, descriptor);
	for (const char *at = text; size > 0 && *at != '\0'; at++)
		for (unsigned i = 0; i < CLOCKS; i++) {
			const char *number =
			        at == text || at[-1] == '\n' ? text_after(at, clocks[i].name) : NULL;
			int64_t seconds, nanoseconds;
			if (number == NULL)
				continue;
			read_number(read_number(number, &seconds), &nanoseconds);
			offset[i] = seconds * NANOSECONDS + nanoseconds;
		}
	return size > 0;
}

static bool write_offsets(const int64_t offset[CLOCKS])
{
	bool written = true;
	for (unsigned i = 0; i < CLOCKS && written; i++) {
		int64_t seconds = offset[i] / NANOSECONDS, rest = offset[i] % NANOSECONDS;
		if (rest < 0)
			rest += NANOSECONDS, seconds--;
		const char *const parts[] = {clocks[i].name,
		                             seconds < 0 ? " -" : " ",
		                             dec((uint64_t)(seconds < 0 ? -seconds : seconds)),
		                             " ",
		                             dec((uint64_t)rest),
		                             "\n",
		                             NULL};
		long descriptor = sys(__NR_openat, AT_FDCWD, offsets_path, O_WRONLY | O_CLOEXEC);
		written = descriptor >= 0 && print_parts((int)descriptor, parts);
		if (descriptor >= 0)
			sys(__NR_close, descriptor);
	}
	return written;
}

/* This process itself, not only its children: setns(2) may, while there is one thread. */
static long join(void)
{
	long descriptor = sys(__NR_openat, AT_FDCWD, "/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return descriptor;
	long result = sys(__NR_setns, descriptor, CLONE_NEWTIME);
	sys(__NR_close, descriptor);
	return result;
}

static void tell_behind(int64_t seconds, const char *reason)
{
	const bool refuses = loader.options.on_mismatch == MISMATCH_FAIL;
	static const char what[] =
	        " s behind what it was when the program was frozen, for which its timed waits would "
	        "last longer, and no time namespace can be made: ";
	if (refuses)
		die(EXIT_REFUSED, loader.options.image, ": the monotonic clock is ", dec((uint64_t)seconds),
		    what, reason, ": allow namespaces, or use --on-mismatch=warn");
	warn(loader.options.image, ": the monotonic clock is ", dec((uint64_t)seconds), what, reason);
}

static void continue_clocks(const struct snapimg_clocks *recorded, int64_t behind)
{
	const int64_t wanted[CLOCKS] = {(int64_t)recorded->monotonic, (int64_t)recorded->boottime};
	int64_t offset[CLOCKS] = {0};
	long result = namespaces_make(CLONE_NEWTIME);
	if (result < 0) {
		tell_behind(behind / NANOSECONDS, error_text(result));
		return;
	}
	bool known = read_offsets(offset);
	for (unsigned i = 0; i < CLOCKS; i++) {
		int64_t now = read_clock(clocks[i].clock);
		if (now < wanted[i])
			offset[i] += wanted[i] - now;
	}
	if (!known || !write_offsets(offset) || (result = join()) < 0)
		die(EXIT_REFUSED, loader.options.image, ": the clocks cannot be set in a time namespace: ",
		    result < 0 ? error_text(result) : offsets_path, ": use --on-mismatch=ignore");
	if (loader.options.verbose)
		warn("the monotonic clock is ", dec((uint64_t)(behind / NANOSECONDS)),
		     " s behind: it goes on in a time namespace");
}

void clock_enter(void)
{
	const struct snapimg_clocks *recorded = snapimg_get_clocks(&loader.image);
	if (snapimg_clocks_count(&loader.image) == 0)
		return;
	if (loader.options.verbose)
		warn("processor time of the process and its threads begins at 0 again: it was ",
		     dec(recorded->processor / 1000000), " ms");
	int64_t behind = (int64_t)recorded->monotonic - read_clock(CLOCK_MONOTONIC);
	int64_t behind_boot = (int64_t)recorded->boottime - read_clock(CLOCK_BOOTTIME);
	if (behind_boot > behind)
		behind = behind_boot;
	if (behind > 0 && loader.options.on_mismatch != MISMATCH_IGNORE)
		continue_clocks(recorded, behind);
}
