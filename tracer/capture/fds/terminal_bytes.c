/* What waits to be read at the two ends of a pseudoterminal. To be seen it must be taken, so it is taken of a
 * program that is ended after this. */
#include "tracer/capture/fds/terminal_bytes.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "format/base/message.h"

enum { CANONICAL = 2, EXTERNAL = 0200000 }; /* ICANON, EXTPROC of `local` */
enum {
	LINE_ROOM = 8192, /* more than a line has (include/linux/tty.h, N_TTY_BUF_SIZE: 4096) */
	/* What a start can put in again beside what it needs meanwhile; a terminal keeps 4095 for its reader.
	 */
	INPUT_MAX = 3500,
	OUTPUT_MAX = 1 << 16,
};

bool terminal_has_modes(int copy, struct termios_image *ret_modes)
{
	return ioctl(copy, GET_TERMIOS, ret_modes) == 0;
}

static bool can_be_read(int copy)
{
	struct pollfd look = {.fd = copy, .events = POLLIN};

	return poll(&look, 1, 0) > 0 && (look.revents & POLLIN);
}

/* A line that has no end yet is counted only without line editing, which is turned off for that moment.
 * poll(2) first: it brings what was written into the reader's buffer (drivers/tty/n_tty.c, n_tty_poll). */
bool terminal_holds_input(int copy)
{
	struct termios_image edits, plain;
	int waiting = 0;

	if (can_be_read(copy))
		return true;
	if (!terminal_has_modes(copy, &edits))
		return false;
	plain = edits;
	plain.local &= ~(uint32_t)CANONICAL;
	if (edits.local & CANONICAL)
		(void)ioctl(copy, SET_TERMIOS, &plain);
	bool holds = ioctl(copy, FIONREAD, &waiting) == 0 && waiting > 0;
	if (edits.local & CANONICAL)
		(void)ioctl(copy, SET_TERMIOS, &edits);
	return holds;
}

/* By a line each, as read(2) gives them: one that was ended by the end-of-file character has no end, and may
 * be empty. */
static enum status take_lines(struct taking *taking, int slave, size_t *total)
{
	enum status status = STATUS_OK;
	char line[LINE_ROOM];

	while (status == STATUS_OK && *total <= INPUT_MAX && can_be_read(slave)) {
		ssize_t got = read(slave, line, sizeof(line));
		if (got < 0)
			break;
		*total += (size_t)got + 1;
		status = objects_fill(taking->objects, SNAPIMG_TERMINAL_INPUT, line, (uint64_t)got);
	}
	return status;
}

/* Without line editing: all there is; after the lines what there is of the next one. */
static enum status take_rest(struct taking *taking, int slave, uint64_t position, size_t *total)
{
	char bytes[LINE_ROOM];
	size_t used = 0;
	ssize_t got;

	while (used < sizeof(bytes) && (got = read(slave, bytes + used, sizeof(bytes) - used)) > 0)
		used += (size_t)got;
	*total += used;
	return used ? objects_fill(taking->objects, position, bytes, used) : STATUS_OK;
}

static enum status take_input(struct taking *taking, const struct open_descriptor *it, int slave)
{
	struct termios_image edits, plain;
	enum status status = STATUS_OK;
	size_t total = 0;

	if (!terminal_has_modes(slave, &edits))
		return STATUS_OK;
	if (edits.local & EXTERNAL)
		return terminal_holds_input(slave)
		               ? refuse_descriptor(taking->survey, it,
		                                   "a terminal with input that is edited elsewhere (EXTPROC)",
		                                   "read it before the point")
		               : STATUS_OK;
	bool by_lines = (edits.local & CANONICAL) != 0;
	if (by_lines)
		status = take_lines(taking, slave, &total);
	plain = edits;
	plain.local &= ~(uint32_t)CANONICAL;
	if (by_lines)
		(void)ioctl(slave, SET_TERMIOS, &plain);
	if (status == STATUS_OK)
		status = take_rest(taking, slave, by_lines ? SNAPIMG_TERMINAL_BEGUN : SNAPIMG_TERMINAL_INPUT,
		                   &total);
	if (by_lines)
		(void)ioctl(slave, SET_TERMIOS, &edits);
	if (status == STATUS_OK && total > INPUT_MAX)
		return refuse_descriptor(taking->survey, it,
		                         "a terminal with much input that waits to be read",
		                         "read it before the point");
	return status;
}

/* In packet mode each read begins with a byte: zero, or what has happened (ioctl_tty(2), TIOCPKT). */
static enum status take_output(struct taking *taking, const struct open_descriptor *it,
                               struct snapimg_object *object)
{
	size_t head = object->value[SNAPIMG_TERMINAL_STATE] & SNAPIMG_TERMINAL_PACKETS ? 1 : 0;
	enum status status = STATUS_OK;
	unsigned char bytes[LINE_ROOM];
	size_t total = 0;

	while (status == STATUS_OK && can_be_read(it->copy)) {
		ssize_t got = read(it->copy, bytes, sizeof(bytes));
		if (got <= 0)
			break;
		if (head && bytes[0])
			object->value[SNAPIMG_TERMINAL_EVENTS] |= bytes[0];
		else if ((size_t)got > head)
			status = objects_fill(taking->objects, SNAPIMG_TERMINAL_OUTPUT, bytes + head,
			                      (uint64_t)got - head);
		total += (size_t)got;
		if (total > OUTPUT_MAX)
			return refuse_descriptor(taking->survey, it, "a terminal whose output doesn't end",
			                         "choose another point");
	}
	return status;
}

/* What flushed one way is done again at a start, which must not take what has come since. */
static enum status check_events(const struct taking *taking, const struct open_descriptor *it,
                                const struct snapimg_object *object, size_t input, size_t output)
{
	uint64_t events = object->value[SNAPIMG_TERMINAL_EVENTS];

	if ((events & ~(uint64_t)SNAPIMG_TERMINAL_ALL_EVENTS) == 0 &&
	    !(events & TIOCPKT_FLUSHREAD && input) && !(events & TIOCPKT_FLUSHWRITE && output))
		return STATUS_OK;
	return refuse_descriptor(taking->survey, it, "a terminal in packet mode with a status that waits",
	                         "read it before the point");
}

static enum status refuse_waiting(const struct taking *taking, const struct open_descriptor *it, int slave)
{
	const char *what = terminal_holds_input(it->copy) ? "a terminal with output that waits to be read"
	                   : slave >= 0 && terminal_holds_input(slave)
	                           ? "a terminal with input that waits to be read"
	                           : NULL;

	if (!what || taking->is_look)
		return STATUS_OK;
	return refuse_descriptor(taking->survey, it, what, "read it before the point");
}

/* Input first: at a start it is echoed, which must be told from the output. */
enum status take_terminal_bytes(struct taking *taking, const struct open_descriptor *it, bool has_slave,
                                struct snapimg_object *object)
{
	size_t before = taking->objects->content.count, after_input;
	enum status status;
	int slave = -1;

	if (has_slave)
		slave = ioctl(it->copy, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (!taking->survey->may_take) {
		status = refuse_waiting(taking, it, slave);
	} else {
		status = slave >= 0 ? take_input(taking, it, slave) : STATUS_OK;
		after_input = taking->objects->content.count;
		if (status == STATUS_OK)
			status = take_output(taking, it, object);
		if (status == STATUS_OK)
			status = check_events(taking, it, object, after_input - before,
			                      taking->objects->content.count - after_input);
	}
	if (slave >= 0)
		close(slave);
	return status;
}
