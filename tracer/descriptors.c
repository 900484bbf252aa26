#include "descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "caller.h"
#include "refuse.h"

/* One open descriptor of the target. */
struct open_descriptor {
	int number;
	char *link;
	bool known; /* stat(2) worked */
	struct stat identity;
	uint32_t flags; /* as open(2) takes them */
	uint64_t position;
	bool locked;
};

struct survey {
	pid_t pid;
	struct open_descriptor *open; /* sorted by number */
	size_t count;
};

static void survey_free(struct survey *survey)
{
	for (size_t i = 0; i < survey->count; i++)
		free(survey->open[i].link);
	free(survey->open);
}

static int by_number(const void *left, const void *right)
{
	const struct open_descriptor *a = left, *b = right;

	return (a->number > b->number) - (a->number < b->number);
}

static enum status look_at(struct survey *survey, int number)
{
	struct text info CLEANUP(text_free) = {0};
	struct open_descriptor *it = &survey->open[survey->count];
	struct proc_path name;
	char link[4096];
	enum status status;

	*it = (struct open_descriptor){.number = number};
	snprintf(name.text, sizeof(name.text), "fdinfo/%d", number);
	if ((status = proc_read(survey->pid, name.text, &info)) != STATUS_OK)
		return status;
	snprintf(name.text, sizeof(name.text), "fd/%d", number);
	if ((status = proc_read_link(survey->pid, name.text, link, sizeof(link))) != STATUS_OK)
		return status;
	name = proc_path(survey->pid, name.text);
	it->known = stat(name.text, &it->identity) == 0;
	it->flags = (uint32_t)proc_number(&info, "flags", 8);
	it->position = proc_number(&info, "pos", 10);
	it->locked = *proc_value(&info, "lock") != '\0';
	it->link = strdup(link);
	if (!it->link)
		return fail(STATUS_FAILED, "out of memory");
	survey->count++;
	return STATUS_OK;
}

static enum status survey_read(struct survey *survey)
{
	struct proc_path path = proc_path(survey->pid, "fd");
	enum status status = STATUS_OK;
	struct dirent *entry;
	DIR *directory = opendir(path.text);

	if (!directory)
		return fail(STATUS_FAILED, "can't read the program's descriptors: %s: %s", path.text,
		            strerror(errno));
	while (status == STATUS_OK && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		if (survey->count % 64 == 0) {
			struct open_descriptor *grown =
			        realloc(survey->open, (survey->count + 64) * sizeof(*grown));
			if (!grown) {
				status = fail(STATUS_FAILED, "out of memory");
				break;
			}
			survey->open = grown;
		}
		status = look_at(survey, atoi(entry->d_name));
	}
	closedir(directory);
	if (status == STATUS_OK && survey->count)
		qsort(survey->open, survey->count, sizeof(*survey->open), by_number);
	return status;
}

/* Whether two descriptors are one open file: 1, 0, or -1 where the kernel doesn't tell (no CONFIG_KCMP). */
static int same_open_file(pid_t left_pid, int left, pid_t right_pid, int right)
{
	long order = syscall(SYS_kcmp, left_pid, right_pid, KCMP_FILE, left, right);

	return order < 0 ? -1 : order == 0;
}

/* The second best: the same file, mode and place in it. Two opens of a terminal or /dev/null are the same
 * in effect; two of a regular file at one position would from then on share it. */
static bool look_alike(const struct open_descriptor *left, const struct open_descriptor *right)
{
	return left->known && right->known && left->identity.st_dev == right->identity.st_dev &&
	       left->identity.st_ino == right->identity.st_ino && left->flags == right->flags &&
	       left->position == right->position;
}

static bool is_inherited(const struct survey *survey, const struct open_descriptor *it,
                         const struct caller_descriptor *of)
{
	if (strcmp(it->link, of->link) != 0)
		return false;
	int same = same_open_file(survey->pid, it->number, getpid(), of->number);
	if (same >= 0)
		return same;
	struct open_descriptor single = {0};
	struct survey own = {.pid = getpid(), .open = &single};
	bool alike =
	        it->number == of->number && look_at(&own, of->number) == STATUS_OK && look_alike(it, &single);
	free(single.link);
	return alike;
}

/* The caller's descriptor it is, or -1. The same number first, as 1 and 2 are often one open file. */
static int find_inherited(const struct survey *survey, const struct open_descriptor *it)
{
	int found = -1;

	for (size_t i = 0; i < the_caller.descriptor_count; i++) {
		const struct caller_descriptor *of = &the_caller.descriptor[i];
		if ((found < 0 || of->number == it->number) && is_inherited(survey, it, of))
			found = of->number;
	}
	return found;
}

static int find_duplicate(const struct survey *survey, const struct open_descriptor *it)
{
	for (const struct open_descriptor *other = survey->open; other < it; other++) {
		if (strcmp(other->link, it->link) != 0)
			continue;
		int same = same_open_file(survey->pid, it->number, survey->pid, other->number);
		if (same > 0 || (same < 0 && look_alike(it, other)))
			return other->number;
	}
	return -1;
}

/* What a descriptor can be that no image holds: X(beginning of its link, what, advice) */
#define REFUSED_LINKS(X)                                                                                     \
	X("pipe:", "a pipe", "close it before the point")                                                    \
	X("socket:", "a socket", "connect or listen after the point")                                        \
	X("anon_inode:[eventpoll]", "an epoll instance", "make it after the point")                          \
	X("anon_inode:[eventfd", "an eventfd", "make it after the point")                                    \
	X("anon_inode:[timerfd]", "a timerfd", "make it after the point")                                    \
	X("anon_inode:[signalfd]", "a signalfd", "make it after the point")                                  \
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
	X("/memfd:", "memory without a file (memfd)", "make it after the point")                             \
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

/* Which state a socket is in decides what its owner can do about it. */
static const char *socket_kind(const struct survey *survey, const struct open_descriptor *it)
{
	char line[512], wanted[32];
	static const struct {
		const char *name, *kind;
	} tables[] = {
	        {"net/tcp", "a TCP socket"},       {"net/tcp6", "a TCP socket"},
	        {"net/udp", "a UDP socket"},       {"net/udp6", "a UDP socket"},
	        {"net/unix", "a Unix socket"},     {"net/netlink", "a netlink socket"},
	        {"net/packet", "a packet socket"},
	};

	snprintf(wanted, sizeof(wanted), " %lu", (unsigned long)it->identity.st_ino);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		struct proc_path path = proc_path(survey->pid, tables[i].name);
		FILE *table = fopen(path.text, "re");
		const char *found = NULL;
		while (table && !found && fgets(line, sizeof(line), table)) {
			const char *at = strstr(line, wanted);
			if (!at || (at[strlen(wanted)] != ' ' && at[strlen(wanted)] != '\n'))
				continue;
			bool listens =
			        i < 2 && strstr(line, " 0A "); /* TCP_LISTEN, include/net/tcp_states.h */
			bool connected = i < 2 && strstr(line, " 01 ");
			found = listens     ? "a listening TCP socket"
			        : connected ? "a connected TCP socket"
			                    : tables[i].kind;
		}
		if (table)
			fclose(table);
		if (found)
			return found;
	}
	return "a socket";
}

static enum status refuse_descriptor(const struct survey *survey, const struct open_descriptor *it,
                                     const char *what, const char *advice)
{
	return refuse(what, advice, "descriptor %d of process %d, %s", it->number, survey->pid, it->link);
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
		const char *what = refused[i].what;
		if (it->known && S_ISSOCK(it->identity.st_mode))
			what = socket_kind(survey, it);
		return refuse_descriptor(survey, it, what, refused[i].advice);
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
	if (it->locked)
		return refuse_descriptor(survey, it, "a locked file", "take the lock after the point");
	if (it->flags & O_ASYNC)
		return refuse_descriptor(survey, it, "signal-driven input (O_ASYNC)",
		                         "set it after the point");
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

static enum status record_one(const struct survey *survey, const struct open_descriptor *it,
                              struct files *files, struct snapimg_descriptor *record)
{
	*record = (struct snapimg_descriptor){
	        .number = it->number,
	        .close_on_exec = (it->flags & O_CLOEXEC) != 0,
	};
	record->source = find_inherited(survey, it);
	if (record->source >= 0) {
		record->kind = SNAPIMG_DESCRIPTOR_INHERIT;
		return STATUS_OK;
	}
	record->source = find_duplicate(survey, it);
	if (record->source >= 0) {
		record->kind = SNAPIMG_DESCRIPTOR_DUPLICATE;
		return STATUS_OK;
	}
	record->source = 0;
	return record_file(survey, it, files, record);
}

static bool caller_had(int number)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++)
		if (the_caller.descriptor[i].number == number)
			return true;
	return false;
}

static enum status record_all(const struct survey *survey, struct files *files, struct descriptors *result)
{
	enum status status = STATUS_OK;
	size_t i = 0;

	for (int standard = 0; (standard < 3 || i < survey->count) && status == STATUS_OK; standard++) {
		struct snapimg_descriptor *record = &result->record[result->count];
		if (standard >= 3 || (i < survey->count && survey->open[i].number == standard)) {
			status = go_on(record_one(survey, &survey->open[i++], files, record));
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

enum status descriptors_read(pid_t pid, struct files *files, struct descriptors *ret_descriptors)
{
	struct survey survey = {.pid = pid};
	struct descriptors result = {0};
	enum status status;

	if ((status = survey_read(&survey)) == STATUS_OK) {
		result.record = calloc(survey.count + 3, sizeof(*result.record));
		status = result.record ? record_all(&survey, files, &result)
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
	*descriptors = (struct descriptors){0};
}
