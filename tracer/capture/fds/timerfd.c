/* timerfds: what remains, the interval, and the expirations that nobody has read. */
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>

#include "tracer/capture/fds/kinds.h"

static uint64_t nanoseconds(struct timespec time)
{
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* What is due just now shows no time left, as one that is off does (fs/timerfd.c): but it expires, and so is
 * seen in its ticks or in its next time, however late the processor is. */
static bool is_due(const struct open_descriptor *it, struct itimerspec *timer, uint64_t *ret_ticks)
{
	enum { LOOKS = 20, PAUSE_NS = 500000 };
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct text info CLEANUP(text_free) = {0};
	struct proc_path path = proc_path(it->pid, "fdinfo/%d", it->number);
	uint64_t before = *ret_ticks;

	for (int i = 0; i < LOOKS; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		text_free(&info);
		if (timerfd_gettime(it->copy, timer) < 0 || proc_try_read(path.text, &info) != 0)
			return false;
		*ret_ticks = proc_number(&info, "ticks", 10);
		if (*ret_ticks != before || timer->it_value.tv_sec != 0 || timer->it_value.tv_nsec != 0)
			return true;
	}
	return false;
}

/* timerfd_gettime() first: it brings the ticks of an interval timer up to now (fs/timerfd.c), which are read
 * afterwards. What remains is kept; but what was set for a time of day stays that time of day. */
enum status take_timerfd(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	struct text info CLEANUP(text_free) = {0};
	struct itimerspec timer;
	enum status status;

	if (timerfd_gettime(it->copy, &timer) < 0)
		return refuse_descriptor(taking->survey, it, "a timerfd", "make it after the point");
	if ((status = proc_read(proc_path(it->pid, "fdinfo/%d", it->number), &info)) != STATUS_OK)
		return status;
	uint64_t clock = proc_number(&info, "clockid", 10), flags = proc_number(&info, "settime flags", 8);
	uint64_t ticks = proc_number(&info, "ticks", 10);
	if (nanoseconds(timer.it_value) == 0 && nanoseconds(timer.it_interval) != 0 &&
	    is_due(it, &timer, &ticks) && nanoseconds(timer.it_value) == 0)
		timer.it_value.tv_nsec = 1;
	object->value[SNAPIMG_TIMERFD_CLOCK] = clock;
	object->value[SNAPIMG_TIMERFD_VALUE] = nanoseconds(timer.it_value);
	object->value[SNAPIMG_TIMERFD_INTERVAL] = nanoseconds(timer.it_interval);
	object->value[SNAPIMG_TIMERFD_TICKS] = ticks;
	if ((clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM) && (flags & TFD_TIMER_ABSTIME) &&
	    object->value[SNAPIMG_TIMERFD_VALUE] != 0) {
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		object->value[SNAPIMG_TIMERFD_VALUE] += nanoseconds(now);
		object->value[SNAPIMG_TIMERFD_FLAGS] = flags & 3;
	}
	return STATUS_OK;
}
