/* Pseudoterminals: a new pair; the slave is opened through its master, whatever /dev/pts is here. */
#include <asm/errno.h>
#include <linux/fcntl.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/fds/objects.h"

/* asm-generic/ioctls.h */
#define UNLOCK      0x40045431ull /* TIOCSPTLCK: _IOW('T', 0x31, int) */
#define OPEN_SLAVE  0x5441ull     /* TIOCGPTPEER, Linux 4.13 */
#define SET_TERMIOS 0x402c542bull /* TCSETS2 */
#define SET_WINDOW  0x5414ull     /* TIOCSWINSZ */

static uint64_t open_flags(const struct snapimg_object *object)
{
	return (object->flags & (uint32_t)(O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC;
}

int terminal_make(const struct snapimg_object *object, int master)
{
	if (object->value[SNAPIMG_TERMINAL_END] == 1)
		return (int)sys(__NR_ioctl, master, OPEN_SLAVE, open_flags(object));
	const int32_t off = 0;
	long made = sys(__NR_openat, AT_FDCWD, "/dev/ptmx", open_flags(object)), result = 0;
	if (made < 0)
		return (int)made;
	if (object->value[SNAPIMG_TERMINAL_LOCK] == 0)
		result = sys(__NR_ioctl, made, UNLOCK, &off);
	if (result == 0 && object->value[SNAPIMG_TERMINAL_USED] == 1)
		result = sys(__NR_ioctl, made, OPEN_SLAVE, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (result > 0)
		sys(__NR_close, result);
	return result < 0 ? (int)result : (int)made;
}

long terminal_set(const struct snapimg_setting *setting, int descriptor, const uint8_t *data)
{
	return sys(__NR_ioctl, descriptor,
	           setting->kind == SNAPIMG_SETTING_TERMIOS ? SET_TERMIOS : SET_WINDOW, data);
}
