#include "tracer/rings.h"

#include <stddef.h>

#include "format/base/array.h"

static struct ring_note *notes;
static size_t note_count;

static struct ring_note *find(ino_t inode)
{
	for (size_t i = note_count; i > 0; i--) /* a number may be given again */
		if (notes[i - 1].inode == inode)
			return &notes[i - 1];
	return NULL;
}

void rings_note_made(ino_t inode, const struct io_uring_params *params)
{
	struct ring_note *note = find(inode);

	if (!note && !(note = array_add(notes, note_count)))
		return;
	*note = (struct ring_note){.inode = inode, .params = *params};
}

void rings_note_registered(ino_t inode, uint32_t opcode)
{
	struct ring_note *note = find(inode);

	if (note)
		note->registered |= UINT64_C(1) << (opcode < 63 ? opcode : 63);
}

const struct ring_note *rings_find(ino_t inode)
{
	return find(inode);
}
