#include "format/facts/buildid.h"

#include <elf.h>
#include <string.h>

/* Notes are padded to 4 bytes, in a segment aligned to 8 (such as .note.gnu.property) to 8: gABI and
 * binutils. */
static uint64_t note_padded(uint64_t size, uint64_t alignment)
{
	return (size + alignment - 1) / alignment * alignment;
}

static uint32_t find_in_notes(const uint8_t *notes, uint64_t size, uint64_t alignment,
                              uint8_t build_id[SNAPIMG_BUILD_ID_MAX])
{
	uint64_t position = 0;

	while (size - position >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t name, description;

		memcpy(&note, notes + position, sizeof(note));
		name = position + sizeof(note);
		description = note_padded(name + note.n_namesz, alignment);
		if (description > size || note.n_descsz > size - description)
			return 0;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 && note.n_descsz > 0) {
			uint32_t length = note.n_descsz;

			if (length > SNAPIMG_BUILD_ID_MAX)
				length = SNAPIMG_BUILD_ID_MAX;
			memcpy(build_id, notes + description, length);
			return length;
		}
		position = note_padded(description + note.n_descsz, alignment);
		if (position > size)
			return 0;
	}
	return 0;
}

static int is_elf64(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_ident[EI_DATA] == ELFDATA2LSB && header->e_phentsize == sizeof(Elf64_Phdr);
}

uint32_t snapimg_build_id(const void *elf, size_t size, uint8_t build_id[SNAPIMG_BUILD_ID_MAX])
{
	const uint8_t *bytes = elf;
	Elf64_Ehdr header;
	uint32_t i;

	if (size < sizeof(header))
		return 0;
	memcpy(&header, bytes, sizeof(header));
	if (!is_elf64(&header) || header.e_phoff > size)
		return 0;
	for (i = 0; i < header.e_phnum; i++) {
		uint64_t offset = header.e_phoff + i * sizeof(Elf64_Phdr);
		uint32_t length;
		Elf64_Phdr segment;

		if (size - offset < sizeof(segment))
			return 0;
		memcpy(&segment, bytes + offset, sizeof(segment));
		if (segment.p_type != PT_NOTE || segment.p_offset > size ||
		    segment.p_filesz > size - segment.p_offset)
			continue;
		length = find_in_notes(bytes + segment.p_offset, segment.p_filesz,
		                       segment.p_align == 8 ? 8 : 4, build_id);
		if (length > 0)
			return length;
	}
	return 0;
}
