/*
 * What waits to be read at the ends of a pseudoterminal is written into it at the other one, with modes that
 * leave it as it is. What is written at the master comes to the slave some time later; so it is echoed, and
 * is there when the echo is.
 */
#include <asm/errno.h>
#include <assert.h>

#include "restore/base/memory.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/terminal.h"

/* include/uapi/asm-generic/termbits.h */
enum { ICANON = 2, ECHO = 010, IEXTEN = 0100000, EXTPROC = 0200000 };
enum { VERASE = 2, VEOF = 4, VTIME = 5, VMIN = 6, VLNEXT = 15 };
enum { CHARACTERS = 19 };
/* What they are meanwhile; others mean nothing. */
enum { END_OF_FILE = 4, LITERAL_NEXT = 026, ERASE = 0177 };
enum { ECHOED_AT_ONCE = 256 }; /* of 4096 that a terminal can echo without being read */

struct termios2 {
	uint32_t input, output, control, local;
	uint8_t line, character[CHARACTERS];
	uint32_t input_speed, output_speed;
};
static_assert(sizeof(struct termios2) == SNAPIMG_TERMIOS_SIZE, "struct termios2");

struct filling {
	int master, slave;
};

static long write_all(int to, const uint8_t *bytes, uint64_t size)
{
	while (size > 0) {
		long written = sys(__NR_write, to, bytes, size);
		if (written == -EAGAIN)
			written = object_wait(to, WRITABLE);
		else if (written > 0) {
			bytes += written;
			size -= (uint64_t)written;
		}
		if (written < 0)
			return written;
	}
	return 0;
}

static long read_echo(int master, uint64_t size)
{
	uint8_t bytes[ECHOED_AT_ONCE];
	while (size > 0) {
		long result = object_wait(master, READABLE);
		if (result >= 0)
			result = sys(__NR_read, master, bytes, size < sizeof bytes ? size : sizeof bytes);
		if (result <= 0)
			return result == 0 ? -EIO : result;
		size -= (uint64_t)result;
	}
	return 0;
}

/* Each byte is echoed as it is (drivers/tty/n_tty.c, echo_char, without ECHOCTL). */
static long type(const struct filling *it, const uint8_t *bytes, uint64_t size, bool quotes)
{
	while (size > 0) {
		uint8_t typed[2 * ECHOED_AT_ONCE];
		uint64_t part = size < ECHOED_AT_ONCE ? size : ECHOED_AT_ONCE, used = 0;
		for (uint64_t i = 0; i < part; i++) {
			if (quotes && (bytes[i] == END_OF_FILE || bytes[i] == LITERAL_NEXT ||
			               bytes[i] == ERASE || bytes[i] == '\n'))
				typed[used++] = LITERAL_NEXT;
			typed[used++] = bytes[i];
		}
		long result = write_all(it->master, typed, used);
		if (result >= 0)
			result = read_echo(it->master, part);
		if (result < 0)
			return result;
		bytes += part;
		size -= part;
	}
	return 0;
}

/* A character that is erased again is echoed, as the end-of-file character is not. */
static long type_line(const struct filling *it, const uint8_t *bytes, uint64_t size, bool has_end)
{
	static const uint8_t nothing[] = {'x', ERASE}, newline = '\n', end_of_file = END_OF_FILE;
	bool by_newline = has_end && size > 0 && bytes[size - 1] == '\n';
	long result = type(it, bytes, by_newline ? size - 1 : size, true);
	if (result >= 0 && by_newline)
		result = type(it, &newline, 1, false);
	else if (result >= 0 && has_end)
		result = write_all(it->master, &end_of_file, 1);
	if (result >= 0)
		result = write_all(it->master, nothing, sizeof nothing);
	return result < 0 ? result : read_echo(it->master, sizeof nothing);
}

/* Whether lines are edited stays, else those that are there would become one. */
static struct termios2 plain_modes(const struct termios2 *modes)
{
	struct termios2 plain = *modes;
	plain.input = plain.output = 0;
	plain.local = (modes->local & (ICANON | EXTPROC)) | ECHO | IEXTEN;
	memset(plain.character, 0, sizeof plain.character);
	plain.character[VMIN] = 1;
	plain.character[VEOF] = END_OF_FILE;
	plain.character[VLNEXT] = LITERAL_NEXT;
	plain.character[VERASE] = ERASE;
	return plain;
}

static long put(const struct filling *it, const struct snapimg_content *content, const uint8_t *bytes,
                const struct termios2 *modes)
{
	if (content->position == SNAPIMG_TERMINAL_OUTPUT)
		return write_all(it->slave, bytes, content->size);
	if ((modes->local & ICANON) == 0)
		return type(it, bytes, content->size, false);
	return type_line(it, bytes, content->size, content->position == SNAPIMG_TERMINAL_INPUT);
}

long terminal_fill(const struct snapimg_content *content, const uint8_t *bytes)
{
	struct filling it = {.master = objects_descriptor(content->object)};
	struct termios2 modes = {0}, plain;
	long slave = terminal_open_slave(it.master);
	if (slave < 0)
		return slave;
	it.slave = (int)slave;
	long result = sys(__NR_ioctl, it.slave, TERMINAL_GET_MODES, &modes);
	if (result >= 0) {
		plain = plain_modes(&modes);
		result = sys(__NR_ioctl, it.slave, TERMINAL_SET_MODES, &plain);
	}
	if (result >= 0)
		result = put(&it, content, bytes, &modes);
	if (result >= 0)
		result = sys(__NR_ioctl, it.slave, TERMINAL_SET_MODES, &modes);
	sys(__NR_close, it.slave);
	return result;
}

/* Of the status in packet mode: by doing again what it tells of (drivers/tty/pty.c, pty_set_termios). */
static long tell_flow(int slave, bool by_characters)
{
	enum { IXON = 02000, VSTART = 8, VSTOP = 9, CTRL_Q = 021, CTRL_S = 023 };
	struct termios2 modes = {0}, other;
	long result = sys(__NR_ioctl, slave, TERMINAL_GET_MODES, &modes);
	if (result < 0)
		return result;
	other = modes;
	if (by_characters) {
		other.input &= ~(uint32_t)IXON;
	} else {
		other.input |= IXON;
		other.character[VSTART] = CTRL_Q;
		other.character[VSTOP] = CTRL_S;
	}
	result = sys(__NR_ioctl, slave, TERMINAL_SET_MODES, &other);
	return result < 0 ? result : sys(__NR_ioctl, slave, TERMINAL_SET_MODES, &modes);
}

long terminal_tell(int master, uint64_t events)
{
	enum { FLUSHREAD = 1, FLUSHWRITE = 2, START = 8, NOSTOP = 16, DOSTOP = 32 };
	enum {
		FLUSH_INPUT = 0,
		FLUSH_OUTPUT = 1,
		STOP_OUTPUT = 0,
		START_OUTPUT = 1
	}; /* tcflush(3), tcflow(3) */
	if (events == 0)
		return 0;
	long slave = terminal_open_slave(master), result = slave;
	if (result >= 0 && (events & FLUSHREAD) != 0)
		result = sys(__NR_ioctl, slave, TERMINAL_FLUSH, FLUSH_INPUT);
	if (result >= 0 && (events & FLUSHWRITE) != 0)
		result = sys(__NR_ioctl, slave, TERMINAL_FLUSH, FLUSH_OUTPUT);
	if (result >= 0 && (events & (NOSTOP | DOSTOP)) != 0)
		result = tell_flow((int)slave, (events & DOSTOP) != 0);
	if (result >= 0 && (events & START) != 0)
		result = sys(__NR_ioctl, slave, TERMINAL_FLOW, STOP_OUTPUT);
	if (result >= 0 && (events & START) != 0)
		result = sys(__NR_ioctl, slave, TERMINAL_FLOW, START_OUTPUT);
	if (slave >= 0)
		sys(__NR_close, slave);
	return result;
}
