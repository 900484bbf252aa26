/* What the program did to a terminal that it inherited, and such a terminal opened once more. */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tracer/caller.h"
#include "tracer/capture/fds/kinds.h"

/* asm-generic/termbits.h. */
enum { LOCAL_FLAGS = 12, CANONICAL = 2, ECHOES = 8 };

/* Line by line, with an echo: as terminals are left to whoever comes next. */
static bool is_left_as_usual(const uint8_t *modes)
{
	uint32_t local;

	memcpy(&local, modes + LOCAL_FLAGS, sizeof(local));
	return (local & (CANONICAL | ECHOES)) == (CANONICAL | ECHOES);
}

/* It is the program's own doing where the modes are others than before, or where it set those that it found;
 * unless it has put them back. Of a process that was attached to nobody knows. */
static bool are_set(const struct taking *taking, int number, const uint8_t *modes)
{
	const uint8_t *before = caller_modes(number);

	if (!before || memcmp(before, modes, SNAPIMG_TERMIOS_SIZE) != 0)
		return true;
	return taking->noted->bits & NOTED_TERMINAL && !is_left_as_usual(modes);
}

enum status take_stream(struct taking *taking, struct open_descriptor *it, int number)
{
	uint8_t modes[SNAPIMG_TERMIOS_SIZE];
	struct winsize window;
	enum status status = STATUS_OK;

	if (!it->known || !S_ISCHR(it->identity.st_mode) || it->flags & O_PATH ||
	    !survey_try_copy(taking->survey, it) || !terminal_modes(it->copy, modes))
		return STATUS_OK;
	if (are_set(taking, number, modes))
		status = objects_stream(taking->objects,
		                        (struct snapimg_setting){.object = (uint32_t)it->number,
		                                                 .kind = SNAPIMG_SETTING_TERMIOS,
		                                                 .size = sizeof(modes)},
		                        modes);
	if (status != STATUS_OK || ioctl(it->copy, TIOCGWINSZ, &window) < 0)
		return status;
	return objects_stream(taking->objects,
	                      (struct snapimg_setting){.object = (uint32_t)it->number,
	                                               .kind = SNAPIMG_SETTING_WINDOW,
	                                               .size = sizeof(window)},
	                      &window);
}

/* Whether the caller's descriptor `number` led to this terminal when the program began. */
static bool caller_had(const struct survey *survey, const struct open_descriptor *it, int number)
{
	const struct open_descriptor *now = survey_find(survey, it->process, number);

	if (!the_caller.attached)
		return caller_modes(number) && strcmp(caller_link(number), it->link) == 0;
	return now && now->inherited == number && now->known && S_ISCHR(now->identity.st_mode) &&
	       now->identity.st_rdev == it->identity.st_rdev;
}

/* Of several the one that it stands in the place of, as libuv does; or that is read or written as it is. */
bool is_callers_terminal(const struct survey *survey, const struct open_descriptor *it, int *ret_number)
{
	bool writes = (it->flags & O_ACCMODE) == O_WRONLY;
	const int order[] = {it->number, writes ? 1 : 0, writes ? 2 : 1, writes ? 0 : 2};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		if (!caller_had(survey, it, order[i]))
			continue;
		*ret_number = order[i];
		return true;
	}
	return false;
}
