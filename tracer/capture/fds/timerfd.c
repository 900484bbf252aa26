/* timerfds: what remains, the interval, and the expirations that nobody has read. */
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>

#include "tracer/capture/fds/kinds.h"

static uint64_t nanoseconds(struct timespec time)
{
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* timerfd_gettime() first: it brings the ticks of an interval timer up to now (fs/timerfd.c), which are read
 * afterwards. What remains is kept; but what was set for a time of day stays that time of day. */
enum status take_timerfd(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	struct text info CLEANUP(text_free) = {0};
	struct itimerspec timer;
	struct proc_path name;
	enum status status;

	snprintf(name.text, sizeof(name.text), "fdinfo/%d", it->number);
	if (timerfd_gettime(it->copy, &timer) < 0)
		return refuse_descriptor(taking->survey, it, "a timerfd", "make it after the point");
	if ((status = proc_read(taking->survey->pid, name.text, &info)) != STATUS_OK)
		return status;
	uint64_t clock = proc_number(&info, "clockid", 10), flags = proc_number(&info, "settime flags", 8);
	object->value[SNAPIMG_TIMERFD_CLOCK] = clock;
	object->value[SNAPIMG_TIMERFD_VALUE] = nanoseconds(timer.it_value);
	object->value[SNAPIMG_TIMERFD_INTERVAL] = nanoseconds(timer.it_interval);
	object->value[SNAPIMG_TIMERFD_TICKS] = proc_number(&info, "ticks", 10);
	if ((clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM) && (flags & TFD_TIMER_ABSTIME) &&
	    object->value[SNAPIMG_TIMERFD_VALUE] != 0) {
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		object->value[SNAPIMG_TIMERFD_VALUE] += nanoseconds(now);
		object->value[SNAPIMG_TIMERFD_FLAGS] = flags & 3;
	}
	return STATUS_OK;
}
