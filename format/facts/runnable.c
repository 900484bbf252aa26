#include "format/facts/runnable.h"

#include <elf.h>
#include <string.h>

#include "format/image/layout.h"

/* The note among those of one segment. */
static size_t find_in(const uint8_t *head, size_t start, size_t end)
{
	const size_t before_name = offsetof(struct snapimg_runnable_note, name);
	struct snapimg_runnable_note note;

	while (end - start >= before_name) {
		memcpy(&note, head + start, before_name);
		uint64_t size = before_name + (((uint64_t)note.name_size + 3) & ~UINT64_C(3)) +
		                (((uint64_t)note.size + 3) & ~UINT64_C(3));

		if (size > end - start)
			return 0;
		if (size == sizeof(note) && note.type == SNAPIMG_RUNNABLE_TYPE &&
		    note.name_size == sizeof(SNAPIMG_RUNNABLE_NOTE) &&
		    memcmp(head + start + before_name, SNAPIMG_RUNNABLE_NOTE,
		           sizeof(SNAPIMG_RUNNABLE_NOTE)) == 0)
			return start;
		start += size;
	}
	return 0;
}

size_t snapimg_runnable_find(const uint8_t *head, size_t size)
{
	Elf64_Ehdr file;
	Elf64_Phdr segment;

	if (size > SNAPIMG_RUNNABLE_HEAD)
		size = SNAPIMG_RUNNABLE_HEAD;
	if (size < sizeof(file))
		return 0;
	memcpy(&file, head, sizeof(file));
	if (memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_ident[EI_CLASS] != ELFCLASS64 ||
	    file.e_phentsize != sizeof(segment) || file.e_phoff > size)
		return 0;
	for (size_t i = 0; i < file.e_phnum && (i + 1) * sizeof(segment) <= size - file.e_phoff; i++) {
		memcpy(&segment, head + file.e_phoff + i * sizeof(segment), sizeof(segment));
		if (segment.p_type != PT_NOTE || segment.p_offset > size ||
		    segment.p_filesz > size - segment.p_offset)
			continue;
		size_t at = find_in(head, segment.p_offset, segment.p_offset + segment.p_filesz);
		if (at != 0)
			return at;
	}
	return 0;
}

uint64_t snapimg_runnable_offset(const uint8_t *head, size_t size)
{
	struct snapimg_runnable_note note;
	size_t at = snapimg_runnable_find(head, size);

	if (at == 0)
		return 0;
	memcpy(&note, head + at, sizeof(note));
	return (uint64_t)note.image_page * SNAPIMG_PAGE_SIZE;
}
