/*
 * Puts the page data in place, on all processors that may be used. An extent
 * is the unit of work: its pages are populated in one call a run (a page fault
 * costs many times what a populated page does), and decoded straight into
 * place, or through a small buffer when an extent is spread over several runs.
 */
#include <asm/errno.h>
#include <linux/futex.h>
#include <linux/mman.h>

#include "decoder.h"
#include "loader.h"
#include "memory.h"
#include "message.h"
#include "syscall_x86_64.h"
#include "thread_x86_64.h"
#include "zone.h"

enum {
	WORKERS_MAX = 16,
	WORKER_STACK = 64 << 10,
	WORTH_A_THREAD = 1 << 20, /* starting one costs about what decoding a few hundred KiB does */
};

struct worker {
	volatile uint32_t tid;
	struct decoder *decoder;
	uint8_t *buffer; /* of the largest scattered extent */
};

static struct {
	uint32_t next; /* extent to take */
	uint32_t worker_count;
	uint64_t buffer_size;
	struct worker worker[WORKERS_MAX];
} fill;

static _Noreturn void damaged(const struct snapimg_extent *extent, enum snapimg_error error)
{
	die(EXIT_REFUSED, loader.options.image, ": ", snapimg_strerror(error), " at byte ",
	    dec(extent->offset), ": freeze the program again, or fetch the image again");
}

static void populate(const struct snapimg_run *run)
{
	uint64_t size = (uint64_t)run->pages * SNAPIMG_PAGE_SIZE;
	long result = sys(__NR_madvise, run->address, size, MADV_POPULATE_WRITE);
	/* EINVAL: before Linux 5.14; the pages come by fault then. */
	if (result < 0 && result != -EINVAL)
		die(EXIT_REFUSED, "no memory for ", dec(size), " bytes at ", hex(run->address), ": ",
		    error_text(result));
}

static uint32_t count_data_runs(const struct snapimg_extent *extent, const struct snapimg_run *run)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < extent->run_count; i++)
		count += run[i].kind == SNAPIMG_RUN_DATA;
	return count;
}

/* Hands the extent's bytes out to its runs; NULL where they were decoded in place. */
static void scatter(const struct snapimg_extent *extent, const struct snapimg_run *run, const uint8_t *bytes)
{
	for (uint32_t i = 0; i < extent->run_count; i++) {
		size_t size = (size_t)run[i].pages * SNAPIMG_PAGE_SIZE;
		if (run[i].kind == SNAPIMG_RUN_ZERO) {
			memset((void *)run[i].address, 0, size);
		} else if (bytes != NULL) {
			memcpy((void *)run[i].address, bytes, size);
			bytes += size;
		}
	}
}

static uint64_t first_data_address(const struct snapimg_extent *extent, const struct snapimg_run *run)
{
	for (uint32_t i = 0; i < extent->run_count; i++)
		if (run[i].kind == SNAPIMG_RUN_DATA)
			return run[i].address;
	return 0;
}

static void fill_extent(struct worker *worker, const struct snapimg_extent *extent)
{
	const struct snapimg_run *run = snapimg_get_run(&loader.image) + extent->run_first;
	const uint8_t *stored = loader.image.base + extent->offset;
	uint64_t stored_start = page_floor((uint64_t)stored);
	if (extent->stored_size > 0)
		sys(__NR_madvise, stored_start, (uint64_t)stored + extent->stored_size - stored_start,
		    MADV_POPULATE_READ);
	enum snapimg_error error = snapimg_check_extent(&loader.image, extent);
	if (error != SNAPIMG_OK)
		damaged(extent, error);
	for (uint32_t i = 0; i < extent->run_count; i++)
		populate(&run[i]);
	const uint8_t *bytes = stored;
	if (extent->kind == SNAPIMG_EXTENT_ZSTD) {
		bool scattered = count_data_runs(extent, run) > 1;
		uint8_t *to = scattered ? worker->buffer : (uint8_t *)first_data_address(extent, run);
		if (!decoder_decode(worker->decoder, to, extent->raw_size, stored, extent->stored_size))
			damaged(extent, SNAPIMG_ERR_EXTENT_FRAME);
		bytes = scattered ? worker->buffer : NULL;
	}
	scatter(extent, run, bytes);
}

static void work(void *argument)
{
	struct worker *worker = argument;
	const struct snapimg_extent *extent = snapimg_get_extent(&loader.image);
	uint32_t count = snapimg_extent_count(&loader.image);
	for (;;) {
		uint32_t i = __atomic_fetch_add(&fill.next, 1, __ATOMIC_RELAXED);
		if (i >= count)
			return;
		fill_extent(worker, &extent[i]);
	}
}

static uint32_t count_processors(void)
{
	uint64_t set[128]; /* 8192 processors, the most that Linux is built for */
	long bytes = sys(__NR_sched_getaffinity, 0, sizeof set, set);
	uint32_t count = 0;
	for (long i = 0; i < bytes / 8; i++)
		for (uint64_t left = set[i]; left != 0; left &= left - 1)
			count++;
	return count > 0 ? count : 1;
}

/* How much there is to do, and the largest buffer that it takes. */
static uint64_t measure(bool *ret_decodes)
{
	const struct snapimg_extent *extent = snapimg_get_extent(&loader.image);
	const struct snapimg_run *run = snapimg_get_run(&loader.image);
	uint64_t bytes = 0;
	*ret_decodes = false;
	for (uint32_t i = 0; i < snapimg_extent_count(&loader.image); i++) {
		bytes += extent[i].raw_size;
		if (extent[i].kind != SNAPIMG_EXTENT_ZSTD)
			continue;
		*ret_decodes = true;
		if (extent[i].raw_size > fill.buffer_size &&
		    count_data_runs(&extent[i], run + extent[i].run_first) > 1)
			fill.buffer_size = extent[i].raw_size;
	}
	return bytes;
}

/* Gives each worker its stack, decoder and buffer, one after the other; returns the first's start. */
static uint64_t make_workspaces(bool decodes, uint64_t *ret_worker_size)
{
	uint64_t decoder_bytes = decodes ? page_ceil(decoder_size()) : 0;
	*ret_worker_size = WORKER_STACK + decoder_bytes + page_ceil(fill.buffer_size);
	long start = sys(__NR_mmap, ZONE_WORKERS, fill.worker_count * *ret_worker_size,
	                 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (start != (long)ZONE_WORKERS)
		die(EXIT_REFUSED, "no memory for the decoders: ", error_text(start));
	for (uint32_t i = 0; i < fill.worker_count; i++) {
		uint64_t memory = ZONE_WORKERS + i * *ret_worker_size + WORKER_STACK;
		uint64_t size = *ret_worker_size - WORKER_STACK;
		if (size > 0)
			sys(__NR_madvise, memory, size, MADV_POPULATE_WRITE);
		if (decodes && (fill.worker[i].decoder = decoder_init((void *)memory, decoder_bytes)) == NULL)
			die(EXIT_REFUSED, "the zstd decoder does not start");
		fill.worker[i].buffer = (uint8_t *)memory + decoder_bytes;
	}
	return ZONE_WORKERS;
}

/* Returns when the kernel has forgotten the thread, so that the program is alone in its process. */
static void join(struct worker *worker, uint32_t tid)
{
	uint32_t seen;
	while ((seen = worker->tid) != 0)
		sys(__NR_futex, &worker->tid, FUTEX_WAIT, seen);
	while (sys(__NR_tgkill, loader.tid, tid, 0) != -ESRCH)
		sys(__NR_sched_yield);
}

void fill_pages(void)
{
	bool decodes;
	uint64_t bytes = measure(&decodes);
	if (snapimg_extent_count(&loader.image) == 0)
		return;
	uint64_t wanted = 1 + bytes / WORTH_A_THREAD;
	if (wanted > 1) {
		uint32_t processors = count_processors();
		wanted = wanted < processors ? wanted : processors;
	}
	fill.worker_count = wanted < WORKERS_MAX ? (uint32_t)wanted : WORKERS_MAX;
	uint64_t worker_size;
	uint64_t memory = make_workspaces(decodes, &worker_size);
	uint32_t tid[WORKERS_MAX] = {0};
	for (uint32_t i = 1; i < fill.worker_count; i++) {
		long result = thread_start(memory + i * worker_size + WORKER_STACK, &fill.worker[i].tid, work,
		                           &fill.worker[i]);
		tid[i] = result > 0 ? (uint32_t)result : 0; /* no thread to be had: the others do its work */
	}
	work(&fill.worker[0]);
	for (uint32_t i = 1; i < fill.worker_count; i++)
		if (tid[i] != 0)
			join(&fill.worker[i], tid[i]);
	sys(__NR_munmap, memory, fill.worker_count * worker_size);
}
