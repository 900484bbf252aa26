#include "tracer/capture/snapshot.h"

#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "format/base/output_file.h"
#include "format/base/progress.h"
#include "format/facts/checksum.h"
#include "format/image/loader.h"
#include "tracer/capture/fds/table.h"
#include "tracer/capture/identify.h"
#include "tracer/capture/identity/kept.h"
#include "tracer/capture/identity/module.h"
#include "tracer/capture/inputs.h"
#include "tracer/capture/memory/mappings.h"
#include "tracer/capture/memory/shared.h"
#include "tracer/capture/process/attributes.h"
#include "tracer/capture/process/clocks.h"
#include "tracer/capture/process/kept_arguments.h"
#include "tracer/capture/process/sandbox.h"
#include "tracer/capture/process/state.h"
#include "tracer/capture/process/timers.h"
#include "tracer/capture/root.h"
#include "tracer/capture/self_contained.h"
#include "tracer/capture/store/codec.h"
#include "tracer/capture/store/pipeline.h"
#include "tracer/capture/threads/own.h"
#include "tracer/capture/threads/threads.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/wait.h"

/* All that is gathered about the target before a byte is written. */
struct capture {
	const struct snapshot_request *request;
	struct snapshot_output output; /* as asked for, and what was left to choose */
	struct subject subject;
	struct remote remote;
	struct maps maps;
	struct files files;
	struct mappings mappings;
	struct shared shared;
	struct descriptors descriptors;
	struct fixups fixups;
	struct snapimg_shim shim; /* size 0: none */
	uint8_t vdso[16 * SNAPIMG_PAGE_SIZE];
	size_t vdso_size; /* 0: none */
	struct process_state state;
	struct threads threads;
	struct attributes attributes;
	struct timers timers;
	struct snapimg_clocks clocks;
	struct plan plan;
	struct pipeline_totals totals;
	struct id_search search;
	struct kept_ids kept;
	struct root root;
};

/* Those of a tree, the first is its root. */
struct captures {
	struct capture **capture;
	size_t count;
	const struct snapshot_tree *tree;
};

static void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	root_free(&capture->root);
	kept_free(&capture->kept);
	id_search_free(&capture->search);
	plan_free(&capture->plan);
	threads_free(&capture->threads);
	timers_free(&capture->timers);
	attributes_free(&capture->attributes);
	process_state_free(&capture->state);
	fixups_free(&capture->fixups);
	descriptors_free(&capture->descriptors);
	shared_free(&capture->shared);
	mappings_free(&capture->mappings);
	files_free(&capture->files);
	maps_free(&capture->maps);
	text_free(&capture->subject.status);
	free(capture);
}

static enum status output_failed(const char *path, int error)
{
	return fail(STATUS_FAILED, "can't write the image: %s: %s: %s", path, output_file_reason(error),
	            output_file_advice(error));
}

enum status snapshot_check_output(const char *path)
{
	int error = output_file_check(path);

	return error ? output_failed(path, error) : STATUS_OK;
}

void snapshot_abandon(void)
{
	output_file_abandon();
}

/* Each mapped file is kept open until its pages were compared. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static enum status read_vdso(struct capture *capture)
{
	const struct vma *vdso = capture->mappings.vdso;
	uint8_t *bytes = capture->vdso;

	if (!vdso)
		return STATUS_OK;
	size_t size = vdso->end - vdso->start;
	if (size > sizeof(capture->vdso) || tracee_read(capture->request->pid, vdso->start, bytes, size) < 0)
		return fail(STATUS_FAILED, "can't read the vdso of process %d: %s", capture->request->pid,
		            strerror(errno));
	capture->state.machine.vdso_size = (uint32_t)size;
	capture->state.machine.vdso_checksum = snapimg_checksum(bytes, size);
	capture->vdso_size = size;
	return STATUS_OK;
}

static enum status read_fixups(struct capture *capture)
{
	const struct snapshot_request *request = capture->request;
	enum status status;

	if ((status = mappings_find_resume_blocks(&capture->mappings, request->pid, &capture->files,
	                                          &capture->fixups, &capture->shim)) != STATUS_OK ||
	    (status = threads_add_fixups(&capture->threads, request->pid, &capture->mappings,
	                                 &capture->fixups)) != STATUS_OK ||
	    (request->resume_main &&
	     (status = fixups_add_kept_arguments(&capture->fixups, request->pid, &capture->mappings,
	                                         &capture->threads.registers[0])) != STATUS_OK))
		return status;
	if (!request->environ_cell)
		return STATUS_OK;
	return fixups_add(&capture->fixups, (struct snapimg_fixup){.address = request->environ_cell,
	                                                           .kind = SNAPIMG_FIXUP_ENVIRON});
}

/* First what needs nothing of the target, so that most refusals leave it untouched. */
static enum status examine(struct capture *capture)
{
	pid_t pid = capture->request->pid;
	enum status status;

	if ((status = threads_read_registers(capture->request->threads, &capture->threads)) != STATUS_OK ||
	    (status = threads_refuse_dispatch(&capture->threads, &capture->subject)) != STATUS_OK ||
	    (status = proc_read(proc_path(pid, "status"), &capture->subject.status)) != STATUS_OK ||
	    /* At once: what is sent from now on is not the image's. */
	    (status = threads_read_pending(&capture->threads, &capture->subject)) != STATUS_OK ||
	    (status = remote_enter(pid, &capture->request->gate, &capture->remote)) != STATUS_OK ||
	    (status = proc_read_stat(pid, &capture->subject.stat)) != STATUS_OK)
		return status;
	if ((status = refuse_process(&capture->subject)) != STATUS_OK)
		return status;
	if ((status = threads_refuse_partial(&capture->threads, &capture->subject)) != STATUS_OK ||
	    (status = refuse_old_sandbox(&capture->subject, &capture->remote, capture->request->threads)) !=
	            STATUS_OK)
		return status;
	return threads_refuse(&capture->threads, &capture->subject);
}

static enum status read_thread_attributes(struct capture *capture)
{
	const struct stopped_threads *stopped = capture->request->threads;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < stopped->count && status == STATUS_OK; i++)
		status = pass_refusal(attributes_read_thread(stopped->thread[i].tid, (uint32_t)i,
		                                             capture->request->noted, &capture->attributes));
	return status;
}

/* Up to what processes of a tree share. */
static enum status gather_memory(struct capture *capture)
{
	pid_t pid = capture->request->pid;
	enum status status;

	files_set_shim(&capture->files, capture->request->shim);
	if ((status = maps_read(pid, &capture->maps)) != STATUS_OK ||
	    (status = mappings_read(capture->request, &capture->maps, &capture->files, &capture->mappings)) !=
	            STATUS_OK ||
	    (status = shared_find(&capture->mappings, &capture->shared)) != STATUS_OK)
		return status;
	return remote_map_scratch(&capture->remote);
}

static enum status gather_shared(struct captures *captures)
{
	size_t count = captures->count;
	struct descriptors_request *descriptors = calloc(count, sizeof(*descriptors));
	struct shared_process *shared = calloc(count, sizeof(*shared));
	enum status status = descriptors && shared ? STATUS_OK : fail(STATUS_FAILED, "out of memory");

	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		struct capture *capture = captures->capture[i];
		descriptors[i] =
		        (struct descriptors_request){capture->request, &capture->remote, &capture->files,
		                                     &capture->shared, &capture->descriptors};
		shared[i] = (struct shared_process){&capture->remote, &capture->shared,
		                                    &capture->descriptors.objects, &capture->mappings};
		if (i > 0)
			captures->capture[i - 1]->shared.next = &capture->shared;
	}
	if (status == STATUS_OK && (status = descriptors_read(descriptors, count)) == STATUS_OK)
		status = shared_settle(shared, count);
	free(descriptors);
	free(shared);
	return status;
}

static enum status gather_state(struct capture *capture)
{
	enum status status;

	if ((status = attributes_read(&capture->subject, &capture->remote, &capture->attributes)) !=
	            STATUS_OK ||
	    (status = pass_refusal(process_state_read(&capture->subject, &capture->remote,
	                                              &capture->state))) != STATUS_OK ||
	    (status = pass_refusal(threads_read(&capture->threads, &capture->remote, capture->mappings.vdso,
	                                        &capture->state))) != STATUS_OK ||
	    (status = pass_refusal(timers_read(&capture->subject, &capture->threads, &capture->remote,
	                                       &capture->timers))) != STATUS_OK ||
	    (status = read_thread_attributes(capture)) != STATUS_OK ||
	    (status = threads_read_own(&capture->threads, &capture->subject, &capture->remote,
	                               &capture->attributes)) != STATUS_OK ||
	    (status = read_vdso(capture)) != STATUS_OK)
		return status;
	return pass_refusal(read_fixups(capture));
}

/* When nothing is refused any more. */
static enum status gather_plan(struct capture *capture)
{
	enum status status;

	if ((status = files_identify(&capture->files, &capture->mappings, &capture->descriptors,
	                             &capture->subject.stat, capture->request->carry)) != STATUS_OK ||
	    (status = root_read(capture->request->embeds, &capture->descriptors.objects, &capture->root)) !=
	            STATUS_OK)
		return status;
	if (capture->request->self_contained &&
	    (status = self_contained_check(&capture->mappings, &capture->descriptors, &capture->files)) !=
	            STATUS_OK)
		return status;
	if (capture->shim.size && has_hidden_calls(capture->request->pid, &capture->mappings))
		capture->shim = (struct snapimg_shim){0}; /* so nothing anonymous is made a piece */
	return plan_make(&capture->remote, &capture->mappings, &capture->files,
	                 codec_job_pages(&capture->request->output), &capture->plan);
}

static enum status for_each(struct captures *captures, enum status (*function)(struct capture *))
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < captures->count && status == STATUS_OK; i++)
		status = function(captures->capture[i]);
	return status;
}

static struct capture *capture_of(const struct captures *captures, uint32_t pid)
{
	for (size_t i = 0; i < captures->count; i++)
		if ((uint32_t)captures->capture[i]->request->pid == pid)
			return captures->capture[i];
	return NULL;
}

/* Whether a parent has heard that its child was stopped is only for itself to ask. */
static enum status gather_stops(struct captures *captures)
{
	const struct snapshot_tree *tree = captures->tree;

	for (size_t i = 0; i < tree->count; i++) {
		struct snapimg_member *member = &tree->member[i];
		const struct capture *parent = capture_of(captures, member->parent);
		siginfo_t info = {0};
		enum status status;

		if (member->state != SNAPIMG_MEMBER_STOPPED)
			continue;
		if (parent && (status = remote_fetch(&parent->remote, "a stopped child", &info, sizeof(info),
		                                     SYS_waitid, P_PID, member->pid, parent->remote.scratch,
		                                     WSTOPPED | WNOHANG | WNOWAIT)) != STATUS_OK)
			return status;
		if (info.si_pid == 0)
			member->status |= SNAPIMG_STOP_TOLD;
	}
	return STATUS_OK;
}

static enum status gather(struct captures *captures)
{
	enum status status;

	if ((status = for_each(captures, gather_memory)) != STATUS_OK ||
	    (status = gather_stops(captures)) != STATUS_OK ||
	    (status = gather_shared(captures)) != STATUS_OK ||
	    (status = for_each(captures, gather_state)) != STATUS_OK ||
	    (status = refusals_end()) != STATUS_OK)
		return status;
	return for_each(captures, gather_plan);
}

/* CPUID's brand string; /proc/cpuinfo of a large machine takes long to read. */
static void read_cpu_model(char model[49])
{
	unsigned int words[12] = {0};

	for (unsigned int i = 0; i < 3; i++)
		__get_cpuid(0x80000002 + i, &words[i * 4], &words[i * 4 + 1], &words[i * 4 + 2],
		            &words[i * 4 + 3]);
	memcpy(model, words, 48);
	size_t length = 48; /* it may be padded with blanks or NULs */
	while (length > 0 && (model[length - 1] == ' ' || model[length - 1] == '\0'))
		length--;
	model[length] = '\0';
}

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
	char codec[32] = "none", model[49];
	struct utsname system;
	enum snapimg_error error = SNAPIMG_OK;

	if (output->compress)
		snprintf(codec, sizeof(codec), "%s -%d", codec_name(output->settings.codec),
		         output->settings.level);
	read_cpu_model(model);
	uname(&system);
	origin.zero_bytes = totals->zero_pages * SNAPIMG_PAGE_SIZE;
	origin.file_bytes = totals->file_pages * SNAPIMG_PAGE_SIZE + capture->mappings.file_bytes;
	origin.raw_bytes = totals->stored_pages * SNAPIMG_PAGE_SIZE + origin.zero_bytes + origin.file_bytes;
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
	    (error = plan_write_guards(&capture->plan, writer)))
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
		return output_failed(output->path, output->error);
	snapimg_writer_failure(writer, &section, &index);
	if (section)
		return fail(STATUS_FAILED, "can't make the image: %s: record %llu: choose another point",
		            snapimg_strerror(error), (unsigned long long)index);
	return fail(STATUS_FAILED, "can't make the image: %s", snapimg_strerror(error));
}

/* What is as its file has it can't hold an ID. */
static bool is_unchanged(const struct mapping *mapping)
{
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

static enum status write_pages(struct capture *capture, struct snapimg_writer *writer,
                               enum snapimg_error *ret_error)
{
	enum status status;

	if ((status = id_search_begin(capture->threads.thread, capture->threads.count, &capture->search)) !=
	            STATUS_OK ||
	    (status = pipeline_run(capture->request->pid, &capture->plan, &capture->output,
	                           (struct page_observer){look_for_ids, capture}, writer, &capture->totals,
	                           ret_error)) != STATUS_OK)
		return status;
	/* Where the program has run for a while, it has asked already. */
	bool is_new = capture->request->resume_main || strcmp(capture->request->point, "entry") == 0;
	const char *executable = is_new ? capture->state.executable : NULL;
	if (*ret_error != SNAPIMG_OK)
		return STATUS_OK;
	return kept_find(&capture->search, &capture->threads, &capture->mappings, &capture->files, executable,
	                 &capture->fixups, &capture->kept);
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
		member[i].descriptors =
		        descriptors->count ? (uint32_t)descriptors->record[descriptors->count - 1].number + 1
		                           : 0;
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
		error = write_records(capture, writer);
	if (error == SNAPIMG_OK)
		error = snapimg_writer_finish(writer, &result->image_size, result->digest);
	if (error != SNAPIMG_OK)
		return writer_failed(writer, output, error);
	written = monotonic_seconds();
	if (!output_file_finish(output))
		status = output_failed(output->path, output->error);
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
	return done ? STATUS_OK : output_failed(output->path, output->error);
}

static enum status publish(struct captures *captures, struct snapshot_result *result)
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
		status = output_failed(output.path, output.error);
	else if (wanted->runnable)
		status = put_loader(&output);
	struct snapimg_writer *writer = snapimg_writer_new(output_file_sink, &output);
	if (status == STATUS_OK && writer)
		status = write_image(captures, writer, &output, result);
	else if (status == STATUS_OK)
		status = fail(STATUS_FAILED, "out of memory");
	snapimg_writer_free(writer);
	output_file_end(&output);
	return status;
}

static enum status leave(struct capture *capture, enum status status)
{
	/* A target that can't be reached any more has had its line already. */
	if (status != STATUS_OK && !tracee_stands(capture->request->pid))
		return status;
	if (!capture->remote.scratch && !capture->remote.dumpable_forced)
		return status;
	enum status left = shared_leave(&capture->remote, &capture->shared);
	if (left == STATUS_OK)
		left = remote_leave(&capture->remote);
	return status == STATUS_OK ? left : status;
}

static enum status make_captures(const struct snapshot_request *request, struct captures *captures)
{
	for (size_t i = 0; i < captures->count; i++) {
		struct capture *capture = captures->capture[i] = calloc(1, sizeof(*capture));
		if (!capture)
			return fail(STATUS_FAILED, "out of memory");
		capture->request = &request[i];
		capture->subject = (struct subject){.request = &request[i], .pid = request[i].pid};
		clocks_read(&capture->subject, &capture->clocks);
	}
	return STATUS_OK;
}

static void add_up(const struct captures *captures, struct snapshot_result *result)
{
	result->processes = (uint32_t)captures->count;
	for (size_t i = 0; i < captures->count; i++) {
		const struct capture *capture = captures->capture[i];
		result->threads += (uint32_t)capture->request->threads->count;
		result->stored_pages +=
		        capture->request->is_look ? capture->plan.pages : capture->totals.stored_pages;
		result->zero_pages += capture->totals.zero_pages;
		result->file_pages +=
		        capture->totals.file_pages + capture->mappings.file_bytes / SNAPIMG_PAGE_SIZE;
	}
}

static enum status take_all(const struct snapshot_request *request, struct captures *captures,
                            struct snapshot_result *result)
{
	double start = monotonic_seconds();
	enum status status = make_captures(request, captures);

	if (status == STATUS_OK)
		status = for_each(captures, examine);
	allow_many_files(); /* not before limits were compared */
	if (status == STATUS_OK)
		status = gather(captures);
	if (status == STATUS_OK)
		explain("looked at in %.1f ms: %zu mappings, %zu jobs", (monotonic_seconds() - start) * 1e3,
		        captures->capture[0]->mappings.count, captures->capture[0]->plan.job_count);
	if (status == STATUS_OK && !request->is_look)
		status = publish(captures, result);
	for (size_t i = 0; i < captures->count && captures->capture[i]; i++)
		status = leave(captures->capture[i], status);
	if (status == STATUS_OK)
		add_up(captures, result);
	result->seconds = monotonic_seconds() - start;
	return status;
}

enum status snapshot_take(const struct snapshot_request *request, size_t count,
                          const struct snapshot_tree *tree, struct snapshot_result *ret_result)
{
	struct snapshot_result result = {0};
	struct captures captures = {
	        .capture = calloc(count, sizeof(struct capture *)), .count = count, .tree = tree};
	enum status status;

	status = captures.capture ? take_all(request, &captures, &result)
	                          : fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; captures.capture && i < count; i++)
		capture_free(captures.capture[i]);
	free(captures.capture);
	if (status == STATUS_OK)
		*ret_result = result;
	return status;
}
