#include "tracer/refusals.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

/* More lines than this help nobody. */
enum { LINES_MAX = 40 };

static unsigned int refused;

enum status refuse(const char *what, const char *advice, const char *where, ...)
{
	char place[PATH_MAX + 128];
	va_list arguments;

	if (refused++ >= LINES_MAX)
		return STATUS_REFUSED;
	va_start(arguments, where);
	vsnprintf(place, sizeof(place), where, arguments);
	va_end(arguments);
	return fail(STATUS_REFUSED, "%s can't be carried: %s: %s", what, place, advice);
}

enum status refusals_end(void)
{
	unsigned int count = refused;

	refused = 0;
	if (count > LINES_MAX)
		message_error("and %u more that can't be carried", count - LINES_MAX);
	return count ? STATUS_FAILED : STATUS_OK;
}
