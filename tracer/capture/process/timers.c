#include "tracer/capture/process/timers.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "format/base/array.h"
#include "tracer/ptrace/memory.h"

enum {
	INTERVAL_TIMERS = 3,
	CLOCK_BITS = 3,
	MAKERS_CLOCK = -2, /* CLOCK_THREAD_CPUTIME_ID: ~0 << 3 | 6, SCHED of a thread */
	FAR = 1000000000,  /* seconds of processor time, before which nothing happens */
};

static enum status add(struct timers *timers, struct snapimg_timer record)
{
	struct snapimg_timer *added = array_add(timers->record, timers->count);

	if (!added)
		return fail(STATUS_FAILED, "out of memory");
	*added = record;
	return STATUS_OK;
}

static enum status read_interval_timers(const struct remote *remote, struct timers *timers)
{
	struct itimerval values[INTERVAL_TIMERS] = {0};
	struct remote_ask ask[INTERVAL_TIMERS];
	enum status status;

	for (uint64_t which = 0; which < INTERVAL_TIMERS; which++)
		ask[which] = (struct remote_ask){"interval timer",
		                                 SYS_getitimer,
		                                 {which, remote->scratch + which * sizeof(*values)},
		                                 0};
	status = remote_ask_all(remote, ask, INTERVAL_TIMERS, values, sizeof(values));
	for (uint32_t which = 0; which < INTERVAL_TIMERS && status == STATUS_OK; which++) {
		const struct itimerval value = values[which];
		struct snapimg_timer record = {
		        .kind = SNAPIMG_TIMER_INTERVAL,
		        .id = which,
		        .remaining = (uint64_t)value.it_value.tv_sec * 1000000000 +
		                     (uint64_t)value.it_value.tv_usec * 1000,
		        .interval = (uint64_t)value.it_interval.tv_sec * 1000000000 +
		                    (uint64_t)value.it_interval.tv_usec * 1000,
		};
		/* Due just now, with its signal still pending: it runs on when that is taken
		 * (kernel/signal.c, dequeue_signal()). The others keep an interval when they are stopped. */
		if (which == ITIMER_REAL && record.remaining == 0)
			record.remaining = record.interval;
		if (record.remaining)
			status = add(timers, record);
	}
	return status;
}

/* One timer of /proc/PID/timers (proc(5)). Returns where the next begins, NULL when the form is unknown. */
static const char *parse(const char *text, struct snapimg_timer *ret_record, int *ret_clock, int *ret_target)
{
	char how[16], whom[8];
	int length = 0;
	struct snapimg_timer record = {.kind = SNAPIMG_TIMER_POSIX};

	if (sscanf(text,
	           "ID: %" SCNu32 " signal: %" SCNu32 "/%" SCNx64
	           " notify: %15[a-z]/%7[a-z].%d ClockID: %d %n",
	           &record.id, &record.signal, &record.value, how, whom, ret_target, ret_clock, &length) != 7)
		return NULL;
	/* "thread" is SIGEV_THREAD, which the kernel treats as SIGEV_SIGNAL (kernel/time/posix-timers.c). */
	record.notify = strcmp(how, "none") == 0   ? (uint32_t)SNAPIMG_NOTIFY_NONE
	                : strcmp(whom, "tid") == 0 ? (uint32_t)SNAPIMG_NOTIFY_THREAD
	                                           : (uint32_t)SNAPIMG_NOTIFY_SIGNAL;
	if (record.notify == SNAPIMG_NOTIFY_NONE)
		record.signal = 0;
	*ret_record = record;
	return text + length;
}

static bool find_thread(const struct threads *threads, pid_t tid, uint32_t *ret_index)
{
	for (size_t i = 0; i < threads->count; i++)
		if (threads->stopped->thread[i].tid == tid) {
			*ret_index = (uint32_t)i;
			return true;
		}
	return false;
}

/* A clock of processor time, which /proc/PID/timers shows as ~ID << 3 with what it counts: 4 for a thread's
 * own, and 0 to 2 (include/linux/posix-timers.h). ID 0 is whoever made the timer, which shows nowhere. */
static bool find_clock(const struct subject *subject, const struct threads *threads, int clock,
                       uint32_t *ret_clock)
{
	uint32_t bits = (uint32_t)clock % SNAPIMG_CLOCK_THREADS, index = 0;
	pid_t owner = ~(clock >> CLOCK_BITS);
	bool is_of_thread = (bits & SNAPIMG_CLOCK_OF_THREAD) != 0;

	if (clock >= 0) {
		*ret_clock = (uint32_t)clock;
		return clock < SNAPIMG_CLOCK_OWN;
	}
	if (bits % SNAPIMG_CLOCK_OF_THREAD >= SNAPIMG_CLOCK_KINDS ||
	    (owner == 0 && is_of_thread && threads->count > 1) ||
	    (owner != 0 && !is_of_thread && owner != subject->pid) ||
	    (owner != 0 && !find_thread(threads, owner, &index)))
		return false;
	*ret_clock = SNAPIMG_CLOCK_OWN + SNAPIMG_CLOCK_THREADS * index + bits;
	return true;
}

static enum status look_at(const struct remote *remote, uint32_t timer, struct itimerspec *ret_value)
{
	return remote_fetch(remote, "POSIX timer", ret_value, sizeof(*ret_value), SYS_timer_gettime, timer,
	                    remote->scratch, 0, 0);
}

/* Time runs on that clock only while its thread does: here, for two looks at a timer that is set. */
static enum status find_runner(const struct threads *threads, const struct remote *remote, uint32_t timer,
                               uint32_t *ret_index)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < threads->count && status == STATUS_OK; i++) {
		struct remote at = *remote;
		struct itimerspec first = {0}, second = {0};
		at.tid = proc_living(threads->stopped->thread[i].tid);
		if ((status = look_at(&at, timer, &first)) == STATUS_OK &&
		    (status = look_at(&at, timer, &second)) == STATUS_OK &&
		    memcmp(&first.it_value, &second.it_value, sizeof(first.it_value)) != 0) {
			*ret_index = (uint32_t)i;
			return STATUS_OK;
		}
	}
	return status;
}

static enum status set_far(const struct remote *remote, uint32_t timer, bool far, int64_t *ret_result)
{
	const struct itimerspec value = {.it_value.tv_sec = far ? FAR : 0};

	if (tracee_write(remote->tid, remote->scratch, &value, sizeof(value)) < 0)
		return fail(STATUS_FAILED, "can't read the program's state: POSIX timer: %s",
		            strerror(errno));
	return remote_call(remote, ret_result, SYS_timer_settime, timer, 0, remote->scratch, 0);
}

/* Who made a timer for itself shows nowhere. One that is stopped is set for as long as that takes, which
 * would take back a signal of it that waits in a program that goes on (kernel/time/posix-timers.c). */
static enum status find_maker(const struct subject *subject, const struct threads *threads,
                              const struct remote *remote, const struct snapimg_timer *record,
                              const struct itimerspec *value, uint32_t *ret_index)
{
	bool is_set = value->it_value.tv_sec != 0 || value->it_value.tv_nsec != 0;
	int64_t result = 0;
	enum status status;

	if (is_set)
		return find_runner(threads, remote, record->id, ret_index);
	if (!subject->request->ends || value->it_interval.tv_sec != 0 || value->it_interval.tv_nsec != 0)
		return STATUS_OK;
	if ((status = set_far(remote, record->id, true, &result)) != STATUS_OK || result < 0 ||
	    (status = find_runner(threads, remote, record->id, ret_index)) != STATUS_OK)
		return status;
	return set_far(remote, record->id, false, &result);
}

static enum status find_any_clock(const struct subject *subject, const struct threads *threads,
                                  const struct remote *remote, struct snapimg_timer *record, int clock,
                                  const struct itimerspec *value)
{
	uint32_t index = UINT32_MAX;
	enum status status = STATUS_OK;

	if (find_clock(subject, threads, clock, &record->clock))
		return STATUS_OK;
	if (clock == MAKERS_CLOCK)
		status = find_maker(subject, threads, remote, record, value, &index);
	if (status == STATUS_OK && index == UINT32_MAX)
		return refuse("a POSIX timer of the clock of another process, of a thread that has ended, or "
		              "that one of several threads made for itself and has not set "
		              "(CLOCK_THREAD_CPUTIME_ID)",
		              "choose a point before it is made", "timer %u of process %d, clock %d",
		              record->id, subject->pid, clock);
	record->clock = SNAPIMG_CLOCK_OWN + SNAPIMG_CLOCK_THREADS * index +
	                (uint32_t)MAKERS_CLOCK % SNAPIMG_CLOCK_THREADS;
	return status;
}

static enum status read_posix_timer(const struct subject *subject, const struct threads *threads,
                                    const struct remote *remote, struct snapimg_timer *record, int clock,
                                    int target)
{
	struct itimerspec value = {0};
	enum status status;

	if ((status = look_at(remote, record->id, &value)) != STATUS_OK ||
	    (status = find_any_clock(subject, threads, remote, record, clock, &value)) != STATUS_OK)
		return status;
	if (record->notify == SNAPIMG_NOTIFY_THREAD && !find_thread(threads, target, &record->thread))
		return refuse("a POSIX timer that signals a thread that has ended",
		              "delete it before the point", "timer %u of process %d, thread %d", record->id,
		              subject->pid, target);
	record->remaining = (uint64_t)value.it_value.tv_sec * 1000000000 + (uint64_t)value.it_value.tv_nsec;
	record->interval =
	        (uint64_t)value.it_interval.tv_sec * 1000000000 + (uint64_t)value.it_interval.tv_nsec;
	if (record->remaining == 0) /* likewise: one that is stopped has no interval */
		record->remaining = record->interval;
	return STATUS_OK;
}

/* Of the signal that came last; setting a timer makes it 0 (kernel/time/posix-timers.c, common_timer_set()).
 */
static enum status tell_overruns(const struct subject *subject, const struct remote *remote,
                                 const struct snapimg_timer *record)
{
	int64_t overruns = 0;
	enum status status = remote_call(remote, &overruns, SYS_timer_getoverrun, record->id, 0, 0, 0);

	if (status == STATUS_OK && overruns > 0)
		tell("timer %u of process %d: its %" PRId64 " overruns are not in the image: "
		     "timer_getoverrun(2) gives 0 until its next signal",
		     record->id, subject->pid, overruns);
	return status;
}

static int by_id(const void *left, const void *right)
{
	const struct snapimg_timer *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

static enum status read_posix_timers(const struct subject *subject, const struct threads *threads,
                                     const struct remote *remote, struct timers *timers)
{
	struct text text CLEANUP(text_free) = {0};
	enum status status = STATUS_OK;

	/* No such file: no POSIX timers in this kernel. */
	if (proc_try_read(proc_path(subject->pid, "timers").text, &text) < 0)
		return STATUS_OK;
	for (const char *at = text.bytes; *at && status == STATUS_OK;) {
		struct snapimg_timer record;
		int clock = 0, target = 0;
		at = parse(at, &record, &clock, &target);
		if (!at)
			return fail(STATUS_FAILED,
			            "can't read the program's state: /proc/%d/timers: unknown form",
			            subject->pid);
		if ((status = tell_overruns(subject, remote, &record)) == STATUS_OK &&
		    (status = read_posix_timer(subject, threads, remote, &record, clock, target)) ==
		            STATUS_OK)
			status = add(timers, record);
		status = pass_refusal(status);
	}
	return status;
}

enum status timers_read(const struct subject *subject, const struct threads *threads,
                        const struct remote *remote, struct timers *ret_timers)
{
	struct timers timers = {0};
	enum status status;

	if ((status = read_interval_timers(remote, &timers)) != STATUS_OK ||
	    (status = read_posix_timers(subject, threads, remote, &timers)) != STATUS_OK) {
		timers_free(&timers);
		return status;
	}
	if (timers.count)
		qsort(timers.record, timers.count, sizeof(*timers.record), by_id);
	*ret_timers = timers;
	return STATUS_OK;
}

enum snapimg_error timers_write(const struct timers *timers, struct snapimg_writer *writer)
{
	if (timers->count == 0)
		return SNAPIMG_OK;
	return snapimg_writer_add(writer, SNAPIMG_SECTION_TIMERS, timers->record,
	                          timers->count * sizeof(*timers->record));
}

void timers_free(struct timers *timers)
{
	free(timers->record);
	*timers = (struct timers){0};
}
