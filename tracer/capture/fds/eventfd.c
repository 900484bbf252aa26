/* eventfds: /proc/PID/fdinfo shows the count. */
#include <stdio.h>
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
	object->value[SNAPIMG_EVENTFD_COUNT] = count;
	object->value[SNAPIMG_EVENTFD_SEMAPHORE] = is_semaphore(it, count);
	return STATUS_OK;
}
