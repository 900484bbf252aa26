#include "tracer/capture/identity/module.h"

#include <elf.h>
#include <string.h>
#include <unistd.h>

const struct mapping *mapping_at(const struct mappings *mappings, uint64_t address)
{
	for (size_t i = 0; i < mappings->count; i++)
		if (address >= mappings->mapping[i].record.start && address < mappings->mapping[i].record.end)
			return &mappings->mapping[i];
	return NULL;
}

/* Where the segments that the mapped one belongs to end in memory, their zeroed part too; 0: it is no ELF
 * file. */
static uint64_t end_of_segment(int fd, const struct snapimg_mapping *record)
{
	enum { SEGMENTS_MAX = 64 };
	Elf64_Phdr segment[SEGMENTS_MAX];
	Elf64_Ehdr header;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phnum > SEGMENTS_MAX ||
	    header.e_phentsize != sizeof(*segment))
		return 0;
	size_t size = header.e_phnum * sizeof(*segment);
	if (pread(fd, segment, size, (off_t)header.e_phoff) != (ssize_t)size)
		return 0;
	for (size_t i = 0; i < header.e_phnum; i++) {
		uint64_t start = segment[i].p_offset & ~(uint64_t)(SNAPIMG_PAGE_SIZE - 1);
		uint64_t end = segment[i].p_offset + segment[i].p_filesz;
		if (segment[i].p_type == PT_LOAD && (segment[i].p_flags & PF_W) != 0 &&
		    record->offset >= start && record->offset < end)
			return record->start - (record->offset - start) + (segment[i].p_offset - start) +
			       segment[i].p_memsz;
	}
	return 0;
}

const char *module_of_data(const struct mappings *mappings, const struct files *files, uint64_t address)
{
	const struct mapping *at = mapping_at(mappings, address);

	/* The zeroed part has mappings of its own, right after the file's. */
	while (at && at->record.kind == SNAPIMG_MAPPING_ANONYMOUS && at > mappings->mapping &&
	       at[-1].record.end == at->record.start)
		at--;
	if (!at || at->record.kind != SNAPIMG_MAPPING_FILE || at->record.file == 0)
		return NULL;
	const struct file *file = &files->file[at->record.file - 1];
	return address < end_of_segment(file->fd, &at->record) ? file->path : NULL;
}

const char *module_of_code(const struct mappings *mappings, uint64_t address)
{
	const struct mapping *at = mapping_at(mappings, address);

	return at && at->record.kind == SNAPIMG_MAPPING_FILE &&
	                       (at->record.protection & SNAPIMG_PROT_EXEC) != 0
	               ? at->vma->name
	               : NULL;
}
