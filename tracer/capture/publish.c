#include "tracer/capture/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "format/base/output_file.h"
#include "format/base/progress.h"
#include "format/facts/model.h"
#include "format/image/loader.h"
#include "tracer/capture/identity/module.h"
#include "tracer/capture/inputs.h"
#include "tracer/capture/store/codec.h"

/* The time of the snapshot, or the one that a reproducible build asks for (reproducible-builds.org). */
static int64_t creation_time(void)
{
	const char *given = getenv("SOURCE_DATE_EPOCH");

	return given && *given ? strtoll(given, NULL, 10) : (int64_t)time(NULL);
}

static enum snapimg_error write_origin(const struct capture *capture, struct snapimg_writer *writer)
{
	const struct snapshot_request *request = capture->request;
	const struct snapshot_output *output = &capture->output;
	const struct pipeline_totals *totals = &capture->totals;
	struct snapimg_origin origin = {.created_seconds = creation_time()};
	char codec[32] = "none", model[PROCESSOR_MODEL];
	struct utsname system;
	enum snapimg_error error = SNAPIMG_OK;

	if (output->compress)
		snprintf(codec, sizeof(codec), "%s -%d", codec_name(output->settings.codec),
		         output->settings.level);
	processor_model(model);
	uname(&system);
	origin.zero_bytes = totals->zero_pages * SNAPIMG_PAGE_SIZE;
	origin.file_bytes = totals->file_pages * SNAPIMG_PAGE_SIZE + capture->mappings.file_bytes;
	origin.raw_bytes = (totals->stored_pages + totals->inherited_pages) * SNAPIMG_PAGE_SIZE +
	                   origin.zero_bytes + origin.file_bytes;
	const struct {
		const char *text;
		uint32_t *offset;
	} strings[] = {
	        {"snaptrace " SNAP_VERSION, &origin.tool},
	        {request->point, &origin.point},
	        {request->trigger, &origin.trigger},
	        {system.release, &origin.kernel},
	        {model, &origin.cpu_model},
	        {codec, &origin.codec},
	};
	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings) && error == SNAPIMG_OK; i++)
		error = snapimg_writer_string(writer, strings[i].text ? strings[i].text : "",
		                              strings[i].offset);
	return error ? error : snapimg_writer_add(writer, SNAPIMG_SECTION_ORIGIN, &origin, sizeof(origin));
}

static enum snapimg_error write_records(struct capture *capture, struct snapimg_writer *writer)
{
	const struct descriptors *descriptors = &capture->descriptors;
	const struct fixups *fixups = &capture->fixups;
	enum snapimg_error error;

	if ((error = write_origin(capture, writer)) ||
	    (error = process_state_write(&capture->state, writer)) ||
	    (error = threads_write(&capture->threads, writer)) ||
	    (error = files_write(&capture->files, writer)) ||
	    (error = files_write_identities(&capture->files, writer)) ||
	    (error = mappings_write(&capture->mappings, writer)) ||
	    (error = attributes_write(&capture->attributes, writer)) ||
	    (error = timers_write(&capture->timers, writer)) ||
	    (error = clocks_write(&capture->subject, &capture->clocks, writer)) ||
	    (error = root_write(&capture->root, writer)) ||
	    (error = plan_write_guards(&capture->plan, writer)) ||
	    (error = inherit_write(&capture->inheriting, writer)))
		return error;
	if (capture->vdso_size &&
	    (error = snapimg_writer_add(writer, SNAPIMG_SECTION_VDSO, capture->vdso, capture->vdso_size)))
		return error;
	if (descriptors->count &&
	    (error = snapimg_writer_add(writer, SNAPIMG_SECTION_DESCRIPTORS, descriptors->record,
	                                descriptors->count * sizeof(*descriptors->record))))
		return error;
	if ((error = objects_write(&descriptors->objects, writer)))
		return error;
	if (fixups->count && (error = snapimg_writer_add(writer, SNAPIMG_SECTION_FIXUPS, fixups->record,
	                                                 fixups->count * sizeof(*fixups->record))))
		return error;
	if ((error = inputs_write(capture->request, writer)))
		return error;
	if ((error = kept_write(&capture->kept, writer)))
		return error;
	return capture->shim.size ? snapimg_writer_add(writer, SNAPIMG_SECTION_SHIM, &capture->shim,
	                                               sizeof(capture->shim))
	                          : SNAPIMG_OK;
}

/* Why the writer gave up: the file's own reason, or a state that the format has no place for. */
static enum status writer_failed(const struct snapimg_writer *writer, const struct output_file *output,
                                 enum snapimg_error error)
{
	uint32_t section;
	uint64_t index;

	if (error == SNAPIMG_ERR_SINK)
		return capture_output_failed(output->path, output->error);
	snapimg_writer_failure(writer, &section, &index);
	if (section)
		return fail(STATUS_FAILED, "can't make the image: %s: record %llu: choose another point",
		            snapimg_strerror(error), (unsigned long long)index);
	return fail(STATUS_FAILED, "can't make the image: %s", snapimg_strerror(error));
}

/* What is as its file has it can't hold an ID. */
static bool is_unchanged(const struct mapping *mapping)
{
	if (mapping && mapping->memory)
		return mapping->memory->is_large_file;
	return mapping && mapping->record.flags & SNAPIMG_MAP_EMBEDDED && mapping->vma->anonymous == 0;
}

/* A job has pages of several mappings. */
static void look_for_ids(void *context, const struct job_pages *pages)
{
	struct capture *capture = context;
	struct job_pages part = *pages;

	part.run_count = 1;
	for (uint32_t i = 0; i < pages->run_count; i++) {
		part.run[0] = pages->run[i];
		if (!is_unchanged(mapping_at(&capture->mappings, part.run[0].address)))
			id_search_look(&capture->search, &part);
		if (part.run[0].kind == SNAPIMG_RUN_DATA)
			part.bytes += (size_t)part.run[0].pages * SNAPIMG_PAGE_SIZE;
	}
}

/* A small number is mostly something else. */
enum { INIT_ID = 1, COMMON_BELOW = 4096 };

/* The parent's ID, where the program has asked for it: one that compares it at times sees its parent's end.
 */
static uint32_t parent_to_look_for(const struct capture *capture)
{
	uint64_t parent = capture->subject.stat.field[STAT_PPID];

	if (capture->request->noted_all && !(capture->request->noted->bits & NOTED_PARENT))
		return 0;
	return parent < COMMON_BELOW ? 0 : (uint32_t)parent;
}

/* Who was there before may not have asked. */
static bool has_common_parent(const struct capture *capture)
{
	uint64_t parent = capture->subject.stat.field[STAT_PPID];

	return capture->request->noted_all && (capture->request->noted->bits & NOTED_PARENT) != 0 &&
	       parent > INIT_ID && parent < COMMON_BELOW;
}

static enum status write_pages(struct capture *capture, struct snapimg_writer *writer,
                               enum snapimg_error *ret_error)
{
	enum status status;

	capture->inheriting.in_tree = capture->request->in_tree;
	if ((status = id_search_begin(capture->threads.thread, capture->threads.count,
	                              parent_to_look_for(capture), module_form_of_numbers(&capture->mappings),
	                              capture->plan.pages, &capture->search)) != STATUS_OK ||
	    (status = pipeline_run(capture->request->pid, &capture->plan, &capture->output,
	                           (struct page_observer){look_for_ids, capture}, &capture->inheriting,
	                           writer, &capture->totals, ret_error)) != STATUS_OK)
		return status;
	/* Where the program has run for a while, it has asked already. */
	bool is_new = capture->request->resume_main || strcmp(capture->request->point, "entry") == 0;
	const char *executable = is_new ? capture->state.executable : NULL;
	if (*ret_error != SNAPIMG_OK)
		return STATUS_OK;
	const struct descriptors *descriptors = &capture->descriptors;
	const struct kept_outside outside = {.objects = &descriptors->objects,
	                                     .descriptors = descriptors->record,
	                                     .descriptors_count = descriptors->count,
	                                     .timers = &capture->timers,
	                                     .directory = capture->state.cwd,
	                                     .process = &capture->subject.stat,
	                                     .has_common_parent = has_common_parent(capture)};
	return kept_find(&capture->search, &capture->threads, &capture->mappings, &capture->plan,
	                 &capture->files, executable, &outside, &capture->fixups, &capture->kept);
}

/* Another process's image within the first one's. */
static enum status write_member(struct capture *capture, struct snapimg_writer *writer,
                                const struct output_file *output, struct snapimg_member *member)
{
	struct snapimg_part part;
	struct snapimg_writer *own = snapimg_writer_begin_member(writer, &part);
	enum snapimg_error error = SNAPIMG_OK;
	enum status status = own ? STATUS_OK : fail(STATUS_FAILED, "out of memory");

	if (own)
		status = write_pages(capture, own, &error);
	if (status == STATUS_OK && error == SNAPIMG_OK)
		error = write_records(capture, own);
	if (status == STATUS_OK && error == SNAPIMG_OK)
		error = snapimg_writer_finish(own, &member->size, member->digest);
	if (status == STATUS_OK && error != SNAPIMG_OK)
		status = writer_failed(own, output, error);
	member->offset = part.offset;
	if (status == STATUS_OK)
		snapimg_writer_end_member(writer, &part, member->size);
	snapimg_writer_free(own);
	return status;
}

/* The first has no index before it, and so nothing to inherit. Whose parent is elsewhere may have been made
 * by one of the tree that has ended since. */
static void look_for_parent(const struct captures *captures, size_t index, struct capture *capture)
{
	const struct snapimg_member *member = captures->tree->member;
	const struct capture *parent = captures->capture[0];

	for (size_t i = 0, living = 0; i < index; i++) {
		if (member[i].state == SNAPIMG_MEMBER_ZOMBIE)
			continue;
		if (member[i].pid == member[index].parent)
			parent = captures->capture[living];
		living++;
	}
	capture->inheriting = (struct inheriting){.member = (uint32_t)index,
	                                          .mappings = &capture->mappings,
	                                          .parent = parent->request->pid,
	                                          .parents = &parent->inheriting.own};
}

/* Above its descriptors, and the numbers by which its epoll sets watch what is at others now. */
static uint32_t numbers_end(const struct descriptors *descriptors)
{
	const struct snapimg_watch *watch = descriptors->objects.watch.items;
	uint32_t end =
	        descriptors->count ? (uint32_t)descriptors->record[descriptors->count - 1].number + 1 : 0;

	for (size_t i = 0; i < descriptors->objects.watch.count; i++)
		if (watch[i].source && (uint32_t)watch[i].number >= end)
			end = (uint32_t)watch[i].number + 1;
	return end;
}

static enum status write_others(struct captures *captures, struct snapimg_writer *writer,
                                const struct output_file *output)
{
	struct snapimg_member *member = captures->tree->member;
	enum status status = STATUS_OK;
	size_t next = 0;

	for (size_t i = 0; i < captures->tree->count && status == STATUS_OK; i++) {
		if (member[i].state == SNAPIMG_MEMBER_ZOMBIE)
			continue;
		struct capture *capture = captures->capture[next++]; /* each living member's */
		if (!capture)
			return fail(STATUS_FAILED, "out of memory");
		const struct descriptors *descriptors = &capture->descriptors;
		member[i].descriptors = numbers_end(descriptors);
		if (i > 0)
			look_for_parent(captures, i, capture);
		if (i > 0)
			status = write_member(capture, writer, output, &member[i]);
	}
	return status;
}

static enum status write_image(struct captures *captures, struct snapimg_writer *writer,
                               struct output_file *output, struct snapshot_result *result)
{
	struct capture *capture = captures->capture[0];
	const struct snapshot_tree *tree = captures->tree;
	double start = monotonic_seconds(), piped, written;
	enum snapimg_error error;
	enum status status;

	if ((status = write_pages(capture, writer, &error)) != STATUS_OK ||
	    (error == SNAPIMG_OK && (status = write_others(captures, writer, output)) != STATUS_OK))
		return status;
	piped = monotonic_seconds();
	if (error == SNAPIMG_OK && tree->count)
		error = snapimg_writer_add(writer, SNAPIMG_SECTION_TREE, tree->member,
		                           tree->count * sizeof(*tree->member));
	if (error == SNAPIMG_OK)
		error = ipc_write(&captures->ipc, writer);
	if (error == SNAPIMG_OK)
		error = write_records(capture, writer);
	if (error == SNAPIMG_OK)
		error = snapimg_writer_finish(writer, &result->image_size, result->digest);
	if (error != SNAPIMG_OK)
		return writer_failed(writer, output, error);
	written = monotonic_seconds();
	if (!output_file_finish(output))
		status = capture_output_failed(output->path, output->error);
	explain("pages in %.1f ms, records in %.1f ms, synced in %.1f ms", (piped - start) * 1e3,
	        (written - piped) * 1e3, (monotonic_seconds() - written) * 1e3);
	return status;
}

/* The loader, so that the image is a program. */
static enum status put_loader(struct output_file *output)
{
	struct loader_bytes loader = {0};
	struct loader_failure failure;

	if (!snapimg_loader_read(&loader, &failure))
		return fail(STATUS_FAILED, "%s: %s: %s", failure.path, failure.what, failure.advice);
	bool done = output_file_set_mode(output, LOADER_MODE) &&
	            output_file_prepend(output, loader.bytes, loader.size);
	free(loader.bytes);
	return done ? STATUS_OK : capture_output_failed(output->path, output->error);
}

enum status captures_publish(struct captures *captures, struct snapshot_result *result)
{
	struct output_file output;
	enum status status = STATUS_OK;
	const struct snapshot_output *wanted = &captures->capture[0]->request->output;

	for (size_t i = 0; i < captures->count; i++) {
		struct capture *capture = captures->capture[i];
		capture->output = capture->request->output;
		codec_choose(&capture->output, capture->plan.pages);
	}
	if (!output_file_begin(&output, wanted->path, OUTPUT_PAST_CACHE))
		status = capture_output_failed(output.path, output.error);
	else if (wanted->runnable)
		status = put_loader(&output);
	struct snapimg_writer *writer = snapimg_writer_new(output_file_sink, &output);
	if (status == STATUS_OK && writer)
		status = write_image(captures, writer, &output, result);
	else if (status == STATUS_OK)
		status = fail(STATUS_FAILED, "out of memory");
	pipeline_end();
	snapimg_writer_free(writer);
	output_file_end(&output);
	return status;
}
