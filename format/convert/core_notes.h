/* The notes of a core file: threads, process, auxiliary vector, mapped files. */
#ifndef FORMAT_CONVERT_CORE_NOTES_H
#define FORMAT_CONVERT_CORE_NOTES_H

#include "format/image/reader.h"

struct notes {
	uint8_t *bytes; /* owned */
	size_t size, room;
};

/* As fs/binfmt_elf.c orders them: the first thread's registers, the process, the rest of the threads. Frees
 * nothing on failure. */
enum snapimg_error notes_write(const struct snapimg *image, struct notes *notes)
        __attribute__((warn_unused_result));

#endif
