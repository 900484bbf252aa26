#include "preload/shim/process_maps.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/stat.h>
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

static bool open_stream(struct stream *stream, const char *path)
{
	stream->descriptor = (int)shim_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t)path,
	                                    O_RDONLY | O_CLOEXEC, 0, 0, 0);
	stream->size = stream->used = 0;
	return stream->descriptor >= 0;
}

static void close_stream(struct stream *stream)
{
	shim_call(__NR_close, (uint64_t)stream->descriptor, 0, 0, 0, 0, 0);
}

/* Passes what follows up to the end of the line; false at the end of the file. */
static bool pass_line(struct stream *stream)
{
	int byte;

	do
		byte = next(stream);
	while (byte >= 0 && byte != '\n');
	return byte >= 0;
}

/* Whether the line begins so; what it begins with is passed as far as it does. */
static bool begins(struct stream *stream, const char *text)
{
	for (; *text; text++) {
		int byte = next(stream);
		if (byte != *text) {
			if (byte == '\n')
				stream->used--; /* it is still there: next() has just read it */
			return false;
		}
	}
	return true;
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
	/* The blank after the number was read, or the end of the line if there is no name. */
	if (stream->used > 0 && stream->bytes[stream->used - 1] == '\n')
		return;
	(void)pass_line(stream);
}

bool process_maps_visit(uint64_t start, uint64_t end, process_visitor *visit, void *context)
{
	struct stream stream; /* not cleared as a whole: that takes a memset, of which there is none here */
	struct process_mapping mapping;

	if (!open_stream(&stream, "/proc/self/maps"))
		return false;
	do
		read_line(&stream, &mapping);
	while (mapping.end != 0 && mapping.start < end && (mapping.end <= start || visit(context, &mapping)));
	close_stream(&stream);
	return true;
}

/* "VmFlags: rd wr mr mw me ac sd " */
static unsigned read_marks(struct stream *stream, char ret_names[SHIM_MARKS_MAX])
{
	unsigned count = 0;
	int byte;

	while ((byte = next(stream)) >= 0 && byte != '\n')
		if (byte != ' ' && count < SHIM_MARKS_MAX)
			ret_names[count++] = (char)byte;
	return count;
}

unsigned process_marks(uint64_t address, char ret_names[SHIM_MARKS_MAX])
{
	struct stream stream;
	struct process_mapping mapping;
	unsigned count = 0;

	if (!open_stream(&stream, "/proc/self/smaps"))
		return 0;
	for (;;) { /* a line of maps, then others, of which the last is VmFlags (fs/proc/task_mmu.c) */
		read_line(&stream, &mapping);
		if (mapping.end == 0)
			break;
		while (!begins(&stream, "VmFlags:") && pass_line(&stream))
			;
		count = read_marks(&stream, ret_names);
		if (mapping.end > address)
			break;
	}
	close_stream(&stream);
	return mapping.start <= address && address < mapping.end ? count : 0;
}

static char *write_number(char *to, uint64_t number)
{
	char digits[20];
	unsigned count = 0;

	do
		digits[count++] = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	while (count > 0)
		*to++ = digits[--count];
	*to = '\0';
	return to;
}

/* "Pid:" there is the number in the namespace of /proc, as is what /proc/self points at. */
bool process_is_self(int descriptor)
{
	static const char directory[] = "/proc/self/fdinfo/";
	char path[sizeof(directory) + 20], self[32], *end = path;
	struct stream stream;
	uint64_t pid = 0, own = 0;

	for (const char *from = directory; *from; from++)
		*end++ = *from;
	write_number(end, (uint64_t)(unsigned)descriptor);
	long length = shim_call(__NR_readlinkat, (uint64_t)AT_FDCWD, (uint64_t) "/proc/self", (uint64_t)self,
	                        sizeof(self), 0, 0);
	for (long i = 0; i < length; i++)
		own = own * 10 + (uint64_t)(self[i] - '0');
	if (descriptor < 0 || length <= 0 || !open_stream(&stream, path))
		return false;
	do
		if (begins(&stream, "Pid:\t"))
			pid = read_number(&stream, 10);
	while (pid == 0 && pass_line(&stream));
	close_stream(&stream);
	return pid == own;
}

bool process_read_self(void *to, uint64_t from, uint64_t size)
{
	struct {
		uint64_t start, size;
	} here = {(uint64_t)to, size}, there = {from, size};
	long pid = shim_call(__NR_getpid, 0, 0, 0, 0, 0, 0);

	return shim_call(__NR_process_vm_readv, (uint64_t)pid, (uint64_t)&here, 1, (uint64_t)&there, 1, 0) ==
	       (long)size;
}

/* A directory has a link for each thread besides its own two (fs/proc/base.c, proc_task_getattr). */
unsigned process_threads(void)
{
	struct statx status;

	if (shim_call(__NR_statx, (uint64_t)AT_FDCWD, (uint64_t) "/proc/self/task", 0, STATX_NLINK,
	              (uint64_t)&status, 0) < 0)
		return 0;
	/* NOLINTNEXTLINE(clang-analyzer-*): statx(2) has written it */
	return status.stx_nlink - 2;
}
