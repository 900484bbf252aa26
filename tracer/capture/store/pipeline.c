#include "tracer/capture/store/pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "format/base/compressor.h"
#include "format/base/progress.h"
#include "format/facts/checksum.h"
#include "tracer/capture/parallel.h"

enum {
	SLOTS_PER_WORKER = 8, /* one in work; the others are done, while the writer waits for the disk */
	SLOTS_LEAST = 2,      /* one in work, and one with the writer */
	WORKERS_MAX = 256,
	MEMORY_MAX = 160 << 20, /* of all buffers, however many processors and pages there are */
};

/* A job under way. Between taken and done it's a worker's, then the writer's. */
struct slot {
	bool done;
	bool is_fresh; /* its buffer has no pages yet */
	struct job_pages pages;
	uint8_t *packed; /* the frame; unused without compression */
	const uint8_t *stored;
	struct snapimg_extent extent;
};

struct pipeline {
	const struct plan *plan;
	const struct snapshot_output *output;
	struct page_observer observer;
	struct inheriting *inheriting;
	struct page_reader reader;
	pthread_mutex_t lock; /* over all below but what a slot's owner does with it */
	pthread_cond_t job_done, slot_free;
	size_t next;    /* job to be taken */
	size_t written; /* jobs below are through: job n uses slot n % slot_count */
	bool stop;
	struct slot *slot;
	size_t slot_count;
	size_t job_size, packed_size; /* bytes that a slot has room for, each two or one time */
	uint8_t **free_buffer; /* that no slot has: the last to be given back is the next to be taken */
	size_t free_count;
};

static size_t slot_size(const struct pipeline *pipeline)
{
	return pipeline->job_size * 2 + pipeline->packed_size;
}

/* To make their pages takes as long as to read a process into them: those of one process of a tree serve the
 * next one, and what the writer has done with is used again before any that is new. */
static struct {
	uint8_t *memory;
	size_t size;
	size_t made; /* bytes that have pages */
} buffers;

struct worker {
	pthread_t thread;
	struct pipeline *pipeline;
	struct compressor compressor;
};

static void pack(struct worker *worker, struct slot *slot)
{
	struct snapimg_extent *extent = &slot->extent;
	uint32_t raw_size = slot->pages.stored_pages * SNAPIMG_PAGE_SIZE;

	*extent = (struct snapimg_extent){.kind = SNAPIMG_EXTENT_ZERO, .raw_size = raw_size};
	slot->stored = slot->pages.bytes;
	if (slot->pages.error || raw_size == 0)
		return;
	extent->kind = SNAPIMG_EXTENT_RAW;
	extent->stored_size = raw_size;
	if (worker->pipeline->output->compress) {
		size_t size = compressor_run(&worker->compressor, slot->packed, worker->pipeline->packed_size,
		                             slot->pages.bytes, raw_size);
		if (size == 0)
			slot->pages.error = ENOMEM;
		extent->kind =
		        worker->compressor.codec == CODEC_LZ4 ? SNAPIMG_EXTENT_LZ4 : SNAPIMG_EXTENT_ZSTD;
		extent->stored_size = (uint32_t)size;
		slot->stored = slot->packed;
	}
	extent->checksum = snapimg_checksum(slot->stored, extent->stored_size);
}

/* There are as many buffers as slots. */
static void take_buffer(struct pipeline *pipeline, struct slot *slot)
{
	uint8_t *buffer = pipeline->free_buffer[--pipeline->free_count];
	size_t end = (size_t)(buffer - buffers.memory) + slot_size(pipeline);

	slot->pages.bytes = buffer;
	slot->pages.file_bytes = buffer + pipeline->job_size;
	slot->packed = buffer + pipeline->job_size * 2;
	slot->is_fresh = end > buffers.made;
	if (slot->is_fresh)
		buffers.made = end;
}

/* The next job, whose slot is free; plan->job_count when there's no more. */
static size_t take_job(struct pipeline *pipeline)
{
	size_t job;

	pthread_mutex_lock(&pipeline->lock);
	while (!pipeline->stop && pipeline->next < pipeline->plan->job_count &&
	       pipeline->next >= pipeline->written + pipeline->slot_count)
		pthread_cond_wait(&pipeline->slot_free, &pipeline->lock);
	job = pipeline->stop ? pipeline->plan->job_count : pipeline->next;
	if (job < pipeline->plan->job_count) {
		pipeline->next++;
		take_buffer(pipeline, &pipeline->slot[job % pipeline->slot_count]);
	}
	pthread_mutex_unlock(&pipeline->lock);
	return job;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct pipeline *pipeline = worker->pipeline;
	size_t job;

	while ((job = take_job(pipeline)) < pipeline->plan->job_count) {
		struct slot *slot = &pipeline->slot[job % pipeline->slot_count];
		if (slot->is_fresh) /* Linux 5.14; else they come by faults */
			(void)madvise(slot->pages.bytes, slot_size(pipeline), MADV_POPULATE_WRITE);
		page_reader_read(&pipeline->reader, &pipeline->plan->job[job], &slot->pages);
		pipeline->observer.look(pipeline->observer.context, &slot->pages);
		inherit_sort_out(pipeline->inheriting, &slot->pages);
		pack(worker, slot);
		if (pipeline->plan->job[job].of_files && slot->extent.raw_size > 0)
			slot->extent.flags = SNAPIMG_EXTENT_OF_FILES;
		pthread_mutex_lock(&pipeline->lock);
		slot->done = true;
		pthread_cond_signal(&pipeline->job_done);
		pthread_mutex_unlock(&pipeline->lock);
	}
	return NULL;
}

static struct slot *wait_for(struct pipeline *pipeline, size_t job)
{
	struct slot *slot = &pipeline->slot[job % pipeline->slot_count];

	pthread_mutex_lock(&pipeline->lock);
	while (!slot->done)
		pthread_cond_wait(&pipeline->job_done, &pipeline->lock);
	pthread_mutex_unlock(&pipeline->lock);
	return slot;
}

static void release(struct pipeline *pipeline, struct slot *slot)
{
	pthread_mutex_lock(&pipeline->lock);
	slot->done = false;
	pipeline->free_buffer[pipeline->free_count++] = slot->pages.bytes;
	pipeline->written++;
	pthread_cond_signal(&pipeline->slot_free);
	pthread_mutex_unlock(&pipeline->lock);
}

static void stop(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->lock);
	pipeline->stop = true;
	pthread_cond_broadcast(&pipeline->slot_free);
	pthread_mutex_unlock(&pipeline->lock);
}

static enum status unreadable(const struct page_reader *reader, const struct job_pages *pages)
{
	if (pages->error == ENOMEM)
		return fail(STATUS_FAILED, "out of memory");
	if (pages->error == ESRCH)
		return fail(STATUS_FAILED, "process %d was killed while its memory was read", reader->pid);
	return fail(STATUS_FAILED,
	            "an unreadable page (MADV_GUARD_INSTALL, hardware error) can't be carried: 0x%" PRIx64
	            " of process %d: %s: choose a point before it is made",
	            pages->error_address, reader->pid, strerror(pages->error));
}

static enum status write_in_order(struct pipeline *pipeline, struct snapimg_writer *writer,
                                  struct pipeline_totals *totals, enum snapimg_error *ret_error)
{
	const struct plan *plan = pipeline->plan;
	struct progress progress = progress_begin(pipeline->output->progress, plan->pages);
	enum snapimg_error error = SNAPIMG_OK;
	enum status status = STATUS_OK;
	uint64_t done = 0;

	for (size_t job = 0; job < plan->job_count && status == STATUS_OK && error == SNAPIMG_OK; job++) {
		struct slot *slot = wait_for(pipeline, job);
		const struct job_pages *pages = &slot->pages;
		if (pages->error) {
			progress_end(&progress);
			status = unreadable(&pipeline->reader, pages);
		} else if (pages->run_count) {
			error = snapimg_writer_put_extent(writer, &slot->extent, pages->run, pages->run_count,
			                                  slot->stored);
		}
		inherit_note(pipeline->inheriting, pages);
		for (uint32_t i = 0; i < pages->inherited_count; i++)
			totals->inherited_pages += pages->inherited[i].pages;
		totals->stored_pages += pages->stored_pages;
		totals->zero_pages += pages->zero_pages;
		totals->file_pages += pages->file_pages;
		done += plan->job[job].pages;
		progress_update(&progress, done);
		release(pipeline, slot);
	}
	progress_end(&progress);
	*ret_error = error;
	return status;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t one_or_more(size_t count)
{
	return count > 0 ? count : 1;
}

static void size_slots(struct pipeline *pipeline)
{
	const size_t page = SNAPIMG_PAGE_SIZE;

	pipeline->job_size = pipeline->plan->job_pages * page;
	if (pipeline->output->compress)
		pipeline->packed_size = (compressor_bound(pipeline->job_size) + page - 1) / page * page;
}

/* A processor each, as far as the memory allows. */
static unsigned int share_out(struct pipeline *pipeline)
{
	const struct snapshot_output *output = pipeline->output;
	size_t workspace = output->compress ? compressor_memory(&output->settings, pipeline->job_size) : 0;
	size_t most = MEMORY_MAX / (workspace + SLOTS_LEAST * slot_size(pipeline));
	size_t workers = parallel_processors();

	workers = one_or_more(least(least(workers, WORKERS_MAX), least(most, pipeline->plan->job_count)));
	pipeline->slot_count =
	        one_or_more(least((MEMORY_MAX - workers * workspace) / slot_size(pipeline),
	                          least(workers * SLOTS_PER_WORKER, pipeline->plan->job_count)));
	return (unsigned int)workers;
}

void pipeline_end(void)
{
	if (buffers.memory)
		munmap(buffers.memory, buffers.size);
	buffers.memory = NULL;
}

static bool have_buffers(size_t size)
{
	if (buffers.memory && buffers.size >= size)
		return true;
	pipeline_end();
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	buffers.memory = memory;
	buffers.size = size;
	buffers.made = 0;
	return true;
}

static enum status make_slots(struct pipeline *pipeline)
{
	size_t each = slot_size(pipeline);

	pipeline->slot = calloc(pipeline->slot_count, sizeof(*pipeline->slot));
	pipeline->free_buffer = calloc(pipeline->slot_count, sizeof(*pipeline->free_buffer));
	if (!pipeline->slot || !pipeline->free_buffer || !have_buffers(each * pipeline->slot_count))
		return fail(STATUS_FAILED, "out of memory");
	while (pipeline->free_count < pipeline->slot_count) {
		size_t left = pipeline->slot_count - ++pipeline->free_count;
		pipeline->free_buffer[pipeline->free_count - 1] = buffers.memory + left * each;
	}
	return STATUS_OK;
}

static enum status start_workers(struct pipeline *pipeline, struct worker *workers, unsigned int count,
                                 unsigned int *ret_started)
{
	const struct compressor_settings *settings = &pipeline->output->settings;

	for (*ret_started = 0; *ret_started < count; ++*ret_started) {
		struct worker *worker = &workers[*ret_started];
		*worker = (struct worker){.pipeline = pipeline};
		if (pipeline->output->compress &&
		    !compressor_open(settings, pipeline->job_size, &worker->compressor))
			return fail(STATUS_FAILED, "no compressor for level %d: out of memory?",
			            settings->level);
		int error = parallel_start(&worker->thread, work, worker);
		if (error) {
			compressor_close(&worker->compressor);
			if (*ret_started > 0) /* fewer will do */
				return STATUS_OK;
			return fail(STATUS_FAILED, "can't start a thread: %s: raise the limit of processes",
			            strerror(error));
		}
	}
	return STATUS_OK;
}

static enum status run(struct pipeline *pipeline, struct snapimg_writer *writer,
                       struct pipeline_totals *totals, enum snapimg_error *ret_error)
{
	size_slots(pipeline);
	unsigned int count = share_out(pipeline), started = 0;
	struct worker *workers = calloc(count, sizeof(*workers));
	enum status status;

	if (!workers)
		return fail(STATUS_FAILED, "out of memory");
	if ((status = make_slots(pipeline)) == STATUS_OK &&
	    (status = start_workers(pipeline, workers, count, &started)) == STATUS_OK)
		status = write_in_order(pipeline, writer, totals, ret_error);
	stop(pipeline);
	for (unsigned int i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
		compressor_close(&workers[i].compressor);
	}
	free(pipeline->slot);
	free(pipeline->free_buffer);
	free(workers);
	return status;
}

enum status pipeline_run(pid_t pid, const struct plan *plan, const struct snapshot_output *output,
                         struct page_observer observer, struct inheriting *inheriting,
                         struct snapimg_writer *writer, struct pipeline_totals *ret_totals,
                         enum snapimg_error *ret_error)
{
	struct pipeline pipeline = {
	        .plan = plan,
	        .output = output,
	        .observer = observer,
	        .inheriting = inheriting,
	        .lock = PTHREAD_MUTEX_INITIALIZER,
	        .job_done = PTHREAD_COND_INITIALIZER,
	        .slot_free = PTHREAD_COND_INITIALIZER,
	};
	enum status status;

	*ret_totals = (struct pipeline_totals){0};
	*ret_error = SNAPIMG_OK;
	if (plan->job_count == 0)
		return STATUS_OK;
	if ((status = page_reader_open(pid, inheriting->in_tree, plan, &pipeline.reader)) != STATUS_OK)
		return status;
	inherit_begin(inheriting);
	status = run(&pipeline, writer, ret_totals, ret_error);
	inherit_end(inheriting);
	page_reader_close(&pipeline.reader);
	return status;
}
