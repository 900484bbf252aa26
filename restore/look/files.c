/* Opens the files that an image needs and checks that they are the recorded ones. */
#include <asm/errno.h>
#include <linux/fcntl.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"
#include "restore/look/identify.h"

enum { FILES_MAX = 65536 };

static uint8_t checked[FILES_MAX / 8]; /* once a file, however many mappings it has */

static _Noreturn void die_open(const char *path, long result)
{
	die(EXIT_REFUSED, path, ": cannot open a file that the image needs: ", error_text(result),
	    result == -ENOENT ? ": put it back, or freeze the program again" : "");
}

/* Of a file that is not there but in the image. */
static long make_and_open(uint32_t index, const char *path, uint32_t flags)
{
	long made = file_make(index, path);
	if (made < 0)
		return made;
	sys(__NR_close, made);
	return sys(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY);
}

int file_open(uint32_t index, uint32_t flags)
{
	const struct snapimg_file *file = &snapimg_get_file(&loader.image)[index];
	const char *path = snapimg_string(&loader.image, file->path);
	bool is_scratch = file_is_scratch(index);
	long descriptor = is_scratch ? file_make_nameless(index)
	                             : sys(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY);
	if (descriptor == -ENOENT)
		descriptor = make_and_open(index, path, flags);
	if (descriptor < 0)
		die_open(path, descriptor);
	uint8_t bit = (uint8_t)(1u << index % 8);
	if (!is_scratch && (index >= FILES_MAX || (checked[index / 8] & bit) == 0)) {
		file_identify(index, path, (int)descriptor);
		if (index < FILES_MAX)
			checked[index / 8] |= bit;
	}
	return (int)descriptor;
}
