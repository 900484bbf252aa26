#include "tracer/capture/self_contained.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* A runtime that opens files of its own when it first needs them: known by what it has mapped. */
static const struct runtime {
	const char *name;
	const char *library;      /* below its home */
	const char *directory[2]; /* likewise: what it opens is there */
	const char *link;         /* likewise: may be a symbolic link to other files of its own */
} runtimes[] = {
        {"Java", "/lib/server/libjvm.so", {"/lib", "/conf"}, "/conf/net.properties"}, /* not jmods/ */
};

/* The directory that `link` of the home leads to; "" where it's no link to elsewhere. */
static void find_other_home(const struct runtime *runtime, const char *home, char other[PATH_MAX])
{
	char path[2 * PATH_MAX];

	(void)snprintf(path, sizeof path, "%s%s", home, runtime->link);
	if (!realpath(path, other) || strncmp(other, home, strlen(home)) == 0)
		*other = '\0';
	if (*other)
		*strrchr(other, '/') = '\0';
}

static bool is_embedded(const struct embeds *embeds, const char *home, const char *below)
{
	char path[2 * PATH_MAX];

	(void)snprintf(path, sizeof path, "%s%s", home, below);
	for (size_t i = 0; i < embeds->count; i++) {
		size_t length = strlen(embeds->path[i]);
		if (strncmp(embeds->path[i], path, length) == 0 && (!path[length] || path[length] == '/'))
			return true;
	}
	return false;
}

static void tell_runtime(const struct runtime *runtime, const char *library, const struct embeds *embeds)
{
	size_t length = strlen(library), below = strlen(runtime->library);
	char home[PATH_MAX], other[PATH_MAX];

	if (length <= below || length - below >= sizeof home ||
	    strcmp(library + length - below, runtime->library) != 0)
		return;
	(void)snprintf(home, sizeof home, "%.*s", (int)(length - below), library);
	if (is_embedded(embeds, home, runtime->directory[0]) &&
	    is_embedded(embeds, home, runtime->directory[1]))
		return;
	find_other_home(runtime, home, other);
	tell("%s: %s opens files there later, which are not in the image: for machines without it give "
	     "--embed=%s%s --embed=%s%s%s%s, and start it with --root=image (a runnable file with "
	     "SNAP_OPTIONS=--root=image)",
	     home, runtime->name, home, runtime->directory[0], home, runtime->directory[1],
	     *other ? " --embed=" : "", other);
}

static void tell_runtimes(const struct files *files, const struct embeds *embeds)
{
	for (size_t i = 0; i < files->count; i++)
		for (size_t kind = 0; kind < sizeof runtimes / sizeof runtimes[0]; kind++)
			tell_runtime(&runtimes[kind], files->file[i].path, embeds);
}

enum status self_contained_check(const struct mappings *mappings, const struct descriptors *descriptors,
                                 const struct files *files, const struct embeds *embeds)
{
	if (embeds)
		tell_runtimes(files, embeds);
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
