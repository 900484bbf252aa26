#include "restore/fds/overrides.h"

#include <asm/errno.h>
#include <linux/fcntl.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/table.h"

/* What each becomes, out of the way; negative: nothing. */
static int32_t saved[OVERRIDES_MAX];

static int32_t *saved_of(const struct override *it)
{
	return &saved[it - loader.options.override];
}

struct override *overrides_find(int32_t number)
{
	for (uint32_t i = 0; i < loader.options.override_count; i++)
		if (loader.options.override[i].number == number)
			return &loader.options.override[i];
	return NULL;
}

bool overrides_take(int32_t number)
{
	const struct override *it = overrides_find(number);
	return it != NULL && (it->kind != OVERRIDE_INHERIT || *saved_of(it) < 0);
}

/* The command line is gone when the file is opened. */
static const char *keep(const char *text)
{
	static char room[65536];
	static size_t used;
	size_t size = strlen(text) + 1;
	if (size > sizeof room - used)
		die(EXIT_REFUSED, "--fd: the names of the files are too long");
	char *kept = memcpy(room + used, text, size);
	used += size;
	return kept;
}

void option_fd(const char *value)
{
	struct override override;
	const char *wrong = override_read(value, &override);
	if (wrong != NULL)
		die(EXIT_REFUSED, "--fd ", value, ": ", wrong);
	struct override *place = overrides_find(override.number);
	if (place == NULL && loader.options.override_count == OVERRIDES_MAX)
		die(EXIT_REFUSED, "--fd ", value, ": too many: use fewer");
	if (place == NULL)
		place = &loader.options.override[loader.options.override_count++];
	if (override.kind == OVERRIDE_FILE)
		override.file = keep(override.file);
	*place = override;
}

static bool image_has(int32_t number)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	for (uint32_t i = 0; i < snapimg_descriptor_count(&loader.image); i++)
		if (record[i].number == number)
			return true;
	return false;
}

static long open_file(const struct override *it)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	const char *path = it->kind == OVERRIDE_NULL ? "/dev/null" : it->file;
	uint32_t flags = O_RDWR;
	/* As the program had it, where that is known; else as much as the file allows. */
	while (record->number != it->number)
		record++;
	if (record->kind == SNAPIMG_DESCRIPTOR_FILE && (record->flags & O_PATH) == 0)
		flags = record->flags & (O_ACCMODE | O_APPEND | O_NONBLOCK);
	long made = sys(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY);
	if (flags == O_RDWR && (made == -EACCES || made == -EROFS || made == -EISDIR))
		made = sys(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return made;
}

static void prepare(struct override *it)
{
	if (!image_has(it->number))
		die(EXIT_REFUSED, "--fd ", dec((uint64_t)it->number),
		    ": the image has no such descriptor: leave it out");
	*saved_of(it) = -EBADF;
	if (it->kind == OVERRIDE_INHERIT) {
		*saved_of(it) = (int32_t)descriptor_copy_away(it->number);
		if (*saved_of(it) < 0 && *saved_of(it) != -EBADF)
			die(EXIT_REFUSED, "--fd ", dec((uint64_t)it->number),
			    ": cannot copy the caller's: ", error_text(*saved_of(it)));
	} else if (it->kind != OVERRIDE_CLOSE) {
		*saved_of(it) = (int32_t)descriptor_away(open_file(it));
		if (*saved_of(it) < 0)
			die(EXIT_REFUSED, "--fd ", dec((uint64_t)it->number), ": ",
			    it->kind == OVERRIDE_NULL ? "/dev/null" : it->file, ": ",
			    error_text(*saved_of(it)));
	}
}

void overrides_prepare(void)
{
	for (uint32_t i = 0; i < loader.options.override_count; i++)
		prepare(&loader.options.override[i]);
}

bool overrides_leave_need(uint32_t index)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	if (overrides_find(record[index].number) == NULL)
		return true;
	for (uint32_t i = index + 1; i < snapimg_descriptor_count(&loader.image); i++)
		if (record[i].kind == SNAPIMG_DESCRIPTOR_DUPLICATE &&
		    record[i].source == record[index].number && overrides_leave_need(i))
			return true;
	return false;
}

/* On its way through a socket, be that one needed or not. */
static bool is_passed(uint32_t object)
{
	const struct snapimg_passed *passed = snapimg_get_passed(&loader.image);
	for (uint32_t i = 0; i < snapimg_passed_count(&loader.image); i++)
		if (passed[i].object == object)
			return true;
	return false;
}

bool overrides_leave_object(uint32_t object)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	if (loader.options.override_count == 0)
		return true;
	for (uint32_t i = 0; i < snapimg_descriptor_count(&loader.image); i++)
		if (record[i].kind == SNAPIMG_DESCRIPTOR_OBJECT && (uint32_t)record[i].source == object &&
		    overrides_leave_need(i))
			return true;
	return is_passed(object);
}

static void commit(const struct override *it)
{
	if (*saved_of(it) < 0) {
		sys(__NR_close, it->number); /* asked for, or the caller has none */
		return;
	}
	long result = sys(__NR_dup3, *saved_of(it), it->number, 0);
	if (result < 0)
		die(EXIT_REFUSED, "--fd ", dec((uint64_t)it->number),
		    ": cannot take this number: ", error_text(result));
	sys(__NR_close, *saved_of(it));
}

void overrides_commit(void)
{
	for (uint32_t i = 0; i < loader.options.override_count; i++)
		commit(&loader.options.override[i]);
}
