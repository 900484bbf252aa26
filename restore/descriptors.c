/*
 * Open files. What the program inherited from the one who ran snaptrace is
 * the caller's of snaprun now, as with exec; the rest is opened again.
 * Records are sorted by number, and a DUPLICATE's source comes before it.
 */
#include <asm/errno.h>
#include <linux/fcntl.h>

#include "loader.h"
#include "message.h"
#include "syscall_x86_64.h"

enum { DESCRIPTORS_MAX = 65536, NOT_SAVED = -1, SOURCE_CLOSED = -2 };

static int32_t saved[DESCRIPTORS_MAX]; /* by record: where an inherited descriptor waits for its turn */

static _Noreturn void die_descriptor(const struct snapimg_descriptor *record, const char *what, long result)
{
	die(EXIT_REFUSED, "descriptor ", dec((uint64_t)record->number), ": ", what, ": ", error_text(result));
}

/* Inherited descriptors that change their number step aside first, or another record might take the place of
 * their source before they are copied. */
static void save_inherited(const struct snapimg_descriptor *record, uint32_t count)
{
	uint64_t above = (uint64_t)record[count - 1].number + 1;
	for (uint32_t i = 0; i < count; i++) {
		saved[i] = NOT_SAVED;
		if (record[i].kind != SNAPIMG_DESCRIPTOR_INHERIT || record[i].source == record[i].number)
			continue;
		long copy = sys(__NR_fcntl, record[i].source, F_DUPFD_CLOEXEC, above);
		if (copy < 0 && copy != -EBADF)
			die_descriptor(&record[i], "cannot copy the caller's", copy);
		saved[i] = copy < 0 ? SOURCE_CLOSED : (int32_t)copy;
	}
}

/* Moves `from` to the record's number. */
static void place(const struct snapimg_descriptor *record, int from)
{
	if (from == record->number)
		return;
	long result = sys(__NR_dup3, from, record->number, 0);
	if (result < 0)
		die_descriptor(record, "cannot take this number", result);
	sys(__NR_close, from);
}

static void restore_inherited(const struct snapimg_descriptor *record, int32_t copy)
{
	if (copy == SOURCE_CLOSED)
		sys(__NR_close, record->number);
	else if (copy != NOT_SAVED)
		place(record, copy);
}

/* ext4 keeps a directory's entries with the descriptor from the first read on; a place set before that is not
 * one that it can be set back from (fs/ext4/dir.c, seen on Linux 6.18). */
static void begin_directory(int descriptor)
{
	uint8_t entries[512];
	sys(__NR_getdents64, descriptor, entries, sizeof entries);
}

static void restore_file(const struct snapimg_descriptor *record)
{
	int descriptor = file_open(record->file - 1, record->flags);
	if ((record->flags & O_DIRECTORY) != 0)
		begin_directory(descriptor);
	/* Devices have no place to seek to. */
	if (record->position != 0) {
		long result = sys(__NR_lseek, descriptor, record->position, 0);
		if (result < 0 && result != -ESPIPE)
			die_descriptor(record, "cannot seek", result);
	}
	place(record, descriptor);
}

static void restore_one(const struct snapimg_descriptor *record, int32_t copy)
{
	long result = 0;
	switch ((enum snapimg_descriptor_kind)record->kind) {
	case SNAPIMG_DESCRIPTOR_INHERIT:
		restore_inherited(record, copy);
		break;
	case SNAPIMG_DESCRIPTOR_FILE:
		restore_file(record);
		break;
	case SNAPIMG_DESCRIPTOR_DUPLICATE:
		result = sys(__NR_dup3, record->source, record->number, 0);
		break;
	case SNAPIMG_DESCRIPTOR_CLOSED:
		sys(__NR_close, record->number);
		return;
	}
	if (result < 0)
		die_descriptor(record, "cannot duplicate", result);
	sys(__NR_fcntl, record->number, F_SETFD, record->close_on_exec != 0 ? FD_CLOEXEC : 0);
}

void descriptors_restore(void)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	uint32_t count = snapimg_descriptor_count(&loader.image);
	if (count == 0)
		return;
	if (count > DESCRIPTORS_MAX)
		die(EXIT_REFUSED, loader.options.image, ": more than 65536 open files");
	save_inherited(record, count);
	for (uint32_t i = 0; i < count; i++)
		restore_one(&record[i], saved[i]);
}
