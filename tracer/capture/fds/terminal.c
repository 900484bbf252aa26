/* Pseudoterminals whose master is in the process. A restored one has another number. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "tracer/capture/fds/kinds.h"
#include "tracer/capture/fds/table.h"
#include "tracer/capture/fds/terminal_bytes.h"

enum { SLAVE_MAJOR = 136 }; /* UNIX98_PTY_SLAVE_MAJOR (linux/major.h) */

static bool number_of_master(int copy, unsigned int *ret_number)
{
	return ioctl(copy, TIOCGPTN, ret_number) == 0;
}

static bool is_master(const struct open_descriptor *it)
{
	size_t length = strlen(it->link);

	return length >= 5 && strcmp(it->link + length - 5, "/ptmx") == 0;
}

static void slave_link(unsigned int number, char link[32])
{
	snprintf(link, 32, "/dev/pts/%u", number);
}

/* What was opened as /dev/tty is the terminal itself. */
static const char *real_link(const struct open_descriptor *it, char link[32])
{
	unsigned int device;

	if (strcmp(it->link, "/dev/tty") != 0 || ioctl(it->copy, TIOCGDEV, &device) < 0 ||
	    major(device) != SLAVE_MAJOR)
		return it->link;
	slave_link(minor(device), link);
	return link;
}

uint32_t terminal_object(const struct objects *objects, uint64_t device)
{
	const struct snapimg_object *object = objects->object.items;
	char link[32];

	if (major(device) != SLAVE_MAJOR)
		return 0;
	slave_link(minor(device), link);
	for (size_t i = 0; i < objects->object.count; i++)
		if (object[i].kind == SNAPIMG_OBJECT_TERMINAL && object[i].value[SNAPIMG_TERMINAL_END] == 1 &&
		    strcmp(objects_text(objects, object[i].name), link) == 0)
			return (uint32_t)i + 1;
	return 0;
}

static const struct open_descriptor *find_open(const struct survey *survey, const char *link)
{
	for (size_t i = 0; i < survey->count; i++)
		if (strcmp(survey->open[i].link, link) == 0 && !survey->open[i].override &&
		    !(survey->open[i].flags & O_PATH))
			return &survey->open[i];
	return NULL;
}

/* By Ctrl-S or tcflow(3): then nothing can be written, though nobody has written anything (drivers/tty/pty.c,
 * pty_write_room). */
static bool is_stopped(int copy)
{
	struct pollfd look = {.fd = copy, .events = POLLOUT};

	return poll(&look, 1, 0) == 0;
}

/* What one end has for itself, when nothing waits in the terminal. Only tcflow(3) undoes its own stop
 * (drivers/tty/tty_ioctl.c, n_tty_ioctl_helper). */
static enum status take_state(struct taking *taking, const struct open_descriptor *it, bool has_packets,
                              struct snapimg_object *object)
{
	bool may_change = taking->survey->may_take;
	int exclusive = 0;

	if (ioctl(it->copy, TIOCGEXCL, &exclusive) < 0)
		return refuse_descriptor(taking->survey, it, "a terminal", "close it before the point");
	object->value[SNAPIMG_TERMINAL_STATE] |= exclusive ? SNAPIMG_TERMINAL_EXCLUSIVE : 0u;
	if (!is_stopped(it->copy))
		return STATUS_OK;
	if (taking->is_look)
		return STATUS_OK;
	if (!may_change || has_packets || ioctl(it->copy, TCXONC, TCOON) < 0 || is_stopped(it->copy))
		return refuse_descriptor(taking->survey, it,
		                         "a terminal whose output is stopped (Ctrl-S, tcflow)",
		                         "set it after the point");
	object->value[SNAPIMG_TERMINAL_STATE] |= SNAPIMG_TERMINAL_STOPPED;
	return STATUS_OK;
}

static enum status take_settings(struct taking *taking, const struct open_descriptor *it)
{
	struct termios_image termios;
	struct winsize window;
	enum status status;

	if (!terminal_has_modes(it->copy, &termios) || ioctl(it->copy, TIOCGWINSZ, &window) < 0)
		return refuse_descriptor(taking->survey, it, "a terminal", "close it before the point");
	status = objects_set(
	        taking->objects,
	        (struct snapimg_setting){.kind = SNAPIMG_SETTING_TERMIOS, .size = sizeof(termios)}, &termios);
	if (status != STATUS_OK)
		return status;
	return objects_set(taking->objects,
	                   (struct snapimg_setting){.kind = SNAPIMG_SETTING_WINDOW, .size = sizeof(window)},
	                   &window);
}

static enum status take_master(struct taking *taking, struct open_descriptor *it,
                               struct snapimg_object *object)
{
	struct pollfd look = {.fd = it->copy};
	int locked = 0, packets = 0;
	unsigned int number;
	char slave[32];
	enum status status;

	if (!number_of_master(it->copy, &number) || ioctl(it->copy, TIOCGPTLCK, &locked) < 0 ||
	    ioctl(it->copy, TIOCGPKT, &packets) < 0)
		return refuse_descriptor(taking->survey, it, "a terminal", "close it before the point");
	slave_link(number, slave);
	const struct open_descriptor *other = find_open(taking->survey, slave);
	struct stat file;
	bool is_there = stat(slave, &file) == 0;
	if ((is_there && sharing_file_holder(taking->survey, slave, &file) != 0) ||
	    (other && other->inherited >= 0))
		return refuse_descriptor(taking->survey, it, "a terminal that another process has open",
		                         "choose a point where none has");
	if (other && locked)
		return refuse_descriptor(taking->survey, it, "a terminal that was locked again",
		                         "unlock it before the point");
	object->value[SNAPIMG_TERMINAL_STATE] =
	        (locked ? SNAPIMG_TERMINAL_LOCKED : 0u) | (packets ? SNAPIMG_TERMINAL_PACKETS : 0u);
	object->value[SNAPIMG_TERMINAL_USED] = other || (poll(&look, 1, 0) > 0 && (look.revents & POLLHUP));
	if ((status = objects_name(taking->objects, slave, &object->name)) != STATUS_OK)
		return status;
	if ((status = take_settings(taking, it)) != STATUS_OK)
		return status;
	bool has_slave =
	        !locked && (other || (taking->survey->may_take && object->value[SNAPIMG_TERMINAL_USED]));
	if ((status = take_terminal_bytes(taking, it, has_slave, object)) != STATUS_OK)
		return status;
	return take_state(taking, it, packets != 0, object);
}

/* The master comes first, though its number may be the higher one. */
static enum status add_master(struct taking *taking, struct open_descriptor *master)
{
	struct snapimg_object object = {.kind = SNAPIMG_OBJECT_TERMINAL,
	                                .flags = master->flags & SNAPIMG_OPEN_FLAGS & ~(uint32_t)O_ASYNC};
	enum status status;

	if (master->object >= 0)
		return STATUS_OK;
	if (master->refused)
		return STATUS_REFUSED;
	if ((status = take_terminal(taking, master, &object)) != STATUS_OK) {
		master->refused = status == STATUS_REFUSED;
		return status;
	}
	master->object = (int)taking->objects->object.count;
	return objects_add(taking->objects, &object);
}

static struct open_descriptor *find_master(const struct survey *survey, const char *slave)
{
	unsigned int number;
	char link[32];

	for (size_t i = 0; i < survey->count; i++) {
		struct open_descriptor *master = &survey->open[i];
		if (!is_master(master) || !is_representative(survey, master) || master->inherited >= 0 ||
		    master->override || (master->flags & O_PATH) ||
		    survey_copy(survey, master) != STATUS_OK || !number_of_master(master->copy, &number))
			continue;
		slave_link(number, link);
		if (strcmp(slave, link) == 0)
			return master;
	}
	return NULL;
}

static enum status take_slave(struct taking *taking, struct open_descriptor *it,
                              struct snapimg_object *object)
{
	const struct survey *survey = taking->survey;
	char text[32];
	const char *link = real_link(it, text);
	struct open_descriptor *master = find_master(survey, link);
	enum status status;
	int number;

	if (!master && it->known && is_callers_terminal(survey, it, &number)) {
		*object = (struct snapimg_object){.kind = SNAPIMG_OBJECT_CALLERS, .flags = object->flags};
		object->value[SNAPIMG_CALLERS_NUMBER] = (uint64_t)number;
		return objects_name(taking->objects, it->link, &object->name);
	}
	if (!master)
		return refuse_descriptor(survey, it, "a terminal that was not inherited",
		                         "close it before the point");
	if ((status = add_master(taking, master)) != STATUS_OK)
		return status;
	object->peer = (uint32_t)master->object + 1;
	if (!taking->survey->may_take && !taking->is_look && terminal_holds_input(it->copy))
		return refuse_descriptor(survey, it, "a terminal with input that waits to be read",
		                         "read it before the point");
	const struct snapimg_object *other = taking->objects->object.items;
	bool has_packets =
	        (other[master->object].value[SNAPIMG_TERMINAL_STATE] & SNAPIMG_TERMINAL_PACKETS) != 0;
	if ((status = take_state(taking, it, has_packets, object)) != STATUS_OK)
		return status;
	return objects_name(taking->objects, link, &object->name);
}

enum status take_terminal(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	int discipline = 0;

	if (ioctl(it->copy, TIOCGETD, &discipline) == 0 && discipline != 0)
		return refuse_descriptor(taking->survey, it, "a terminal with a line discipline",
		                         "set it after the point");
	if (!is_master(it)) {
		object->value[SNAPIMG_TERMINAL_END] = 1;
		return take_slave(taking, it, object);
	}
	return take_master(taking, it, object);
}
