#include "tracer/capture/memory/shared.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "format/base/array.h"

enum status refuse_shared(const struct shared_memory *memory, const char *what, const char *advice)
{
	const struct vma *vma = memory->first;

	if (!vma)
		return refuse(what, advice, "a memfd or deleted file");
	return refuse(what, advice, "mapping %" PRIx64 "-%" PRIx64 " %s", vma->start, vma->end, vma->name);
}

bool is_segment(const struct vma *vma)
{
	return strncmp(vma->name, "/SYSV", 5) == 0 && vma->shared;
}

static bool is_of_file(const struct mapping *mapping)
{
	return (mapping->record.flags & SNAPIMG_MAP_EMBEDDED) != 0;
}

/* A segment's id may be the inode number of other memory on the same device. */
bool is_same_shared(const struct vma *a, const struct vma *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor &&
	       is_segment(a) == is_segment(b);
}

static int by_memory(const void *left, const void *right)
{
	const struct vma *a = (*(struct mapping *const *)left)->vma,
	                 *b = (*(struct mapping *const *)right)->vma;

	if (is_segment(a) != is_segment(b))
		return is_segment(a) ? -1 : 1;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	if (a->minor != b->minor)
		return a->minor < b->minor ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return (a->start > b->start) - (a->start < b->start);
}

static enum status group(struct shared *shared, size_t total)
{
	for (size_t i = 0; i < total; i++) {
		struct mapping **showing = &shared->showing[i];
		struct shared_memory *last = shared->count ? &shared->memory[shared->count - 1] : NULL;
		if (!last || !is_same_shared(last->first, (*showing)->vma)) {
			if (!(last = array_add(shared->memory, shared->count)))
				return fail(STATUS_FAILED, "out of memory");
			*last = (struct shared_memory){
			        .first = (*showing)->vma,
			        .showing = showing,
			        .content = -1,
			        .segment = is_segment((*showing)->vma) ? (uint32_t)(*showing)->vma->inode + 1
			                                               : 0};
		}
		last->count++;
		last->shared = last->shared || ((*showing)->vma->shared && !is_of_file(*showing));
	}
	return STATUS_OK;
}

/* A library is known by its mappings, whoever has it open. */
static bool has_code(const struct mappings *mappings, uint32_t file)
{
	for (size_t i = 0; i < mappings->count; i++) {
		const struct mapping *it = &mappings->mapping[i];
		if (is_of_file(it) && it->record.file == file && it->record.protection & SNAPIMG_PROT_EXEC)
			return true;
	}
	return false;
}

enum status shared_find(struct mappings *mappings, bool with_files, struct shared *ret_shared)
{
	struct shared result = {.showing = calloc(mappings->count + 1, sizeof(struct mapping *))};
	enum status status;
	size_t total = 0;

	if (!result.showing)
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; i < mappings->count; i++) {
		struct mapping *mapping = &mappings->mapping[i];
		if (mapping->of_object || (mapping->by_content && !mapping->of_shim) ||
		    (with_files && is_of_file(mapping) && !has_code(mappings, mapping->record.file)))
			result.showing[total++] = mapping;
	}
	qsort(result.showing, total, sizeof(struct mapping *), by_memory);
	if ((status = group(&result, total)) == STATUS_OK)
		*ret_shared = result;
	else
		shared_free(&result);
	return status;
}

/* stat(2) shows other device numbers than maps for some filesystems; then the name tells. */
static struct shared_memory *find(const struct shared *shared, const struct open_descriptor *it)
{
	for (size_t i = 0; i < shared->count; i++) {
		const struct vma *vma = shared->memory[i].first;
		if (vma && !is_segment(vma) && vma->inode == it->identity.st_ino &&
		    (strcmp(vma->name, it->link) == 0 ||
		     it->identity.st_dev == makedev(vma->major, vma->minor)))
			return &shared->memory[i];
	}
	return NULL;
}

/* Large content goes into the image as pages do, in extents, though it isn't mapped. */
enum { LARGE = 1 << 20 };

static enum status add_unmapped(struct shared *shared, uint64_t size, struct shared_memory **ret_memory)
{
	const uint64_t most = (SNAPIMG_MEMORY_END - SNAPIMG_MEMORY_START) / 2;

	*ret_memory = NULL;
	if (size < LARGE || size > most)
		return STATUS_OK;
	if (!(*ret_memory = array_add(shared->memory, shared->count)))
		return fail(STATUS_FAILED, "out of memory");
	(*ret_memory)->content = -1;
	return STATUS_OK;
}

enum status shared_claim(struct shared *shared, const struct open_descriptor *it, int content, size_t object,
                         bool *ret_claimed)
{
	uint64_t size = (uint64_t)it->identity.st_size;
	struct shared_memory *memory = find(shared, it);
	enum status status = STATUS_OK;

	for (const struct shared *next = shared->next; !memory && next; next = next->next)
		memory = find(next, it);
	if (!memory)
		status = add_unmapped(shared, size, &memory);
	*ret_claimed = memory != NULL;
	if (!memory)
		return status;
	memory->object = (uint32_t)object + 1;
	memory->content = content;
	memory->size = size;
	memory->is_large_file = it->embedded && size >= LARGE;
	return STATUS_OK;
}

enum status shared_check_inherited(const struct shared *shared, const struct survey *survey,
                                   const struct open_descriptor *it)
{
	bool is_nameless = it->known && S_ISREG(it->identity.st_mode) && it->identity.st_nlink == 0;
	const struct shared_memory *memory = is_nameless ? find(shared, it) : NULL;

	if (!memory || !memory->shared)
		return STATUS_OK;
	return refuse_descriptor(survey, it, "shared memory whose descriptor was inherited",
	                         "close it before the point");
}

enum status shared_leave(const struct remote *remote, struct shared *shared)
{
	enum status status = STATUS_OK;
	int64_t result;

	for (size_t i = 0; i < shared->count && status == STATUS_OK; i++) {
		struct shared_memory *memory = &shared->memory[i];
		if (memory->view)
			status = remote_call(remote, &result, SYS_munmap, memory->view,
			                     memory->view_end - memory->view, 0, 0);
		memory->view = 0;
	}
	return status;
}

void shared_free(struct shared *shared)
{
	for (size_t i = 0; i < shared->count; i++)
		if (shared->memory[i].content >= 0)
			close(shared->memory[i].content);
	free(shared->memory);
	free(shared->others);
	free(shared->showing);
	*shared = (struct shared){0};
}
