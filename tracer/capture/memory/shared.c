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

bool is_same_shared(const struct vma *a, const struct vma *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

static int by_memory(const void *left, const void *right)
{
	const struct vma *a = (*(struct mapping *const *)left)->vma,
	                 *b = (*(struct mapping *const *)right)->vma;

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
			        .first = (*showing)->vma, .showing = showing, .content = -1};
		}
		last->count++;
		last->shared = last->shared || (*showing)->vma->shared;
	}
	return STATUS_OK;
}

enum status shared_find(struct mappings *mappings, struct shared *ret_shared)
{
	struct shared result = {.showing = calloc(mappings->count + 1, sizeof(struct mapping *))};
	enum status status;
	size_t total = 0;

	if (!result.showing)
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; i < mappings->count; i++) {
		struct mapping *mapping = &mappings->mapping[i];
		if (mapping->of_object || (mapping->by_content && !mapping->of_shim))
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
		if (vma && vma->inode == it->identity.st_ino &&
		    (strcmp(vma->name, it->link) == 0 ||
		     it->identity.st_dev == makedev(vma->major, vma->minor)))
			return &shared->memory[i];
	}
	return NULL;
}

/* Large content goes into the image as pages do, in extents, though it isn't mapped. */
static enum status add_unmapped(struct shared *shared, uint64_t size, struct shared_memory **ret_memory)
{
	enum { LEAST = 1 << 20 };
	const uint64_t most = (SNAPIMG_MEMORY_END - SNAPIMG_MEMORY_START) / 2;

	*ret_memory = NULL;
	if (size < LEAST || size > most)
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

	if (!memory)
		status = add_unmapped(shared, size, &memory);
	*ret_claimed = memory != NULL;
	if (!memory)
		return status;
	memory->object = (uint32_t)object + 1;
	memory->content = content;
	memory->size = size;
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

/* A shared view of a descriptor that was opened for reading only can never be written ("mw" of VmFlags). */
static bool is_read_only(const struct vma *vma)
{
	return vma->shared && *vma->flags && !vma_has(vma, "mw");
}

/* Mapped once, from its beginning to its end. */
static bool is_plain(const struct shared_memory *memory)
{
	const struct vma *vma = memory->first;

	return !memory->object && memory->count == 1 && vma->offset == 0 &&
	       memory->size == vma->end - vma->start && !is_read_only(vma);
}

/* What anonymous memory can't be: read only, private, or shown past its end only. */
static bool needs_object(const struct shared_memory *memory)
{
	bool needed = false;

	for (size_t i = 0; i < memory->count; i++) {
		const struct vma *vma = memory->showing[i]->vma;
		needed = needed || !vma->shared || is_read_only(vma) || vma->offset >= memory->size;
	}
	return needed && !memory->object;
}

/* A memfd that no descriptor leads to. */
static enum status add_object(struct shared_memory *memory, struct objects *objects)
{
	struct snapimg_object object = {.kind = SNAPIMG_OBJECT_MEMFD, .flags = 2 /* O_RDWR */};
	enum status status;

	object.value[SNAPIMG_FILE_SIZE] = memory->size;
	object.value[SNAPIMG_FILE_MODE] = 0777;
	if ((status = objects_name(objects, "memory", &object.name)) != STATUS_OK)
		return status;
	memory->object = (uint32_t)objects->object.count + 1;
	return objects_add(objects, &object);
}

static void make_views(const struct shared_memory *memory, uint32_t index)
{
	for (size_t i = 0; i < memory->count; i++) {
		struct mapping *mapping = memory->showing[i];
		const struct vma *vma = mapping->vma;
		mapping->record.kind = SNAPIMG_MAPPING_VIEW;
		mapping->record.file = index + 1;
		mapping->record.offset = vma->offset;
		mapping->record.flags |= is_read_only(vma) ? SNAPIMG_MAP_READ_ONLY : 0;
		mapping->by_content = mapping->of_object = false;
	}
}

/* Its place in the image, after those before it. */
static enum status place(struct shared_memory *memory, uint64_t *at)
{
	uint64_t size = (memory->size + SNAPIMG_PAGE_SIZE - 1) & ~(uint64_t)(SNAPIMG_PAGE_SIZE - 1);

	size = size ? size : SNAPIMG_PAGE_SIZE;
	if (size > SNAPIMG_MEMORY_END - *at)
		return refuse_shared(memory, "shared memory of more than 448 GiB that is mapped in parts",
		                     "map less of it");
	static char no_name[] = "";
	memory->vma = memory->first ? *memory->first : (struct vma){.flags = ""};
	memory->vma.start = *at;
	memory->vma.end = *at += size;
	memory->vma.offset = 0;
	memory->vma.name = no_name;
	return STATUS_OK;
}

static enum status insert(struct mappings *mappings, size_t where, const struct shared_memory *memory)
{
	struct mapping *grown =
	        array_reserve(mappings->mapping, mappings->count, 1, &mappings->room, sizeof(*grown));

	if (!grown)
		return fail(STATUS_FAILED, "out of memory");
	mappings->mapping = grown;
	memmove(&grown[where + 1], &grown[where], (mappings->count++ - where) * sizeof(*grown));
	grown[where] = (struct mapping){
	        .record = {.start = memory->vma.start,
	                   .end = memory->vma.end,
	                   .kind = SNAPIMG_MAPPING_MEMORY,
	                   .protection = SNAPIMG_PROT_READ | SNAPIMG_PROT_WRITE,
	                   .flags = SNAPIMG_MAP_SHARED |
	                            (vma_has(&memory->vma, "nr") ? SNAPIMG_MAP_NORESERVE : 0u),
	                   .file = memory->object},
	        .vma = &memory->vma,
	        .memory = memory,
	};
	return STATUS_OK;
}

/* Whether a memory's views are to be made; memory without a descriptor is looked at to know. */
static enum status examine(const struct remote *remote, struct shared_memory *memory, struct objects *objects,
                           bool *ret_kept)
{
	enum status status;

	*ret_kept = false;
	if (!memory->shared && !memory->object)
		return STATUS_OK; /* libraries that were replaced, mostly: by content */
	if (!memory->object && (status = shared_show(remote, memory)) != STATUS_OK)
		return status;
	if (is_plain(memory)) {
		memory->showing[0]->memory = memory;
		return STATUS_OK;
	}
	if (needs_object(memory) && (status = add_object(memory, objects)) != STATUS_OK)
		return status;
	*ret_kept = true;
	return STATUS_OK;
}

enum status shared_settle(const struct remote *remote, struct shared *shared, struct objects *objects,
                          struct mappings *mappings)
{
	uint64_t at = SNAPIMG_MEMORY_START;
	size_t first = 0, kept = 0;
	bool *is_kept = calloc(shared->count + 1, sizeof(*is_kept));
	enum status status = is_kept ? STATUS_OK : fail(STATUS_FAILED, "out of memory");

	while (first < mappings->count && mappings->mapping[first].record.start < SNAPIMG_MEMORY_START)
		first++;
	if (status == STATUS_OK && shared->count)
		status = shared_check_others(remote->tid, shared);
	for (size_t i = 0; i < shared->count && status == STATUS_OK; i++) {
		struct shared_memory *memory = &shared->memory[i];
		status = examine(remote, memory, objects, &is_kept[i]);
		if (status == STATUS_OK && is_kept[i] && (status = place(memory, &at)) == STATUS_OK)
			make_views(memory, (uint32_t)(first + kept++));
		status = pass_refusal(status);
	}
	for (size_t i = 0, where = first; i < shared->count && status == STATUS_OK; i++)
		if (is_kept[i])
			status = insert(mappings, where++, &shared->memory[i]);
	free(is_kept);
	return status;
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
	free(shared->showing);
	*shared = (struct shared){0};
}
