/* Opens the files that an image needs and checks that they are the recorded ones. */
#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/tree.h"
#include "restore/fds/overrides.h"
#include "restore/loader.h"
#include "restore/look/identify.h"

enum { FILES_MAX = 16384, TYPE_MASK = 0170000, REGULAR = 0100000 };

static uint8_t checked[FILES_MAX / 8]; /* once a file, however many mappings it has */

/* What stands at the name may be of another kind: a FIFO without a reader, a socket, a directory. */
static bool is_other_kind(const struct snapimg_file *file, const char *path)
{
	struct stat status = {0};
	return sys(__NR_stat, path, &status) == 0 && ((status.st_mode ^ file->mode) & TYPE_MASK) != 0;
}

static const char *advice_for(long result)
{
	switch (result) {
	case -ENOENT:
	case -ENOTDIR:
		return ": put it back, or freeze the program again";
	case -EMFILE:
		return ": raise ulimit -Hn";
	case -EFBIG:
		return ": raise ulimit -Hf";
	case -EACCES:
	case -EPERM:
		return ": let this user open it, or freeze the program again";
	default:
		return "";
	}
}

void files_forget(void)
{
	memset(checked, 0, sizeof checked);
}

static bool is_needed(uint32_t index)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	const struct snapimg_descriptor *descriptor = snapimg_get_descriptor(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if (mapping[i].kind == SNAPIMG_MAPPING_FILE && mapping[i].file == index + 1 &&
		    (mapping[i].flags & SNAPIMG_MAP_EMBEDDED) == 0)
			return true;
	for (uint32_t i = 0; i < snapimg_descriptor_count(&loader.image); i++)
		if (descriptor[i].kind == SNAPIMG_DESCRIPTOR_FILE && descriptor[i].file == index + 1 &&
		    overrides_leave_need(i))
			return true;
	return false;
}

/* A line for each that is missing beside `told`, whose own comes last. */
static void tell_missing(uint32_t told)
{
	const struct snapimg_file *file = snapimg_get_file(&loader.image);
	for (uint32_t i = 0; i < snapimg_file_count(&loader.image); i++) {
		const char *path = snapimg_string(&loader.image, file[i].path);
		struct stat status = {0};
		if (i == told || file[i].path == file[told].path || !is_needed(i) || file_can_be_made(i) ||
		    sys(__NR_stat, path, &status) != -ENOENT)
			continue;
		warn(path, ": cannot open a file that the image needs: ", error_text(-ENOENT));
	}
}

static _Noreturn void die_open(const struct snapimg_file *file, const char *path, long result)
{
	if (is_other_kind(file, path))
		die(EXIT_REFUSED, path, ": is no longer the kind of file that the image needs: put it back");
	if (result == -ENOENT && die_noted == NULL) /* --check asks for each */
		tell_missing((uint32_t)(file - snapimg_get_file(&loader.image)));
	die(EXIT_REFUSED, path, ": cannot open a file that the image needs: ", error_text(result),
	    advice_for(result));
}

/* A FIFO in the place of the file would keep open(2) waiting; who needs other flags sets them. EAGAIN: the
 * file has a lease, which is waited for (open(2)). */
static long open_at_once(const char *path, uint32_t flags)
{
	flags |= O_CLOEXEC | O_NOCTTY;
	long descriptor = sys(__NR_openat, AT_FDCWD, path, flags | O_NONBLOCK);
	return descriptor == -EAGAIN ? sys(__NR_openat, AT_FDCWD, path, flags) : descriptor;
}

/* Of a file that is not there but in the image. */
static long make_and_open(uint32_t index, const char *path, uint32_t flags)
{
	long made = file_make(index, path);
	if (made < 0)
		return made;
	sys(__NR_close, made);
	return open_at_once(path, flags);
}

static bool has_pages_of_files(void)
{
	const struct snapimg_extent *extent = snapimg_get_extent(&loader.image);
	for (uint32_t i = 0; i < snapimg_extent_count(&loader.image); i++)
		if ((extent[i].flags & SNAPIMG_EXTENT_OF_FILES) != 0)
			return true;
	return false;
}

/* And lies where code may be mapped from. */
static bool is_here(const struct snapimg_mapping *mapping)
{
	const char *path =
	        snapimg_string(&loader.image, snapimg_get_file(&loader.image)[mapping->file - 1].path);
	long descriptor = open_at_once(path, O_RDONLY);
	if (descriptor < 0)
		return false;
	bool same = file_is_same(mapping->file - 1, path, (int)descriptor);
	if (same && (mapping->protection & PROT_EXEC) != 0) {
		long mapped = sys(__NR_mmap, 0, SNAPIMG_PAGE_SIZE, PROT_EXEC, MAP_PRIVATE, descriptor,
		                  mapping->offset);
		same = mapped > 0;
		if (same)
			sys(__NR_munmap, mapped, SNAPIMG_PAGE_SIZE);
	}
	sys(__NR_close, descriptor);
	return same;
}

static bool is_seen(uint32_t index, uint8_t *seen, bool is_executable)
{
	uint8_t bit = (uint8_t)(1u << index % 8);
	if (is_executable || index >= FILES_MAX)
		return false;
	bool was = (seen[index / 8] & bit) != 0;
	seen[index / 8] |= bit;
	return was;
}

/* Names first: where one is missing, none is read for its content. */
bool files_are_here(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	const uint32_t count = snapimg_mapping_count(&loader.image);
	static uint8_t seen[FILES_MAX / 8];
	if (loader.options.verify || image_is_thawed() || !has_pages_of_files())
		return false;
	for (uint32_t i = 0; i < count; i++)
		if ((mapping[i].flags & SNAPIMG_MAP_EMBEDDED) != 0 &&
		    sys(__NR_faccessat, AT_FDCWD,
		        snapimg_string(&loader.image,
		                       snapimg_get_file(&loader.image)[mapping[i].file - 1].path),
		        4 /* R_OK */) < 0)
			return false;
	for (uint32_t i = 0; i < count; i++)
		if ((mapping[i].flags & SNAPIMG_MAP_EMBEDDED) != 0 &&
		    !is_seen(mapping[i].file - 1, seen, (mapping[i].protection & PROT_EXEC) != 0) &&
		    !is_here(&mapping[i]))
			return false;
	return true;
}

void file_check(uint32_t index, uint32_t flags)
{
	const char *path = snapimg_string(&loader.image, snapimg_get_file(&loader.image)[index].path);
	bool is_missing = sys(__NR_faccessat, AT_FDCWD, path, 0) == -ENOENT;
	bool may_be_made = file_can_be_made(index) || file_is_anothers(index);
	bool is_being_made = file_is_anothers(index) && tree_is_one(); /* see file_open() */
	if (!file_is_scratch(index) && !is_being_made && !(is_missing && may_be_made))
		sys(__NR_close, file_open(index, flags));
}

void files_make_own(void)
{
	const struct snapimg_identity *identity = snapimg_get_identity(&loader.image);
	const uint32_t others = SNAPIMG_IDENTITY_SCRATCH | SNAPIMG_IDENTITY_NAMED;
	for (uint32_t i = 0; i < snapimg_identity_count(&loader.image); i++) {
		uint32_t index = identity[i].file - 1;
		const struct snapimg_file *file = &snapimg_get_file(&loader.image)[index];
		if ((identity[i].flags & (SNAPIMG_IDENTITY_MADE | others)) == SNAPIMG_IDENTITY_MADE &&
		    (file->mode & TYPE_MASK) == REGULAR &&
		    sys(__NR_faccessat, AT_FDCWD, snapimg_string(&loader.image, file->path), 0) == -ENOENT)
			sys(__NR_close, file_open(index, O_RDONLY));
	}
}

static bool is_checked(uint32_t index)
{
	return index < FILES_MAX && (checked[index / 8] & 1u << index % 8) != 0;
}

int file_open(uint32_t index, uint32_t flags)
{
	const struct snapimg_file *file = &snapimg_get_file(&loader.image)[index];
	const char *path = snapimg_string(&loader.image, file->path);
	bool is_scratch = file_is_scratch(index), is_new = !is_scratch && !is_checked(index);
	if (is_new && tree_is_one() && file_is_anothers(index))
		tree_await_made();
	bool is_first = is_new && (!tree_is_one() || tree_is_first_to_open(path));
	/* Nobody else makes it meanwhile, or finds it half made. */
	bool is_held = is_new && tree_is_one() && (is_first || file_can_be_made(index));
	if (is_held && !is_first)
		tree_hold();
	long descriptor = is_scratch ? file_make_nameless(index) : open_at_once(path, flags);
	if (descriptor == -ENOENT)
		descriptor = make_and_open(index, path, flags);
	if (descriptor == -EACCES)
		descriptor = file_open_own(index, path, flags);
	if (descriptor < 0)
		die_open(file, path, descriptor);
	if (is_first)
		file_tell_if_shared(index, path, (int)descriptor);
	if (is_held)
		tree_let_go();
	if (is_new)
		file_identify(index, path, (int)descriptor);
	if (is_new && index < FILES_MAX)
		checked[index / 8] |= (uint8_t)(1u << index % 8);
	return (int)descriptor;
}
