#include "tracer/capture/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "format/base/output_file.h"
#include "format/base/progress.h"
#include "tracer/capture/capture.h"
#include "tracer/ptrace/wait.h"

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	root_free(&capture->root);
	kept_free(&capture->kept);
	id_search_free(&capture->search);
	plan_free(&capture->plan);
	inherit_free(&capture->inheriting);
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

enum status captures_each(struct captures *captures, enum status (*function)(struct capture *))
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < captures->count && status == STATUS_OK; i++)
		status = function(captures->capture[i]);
	return status;
}

enum status capture_output_failed(const char *path, int error)
{
	return fail(STATUS_FAILED, "can't write the image: %s: %s: %s", path, output_file_reason(error),
	            output_file_advice(error));
}

enum status snapshot_check_output(const char *path)
{
	int error = output_file_check(path);

	return error ? capture_output_failed(path, error) : STATUS_OK;
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
	for (size_t i = 0; i < captures->count && captures->capture[i]; i++) {
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
		status = captures_each(captures, capture_examine);
	allow_many_files(); /* not before limits were compared */
	if (status == STATUS_OK)
		status = captures_gather(captures);
	if (status == STATUS_OK)
		explain("looked at in %.1f ms: %zu mappings, %zu jobs", (monotonic_seconds() - start) * 1e3,
		        captures->capture[0]->mappings.count, captures->capture[0]->plan.job_count);
	if (status == STATUS_OK && !request->is_look)
		status = captures_publish(captures, result);
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
	ipc_free(&captures.ipc);
	known_hashes_free(&captures.known);
	if (status == STATUS_OK)
		*ret_result = result;
	return status;
}
