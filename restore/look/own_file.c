#include "restore/look/own_file.h"

#include <assert.h>
#include <linux/fcntl.h>

#include "format/facts/runnable.h"
#include "format/image/layout.h"
#include "restore/base/memory.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

/* struct snapimg_runnable_note. Whoever puts an image after the loader sets the number
 * (format/image/loader.c).
 */
__asm__(".pushsection .note.snaptrace, \"a\", @note\n"
        ".balign 4\n"
        ".long 10, 4, 1\n"
        ".asciz \"snaptrace\"\n"
        ".balign 4\n"
        "own_file_image_page: .long 0\n"
        ".popsection\n");
extern const volatile uint32_t own_file_image_page;
static_assert(sizeof SNAPIMG_RUNNABLE_NOTE == 10 && SNAPIMG_RUNNABLE_TYPE == 1, "the note");

bool own_file_has_image(void)
{
	return own_file_image_page != 0;
}

/* Without /proc by the name that the kernel executed. */
long own_file_open(uint64_t flags)
{
	long descriptor = sys(__NR_openat, AT_FDCWD, "/proc/self/exe", flags);
	if (descriptor < 0 && loader.stack.file != NULL)
		descriptor = sys(__NR_openat, AT_FDCWD, loader.stack.file, flags);
	return descriptor;
}

uint64_t own_file_image_offset(int descriptor)
{
	static uint8_t head[SNAPIMG_RUNNABLE_HEAD];
	static const uint8_t elf[4] = {0x7f, 'E', 'L', 'F'};
	uint8_t magic[4]; /* of most files no more is looked at, and `head` is not touched */
	if (sys(__NR_pread64, descriptor, magic, sizeof magic, 0) != sizeof magic ||
	    memcmp(magic, elf, sizeof elf) != 0)
		return 0;
	long got = sys(__NR_pread64, descriptor, head, sizeof head, 0);
	return got > 0 ? snapimg_runnable_offset(head, (size_t)got) : 0;
}
