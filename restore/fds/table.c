/*
 * Open files. What the program inherited from the one who ran snaptrace is
 * the caller's of snaprun now, as with exec; the rest is opened again.
 * Records are sorted by number, and a DUPLICATE's source comes before it.
 */
#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/notices.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"
#include "restore/loader.h"
#include "restore/zone.h"

struct limit {
	uint64_t now, most;
};

enum { NOT_SAVED = -1, SOURCE_CLOSED = -2, FIRST_FREE = 3 };

/* By record: where an inherited descriptor waits for its turn. NULL when none has to. */
static int32_t *saved;

/* RLIMIT_NOFILE as it was, for numbers out of the way may lie above what the program has. */
static struct {
	bool raised;
	struct limit before;
} limit;

static _Noreturn void die_descriptor(const struct snapimg_descriptor *record, const char *what, long result)
{
	die(EXIT_REFUSED, "descriptor ", dec((uint64_t)record->number), ": ", what, ": ", error_text(result));
}

static bool changes_number(const struct snapimg_descriptor *record)
{
	return record->kind == SNAPIMG_DESCRIPTOR_INHERIT && record->source != record->number;
}

/* Memory for `saved`, and for the objects behind it, if any is needed: it lies in the zone and goes with it.
 */
static void make_room(const struct snapimg_descriptor *record, uint32_t count)
{
	uint64_t objects = snapimg_object_count(&loader.image);
	bool needed = objects > 0;
	for (uint32_t i = 0; i < count; i++)
		needed = needed || changes_number(&record[i]);
	if (!needed)
		return;
	long result = sys(__NR_mmap, ZONE_DESCRIPTORS, (count + 2 * objects) * sizeof *saved,
	                  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (result != (long)ZONE_DESCRIPTORS)
		die(EXIT_REFUSED, "no memory for the descriptors: ", error_text(result));
	saved = (int32_t *)ZONE_DESCRIPTORS;
}

/* Inherited descriptors that change their number step aside first, or another record might take the place of
 * their source before they are copied. */
static void save_inherited(const struct snapimg_descriptor *record, uint32_t count, uint64_t above)
{
	make_room(record, count);
	for (uint32_t i = 0; saved != NULL && i < count; i++) {
		saved[i] = NOT_SAVED;
		if (!changes_number(&record[i]))
			continue;
		long copy = sys(__NR_fcntl, record[i].source, F_DUPFD_CLOEXEC, above);
		if (copy < 0 && copy != -EBADF)
			die_descriptor(&record[i], "cannot copy the caller's", copy);
		saved[i] = copy < 0 ? SOURCE_CLOSED : (int32_t)copy;
	}
}

static void raise_limit(void)
{
	sys(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, &limit.before);
	const struct limit most = {limit.before.most, limit.before.most};
	sys(__NR_prlimit64, 0, RLIMIT_NOFILE, &most, 0);
	limit.raised = true;
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

/* What the program changed of the flags that it was given. A stream that the caller has closed has none. */
static void change_flags(const struct snapimg_descriptor *record)
{
	long flags = record->position == 0 ? -EBADF : sys(__NR_fcntl, record->number, F_GETFL, 0);
	uint32_t changed = (uint32_t)record->position & SNAPIMG_STATUS_FLAGS;
	if (flags < 0)
		return;
	long result = sys(__NR_fcntl, record->number, F_SETFL,
	                  ((uint64_t)flags & ~(uint64_t)changed) | (record->flags & changed));
	if (result < 0)
		die_descriptor(record, "cannot set its flags, as the program had", result);
}

static void restore_inherited(const struct snapimg_descriptor *record, int32_t copy)
{
	if (copy == SOURCE_CLOSED)
		sys(__NR_close, record->number);
	else if (copy != NOT_SAVED)
		place(record, copy);
	change_flags(record);
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

static long restore_object(const struct snapimg_descriptor *record)
{
	int made = objects_descriptor((uint32_t)record->source);
	if (record->position != 0)
		sys(__NR_lseek, made, record->position, 0);
	return sys(__NR_dup3, made, record->number, 0);
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
	case SNAPIMG_DESCRIPTOR_OBJECT:
		result = restore_object(record);
		break;
	case SNAPIMG_DESCRIPTOR_CLOSED:
		sys(__NR_close, record->number);
		return;
	}
	if (result < 0)
		die_descriptor(record, "cannot duplicate", result);
	/* What came through exec is not closed by it. */
	if (record->kind == SNAPIMG_DESCRIPTOR_INHERIT && copy == NOT_SAVED && record->close_on_exec == 0)
		return;
	sys(__NR_fcntl, record->number, F_SETFD, record->close_on_exec != 0 ? FD_CLOEXEC : 0);
}

void descriptors_limit(void)
{
	if (limit.raised)
		sys(__NR_prlimit64, 0, RLIMIT_NOFILE, &limit.before, 0);
}

void descriptors_prepare(void)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	uint32_t count = snapimg_descriptor_count(&loader.image);
	if (limit.raised || (count == 0 && snapimg_object_count(&loader.image) == 0))
		return;
	uint64_t above = count > 0 ? (uint64_t)record[count - 1].number + 1 : FIRST_FREE;
	raise_limit();
	save_inherited(record, count, above);
	overrides_save(above);
	if (snapimg_object_count(&loader.image) > 0)
		objects_begin(saved + count, above);
}

void descriptors_restore(void)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	uint32_t count = snapimg_descriptor_count(&loader.image);
	descriptors_prepare();
	if (!limit.raised) {
		overrides_save(0);
		return;
	}
	objects_make();
	for (uint32_t i = 0; i < count; i++)
		if (overrides_leave_need(i))
			restore_one(&record[i], saved != NULL ? saved[i] : NOT_SAVED);
	overrides_apply();
	objects_leave();
	owners_restore();
	descriptors_limit();
}
