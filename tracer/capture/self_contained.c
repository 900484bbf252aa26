#include "tracer/capture/self_contained.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "format/base/proc.h"
#include "format/facts/raw_code.h"
#include "tracer/capture/refuse.h"

static enum status refuse_written(const struct mappings *mappings, const struct files *files)
{
	for (size_t i = 0; i < mappings->count; i++) {
		const struct snapimg_mapping *record = &mappings->mapping[i].record;

		if (record->kind != SNAPIMG_MAPPING_FILE || record->flags & SNAPIMG_MAP_EMBEDDED)
			continue;
		const struct file *file = &files->file[record->file - 1];
		if (!(file->identity.flags & SNAPIMG_IDENTITY_MADE))
			(void)refuse("a file that is mapped to be written, in a self-contained image",
			             "give --carry=FILE as well, or leave out --self-contained", "%s",
			             file->path);
	}
	return refusals_end();
}

/* Why a file stays out that a descriptor needs; NULL: it is in, or there on every machine. */
static const char *reason_to_stay_out(const struct snapimg_descriptor *record, const struct file *file)
{
	if (file->identity.flags & SNAPIMG_IDENTITY_MADE || S_ISCHR(file->record.mode))
		return NULL;
	if (record->flags & O_PATH)
		return "open as a name only (O_PATH)";
	if (S_ISDIR(file->record.mode))
		return "a directory";
	return (record->flags & O_ACCMODE) == O_RDONLY ? NULL : "open for writing: --carry=FILE embeds it";
}

enum status self_contained_check(const struct mappings *mappings, const struct descriptors *descriptors,
                                 const struct files *files)
{
	for (size_t i = 0; i < descriptors->count; i++) {
		const struct snapimg_descriptor *record = &descriptors->record[i];

		if (record->kind != SNAPIMG_DESCRIPTOR_FILE)
			continue;
		const struct file *file = &files->file[record->file - 1];
		const char *reason = reason_to_stay_out(record, file);
		if (reason)
			tell("%s: is not in the image, a start needs it: %s", file->path, reason);
	}
	return refuse_written(mappings, files);
}

/* By memory alone its file is not known any more: a program that was started from such an image. */
static bool is_hidden(const struct mapping *mapping)
{
	const struct snapimg_mapping *record = &mapping->record;
	bool known = mapping->by_content || record->flags & SNAPIMG_MAP_EMBEDDED;

	if (!(record->protection & SNAPIMG_PROT_EXEC) || record->flags & SNAPIMG_MAP_SHARED ||
	    mapping->of_shim)
		return false;
	if (known)
		return !raw_code_is_of_libc(mapping->vma->name);
	return record->kind == SNAPIMG_MAPPING_ANONYMOUS && !*mapping->vma->name &&
	       !(record->protection & SNAPIMG_PROT_WRITE) && mapping->vma->rss > 0;
}

/* What can't be read may be anything. */
static bool calls_by_itself(pid_t pid, const struct snapimg_mapping *record)
{
	size_t size = (size_t)(record->end - record->start);
	uint8_t *code = malloc(size);
	const struct iovec here = {code, size}, there = {(void *)(uintptr_t)record->start, size};
	ssize_t got = code ? process_vm_readv(proc_living(pid), &here, 1, &there, 1, 0) : -1;
	bool calls = got < 0 || raw_code_calls(code, (size_t)got);

	free(code);
	return calls;
}

bool has_hidden_calls(pid_t pid, const struct mappings *mappings)
{
	for (size_t i = 0; i < mappings->count; i++)
		if (is_hidden(&mappings->mapping[i]) && calls_by_itself(pid, &mappings->mapping[i].record))
			return true;
	return false;
}
