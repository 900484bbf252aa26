/*
 * A runnable file: the loader, and after it an image (FORMAT.md, "A runnable
 * file"). The loader's note says where the image begins.
 */
#ifndef FORMAT_FACTS_RUNNABLE_H
#define FORMAT_FACTS_RUNNABLE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPIMG_RUNNABLE_NOTE "snaptrace"
enum {
	SNAPIMG_RUNNABLE_TYPE = 1,
	SNAPIMG_RUNNABLE_NAME_ROOM = 12, /* the name with its NUL, padded to 4 */
	SNAPIMG_RUNNABLE_HEAD = 4096,    /* the program headers and the note lie within */
};

/* An ELF note (elf(5)). */
struct snapimg_runnable_note {
	uint32_t name_size;
	uint32_t size; /* of the rest */
	uint32_t type;
	char name[SNAPIMG_RUNNABLE_NAME_ROOM];
	uint32_t image_page; /* where the image begins in the file, in pages; 0: no image, the loader alone */
};
static_assert(sizeof(struct snapimg_runnable_note) == 28, "note layout");

/* The place of the note in a file that begins with these bytes; 0: it is none of ours. */
size_t snapimg_runnable_find(const uint8_t *head, size_t size);

/* Where the image begins in such a file; 0: at its beginning, or there is none. */
uint64_t snapimg_runnable_offset(const uint8_t *head, size_t size);

#endif
