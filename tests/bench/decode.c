/*
 * bench_decode IMAGE [FILE]: the floor of a frozen start. At each byte of stdin the page data of IMAGE are
 * decoded by all processors and put where nothing is yet: into fresh memory, by process_vm_writev(2) as the
 * loader does, or into FILE, made new each time, as the first start does for its cached copy. No mapping is
 * made again, no file looked at, no program started. Answers each time with NANOSECONDS,0,0, as bench_spawn's
 * kind :warm wants it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "format/convert/decode_ahead.h"
#include "format/convert/image_file.h"

enum { PROCESSORS_MAX = 16 };

static struct {
	struct image_file image;
	uint64_t *place; /* of each extent's bytes, behind those before it */
	uint64_t size;
	const char *path; /* NULL: into memory */
	char *memory;
	int file;
	atomic_uint next;
} decoded;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench_decode: %s\n", what);
	exit(1);
}

static bool put(void *bytes, size_t size, uint64_t place)
{
	struct iovec from = {bytes, size};
	struct iovec to = {decoded.path ? NULL : decoded.memory + place, size};

	return decoded.path ? pwrite(decoded.file, bytes, size, (off_t)place) == (ssize_t)size
	                    : process_vm_writev(getpid(), &from, 1, &to, 1, 0) == (ssize_t)size;
}

/* Of a thread that lasts, as its decoder does; what it decodes to stays in its processor's cache. */
static void *decode(void *unused)
{
	static _Thread_local ZSTD_DCtx *decoder;
	static _Thread_local char *buffer;
	const struct snapimg_extent *extent = snapimg_get_extent(&decoded.image.image);
	uint32_t count = snapimg_extent_count(&decoded.image.image);

	(void)unused;
	if (!decoder) {
		decoder = ZSTD_createDCtx();
		buffer = malloc(SNAPIMG_EXTENT_MAX);
		if (!decoder || !buffer)
			fail("no memory");
	}
	for (;;) {
		uint32_t i = atomic_fetch_add(&decoded.next, 1);

		if (i >= count)
			return NULL;
		if (!snapimg_extent_is_packed(&extent[i]))
			continue;
		const uint8_t *stored =
		        image_file_read(&decoded.image, extent[i].offset, extent[i].stored_size, NULL);
		if (snapimg_check_stored(&extent[i], stored) != SNAPIMG_OK ||
		    !decode_extent(decoder, &extent[i], buffer, stored) ||
		    !put(buffer, extent[i].raw_size, decoded.place[i]))
			fail("an extent can't be decoded");
	}
}

static void begin(void)
{
	atomic_store(&decoded.next, 0);
	if (decoded.path) {
		unlink(decoded.path);
		decoded.file = open(decoded.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (decoded.file < 0)
			fail("no file");
		return;
	}
	decoded.memory = mmap(NULL, decoded.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (decoded.memory == MAP_FAILED || madvise(decoded.memory, decoded.size, MADV_NOHUGEPAGE) != 0)
		fail("no memory");
}

static void end(void)
{
	if (decoded.path)
		close(decoded.file);
	else
		munmap(decoded.memory, decoded.size);
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static pthread_barrier_t at_begin, at_end;

static void *help(void *unused)
{
	for (;;) {
		pthread_barrier_wait(&at_begin);
		decode(unused);
		pthread_barrier_wait(&at_end);
	}
	return NULL;
}

static void start_helpers(void)
{
	cpu_set_t processors;
	int count = sched_getaffinity(0, sizeof processors, &processors) == 0 ? CPU_COUNT(&processors) : 1;
	unsigned int helpers = (unsigned int)(count < PROCESSORS_MAX ? count : PROCESSORS_MAX) - 1;
	pthread_t thread;

	pthread_barrier_init(&at_begin, NULL, helpers + 1);
	pthread_barrier_init(&at_end, NULL, helpers + 1);
	for (unsigned int i = 0; i < helpers; i++)
		if (pthread_create(&thread, NULL, help, NULL) != 0)
			fail("no thread");
}

static void open_image(const char *path)
{
	struct image_failure failure;

	if (!image_file_open(&decoded.image, path, IMAGE_WHOLE, &failure))
		fail("the image can't be read");
	uint32_t count = snapimg_extent_count(&decoded.image.image);
	decoded.place = calloc(count + 1u, sizeof *decoded.place);
	if (!decoded.place)
		fail("no memory");
	for (uint32_t i = 0; i < count; i++) {
		decoded.place[i] = decoded.size;
		decoded.size += snapimg_get_extent(&decoded.image.image)[i].raw_size;
	}
	if (decoded.size == 0)
		fail("the image holds no page data");
}

int main(int argc, char **argv)
{
	char asked;

	if (argc < 2 || argc > 3)
		fail("usage: bench_decode IMAGE [FILE]");
	open_image(argv[1]);
	decoded.path = argv[2];
	start_helpers();
	while (read(STDIN_FILENO, &asked, 1) == 1) {
		long long began = now();

		begin();
		pthread_barrier_wait(&at_begin);
		decode(NULL);
		pthread_barrier_wait(&at_end);
		printf("%lld,0,0\n", now() - began);
		fflush(stdout);
		end();
	}
	return 0;
}
