#include "tracer/capture/identity/module.h"

#include <string.h>

#include "format/base/elf.h"

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
	struct elf_file file;
	uint64_t found = 0;

	if (fd < 0 || elf_map(fd, &file) < 0)
		return 0;
	for (size_t i = 0; i < file.header->e_phnum && !found; i++) {
		const Elf64_Phdr *segment = &file.segments[i];
		uint64_t start = segment->p_offset & ~(uint64_t)(SNAPIMG_PAGE_SIZE - 1);
		uint64_t end = segment->p_offset + segment->p_filesz;
		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) != 0 && record->offset >= start &&
		    record->offset < end)
			found = record->start - (record->offset - start) + (segment->p_offset - start) +
			        segment->p_memsz;
	}
	elf_close(&file);
	return found;
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

bool module_is_mapped(const struct mappings *mappings, const char *begins)
{
	const char *before = NULL;

	for (size_t i = 0; i < mappings->count; i++) {
		const struct mapping *mapping = &mappings->mapping[i];
		if (mapping->record.kind != SNAPIMG_MAPPING_FILE || !mapping->vma ||
		    mapping->vma->name == before)
			continue;
		const char *slash = strrchr(before = mapping->vma->name, '/');
		if (slash && strncmp(slash + 1, begins, strlen(begins)) == 0)
			return true;
	}
	return false;
}

/* What SBCL has saved as a program has any name; its dynamic space lies there on x86-64
 * (src/compiler/x86-64/parms.lisp). */
static bool is_program_of_sbcl(const struct mappings *mappings)
{
	static const uint64_t fixed = 0x50000000, dynamic = 0x1000000000;
	const struct mapping *first = mapping_at(mappings, fixed), *second = mapping_at(mappings, dynamic);

	return first && second && first->record.start == fixed && second->record.start == dynamic;
}

enum snapimg_id_form module_form_of_numbers(const struct mappings *mappings)
{
	static const struct {
		const char *begins;
		enum snapimg_id_form form;
	} rows[] = {
	        {"sbcl", SNAPIMG_FORM_EVEN},        {"racket", SNAPIMG_FORM_EIGHTFOLD},
	        {"petite", SNAPIMG_FORM_EIGHTFOLD}, {"chez", SNAPIMG_FORM_EIGHTFOLD},
	        {"scheme", SNAPIMG_FORM_EIGHTFOLD},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (module_is_mapped(mappings, rows[i].begins))
			return rows[i].form;
	return is_program_of_sbcl(mappings) ? SNAPIMG_FORM_EVEN : SNAPIMG_FORM_NIBBLE;
}
