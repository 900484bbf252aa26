#include "restore/base/message.h"

#include "restore/base/memory.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"
#include "restore/loader.h"

void (*die_instead)(void);
void (*die_noted)(int status, const char *const *parts);

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

/* Threads may find two reasons at once: the first is told, and the others wait for its end. */
static void be_the_only_one(void)
{
	static uint32_t owner; /* a thread's id; 0: none */
	uint32_t own = (uint32_t)sys(__NR_gettid), none = 0;
	if (__atomic_compare_exchange_n(&owner, &none, own, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
	    none == own)
		return;
	for (;;)
		sys(__NR_pause);
}

_Noreturn void die_parts(int status, const char *const *parts)
{
	if (die_noted != NULL)
		die_noted(status, parts);
	be_the_only_one();
	void (*instead)(void) = die_instead;
	die_instead = NULL; /* its own failure is the last */
	if (instead != NULL) {
		warn_parts(parts);
		undo_all();
		instead(); /* returns only if it can't */
		warn("--fallback: the program cannot be started either");
	} else {
		print_line(parts);
		undo_all();
	}
	sys(__NR_exit_group, status);
	__builtin_unreachable();
}
