#include "format/base/message.h"

#include <stdarg.h>
#include <stdio.h>

static enum verbosity chosen = NORMAL;

void message_set_verbosity(enum verbosity verbosity)
{
	chosen = verbosity;
}

/* One write per line, so that lines of the target and of snaptrace don't mix within a line. */
static void __attribute__((format(printf, 2, 0)))
print_line(void (*taker)(const char *), const char *format, va_list arguments)
{
	char line[8192];
	int length = vsnprintf(line, sizeof(line) - 1, format, arguments);

	if (length < 0)
		return;
	if ((size_t)length > sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	for (int i = 0; i < length; i++) /* a name of a file may hold anything; a message is one line */
		if (line[i] == '\n')
			line[i] = '?';
	if (taker) {
		taker(line);
		return;
	}
	line[length] = '\n';
	line[length + 1] = '\0';
	fflush(stdout);
	fprintf(stderr, "snaptrace: %s", line);
}

bool (*message_reason)(void);
void (*message_taker)(const char *line);

void message_error(const char *format, ...)
{
	bool (*reason)(void) = message_reason;
	va_list arguments;

	message_reason = NULL; /* it prints its line by this */
	if (reason && reason()) {
		message_reason = reason;
		return;
	}
	message_reason = reason;
	va_start(arguments, format);
	print_line(message_taker, format, arguments);
	va_end(arguments);
}

void explain(const char *format, ...)
{
	va_list arguments;

	if (chosen < VERBOSE)
		return;
	va_start(arguments, format);
	print_line(NULL, format, arguments);
	va_end(arguments);
}

void tell(const char *format, ...)
{
	va_list arguments;

	if (chosen < NORMAL)
		return;
	va_start(arguments, format);
	print_line(message_taker, format, arguments);
	va_end(arguments);
}
