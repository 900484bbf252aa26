#include "restore/base/message.h"

#include <asm/errno.h>

#include "restore/base/memory.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

void (*die_instead)(void), (*die_undo)(void);

enum { NUMBER_SIZE = 24, NUMBERS = 8 };

/* Room for the numbers of one line. */
static char *number_buffer(void)
{
	static char buffers[NUMBERS][NUMBER_SIZE];
	static unsigned next;
	return buffers[next++ % NUMBERS];
}

static const char *format_number(uint64_t number, unsigned base, const char *prefix)
{
	char *buffer = number_buffer();
	char *at = buffer + NUMBER_SIZE - 1;
	*at = '\0';
	do {
		*--at = "0123456789abcdef"[number % base];
		number /= base;
	} while (number != 0);
	for (size_t i = strlen(prefix); i > 0; i--)
		*--at = prefix[i - 1];
	return at;
}

const char *dec(uint64_t number)
{
	return format_number(number, 10, "");
}

const char *hex(uint64_t number)
{
	return format_number(number, 16, "0x");
}

static const struct {
	int error;
	const char *text;
} error_texts[] = {
        {EPERM, "Operation not permitted"},
        {ENOENT, "No such file or directory"},
        {EIO, "Input/output error"},
        {ENXIO, "No such device or address"},
        {E2BIG, "Argument list too long"},
        {ENOEXEC, "Exec format error"},
        {EAGAIN, "Resource temporarily unavailable"},
        {ENOMEM, "Cannot allocate memory"},
        {EACCES, "Permission denied"},
        {EFAULT, "Bad address"},
        {EEXIST, "File exists"},
        {ENOTDIR, "Not a directory"},
        {EISDIR, "Is a directory"},
        {EINVAL, "Invalid argument"},
        {EMFILE, "Too many open files"},
        {ETXTBSY, "Text file busy"},
        {EFBIG, "File too large"},
        {EROFS, "Read-only file system"},
        {ENAMETOOLONG, "File name too long"},
        {ENOSYS, "Function not implemented"},
        {EADDRINUSE, "Address already in use"},
        {ELOOP, "Too many levels of symbolic links"},
};

const char *error_text(long result)
{
	for (unsigned i = 0; i < sizeof error_texts / sizeof error_texts[0]; i++)
		if (error_texts[i].error == -result)
			return error_texts[i].text;
	return format_number((uint64_t)-result, 10, "error ");
}

bool print_parts(int descriptor, const char *const *parts)
{
	enum { LINE = 2048 };
	char line[LINE]; /* one write, so that lines of many restores at once stay whole */
	size_t used = 0;
	for (; *parts != NULL; parts++)
		for (const char *from = *parts; *from != '\0' && used < LINE; from++)
			line[used++] = *from;
	for (size_t done = 0; done < used;) {
		long written = sys(__NR_write, descriptor, line + done, used - done);
		if (written <= 0)
			return false;
		done += (size_t)written;
	}
	return true;
}

/* "snaprun: " and the parts and a newline, cut to what a line can hold. */
static void print_line(const char *const *parts)
{
	enum { PARTS = 24 };
	const char *line[PARTS + 3] = {"snaprun: "};
	unsigned count = 1;
	while (*parts != NULL && count <= PARTS)
		line[count++] = *parts++;
	line[count] = "\n";
	line[count + 1] = NULL;
	print_parts(2, line);
}

void warn_parts(const char *const *parts)
{
	if (!loader.options.quiet)
		print_line(parts);
}

_Noreturn void die_parts(int status, const char *const *parts)
{
	void (*instead)(void) = die_instead;
	die_instead = NULL; /* its own failure is the last */
	if (die_undo != NULL)
		die_undo();
	if (instead != NULL) {
		warn_parts(parts);
		instead(); /* returns only if it can't */
		warn("--fallback: the program cannot be started either");
	} else {
		print_line(parts);
	}
	sys(__NR_exit_group, status);
	__builtin_unreachable();
}
