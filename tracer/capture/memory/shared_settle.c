/*
 * What becomes of shared memory: what one process has mapped once and whole stays anonymous shared memory;
 * all else becomes MEMORY and VIEW mappings. What several processes of a tree have lies at the same place in
 * the images of all of them: the first one makes it, and one has its content.
 */
#include "tracer/capture/memory/shared.h"

#include <stdlib.h>
#include <string.h>

#include "format/base/array.h"

/* A shared view of a descriptor that was opened for reading only can never be written ("mw" of VmFlags). */
static bool is_read_only(const struct vma *vma)
{
	return vma->shared && *vma->flags && !vma_has(vma, "mw");
}

/* Mapped once, from its beginning to its end. */
static bool is_plain(const struct shared_memory *memory)
{
	const struct vma *vma = memory->first;

	return !memory->in_tree && !memory->object && memory->count == 1 && vma->offset == 0 &&
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
		if (mapping->record.flags & SNAPIMG_MAP_EMBEDDED) /* private, whatever it was */
			mapping->record.flags &= ~(uint32_t)SNAPIMG_MAP_EMBEDDED;
		else
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

static enum status insert(struct mappings *mappings, size_t where, const struct shared_memory *memory,
                          uint32_t flags)
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
	                   .flags = SNAPIMG_MAP_SHARED | flags |
	                            (memory->segment ? SNAPIMG_MAP_SEGMENT : 0u) |
	                            (vma_has(&memory->vma, "nr") ? SNAPIMG_MAP_NORESERVE : 0u),
	                   .file = memory->segment ? memory->segment : memory->object},
	        .vma = &memory->vma,
	        .not_stored = memory->content_of != NULL,
	        .memory = memory->content_of ? NULL : memory,
	};
	return STATUS_OK;
}

/* Whether a memory's views are to be made; memory without a descriptor is looked at to know. */
static enum status examine(const struct remote *remote, struct shared_memory *memory, struct objects *objects,
                           bool *ret_kept)
{
	enum status status;

	*ret_kept = memory->segment != 0;
	if (memory->segment)
		return shared_show_segment(remote, memory);
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

static bool counts(const struct shared_memory *memory)
{
	return memory->shared || memory->object;
}

static struct shared_memory *find_same(const struct shared_process *process, size_t count,
                                       const struct shared_memory *memory)
{
	for (size_t i = 0; i < count && memory->first; i++)
		for (size_t k = 0; k < process[i].shared->count; k++) {
			struct shared_memory *other = &process[i].shared->memory[k];
			if (other->first && is_same_shared(other->first, memory->first) &&
			    (counts(other) || counts(memory)))
				return other->content_of ? other->content_of : other;
		}
	return NULL;
}

/* Finds what several processes have: the first one of it has the content, and a descriptor's object is that
 * of all. */
static enum status link_one(const struct shared_process *process, size_t index, struct shared_memory *memory)
{
	struct shared_memory *same = find_same(process, index, memory);

	memory->in_tree = index > 0 && memory->object;
	if (!same)
		return STATUS_OK;
	if (!counts(same) || (memory->object && same->object && memory->object != same->object) ||
	    (!memory->shared && !memory->object && !same->object))
		return refuse_shared(memory, "memory that a process has privately and another shares",
		                     "choose another point");
	if (memory->object && !same->object) {
		same->object = memory->object;
		same->content = memory->content;
		same->size = memory->size;
		memory->content = -1;
	}
	memory->content_of = same;
	same->in_tree = memory->in_tree = true;
	return STATUS_OK;
}

/* What lies before the first mapping can't be looked at (shared_view.c). */
static enum status check_begin(const struct shared_memory *memory)
{
	const struct shared_memory *same = memory->content_of;

	for (size_t i = 0; i < memory->count; i++)
		if (same->content < 0 && memory->showing[i]->vma->offset < same->offset)
			return refuse_shared(memory,
			                     "memory that processes have mapped from different places on",
			                     "map it from its beginning");
	return STATUS_OK;
}

/* In the image of a process that is not the first: its object is the first one's. */
static enum status refer(struct shared_memory *memory, uint32_t object, struct objects *objects)
{
	struct snapimg_object reference = {.kind = SNAPIMG_OBJECT_TREE};

	memory->object = object;
	if (!object)
		return STATUS_OK;
	reference.value[SNAPIMG_TREE_OBJECT] = object - 1;
	memory->object = (uint32_t)objects->object.count + 1;
	return objects_add(objects, &reference);
}

/* The content's own record, and that of the first process where that has another's. */
static enum status settle_content(const struct shared_process *process, size_t index,
                                  struct shared_memory *memory, uint64_t *at)
{
	struct objects *objects = process[memory->in_tree ? 0 : index].objects;
	struct shared *first = process->shared;
	enum status status;

	if ((status = examine(process[index].remote, memory, objects, &memory->kept)) != STATUS_OK ||
	    !memory->kept)
		return status;
	memory->tree_object = memory->object;
	if ((status = place(memory, at)) != STATUS_OK || index == 0 || !memory->in_tree)
		return status;
	struct shared_memory *other = &first->others[first->other_count++];
	*other = *memory;
	other->content_of = memory;
	other->count = 0;
	return refer(memory, memory->tree_object, process[index].objects);
}

static enum status settle_other(const struct shared_process *process, size_t index,
                                struct shared_memory *memory)
{
	const struct shared_memory *same = memory->content_of;
	enum status status;

	if (!same->kept)
		return STATUS_OK;
	if ((status = check_begin(memory)) != STATUS_OK)
		return status;
	memory->kept = true;
	memory->size = same->size;
	memory->vma = same->vma;
	if (index == 0) {
		memory->object = same->tree_object;
		return STATUS_OK;
	}
	return refer(memory, same->tree_object, process[index].objects);
}

static int by_place(const void *left, const void *right)
{
	const struct shared_memory *a = *(struct shared_memory *const *)left,
	                           *b = *(struct shared_memory *const *)right;

	return (a->vma.start > b->vma.start) - (a->vma.start < b->vma.start);
}

static enum status insert_all(const struct shared_process *process, size_t index)
{
	struct shared *shared = process[index].shared;
	struct mappings *mappings = process[index].mappings;
	struct shared_memory **kept =
	        calloc(shared->count + shared->other_count + 1, sizeof(struct shared_memory *));
	enum status status = kept ? STATUS_OK : fail(STATUS_FAILED, "out of memory");
	size_t first = 0, count = 0;

	while (first < mappings->count && mappings->mapping[first].record.start < SNAPIMG_MEMORY_START)
		first++;
	for (size_t i = 0; kept && i < shared->count; i++)
		if (shared->memory[i].kept)
			kept[count++] = &shared->memory[i];
	for (size_t i = 0; kept && i < shared->other_count; i++)
		kept[count++] = &shared->others[i];
	if (count)
		qsort(kept, count, sizeof(*kept), by_place);
	for (size_t i = 0; i < count; i++)
		make_views(kept[i], (uint32_t)(first + i));
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = insert(mappings, first + i, kept[i],
		                index > 0 && kept[i]->in_tree ? SNAPIMG_MAP_TREE : 0u);
	free(kept);
	return status;
}

typedef enum status memory_visitor(const struct shared_process *process, size_t index,
                                   struct shared_memory *memory, uint64_t *at);

/* NOLINTBEGIN(readability-non-const-parameter): as memory_visitor has it */
static enum status link_visited(const struct shared_process *process, size_t index,
                                struct shared_memory *memory, uint64_t *at)
{
	(void)at;
	return link_one(process, index, memory);
}

static enum status settle_visited(const struct shared_process *process, size_t index,
                                  struct shared_memory *memory, uint64_t *at)
{
	return memory->content_of ? STATUS_OK : settle_content(process, index, memory, at);
}

static enum status settle_rest(const struct shared_process *process, size_t index,
                               struct shared_memory *memory, uint64_t *at)
{
	(void)at;
	return memory->content_of ? settle_other(process, index, memory) : STATUS_OK;
}
/* NOLINTEND(readability-non-const-parameter) */

static enum status visit_all(const struct shared_process *process, size_t count, memory_visitor *visit,
                             uint64_t *at)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < process[i].shared->count && status == STATUS_OK; k++)
			status = pass_refusal(visit(process, i, &process[i].shared->memory[k], at));
	return status;
}

enum status shared_settle(const struct shared_process *process, size_t count)
{
	struct shared *first = process->shared;
	uint64_t at = SNAPIMG_MEMORY_START;
	enum status status = STATUS_OK;
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += process[i].shared->count;
	if (!(first->others = calloc(total + 1, sizeof(*first->others))))
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		if (process[i].shared->count)
			status = shared_check_others(process, count, process[i].shared);
	if (status == STATUS_OK && (status = visit_all(process, count, link_visited, &at)) == STATUS_OK &&
	    (status = visit_all(process, count, settle_visited, &at)) == STATUS_OK)
		status = visit_all(process, count, settle_rest, &at);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = insert_all(process, i);
	return status;
}
