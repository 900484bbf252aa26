/* The point `signal:NAME`: the tracer takes the signal, and the program never sees it. */
#include "tracer/points/point_signal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "format/base/names.h"

enum { SIGNALS_END = 65, KERNEL_SIGRTMIN = 32 };

void signal_name(char *name, size_t size, int number)
{
	const char *known = signal_short_name(number);

	if (known)
		snprintf(name, size, "%s", known);
	else if (number >= SIGRTMIN)
		snprintf(name, size, "RTMIN+%d", number - SIGRTMIN);
	else
		snprintf(name, size, "%d", number); /* 32 and 33 are the C library's own (nptl(7)) */
}

/* A name as kill(1) takes it, or a number; 0: neither. */
static int signal_number(const char *text)
{
	char name[24], *end;
	long number = strtol(text, &end, 10);

	if (*text >= '0' && *text <= '9' && !*end)
		return number < SIGNALS_END ? (int)number : 0;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 1; i < SIGNALS_END; i++) {
		signal_name(name, sizeof(name), i);
		if (strcasecmp(name, text) == 0)
			return i;
	}
	return strcasecmp(text, "RTMIN") == 0 ? SIGRTMIN : 0;
}

static enum status parse(struct point *point, const char *argument)
{
	point->number = signal_number(argument);
	if (point->number <= 0)
		return fail(STATUS_FAILED, "point %s: no signal: write signal:HUP or signal:RTMIN+1",
		            point->text);
	if (point->number == SIGKILL || point->number == SIGSTOP)
		return fail(STATUS_FAILED, "point %s: nobody can take that signal: choose another",
		            point->text);
	return STATUS_OK;
}

bool point_signal_is(const struct point *point, int number)
{
	return point->kind == &point_signal && point->number == number;
}

const struct point_kind point_signal = {
        .word = "signal:",
        .form = "signal:NAME",
        .help = "when it gets this signal, which is taken from it",
        .parse = parse,
        .hint = "the signal was not delivered: a program that blocks it never gets it",
};
