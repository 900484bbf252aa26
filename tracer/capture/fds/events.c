/* The small kernel objects that /proc/PID/fdinfo shows whole: eventfd, timerfd, signalfd, pidfd. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"

/* fdinfo tells since Linux 6.5. Before, a count of two shows it: a semaphore gives one of them. The target,
 * which is stopped, has its count again when it goes on. */
static bool is_semaphore(const struct open_descriptor *it, uint64_t count)
{
	uint64_t two = 2, got = 0;

	if (*proc_value(&it->info, "eventfd-semaphore") != '\0')
		return proc_number(&it->info, "eventfd-semaphore", 10) != 0;
	if (count < 2 && write(it->copy, &two, sizeof(two)) != sizeof(two))
		return false;
	if (read(it->copy, &got, sizeof(got)) != sizeof(got))
		return false;
	uint64_t back = got == 1 ? 1 : count;
	if (count < 2) { /* it was count + 2 */
		if (got == 1 && read(it->copy, &back, sizeof(back)) != sizeof(back))
			return true;
		if (got == 1 || count == 0)
			return got == 1;
		back = count;
	}
	return write(it->copy, &back, sizeof(back)) == sizeof(back) && got == 1;
}

enum status take_eventfd(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	uint64_t count = proc_number(&it->info, "eventfd-count", 16);

	(void)taking;
	object->kind = SNAPIMG_OBJECT_EVENTFD;
	object->value[SNAPIMG_EVENTFD_COUNT] = count;
	object->value[SNAPIMG_EVENTFD_SEMAPHORE] = is_semaphore(it, count);
	return STATUS_OK;
}

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
	object->kind = SNAPIMG_OBJECT_TIMERFD;
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

enum status take_signalfd(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	(void)taking;
	object->kind = SNAPIMG_OBJECT_SIGNALFD;
	object->value[SNAPIMG_SIGNALFD_MASK] = proc_number(&it->info, "sigmask", 16);
	return STATUS_OK;
}

enum status take_pidfd(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	bool of_thread = (it->flags & O_EXCL) != 0; /* PIDFD_THREAD, Linux 6.9 */

	if (of_thread || (pid_t)proc_number(&it->info, "Pid", 10) != taking->survey->pid)
		return refuse_descriptor(taking->survey, it, "a pidfd of another process or of a thread",
		                         "close it before the point");
	object->kind = SNAPIMG_OBJECT_PIDFD;
	return STATUS_OK;
}
