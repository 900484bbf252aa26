/* The bar: nothing in the first half second, then a line that is taken away again. */
#include <stdio.h>
#include <string.h>

#include "format/base/progress.h"
#include "tests/check.h"

/* What is shown of `done` after the time, in seconds. */
static size_t shown(double after, bool wanted, char *text, size_t size)
{
	struct progress progress = progress_begin(wanted, 8);
	FILE *former = stderr, *memory = fmemopen(text, size, "w");

	CHECK(memory);
	progress.start -= after;
	stderr = memory;
	progress_update(&progress, 2);
	progress_end(&progress);
	stderr = former;
	long length = ftell(memory);
	fclose(memory);
	return (size_t)length;
}

int main(void)
{
	static const char bar[] = "\rsnapimg: [==========                              ]  25 %\r\033[K";
	char text[200];

	CHECK(!progress_is_shown());
	progress_show_as("snapimg");
	CHECK(progress_is_shown());
	CHECK(shown(-10, true, text, sizeof(text)) == 0);
	CHECK(shown(1, false, text, sizeof(text)) == 0);
	CHECK(shown(1, true, text, sizeof(text)) == sizeof(bar) - 1);
	CHECK(memcmp(text, bar, sizeof(bar) - 1) == 0);
	CHECK(progress_was_long(monotonic_seconds() - 0.6));
	return 0;
}
