#include "restore/fds/table.h"

#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "restore/base/limits.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/tree.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"
#include "restore/loader.h"
#include "restore/zone.h"

/* Where a descriptor waits, if it does not: CALLERS: the caller's stays where it is; CLOSE: it is closed. */
enum { CALLERS = -0x10000, CLOSE, FIRST_FREE = 3, FEW = 256 };

static struct {
	bool begun;
	uint32_t count;
	int32_t *waits; /* by record: the number where it is now, which may be its own */
	uint64_t size;  /* bytes of it, in the zone */
	uint64_t above; /* all numbers of the program */
	uint64_t limit; /* numbers are below it */
	bool moves;     /* one is out of the way of the caller's */
} table;

static _Noreturn void die_descriptor(const struct snapimg_descriptor *record, const char *what, long result)
{
	die(EXIT_REFUSED, "descriptor ", dec((uint64_t)record->number), ": ", what, ": ", error_text(result),
	    result == -EMFILE ? ": raise ulimit -Hn" : "");
}

/* For where the descriptors wait, and for the objects: in the zone where they are many, and gone with it. */
static int32_t *make_room(uint64_t count)
{
	static int32_t few[FEW];
	if (count <= FEW)
		return few;
	long result = sys(__NR_mmap, ZONE_DESCRIPTORS, count * sizeof(int32_t), PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (result != (long)ZONE_DESCRIPTORS)
		die(EXIT_REFUSED, "no memory for the descriptors: ", error_text(result));
	table.size = count * sizeof(int32_t);
	return (int32_t *)ZONE_DESCRIPTORS;
}

void descriptors_begin(void)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	uint32_t objects = snapimg_object_count(&loader.image);
	if (table.begun)
		return;
	table.begun = true;
	table.count = snapimg_descriptor_count(&loader.image);
	table.waits = make_room(table.count + 2 * (uint64_t)objects);
	table.above = table.count > 0 ? (uint64_t)record[table.count - 1].number + 1 : FIRST_FREE;
	if (table.above < epoll_old_numbers_end())
		table.above = epoll_old_numbers_end();
	if (tree_is_one() && table.above < tree_descriptors_end())
		table.above = tree_descriptors_end();
	if (table.count > 0 || objects > 0)
		table.limit = limit_raise(RLIMIT_NOFILE);
	objects_begin(table.waits + table.count);
}

/* In a new process of a tree, whose image is another. */
void descriptors_restart(void)
{
	if (table.begun && table.waits == (int32_t *)ZONE_DESCRIPTORS)
		sys(__NR_munmap, ZONE_DESCRIPTORS, table.size);
	table.begun = table.moves = false;
}

/* Beyond the limit it is EINVAL (fcntl(2)), for those who ask for a place the same as EMFILE. */
static long copy_from(int descriptor, uint64_t least)
{
	long copy = sys(__NR_fcntl, descriptor, F_DUPFD_CLOEXEC, least);
	return copy == -EINVAL ? -EMFILE : copy;
}

long descriptor_copy_away(int descriptor)
{
	descriptors_begin();
	return copy_from(descriptor, table.above);
}

long descriptor_away(long descriptor)
{
	if (descriptor < 0)
		return descriptor;
	long moved = descriptor_copy_away((int)descriptor);
	sys(__NR_close, descriptor);
	return moved;
}

/* The record with this number; they are sorted by it. */
static uint32_t find(int32_t number)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	uint32_t low = 0, high = table.count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (record[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int descriptor_now(int32_t number)
{
	int32_t waits = table.waits[find(number)];
	return waits == CALLERS ? number : waits;
}

bool descriptor_in_place(int32_t number)
{
	return descriptor_now(number) == number;
}

/* A copy of `from` at the record's number, if that is free, else out of the way. A caller who has no `from`
 * has closed this one, too. */
static void wait_with_copy(uint32_t index, const struct snapimg_descriptor *record, int from)
{
	long copy = copy_from(from, (uint64_t)record->number);
	if (copy == -EBADF)
		copy = CLOSE;
	else if (copy >= 0 && copy != record->number) {
		table.moves = true;
		if ((uint64_t)record->number >= table.limit)
			copy = -EMFILE;
		else if ((uint64_t)copy < table.above)
			copy = descriptor_away(copy);
	}
	if (copy < 0 && copy != CLOSE)
		die_descriptor(record, "cannot take this number", copy);
	table.waits[index] = (int32_t)copy;
}

/* ext4 keeps a directory's entries with the descriptor from the first read on; a place set before that is not
 * one that it can be set back from (fs/ext4/dir.c, seen on Linux 6.18). */
static void begin_directory(int descriptor)
{
	uint8_t entries[512];
	sys(__NR_getdents64, descriptor, entries, sizeof entries);
}

long descriptor_begin_file(int descriptor, uint32_t flags, uint64_t position)
{
	if ((flags & (O_NONBLOCK | O_PATH)) == 0)
		sys(__NR_fcntl, descriptor, F_SETFL, flags & ~(uint32_t)FASYNC);
	if (position == 0)
		return 0;
	if ((flags & O_DIRECTORY) != 0)
		begin_directory(descriptor);
	/* Devices have no place to seek to. */
	long result = sys(__NR_lseek, descriptor, position, 0);
	return result < 0 && result != -ESPIPE ? result : 0;
}

static void prepare_file(uint32_t index, const struct snapimg_descriptor *record)
{
	int descriptor = file_open(record->file - 1, record->flags);
	long result = descriptor_begin_file(descriptor, record->flags, record->position);
	if (result < 0)
		die_descriptor(record, "cannot seek", result);
	if (descriptor == record->number) {
		table.waits[index] = descriptor;
		return;
	}
	wait_with_copy(index, record, descriptor);
	sys(__NR_close, descriptor);
}

static void prepare_object(uint32_t index, const struct snapimg_descriptor *record)
{
	int made = objects_descriptor((uint32_t)record->source);
	if (record->position != 0)
		sys(__NR_lseek, made, record->position, 0);
	wait_with_copy(index, record, made);
}

static void prepare_inherited(uint32_t index, const struct snapimg_descriptor *record)
{
	if (record->source != record->number)
		wait_with_copy(index, record, record->source);
}

static void prepare_one(uint32_t index, const struct snapimg_descriptor *record)
{
	switch ((enum snapimg_descriptor_kind)record->kind) {
	case SNAPIMG_DESCRIPTOR_INHERIT:
		prepare_inherited(index, record);
		break;
	case SNAPIMG_DESCRIPTOR_FILE:
		prepare_file(index, record);
		break;
	case SNAPIMG_DESCRIPTOR_DUPLICATE:
		if (descriptor_now(record->source) < 0)
			table.waits[index] = CLOSE;
		else
			wait_with_copy(index, record, descriptor_now(record->source));
		break;
	case SNAPIMG_DESCRIPTOR_OBJECT:
		prepare_object(index, record);
		break;
	case SNAPIMG_DESCRIPTOR_CLOSED:
		table.waits[index] = CLOSE;
		break;
	}
}

/* What few programs have is asked for here: its code stays untouched on the disk (CMakeLists.txt). */
void descriptors_prepare(void)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	descriptors_begin();
	overrides_prepare();
	table.moves = loader.options.override_count > 0 ||
	              (snapimg_watch_count(&loader.image) > 0 && epoll_old_numbers_end() > 0);
	objects_make();
	for (uint32_t i = 0; i < table.count; i++) {
		table.waits[i] = CALLERS;
		if (overrides_leave_need(i))
			prepare_one(i, &record[i]);
	}
	if (tree_is_member())
		tree_leave_objects();
	if (snapimg_watch_count(&loader.image) > 0)
		epoll_watch(true);
	if (snapimg_inotify_count(&loader.image) > 0)
		inotify_watch();
	if (!table.moves) /* else sets may wait for the others */
		objects_leave();
	if (snapimg_lock_count(&loader.image) > 0)
		locks_take();
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

static void commit_one(const struct snapimg_descriptor *record, int32_t waits)
{
	if (waits == CLOSE) {
		sys(__NR_close, record->number);
	} else if (waits == CALLERS || waits == record->number) {
		/* What came through exec is not closed by it; what was made here is. */
		bool closes = waits == record->number;
		if (closes != (record->close_on_exec != 0))
			sys(__NR_fcntl, record->number, F_SETFD, closes ? 0 : FD_CLOEXEC);
	} else {
		long result =
		        sys(__NR_dup3, waits, record->number, record->close_on_exec != 0 ? O_CLOEXEC : 0);
		if (result < 0)
			die_descriptor(record, "cannot take this number", result);
		sys(__NR_close, waits);
	}
}

void descriptors_commit(void)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	for (uint32_t i = 0; i < table.count; i++)
		if (overrides_leave_need(i)) {
			commit_one(&record[i], table.waits[i]);
			if (record[i].kind == SNAPIMG_DESCRIPTOR_INHERIT)
				change_flags(&record[i]);
		}
	overrides_commit();
	if (table.moves) {
		epoll_watch(false);
		objects_leave();
		locks_take_again();
	}
	if (snapimg_owner_count(&loader.image) > 0)
		owners_restore();
}
