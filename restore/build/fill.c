/*
 * Puts the page data in place, on all processors that may be used. An extent
 * is the unit of work: its bytes are read and decoded in buffers that stay in
 * the processor's cache, and the kernel copies them to all of its runs in one
 * call, process_vm_writev(2) on ourselves. That makes the pages as it goes, so
 * none costs a fault, and it writes them through its own view of memory: under
 * virtualisation the first touch of a page through its mapping costs 2 us more
 * (12 MiB: 2.2 ms this way, 9 ms by populating and copying), which so only the
 * pages cost that the program uses.
 */
#include <asm/errno.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/uio.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/thread_x86_64.h"
#include "restore/base/undo.h"
#include "restore/build/decoder.h"
#include "restore/build/embedded.h"
#include "restore/build/huge.h"
#include "restore/build/inherited.h"
#include "restore/loader.h"
#include "restore/zone.h"

enum {
	WORKERS_MAX = 16,
	WORKERS_FEW = 4, /* who wait for each other at one file no longer than a write saves (embedded.c) */
	WORKER_STACK = 64 << 10,
	WORTH_A_THREAD = 1 << 20, /* starting one costs about what decoding a few hundred KiB does */
	RUNS_MAX = SNAPIMG_EXTENT_MAX / SNAPIMG_PAGE_SIZE,
};

/* What a worker needs: the sizes of its buffers, in whole pages. */
struct needs {
	uint64_t raw_bytes; /* of all extents */
	uint64_t decoder, stored, pages;
};

struct worker {
	volatile uint32_t tid;
	const struct needs *needs;
	uint8_t *memory; /* of the decoder and the buffers */
	struct decoder *decoder;
	uint8_t *stored; /* an extent as it is in the file */
	uint8_t *pages;  /* and decoded */
	struct embedded_cursor embedded;
};

static struct {
	uint32_t next; /* extent to take */
	uint32_t worker_count;
	bool of_holder; /* the image that is open is another process's: inherited.c */
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

/* The slow way, through the mapping: zeros, and where the kernel does not make the copy (a seccomp filter of
 * the caller's, or no memory, which populate() tells). */
static void copy_runs(const struct snapimg_extent *extent, const struct snapimg_run *run,
                      const uint8_t *bytes, enum snapimg_run_kind kind)
{
	for (uint32_t i = 0; i < extent->run_count; i++) {
		size_t size = (size_t)run[i].pages * SNAPIMG_PAGE_SIZE;
		if (run[i].kind != kind)
			continue;
		populate(&run[i]);
		if (kind == SNAPIMG_RUN_ZERO) {
			memset((void *)run[i].address, 0, size);
		} else {
			memcpy((void *)run[i].address, bytes, size);
			bytes += size;
		}
	}
}

/* Hands the extent's bytes out to its runs. */
static void scatter(const struct snapimg_extent *extent, const struct snapimg_run *run, const uint8_t *bytes)
{
	struct iovec to[RUNS_MAX];
	struct iovec from = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = extent->raw_size};
	uint32_t count = 0;
	for (uint32_t i = 0; i < extent->run_count; i++)
		if (run[i].kind == SNAPIMG_RUN_DATA)
			to[count++] = (struct iovec){(void *)run[i].address,
			                             (size_t)run[i].pages * SNAPIMG_PAGE_SIZE};
	if (count > 0 &&
	    sys(__NR_process_vm_writev, loader.tid, &from, 1, to, count, 0) != (long)extent->raw_size)
		copy_runs(extent, run, bytes, SNAPIMG_RUN_DATA);
	if (count < extent->run_count)
		copy_runs(extent, run, NULL, SNAPIMG_RUN_ZERO);
}

/* Mapped, from the image or from files (mappings.c); or nothing that is asked for. */
static bool is_there(const struct snapimg_extent *extent)
{
	if (fill.of_holder)
		return !inherited_wants(extent);
	return extent->kind == SNAPIMG_EXTENT_MAPPED ||
	       ((extent->flags & SNAPIMG_EXTENT_OF_FILES) != 0 && loader.maps_files);
}

/* Pages of a thawed image, which are never compared with their checksums (FORMAT.md): from the file to their
 * place, without a buffer in between. */
static bool goes_straight(const struct snapimg_extent *extent)
{
	return extent->kind == SNAPIMG_EXTENT_RAW && image_is_thawed() && image_stored(extent) == NULL;
}

static void read_straight(const struct snapimg_extent *extent)
{
	enum { FEW = 8 }; /* pages: the read makes them for less than a call more */
	const struct snapimg_run *run = snapimg_get_run(&loader.image) + extent->run_first;
	uint64_t offset = extent->offset;
	for (uint32_t i = 0; i < extent->run_count; i++) {
		uint64_t size = (uint64_t)run[i].pages * SNAPIMG_PAGE_SIZE;
		if (run[i].kind != SNAPIMG_RUN_DATA)
			continue;
		if (run[i].pages > FEW)
			populate(&run[i]);
		if (!image_read((void *)run[i].address, size, offset))
			damaged(extent, SNAPIMG_ERR_TRUNCATED);
		offset += size;
	}
	copy_runs(extent, run, NULL, SNAPIMG_RUN_ZERO);
}

static void fill_extent(struct worker *worker, const struct snapimg_extent *extent)
{
	if (is_there(extent))
		return;
	if (goes_straight(extent)) {
		read_straight(extent);
		return;
	}
	const uint8_t *stored = image_stored(extent);
	if (stored == NULL) {
		stored = worker->stored;
		if (!image_read(worker->stored, extent->stored_size, extent->offset))
			damaged(extent, SNAPIMG_ERR_TRUNCATED);
	}
	const uint8_t *bytes = stored;
	bool is_mapped = image_is_thawed() && !snapimg_extent_is_packed(extent);
	enum snapimg_error error = is_mapped ? SNAPIMG_OK : snapimg_check_stored(extent, stored);
	if (error != SNAPIMG_OK)
		damaged(extent, error);
	if (snapimg_extent_is_packed(extent)) {
		bytes = worker->pages;
		if (!decoder_decode(extent->kind, worker->decoder, worker->pages, extent->raw_size, stored,
		                    extent->stored_size))
			damaged(extent, SNAPIMG_ERR_EXTENT_FRAME);
	}
	if (fill.of_holder) {
		inherited_put(extent, bytes);
		return;
	}
	const struct snapimg_run *run = snapimg_get_run(&loader.image) + extent->run_first;
	if ((extent->flags & SNAPIMG_EXTENT_OF_FILES) != 0 && fill.worker_count <= WORKERS_FEW &&
	    embedded_write(&worker->embedded, extent, run, bytes))
		return;
	if (extent->run_count > 0)
		huge_expect(snapimg_run_end(&run[extent->run_count - 1]));
	scatter(extent, run, bytes);
}

/* A set of processors, as sched_getaffinity(2) gives it. */
struct processors {
	uint64_t set[128]; /* 8192, the most that Linux is built for */
	uint64_t bytes;
	uint32_t count;
};

static void get_processors(struct processors *processors)
{
	long bytes = sys(__NR_sched_getaffinity, 0, sizeof processors->set, processors->set);
	processors->bytes = bytes > 0 ? (uint64_t)bytes : 0;
	processors->count = 0;
	for (uint64_t i = 0; i < processors->bytes / 8; i++)
		for (uint64_t left = processors->set[i]; left != 0; left &= left - 1)
			processors->count++;
}

/* The kernel often starts a thread on the processor of its maker, where it would wait until that one is done.
 */
static void send_away(uint32_t tid, const struct processors *processors)
{
	struct processors others = *processors;
	uint32_t here = 0;
	if (processors->count < 2 || sys(__NR_getcpu, &here) < 0)
		return;
	others.set[here / 64] &= ~((uint64_t)1 << here % 64);
	sys(__NR_sched_setaffinity, tid, others.bytes, others.set);
}

/* A worker that refuses the image starts the original program with the processors of the first thread. */
static void come_back(void)
{
	struct processors processors;
	long bytes = sys(__NR_sched_getaffinity, loader.tid, sizeof processors.set, processors.set);
	if (bytes > 0 && sys(__NR_gettid) != (long)loader.tid)
		sys(__NR_sched_setaffinity, 0, bytes, processors.set);
}

static struct needs measure(void)
{
	const struct snapimg_extent *extent = snapimg_get_extent(&loader.image);
	struct needs needs = {0};
	bool has_frames = false;
	for (uint32_t i = 0; i < snapimg_extent_count(&loader.image); i++) {
		if (is_there(&extent[i]))
			continue;
		needs.raw_bytes += extent[i].raw_size;
		if (goes_straight(&extent[i]))
			continue;
		if (image_stored(&extent[i]) == NULL && extent[i].stored_size > needs.stored)
			needs.stored = extent[i].stored_size;
		has_frames |= extent[i].kind == SNAPIMG_EXTENT_ZSTD;
		if (snapimg_extent_is_packed(&extent[i]) && extent[i].raw_size > needs.pages)
			needs.pages = extent[i].raw_size;
	}
	needs.decoder = has_frames ? page_ceil(decoder_size()) : 0;
	needs.stored = page_ceil(needs.stored);
	needs.pages = page_ceil(needs.pages);
	return needs;
}

static uint32_t choose_worker_count(const struct needs *needs, struct processors *processors)
{
	uint64_t wanted = 1 + needs->raw_bytes / WORTH_A_THREAD;
	if (wanted > 1) {
		get_processors(processors);
		wanted = wanted < processors->count ? wanted : processors->count;
		wanted = wanted > 0 ? wanted : 1;
	}
	return wanted < WORKERS_MAX ? (uint32_t)wanted : WORKERS_MAX;
}

/* Gives each worker room for its stack, decoder and buffers, one worker after the other from ZONE_WORKERS;
 * returns the bytes of one. */
static uint64_t make_workspaces(const struct needs *needs)
{
	uint64_t each = WORKER_STACK + needs->decoder + needs->stored + needs->pages;
	if (fill.worker_count == 1 && each == WORKER_STACK)
		return each; /* a small raw image */
	long start = sys(__NR_mmap, ZONE_WORKERS, fill.worker_count * each, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (start != (long)ZONE_WORKERS)
		die(EXIT_REFUSED, "no memory for the decoders: ", error_text(start));
	for (uint32_t i = 0; i < fill.worker_count; i++) {
		fill.worker[i].needs = needs;
		fill.worker[i].memory = (uint8_t *)ZONE_WORKERS + i * each + WORKER_STACK;
	}
	return each;
}

/* By the worker itself, for it takes as long as to decode something. */
static void prepare(struct worker *worker)
{
	const struct needs *needs = worker->needs;
	if (needs == NULL)
		return;
	sys(__NR_madvise, worker->memory, needs->decoder + needs->stored + needs->pages, MADV_POPULATE_WRITE);
	worker->stored = worker->memory + needs->decoder;
	worker->pages = worker->stored + needs->stored;
	if (needs->decoder > 0 && (worker->decoder = decoder_init(worker->memory, needs->decoder)) == NULL)
		die(EXIT_REFUSED, "the zstd decoder does not start");
}

static void work(void *argument)
{
	struct worker *worker = argument;
	const struct snapimg_extent *extent = snapimg_get_extent(&loader.image);
	uint32_t count = snapimg_extent_count(&loader.image);
	prepare(worker);
	for (;;) {
		uint32_t i = __atomic_fetch_add(&fill.next, 1, __ATOMIC_RELAXED);
		if (i >= count)
			return;
		fill_extent(worker, &extent[i]);
	}
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

/* Returns the bytes of the workspaces. */
static uint64_t fill_all(void)
{
	uint32_t tid[WORKERS_MAX] = {0};
	struct needs needs = measure();
	struct processors processors = {.count = 0};
	static bool comes_back;
	if (snapimg_extent_count(&loader.image) == 0)
		return 0;
	fill.worker_count = choose_worker_count(&needs, &processors);
	uint64_t each = make_workspaces(&needs);
	if (fill.worker_count > 1 && !comes_back)
		undo_add(come_back);
	comes_back |= fill.worker_count > 1;
	for (uint32_t i = 1; i < fill.worker_count; i++) {
		uint64_t stack_top = ZONE_WORKERS + i * each + WORKER_STACK;
		long result = thread_start(stack_top, &fill.worker[i].tid, work, &fill.worker[i]);
		if (result <= 0)
			continue; /* no thread to be had: the others do its work */
		tid[i] = (uint32_t)result;
		send_away(tid[i], &processors);
	}
	work(&fill.worker[0]);
	for (uint32_t i = 1; i < fill.worker_count; i++)
		if (tid[i] != 0)
			join(&fill.worker[i], tid[i]);
	return fill.worker_count * each;
}

void fill_pages(void)
{
	(void)fill_all();
}

void fill_from_holder(void)
{
	fill.of_holder = true;
	uint64_t size = fill_all();
	if (size > 0)
		sys(__NR_munmap, ZONE_WORKERS, size);
	memset(&fill, 0, sizeof fill);
}
