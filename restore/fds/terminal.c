/* Pseudoterminals: a new pair; the slave is opened through its master, whatever /dev/pts is here. */
#include "restore/fds/terminal.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"

/* asm-generic/ioctls.h */
#define UNLOCK      0x40045431ull /* TIOCSPTLCK: _IOW('T', 0x31, int) */
#define OPEN_SLAVE  0x5441ull     /* TIOCGPTPEER, Linux 4.13 */
#define SET_PACKETS 0x5420ull     /* TIOCPKT */
#define EXCLUDE     0x540cull     /* TIOCEXCL */
#define SET_WINDOW  0x5414ull     /* TIOCSWINSZ */

static uint64_t open_flags(const struct snapimg_object *object)
{
	return (object->flags & (uint32_t)(O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC;
}

long terminal_open_slave(int master)
{
	return sys(__NR_ioctl, master, OPEN_SLAVE, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as the table of objects.c has it */
long terminal_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const int32_t off = 0;
	(void)ret_other;
	if (object->value[SNAPIMG_TERMINAL_END] == 1)
		return sys(__NR_ioctl, objects_descriptor(object->peer - 1), OPEN_SLAVE, open_flags(object));
	long made = sys(__NR_openat, AT_FDCWD, "/dev/ptmx", open_flags(object)), result = 0;
	if (made < 0)
		return made;
	if ((object->value[SNAPIMG_TERMINAL_STATE] & SNAPIMG_TERMINAL_LOCKED) == 0)
		result = sys(__NR_ioctl, made, UNLOCK, &off);
	if (result == 0 && object->value[SNAPIMG_TERMINAL_USED] == 1)
		result = sys(__NR_ioctl, made, OPEN_SLAVE, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (result > 0)
		sys(__NR_close, result);
	return result < 0 ? result : made;
}

/* Only now: what was done to the slave before would be told as a packet. */
long terminal_complete(uint32_t index, int descriptor)
{
	enum { STOP = 0 }; /* TCOOFF */
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	const uint64_t state = object->value[SNAPIMG_TERMINAL_STATE];
	const int32_t on = 1;
	long result = 0;
	if ((state & SNAPIMG_TERMINAL_PACKETS) != 0)
		result = sys(__NR_ioctl, descriptor, SET_PACKETS, &on);
	if (result >= 0 && object->value[SNAPIMG_TERMINAL_END] == 0)
		result = terminal_tell(descriptor, object->value[SNAPIMG_TERMINAL_EVENTS]);
	if (result >= 0 && (state & SNAPIMG_TERMINAL_STOPPED) != 0)
		result = sys(__NR_ioctl, descriptor, TERMINAL_FLOW, STOP);
	if (result >= 0 && (state & SNAPIMG_TERMINAL_EXCLUSIVE) != 0)
		result = sys(__NR_ioctl, descriptor, EXCLUDE, 0);
	return result < 0 ? result : object_complete_flags(index, descriptor);
}

long terminal_modes(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	(void)setting;
	return sys(__NR_ioctl, descriptor, TERMINAL_SET_MODES, data);
}

long terminal_window(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	(void)setting;
	return sys(__NR_ioctl, descriptor, SET_WINDOW, data);
}
