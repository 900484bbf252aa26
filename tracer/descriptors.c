#include "descriptors.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "caller.h"
#include "descriptor_kinds.h"
#include "refuse.h"

/* What a descriptor can be that no image holds: X(beginning of its link, what, advice) */
#define REFUSED_LINKS(X)                                                                                     \
	X("anon_inode:inotify", "an inotify instance", "make it after the point")                            \
	X("anon_inode:[fanotify]", "a fanotify group", "make it after the point")                            \
	X("anon_inode:[pidfd]", "a pidfd", "close it before the point")                                      \
	X("pidfd:", "a pidfd", "close it before the point")                                                  \
	X("anon_inode:[io_uring]", "an io_uring", "make it after the point")                                 \
	X("anon_inode:[userfaultfd]", "a userfaultfd", "make it after the point")                            \
	X("anon_inode:[perf_event]", "a perf event", "make it after the point")                              \
	X("anon_inode:bpf-", "a BPF object", "make it after the point")                                      \
	X("anon_inode:bpf_", "a BPF object", "make it after the point")                                      \
	X("anon_inode:seccomp notify", "a seccomp listener", "make it after the point")                      \
	X("anon_inode:[landlock-ruleset]", "a landlock ruleset", "close it before the point")                \
	X("anon_inode:", "a kernel object", "make it after the point")                                       \
	X("mnt:[", "a namespace", "close it before the point")                                               \
	X("net:[", "a namespace", "close it before the point")                                               \
	X("pid:[", "a namespace", "close it before the point")                                               \
	X("user:[", "a namespace", "close it before the point")                                              \
	X("ipc:[", "a namespace", "close it before the point")                                               \
	X("uts:[", "a namespace", "close it before the point")                                               \
	X("time:[", "a namespace", "close it before the point")                                              \
	X("cgroup:[", "a namespace", "close it before the point")                                            \
	X("/dmabuf:", "a graphics buffer", "make it after the point")

/* Character devices that have no state but their flags: X(major, minor).
 * Documentation/admin-guide/devices.txt */
#define STATELESS_DEVICES(X) X(1, 3) X(1, 5) X(1, 7) X(1, 8) X(1, 9) X(5, 0)

static bool is_stateless_device(const struct stat *identity)
{
	bool found = false;

#define X(high, low) found = found || identity->st_rdev == makedev(high, low);
	STATELESS_DEVICES(X)
#undef X
	return found && S_ISCHR(identity->st_mode);
}

static enum status refuse_by_link(const struct survey *survey, const struct open_descriptor *it)
{
	static const struct {
		const char *prefix, *what, *advice;
	} refused[] = {
#define X(prefix, what, advice) {prefix, what, advice},
	        REFUSED_LINKS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		if (strncmp(it->link, refused[i].prefix, strlen(refused[i].prefix)) != 0)
			continue;
		return refuse_descriptor(survey, it, refused[i].what, refused[i].advice);
	}
	return STATUS_OK;
}

static bool is_terminal(const struct open_descriptor *it)
{
	return strncmp(it->link, "/dev/pt", 7) == 0 || strncmp(it->link, "/dev/tty", 8) == 0;
}

static enum status refuse_by_type(const struct survey *survey, const struct open_descriptor *it)
{
	mode_t mode = it->identity.st_mode;
	char own_directory[32];

	if (!it->known || it->link[0] != '/')
		return refuse_descriptor(survey, it, "an unknown kind of descriptor",
		                         "close it before the point");
	if (it->flags & O_PATH)
		return refuse_descriptor(survey, it, "a descriptor of a path only (O_PATH)",
		                         "close it before the point");
	if (S_ISFIFO(mode))
		return refuse_descriptor(survey, it, "a FIFO", "close it before the point");
	if (S_ISBLK(mode))
		return refuse_descriptor(survey, it, "a block device", "close it before the point");
	if (S_ISCHR(mode) && !is_stateless_device(&it->identity))
		return refuse_descriptor(survey, it,
		                         is_terminal(it) ? "a terminal that was not inherited" : "a device",
		                         "close it before the point");
	int length = snprintf(own_directory, sizeof(own_directory), "/proc/%d", survey->pid);
	if (strncmp(it->link, own_directory, (size_t)length) == 0 &&
	    (it->link[length] == '/' || it->link[length] == '\0'))
		return refuse_descriptor(survey, it, "a file of the process's own /proc directory",
		                         "close it before the point");
	return STATUS_OK;
}

/* Files the kernel makes up have no size and another time at each look. */
static bool is_made_up(const struct survey *survey, const struct open_descriptor *it)
{
	char name[32];
	struct statfs system;

	snprintf(name, sizeof(name), "fd/%d", it->number);
	struct proc_path path = proc_path(survey->pid, name);
	return statfs(path.text, &system) == 0 &&
	       (system.f_type == PROC_SUPER_MAGIC || system.f_type == SYSFS_MAGIC ||
	        system.f_type == CGROUP_SUPER_MAGIC || system.f_type == CGROUP2_SUPER_MAGIC);
}

static enum status record_file(const struct survey *survey, const struct open_descriptor *it,
                               struct files *files, struct snapimg_descriptor *record)
{
	struct stat found;
	enum status status;
	size_t index;

	if ((status = refuse_by_link(survey, it)) != STATUS_OK ||
	    (status = refuse_by_type(survey, it)) != STATUS_OK)
		return status;
	if (stat(it->link, &found) < 0 || found.st_dev != it->identity.st_dev ||
	    found.st_ino != it->identity.st_ino)
		return refuse_descriptor(survey, it, "a deleted or replaced file",
		                         "close it before the point");
	bool stamped =
	        S_ISREG(found.st_mode) && (it->flags & O_ACCMODE) == O_RDONLY && !is_made_up(survey, it);
	status = files_add(files, it->link, &found, stamped ? SNAPIMG_CHECK_STAMP : SNAPIMG_CHECK_EXISTS,
	                   &index);
	if (status != STATUS_OK)
		return status;
	record->kind = SNAPIMG_DESCRIPTOR_FILE;
	record->flags = it->flags & SNAPIMG_OPEN_FLAGS & ~(uint32_t)O_NOFOLLOW;
	record->position = it->position;
	record->file = (uint32_t)index + 1;
	return STATUS_OK;
}

static take_descriptor *find_taker(const struct open_descriptor *it)
{
	static const struct {
		const char *prefix;
		take_descriptor *take;
	} taken[] = {
#define X(prefix, take) {prefix, take},
	        TAKEN_LINKS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (strncmp(it->link, taken[i].prefix, strlen(taken[i].prefix)) == 0)
			return taken[i].take;
	return it->known && S_ISREG(it->identity.st_mode) && it->identity.st_nlink == 0 &&
	                       it->link[0] == '/' && !(it->flags & O_PATH)
	               ? take_unlinked
	               : NULL;
}

static enum status record_object(struct taking *taking, struct open_descriptor *it, take_descriptor *take,
                                 struct snapimg_descriptor *record)
{
	struct snapimg_object object = {.flags = it->flags & SNAPIMG_OPEN_FLAGS & ~(uint32_t)O_NOFOLLOW};
	enum status status;

	if ((status = survey_copy(taking->survey, it)) != STATUS_OK ||
	    (status = take(taking, it, &object)) != STATUS_OK)
		return status;
	it->object = (int)taking->objects->object.count;
	record->kind = SNAPIMG_DESCRIPTOR_OBJECT;
	record->source = it->object;
	if (it->known && S_ISREG(it->identity.st_mode) && it->link[0] == '/')
		record->position = it->position;
	return objects_add(taking->objects, &object);
}

static enum status record_one(struct taking *taking, struct open_descriptor *it, struct files *files,
                              struct snapimg_descriptor *record)
{
	take_descriptor *take = find_taker(it);
	enum status status;

	*record = (struct snapimg_descriptor){
	        .number = it->number,
	        .close_on_exec = (it->flags & O_CLOEXEC) != 0,
	        .kind = SNAPIMG_DESCRIPTOR_INHERIT,
	        .source = it->inherited,
	};
	if (it->inherited >= 0)
		return memories_check_inherited(taking->memories, taking->survey, it);
	if (it->duplicate >= 0) {
		record->kind = SNAPIMG_DESCRIPTOR_DUPLICATE;
		record->source = it->duplicate;
		return STATUS_OK;
	}
	if ((status = take_locks(taking, it)) != STATUS_OK) /* first: a lease sets O_ASYNC, too */
		return status;
	if (it->flags & O_ASYNC)
		return refuse_descriptor(taking->survey, it, "signal-driven input (O_ASYNC)",
		                         "set it after the point");
	record->source = 0;
	return take ? record_object(taking, it, take, record)
	            : record_file(taking->survey, it, files, record);
}

static bool caller_had(int number)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++)
		if (the_caller.descriptor[i].number == number)
			return true;
	return false;
}

static enum status record_all(struct taking *taking, struct files *files, struct descriptors *result)
{
	const struct survey *survey = taking->survey;
	enum status status = STATUS_OK;
	size_t i = 0;

	for (int standard = 0; (standard < 3 || i < survey->count) && status == STATUS_OK; standard++) {
		struct snapimg_descriptor *record = &result->record[result->count];
		if (standard >= 3 || (i < survey->count && survey->open[i].number == standard)) {
			status = go_on(record_one(taking, &survey->open[i++], files, record));
			result->count++;
		} else if (caller_had(standard)) {
			*record = (struct snapimg_descriptor){
			        .number = standard,
			        .kind = SNAPIMG_DESCRIPTOR_CLOSED,
			};
			result->count++;
		}
	}
	return status;
}

enum status descriptors_read(pid_t pid, struct files *files, struct memories *memories,
                             struct descriptors *ret_descriptors)
{
	struct survey survey = {.pid = pid};
	struct descriptors result = {0};
	struct taking taking = {.survey = &survey, .objects = &result.objects, .memories = memories};
	enum status status;

	if ((status = survey_read(&survey)) == STATUS_OK) {
		result.record = calloc(survey.count + 3, sizeof(*result.record));
		status = result.record ? record_all(&taking, files, &result)
		                       : fail(STATUS_FAILED, "out of memory");
	}
	survey_free(&survey);
	if (status == STATUS_OK)
		*ret_descriptors = result;
	else
		descriptors_free(&result);
	return status;
}

void descriptors_free(struct descriptors *descriptors)
{
	free(descriptors->record);
	objects_free(&descriptors->objects);
	*descriptors = (struct descriptors){0};
}
