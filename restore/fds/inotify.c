#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"

enum { BYTES_TO_READ = 0x541b /* FIONREAD */ };

/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long inotify_make(uint32_t index, int32_t *ret_other)
{
	(void)index;
	(void)ret_other;
	return sys(__NR_inotify_init1, O_NONBLOCK | O_CLOEXEC);
}

/* A watch gets the number after the last one that was given (fs/notify/inotify/inotify_user.c,
 * idr_alloc_cyclic), so those before it are given and taken. What they tell is read again. */
static void watch(const struct snapimg_inotify *watched, int descriptor)
{
	const char *path = snapimg_string(&loader.image, watched->path);
	uint8_t events[4096];
	int32_t waiting = 0;
	for (;;) {
		long number = sys(__NR_inotify_add_watch, descriptor, path, watched->mask);
		if (number < 0)
			die(EXIT_REFUSED, path, ": cannot watch it, as the image needs: ", error_text(number),
			    ": put it back, or freeze the program again");
		if (number == watched->watch)
			return;
		if (number > watched->watch)
			die(EXIT_REFUSED, path,
			    ": cannot watch it: it is what another watch of the image has");
		sys(__NR_inotify_rm_watch, descriptor, number);
		/* It may be one whose reader waits. */
		while (sys(__NR_ioctl, descriptor, BYTES_TO_READ, &waiting) == 0 && waiting > 0 &&
		       sys(__NR_read, descriptor, events, sizeof events) > 0)
			;
	}
}

/* When all that the start itself does with files is done, so that nothing of it is told. What no descriptor
 * needs may watch what is not there. */
void inotify_watch(void)
{
	const struct snapimg_inotify *watched = snapimg_get_inotify(&loader.image);
	for (uint32_t i = 0; i < snapimg_inotify_count(&loader.image); i++)
		if (overrides_leave_object(watched[i].object))
			watch(&watched[i], objects_descriptor(watched[i].object));
}
