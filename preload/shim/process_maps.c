#include "preload/shim/process_maps.h"

#include <asm/unistd_64.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <stddef.h>

enum { BUFFER = 2048, INTERRUPTED = -4 /* -EINTR */ };

struct stream {
	int descriptor;
	char bytes[BUFFER];
	long used, size;
};

/* The next byte; -1 at the end. */
static int next(struct stream *stream)
{
	while (stream->used == stream->size) {
		stream->size = shim_call(__NR_read, (uint64_t)stream->descriptor, (uint64_t)stream->bytes,
		                         sizeof(stream->bytes), 0, 0, 0);
		stream->used = 0;
		if (stream->size == INTERRUPTED)
			stream->size = 0;
		else if (stream->size <= 0)
			return stream->size = 0, -1;
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.UndefReturn): the system call has written it */
	return (unsigned char)stream->bytes[stream->used++];
}

/* Up to and with the first byte that is no digit. */
static uint64_t read_number(struct stream *stream, unsigned base)
{
	uint64_t number = 0;

	for (;;) {
		int byte = next(stream);
		unsigned value = byte >= 'a' && byte <= 'f'   ? (unsigned)byte - 'a' + 10
		                 : byte >= '0' && byte <= '9' ? (unsigned)byte - '0'
		                                              : 16;
		if (value >= base)
			return number;
		number = number * base + value;
	}
}

/* "start-end rwxp offset major:minor inode   path": proc(5). An end of 0 is the end. */
static void read_line(struct stream *stream, struct process_mapping *mapping)
{
	int byte;

	*mapping = (struct process_mapping){0};
	mapping->start = read_number(stream, 16);
	mapping->end = read_number(stream, 16);
	mapping->protection |= next(stream) == 'r' ? PROT_READ : 0;
	mapping->protection |= next(stream) == 'w' ? PROT_WRITE : 0;
	mapping->protection |= next(stream) == 'x' ? PROT_EXEC : 0;
	mapping->shared = next(stream) == 's';
	(void)next(stream);
	mapping->offset = read_number(stream, 16);
	(void)read_number(stream, 16);
	(void)read_number(stream, 16);
	mapping->inode = read_number(stream, 10);
	/* The blank behind the number was read, or the end of the line if there is no name. */
	if (stream->used > 0 && stream->bytes[stream->used - 1] == '\n')
		return;
	do
		byte = next(stream);
	while (byte >= 0 && byte != '\n');
}

bool process_maps_visit(uint64_t start, uint64_t end, process_visitor *visit, void *context)
{
	struct stream stream; /* not cleared as a whole: that takes a memset, of which there is none here */
	struct process_mapping mapping;
	static const char path[] = "/proc/self/maps";

	stream.descriptor = (int)shim_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t)path,
	                                   O_RDONLY | O_CLOEXEC, 0, 0, 0);
	stream.size = stream.used = 0;
	if (stream.descriptor < 0)
		return false;
	do
		read_line(&stream, &mapping);
	while (mapping.end != 0 && mapping.start < end && (mapping.end <= start || visit(context, &mapping)));
	shim_call(__NR_close, (uint64_t)stream.descriptor, 0, 0, 0, 0, 0);
	return true;
}
