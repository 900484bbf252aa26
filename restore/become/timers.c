/* Interval and POSIX timers, each with the time that remained. */
#include <asm/errno.h>
#include <asm/resource.h>
#include <assert.h>

#include "restore/base/limits.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/threads_x86_64.h"
#include "restore/loader.h"

enum {
	TIMER_CREATE_RESTORE_IDS = 77, /* PR_TIMER_CREATE_RESTORE_IDS, Linux 6.16 */
	ATTEMPTS_MAX = 1 << 20,
	NANOSECONDS = 1000000000,
};

struct kernel_sigevent { /* include/uapi/asm-generic/siginfo.h */
	uint64_t value;
	uint32_t signal, notify, tid, pad[11];
};
static_assert(sizeof(struct kernel_sigevent) == 64, "SIGEV_MAX_SIZE");

/* struct itimerval counts microseconds, struct itimerspec nanoseconds. */
struct timer_value {
	uint64_t interval_seconds, interval_rest, seconds, rest;
};

static struct timer_value value_of(const struct snapimg_timer *timer, uint64_t unit)
{
	return (struct timer_value){timer->interval / NANOSECONDS, timer->interval % NANOSECONDS / unit,
	                            timer->remaining / NANOSECONDS, timer->remaining % NANOSECONDS / unit};
}

static void start_interval_timer(const struct snapimg_timer *timer)
{
	struct timer_value value = value_of(timer, 1000);
	if (value.seconds == 0 && value.rest == 0)
		value.rest = 1; /* it was running */
	long result = sys(__NR_setitimer, timer->id, &value, 0);
	if (result < 0)
		die(EXIT_REFUSED, "interval timer ", dec(timer->id),
		    ": cannot be started: ", error_text(result));
}

/* One that belongs to an ID has that in its number, with what it counts below (include/linux/posix-timers.h).
 */
static int32_t clock_of(const struct snapimg_timer *timer)
{
	uint32_t own = timer->clock - SNAPIMG_CLOCK_OWN;
	if (timer->clock < SNAPIMG_CLOCK_OWN)
		return (int32_t)timer->clock;
	return (int32_t)(~thread_id(own / SNAPIMG_CLOCK_THREADS) * SNAPIMG_CLOCK_THREADS |
	                 own % SNAPIMG_CLOCK_THREADS);
}

/* Ids are given in a row, so without Linux 6.16 the one wanted comes after making and deleting those before.
 */
static long create(const struct snapimg_timer *timer, struct kernel_sigevent *event, bool by_id)
{
	for (uint32_t attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		int32_t id = (int32_t)timer->id;
		long result = sys(__NR_timer_create, clock_of(timer), event, &id);
		if (result < 0 || (uint32_t)id == timer->id)
			return result;
		sys(__NR_timer_delete, id);
		if (by_id)
			break;
	}
	return -EBUSY;
}

static void make_posix_timer(const struct snapimg_timer *timer, bool by_id)
{
	struct kernel_sigevent event = {.value = timer->value,
	                                .signal = timer->signal,
	                                .notify = timer->notify,
	                                .tid = thread_id(timer->thread)};
	long result = create(timer, &event, by_id);
	if (result < 0)
		die(EXIT_REFUSED, "POSIX timer ", dec(timer->id),
		    ": cannot be made again: ", error_text(result),
		    result == -EAGAIN ? ": raise ulimit -Hi" : "");
}

static void start_posix_timer(const struct snapimg_timer *timer)
{
	struct timer_value value = value_of(timer, 1);
	long result = timer->remaining == 0 ? 0 : sys(__NR_timer_settime, timer->id, 0, &value, 0);
	if (result < 0)
		die(EXIT_REFUSED, "POSIX timer ", dec(timer->id),
		    ": cannot be started: ", error_text(result));
}

void timers_prepare(void)
{
	const struct snapimg_timer *timer = snapimg_get_timer(&loader.image);
	uint32_t count = snapimg_timer_count(&loader.image);
	if (count == 0)
		return;
	limit_raise(RLIMIT_SIGPENDING); /* a timer has a signal's room from the start */
	bool by_id = sys(__NR_prctl, TIMER_CREATE_RESTORE_IDS, 1) == 0;
	for (uint32_t i = 0; i < count; i++)
		if (timer[i].kind == SNAPIMG_TIMER_POSIX)
			make_posix_timer(&timer[i], by_id);
	if (by_id)
		sys(__NR_prctl, TIMER_CREATE_RESTORE_IDS, 0);
}

void timers_commit(void)
{
	const struct snapimg_timer *timer = snapimg_get_timer(&loader.image);
	uint32_t count = snapimg_timer_count(&loader.image);
	for (uint32_t i = 0; i < count; i++) {
		if (timer[i].kind == SNAPIMG_TIMER_POSIX)
			start_posix_timer(&timer[i]);
		else
			start_interval_timer(&timer[i]);
	}
}
