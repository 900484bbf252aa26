#include "tracer/capture/memory/plan.h"

#include <stdlib.h>
#include <sys/syscall.h>

#include "format/base/array.h"
#include "tracer/capture/memory/shared.h"
#include "tracer/capture/memory/sparse.h"
#include "tracer/ptrace/pages.h"

enum { OWN_JOB_PAGES = 16 };

struct making {
	struct plan *plan;
	const struct mapping *mapping;
	int file;
	int source;     /* what is to be read where it is not the program's memory, or -1 */
	uint64_t shift; /* from addresses of the image to those that are read */
	bool of_files;  /* as the file has it: see struct job */
};

/* The job that takes the next `pages` pages in a row. Few of them share a frame with others, which compresses
 * better; many have their own, which the loader decodes straight into place. */
static struct job *open_job(struct plan *plan, uint64_t pages, bool of_files)
{
	struct job *last = plan->job_count ? &plan->job[plan->job_count - 1] : NULL;
	if (last && last->of_files == of_files && last->pages < plan->job_pages &&
	    !(pages >= OWN_JOB_PAGES && last->pages))
		return last;
	struct job *job = array_add(plan->job, plan->job_count);
	if (job) {
		job->range_first = plan->range_count;
		job->of_files = of_files;
	}
	return job;
}

static bool is_embedded(const struct mapping *mapping)
{
	return (mapping->record.flags & SNAPIMG_MAP_EMBEDDED) != 0;
}

static enum status add_run(void *context, uint64_t start, uint64_t end)
{
	const struct making *making = context;
	const struct mapping *mapping = making->mapping;
	struct plan *plan = making->plan;

	while (start < end) {
		uint64_t pages = (end - start) / SNAPIMG_PAGE_SIZE;
		struct job *job = open_job(plan, pages, making->of_files);
		struct page_range *range = array_add(plan->range, plan->range_count);
		if (!job || !range)
			return fail(STATUS_FAILED, "out of memory");
		if (pages > plan->job_pages - job->pages)
			pages = plan->job_pages - job->pages;
		*range = (struct page_range){
		        .address = start,
		        .from = start + making->shift,
		        .source = making->source,
		        .pages = (uint32_t)pages,
		        .unreadable = !mapping->memory && !(mapping->vma->protection & SNAPIMG_PROT_READ),
		        .may_be_missing = mapping->by_content || is_embedded(mapping),
		        .file = making->file,
		        .file_offset = mapping->vma->offset + (start - mapping->vma->start),
		        .zero_must_be_kept =
		                (mapping->record.kind == SNAPIMG_MAPPING_FILE && !making->of_files) ||
		                mapping->record.kind == SNAPIMG_MAPPING_VIEW,
		};
		job->range_count++;
		job->pages += (uint32_t)pages;
		plan->pages += pages;
		start += pages * SNAPIMG_PAGE_SIZE;
	}
	return STATUS_OK;
}

/* Of a memory, by offset. */
static enum status add_part(void *context, uint64_t start, uint64_t end)
{
	const struct making *making = context;
	uint64_t base = making->mapping->record.start;

	return add_run(context, base + start, base + end);
}

static enum status add_memory(const struct remote *remote, struct making *making)
{
	const struct shared_memory *memory = making->mapping->memory;

	making->source = memory->content;
	making->shift =
	        (memory->content >= 0 ? 0 : memory->view - memory->offset) - making->mapping->record.start;
	return shared_walk(remote, memory, add_part, making);
}

/* An embedded mapping: all before `next` is planned. */
struct embedding {
	struct making *making;
	uint64_t next;
};

/* As the file has it; a few pages are not worth an extent of their own. */
static enum status add_unchanged(struct embedding *embedding, uint64_t end)
{
	struct making making = *embedding->making;
	uint64_t start = embedding->next;

	making.of_files = (end - start) / SNAPIMG_PAGE_SIZE >= OWN_JOB_PAGES;
	embedding->next = end;
	return start < end ? add_run(&making, start, end) : STATUS_OK;
}

static enum status add_changed(void *context, uint64_t start, uint64_t end)
{
	struct embedding *embedding = context;
	enum status status = add_unchanged(embedding, start);

	embedding->next = end;
	return status == STATUS_OK ? add_run(embedding->making, start, end) : status;
}

/* Of the mapping, what its file has. */
static uint64_t end_in_file(const struct snapimg_mapping *record, const struct file *file)
{
	uint64_t size = file->record.size > record->offset ? file->record.size - record->offset : 0;
	uint64_t count = size / SNAPIMG_PAGE_SIZE + (size % SNAPIMG_PAGE_SIZE != 0);
	uint64_t most = (record->end - record->start) / SNAPIMG_PAGE_SIZE;

	return record->start + (count < most ? count : most) * SNAPIMG_PAGE_SIZE;
}

/* Up to the file's end: what follows can't be touched, and is zero in a start. */
static enum status add_embedded(const struct pages *pages, const struct mapping *mapping,
                                const struct file *file, struct making *making)
{
	const struct snapimg_mapping *record = &mapping->record;
	struct embedding embedding = {making, record->start};
	struct vma part = *mapping->vma;
	enum status status;

	part.start = record->start;
	part.end = end_in_file(record, file);
	if (part.start == part.end)
		return STATUS_OK;
	status = pages_walk(pages, &part, true, add_changed, &embedding);
	return status == STATUS_OK ? add_unchanged(&embedding, part.end) : status;
}

/* The data of an executable or a library: what lies between changed pages is stored with them, as it is. Else
 * a thawed image has it in many pieces, with the file's own pages between them, and each costs a mapping
 * (Python's 1.2 MiB: 17, or 60 us of a start). */
struct bridging {
	struct making *making;
	uint64_t start, end; /* of what is not planned yet; end 0: nothing */
};

/* Few pages, and none that nobody can read. */
static bool may_bridge(const struct plan *plan, uint64_t start, uint64_t end)
{
	enum { MOST = 16 * SNAPIMG_PAGE_SIZE };
	bool may = end - start <= MOST;

	for (size_t i = 0; i < plan->guard_count && may; i++)
		may = plan->guard[i].address >= end ||
		      plan->guard[i].address + plan->guard[i].pages * SNAPIMG_PAGE_SIZE <= start;
	return may;
}

static enum status add_bridged(void *context, uint64_t start, uint64_t end)
{
	struct bridging *bridging = context;
	uint64_t first = bridging->making->mapping->record.start;
	enum status status = STATUS_OK;

	if (bridging->end == 0) {
		bridging->start = may_bridge(bridging->making->plan, first, start) ? first : start;
	} else if (!may_bridge(bridging->making->plan, bridging->end, start)) {
		status = add_run(bridging->making, bridging->start, bridging->end);
		bridging->start = start;
	}
	bridging->end = end;
	return status;
}

static enum status add_data(const struct pages *pages, const struct vma *part, uint64_t file_end,
                            struct making *making)
{
	struct bridging bridging = {.making = making};
	enum status status = pages_walk(pages, part, true, add_bridged, &bridging);

	if (status != STATUS_OK || bridging.end == 0)
		return status;
	if (bridging.end < file_end && may_bridge(making->plan, bridging.end, file_end))
		bridging.end = file_end;
	return add_run(making, bridging.start, bridging.end);
}

static bool is_data_of_program(const struct snapimg_mapping *record, const struct file *file)
{
	return file->record.build_id_size > 0 && !(record->protection & SNAPIMG_PROT_EXEC);
}

static enum status advise(void *context, uint64_t start, uint64_t size, int advice, int64_t *ret_result)
{
	return remote_call(context, ret_result, SYS_madvise, start, size, (uint64_t)advice, 0);
}

static enum status add_mapping(const struct remote *remote, const struct pages *pages,
                               const struct mapping *mapping, const struct files *files, struct plan *plan)
{
	const struct snapimg_mapping *record = &mapping->record;
	bool is_view = record->kind == SNAPIMG_MAPPING_VIEW;
	bool of_file = record->kind == SNAPIMG_MAPPING_FILE;
	struct making making = {.plan = plan, .mapping = mapping, .file = -1, .source = -1};
	struct vma part = *mapping->vma; /* without what was cut off */

	if (record->kind == SNAPIMG_MAPPING_VVAR || record->kind == SNAPIMG_MAPPING_VDSO ||
	    mapping->not_stored)
		return STATUS_OK;
	if (mapping->memory)
		return add_memory(remote, &making);
	if (record->flags & SNAPIMG_MAP_SHARED)
		return STATUS_OK;
	if (mapping->by_content)
		return add_run(&making, record->start, record->end);
	if (is_embedded(mapping))
		return add_embedded(pages, mapping, &files->file[record->file - 1], &making);
	if (of_file)
		making.file = files->file[record->file - 1].fd;
	part.start = record->start;
	part.end = record->end;
	if (of_file && is_data_of_program(record, &files->file[record->file - 1])) {
		making.file = -1; /* what is equal is stored, too */
		return add_data(pages, &part, end_in_file(record, &files->file[record->file - 1]), &making);
	}
	if (of_file || is_view)
		return pages_walk(pages, &part, true, add_run, &making);
	const struct adviser adviser = {advise, (void *)(uintptr_t)remote};
	return sparse_walk(pages, remote->tid, &part, &adviser, add_run, &making);
}

static enum status add_guard(void *context, uint64_t start, uint64_t end)
{
	struct plan *plan = context;
	struct snapimg_guard *guard = array_add(plan->guard, plan->guard_count);

	if (!guard)
		return fail(STATUS_FAILED, "out of memory");
	*guard = (struct snapimg_guard){.address = start, .pages = (end - start) / SNAPIMG_PAGE_SIZE};
	return STATUS_OK;
}

enum status plan_make(const struct remote *remote, const struct mappings *mappings, const struct files *files,
                      uint32_t job_pages, struct plan *ret_plan)
{
	struct plan plan = {.job_pages = job_pages};
	struct pages pages;
	enum status status;

	if ((status = pages_open(remote->tid, true, &pages)) != STATUS_OK)
		return status;
	if (mappings->count)
		status = pages_walk_guards(&pages, mappings->mapping[mappings->count - 1].record.end,
		                           add_guard, &plan);
	for (size_t i = 0; i < mappings->count && status == STATUS_OK; i++)
		status = add_mapping(remote, &pages, &mappings->mapping[i], files, &plan);
	pages_close(&pages);
	if (status == STATUS_OK)
		*ret_plan = plan;
	else
		plan_free(&plan);
	return status;
}

enum snapimg_error plan_write_guards(const struct plan *plan, struct snapimg_writer *writer)
{
	if (plan->guard_count == 0)
		return SNAPIMG_OK;
	return snapimg_writer_add(writer, SNAPIMG_SECTION_GUARDS, plan->guard,
	                          plan->guard_count * sizeof(*plan->guard));
}

void plan_free(struct plan *plan)
{
	free(plan->guard);
	free(plan->range);
	free(plan->job);
	*plan = (struct plan){0};
}
