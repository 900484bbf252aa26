#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"

enum { NANOSECONDS = 1000000000 };
#define TFD_IOC_SET_TICKS 0x40085400ull /* linux/timerfd.h: _IOW('T', 0, __u64) */

/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long timerfd_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const uint64_t *value = object->value;
	const uint64_t interval = value[SNAPIMG_TIMERFD_INTERVAL], first = value[SNAPIMG_TIMERFD_VALUE];
	const uint64_t timer[4] = {interval / NANOSECONDS, interval % NANOSECONDS, first / NANOSECONDS,
	                           first % NANOSECONDS};
	uint64_t ticks = value[SNAPIMG_TIMERFD_TICKS];
	(void)ret_other;
	long made = sys(__NR_timerfd_create, value[SNAPIMG_TIMERFD_CLOCK],
	                object_status_flags(object) | O_CLOEXEC);
	if (made < 0)
		return made;
	long result = sys(__NR_timerfd_settime, made, value[SNAPIMG_TIMERFD_FLAGS], timer, 0);
	if (result == 0 && ticks != 0)
		result = sys(__NR_ioctl, made, TFD_IOC_SET_TICKS, &ticks);
	return result < 0 ? result : made;
}
