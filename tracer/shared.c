#include "shared.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracee_memory.h"

static enum status refuse_object(const struct vma *vma, const char *what, const char *advice)
{
	return refuse(what, advice, "mapping %" PRIx64 "-%" PRIx64 " %s", vma->start, vma->end, vma->name);
}

static bool is_same(const struct vma *a, const struct vma *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

static int by_object(const void *left, const void *right)
{
	const struct vma *a = *(const struct vma *const *)left, *b = *(const struct vma *const *)right;

	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	if (a->minor != b->minor)
		return a->minor < b->minor ? -1 : 1;
	return (a->start > b->start) - (a->start < b->start);
}

/* The program may have unmapped the end, which mremap(2) brings back with what it holds; the same call with
 * an old size of 0 is a second view of the object, which shows whether there is a page behind. */
static enum status check_end(const struct helper *helper, const struct vma *vma)
{
	uint64_t size = vma->end - vma->start, longer = size + SNAPIMG_PAGE_SIZE;
	int64_t view, result;
	uint8_t byte;
	enum status status;

	if ((status = helper_call(helper, &view, SYS_mremap, vma->start, 0, longer, MREMAP_MAYMOVE)) !=
	    STATUS_OK)
		return status;
	if (view < 0)
		return refuse_object(vma, "shared memory that can't be looked at", "choose another point");
	bool goes_on = tracee_read(helper->pid, (uint64_t)view + size, &byte, 1) == 0;
	if ((status = helper_call(helper, &result, SYS_munmap, (uint64_t)view, longer, 0, 0)) != STATUS_OK)
		return status;
	return goes_on ? refuse_object(vma, "a part of shared memory", "map it to its end") : STATUS_OK;
}

/* Behind the end of a file there is SIGBUS, which anonymous memory hasn't. */
static enum status check_extent(const struct helper *helper, const struct vma *vma)
{
	uint8_t byte;

	if (vma->offset != 0)
		return refuse_object(vma, "a part of shared memory", "map it from its beginning");
	if (tracee_read(helper->pid, vma->end - 1, &byte, 1) < 0)
		return refuse_object(vma, "shared memory that can't be read or is mapped behind its end",
		                     "choose a point where it can be");
	return check_end(helper, vma);
}

static enum status check_mapped_once(const struct helper *helper, const struct vma *const *object,
                                     size_t count)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		bool again = (i > 0 && is_same(object[i], object[i - 1])) ||
		             (i + 1 < count && is_same(object[i], object[i + 1]));
		if (again)
			status = refuse_object(object[i],
			                       "shared memory that is mapped more than once or in parts",
			                       "choose a point where it is mapped once");
		else if (object[i]->shared)
			status = check_extent(helper, object[i]);
		status = go_on(status);
	}
	return status;
}

/* The object by its inode, as stat(2) shows other device numbers than maps for some filesystems. */
static const struct vma *find_inode(const struct vma *const *object, size_t count, uint64_t inode)
{
	for (size_t i = 0; i < count; i++)
		if (object[i]->shared && object[i]->inode == inode)
			return object[i];
	return NULL;
}

static enum status check_descriptors(pid_t pid, const struct vma *const *object, size_t count)
{
	struct proc_path path = proc_path(pid, "fd");
	DIR *directory = opendir(path.text);
	enum status status = STATUS_OK;
	struct dirent *entry;

	if (!directory)
		return fail(STATUS_FAILED, "can't read the program's state: %s: %s", path.text,
		            strerror(errno));
	while (status == STATUS_OK && (entry = readdir(directory))) {
		struct stat found;
		if (entry->d_name[0] == '.' || fstatat(dirfd(directory), entry->d_name, &found, 0) < 0 ||
		    !S_ISREG(found.st_mode) || found.st_nlink != 0)
			continue;
		const struct vma *vma = find_inode(object, count, found.st_ino);
		if (vma)
			status = go_on(refuse_object(vma, "shared memory that has a descriptor, too",
			                             "close the descriptor before the point"));
	}
	closedir(directory);
	return status;
}

/* A parent that isn't the tracer may have made the memory for both. */
static enum status check_parent(pid_t pid, const struct vma *const *object, size_t count)
{
	struct proc_stat stat;
	struct text text CLEANUP(text_free) = {0};
	struct maps maps;
	enum status status;

	if ((status = proc_read_stat(pid, &stat)) != STATUS_OK)
		return status;
	pid_t parent = (pid_t)stat.field[STAT_PPID];
	if (parent <= 1 || parent == getpid() || proc_try_read(proc_path(parent, "maps").text, &text) < 0 ||
	    maps_parse(&text, &maps) < 0)
		return STATUS_OK;
	for (size_t i = 0; i < maps.count && status == STATUS_OK; i++)
		for (size_t k = 0; maps.vma[i].shared && k < count && status == STATUS_OK; k++)
			if (is_same(&maps.vma[i], object[k]))
				status = go_on(refuse_object(object[k],
				                             "memory shared with the parent process",
				                             "choose a point before it is shared"));
	maps_free(&maps);
	return status;
}

enum status shared_check(const struct helper *helper, const struct mappings *mappings)
{
	pid_t pid = helper->pid;
	const struct vma **object = calloc(mappings->count + 1, sizeof(const struct vma *));
	size_t count = 0, shared = 0;
	enum status status = STATUS_OK;

	if (!object)
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; i < mappings->count; i++) {
		const struct mapping *mapping = &mappings->mapping[i];
		if (!mapping->of_object && !(mapping->by_content && !mapping->of_shim))
			continue;
		object[count++] = mapping->vma;
		shared += mapping->of_object;
	}
	if (shared) {
		qsort(object, count, sizeof(const struct vma *), by_object);
		if ((status = check_mapped_once(helper, object, count)) == STATUS_OK &&
		    (status = check_descriptors(pid, object, count)) == STATUS_OK)
			status = check_parent(pid, object, count);
	}
	free(object);
	return status;
}

/* mincore(2) sees the object's pages, but not those that are swapped out; then all are looked at. */
enum status shared_walk(const struct helper *helper, const struct vma *vma, pages_visitor *visit,
                        void *context)
{
	uint8_t resident[SNAPIMG_PAGE_SIZE];
	uint64_t run = 0; /* where the open run began, 0: none is open */
	enum status status;

	if (vma->swap)
		return visit(context, vma->start, vma->end);
	for (uint64_t at = vma->start; at < vma->end;) {
		uint64_t pages = (vma->end - at) / SNAPIMG_PAGE_SIZE;
		if (pages > sizeof(resident))
			pages = sizeof(resident);
		if ((status = helper_fetch(helper, "resident pages", resident, pages, SYS_mincore, at,
		                           pages * SNAPIMG_PAGE_SIZE, helper->scratch, 0)) != STATUS_OK)
			return status;
		for (uint64_t i = 0; i < pages; i++, at += SNAPIMG_PAGE_SIZE) {
			bool is_there = resident[i] & 1;
			if (is_there && !run)
				run = at;
			if (!is_there && run) {
				if ((status = visit(context, run, at)) != STATUS_OK)
					return status;
				run = 0;
			}
		}
	}
	return run ? visit(context, run, vma->end) : STATUS_OK;
}
