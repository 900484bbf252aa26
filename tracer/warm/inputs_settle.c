/* What was noted becomes records: the state of each thing now, which is what the program saw. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/proc.h"
#include "format/facts/checksum.h"
#include "format/facts/file_hash.h"
#include "format/facts/inputs.h"
#include "tracer/caller.h"
#include "tracer/warm/inputs.h"
#include "tracer/warm/passing.h"

enum { ROOM = 1 << 16, GROUPS = 1024 };

struct settling {
	struct inputs *inputs;
	const char *changed; /* the first that changed while the program ran */
	bool out_of_memory;
};

static struct snapimg_input *add(struct settling *settling, enum snapimg_input_kind kind, const char *name)
{
	static struct snapimg_input none;
	struct inputs *inputs = settling->inputs;
	struct snapshot_input *added = array_add(inputs->record, inputs->record_count);

	if (!added || !(added->name = strdup(name))) {
		settling->out_of_memory = true;
		inputs->record_count -= added != NULL;
		return &none;
	}
	added->record.kind = kind;
	return &added->record;
}

static int64_t nanoseconds(struct timespec time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void own(struct snapimg_input *record, const struct stat *status)
{
	record->value = status->st_mode;
	record->owner = snapimg_hash_owner(status->st_uid, status->st_gid);
}

static void stamp(struct settling *settling, struct snapimg_input *record, const struct stat *status,
                  const char *name)
{
	record->mtime = nanoseconds(status->st_mtim);
	record->ctime = nanoseconds(status->st_ctim);
	record->inode = status->st_ino;
	own(record, status);
	if (record->ctime > settling->inputs->began && !settling->changed)
		settling->changed = name;
}

static long read_at(void *file, void *to, size_t size, uint64_t offset)
{
	return pread(*(int *)file, to, size, (off_t)offset);
}

static uint64_t hash_content(const char *path, uint64_t size)
{
	static uint8_t room[ROOM];
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct file_hash_source source = {read_at, &file, size, room, sizeof(room)};
	uint64_t hash = 0;

	if (file < 0)
		return 0;
	(void)snapimg_hash_file(&source, &hash);
	close(file);
	return hash;
}

static uint64_t hash_listing(const char *path)
{
	static uint64_t room[ROOM / sizeof(uint64_t)];
	int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t sum = 0;
	long got;

	while (file >= 0 && (got = syscall(SYS_getdents64, file, room, sizeof(room))) > 0)
		sum += snapimg_hash_entries(room, (size_t)got);
	if (file >= 0)
		close(file);
	return sum;
}

/* The index + 1 of the record of the nearest directory that is there. */
static uint32_t directory_record(struct settling *settling, const char *path)
{
	struct inputs *inputs = settling->inputs;
	char *parent = strdup(path), *slash;
	struct stat status;

	if (!parent)
		return 0;
	do {
		slash = strrchr(parent, '/');
		slash[slash == parent] = '\0';
	} while (strcmp(parent, "/") != 0 && (stat(parent, &status) < 0 || !S_ISDIR(status.st_mode)));
	for (size_t i = 0; i < inputs->record_count; i++)
		if (inputs->record[i].record.kind == SNAPIMG_INPUT_DIRECTORY &&
		    strcmp(inputs->record[i].name, parent) == 0) {
			free(parent);
			return (uint32_t)i + 1;
		}
	struct snapimg_input *record = add(settling, SNAPIMG_INPUT_DIRECTORY, parent);
	/* One that was just changed may be changed again without another time. */
	if (stat(parent, &status) == 0 && nanoseconds(status.st_ctim) < inputs->began) {
		record->mtime = nanoseconds(status.st_mtim);
		record->ctime = nanoseconds(status.st_ctim);
		record->inode = status.st_ino;
	}
	free(parent);
	return (uint32_t)inputs->record_count;
}

static void settle_link(struct settling *settling, const char *path)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target));

	struct snapimg_input *record;

	if (length < 0 && errno != EINVAL)
		return;
	record = add(settling, SNAPIMG_INPUT_LINK, path);
	record->value = length >= 0;
	record->hash = length >= 0 ? snapimg_checksum(target, (size_t)length) : 0;
}

static void settle_followed(struct settling *settling, const struct noted_path *noted)
{
	struct snapimg_input *record;
	struct stat status;

	if (stat(noted->path, &status) < 0) {
		uint32_t directory = directory_record(settling, noted->path);
		add(settling, SNAPIMG_INPUT_ABSENT, noted->path)->value = directory;
	} else if (S_ISREG(status.st_mode)) {
		record = add(settling, SNAPIMG_INPUT_FILE, noted->path);
		stamp(settling, record, &status, noted->path);
		record->size = (uint64_t)status.st_size;
		record->hash = hash_content(noted->path, record->size);
	} else if (S_ISDIR(status.st_mode) && noted->uses & PATH_LISTED) {
		record = add(settling, SNAPIMG_INPUT_LISTED, noted->path);
		stamp(settling, record, &status, noted->path);
		record->hash = hash_listing(noted->path);
	} else {
		own(add(settling, SNAPIMG_INPUT_PRESENT, noted->path), &status);
	}
}

static int by_path(const void *left, const void *right)
{
	const struct noted_path *a = left, *b = right;

	return strcmp(a->path, b->path);
}

static void settle_paths(struct settling *settling)
{
	struct inputs *inputs = settling->inputs;
	unsigned uses = 0;

	if (inputs->path_count)
		qsort(inputs->path, inputs->path_count, sizeof(*inputs->path), by_path);
	for (size_t i = 0; i < inputs->path_count; i++) {
		struct noted_path *path = &inputs->path[i];
		struct stat status;
		bool is_link = lstat(path->path, &status) == 0 && S_ISLNK(status.st_mode);

		uses |= path->uses;
		if (i + 1 < inputs->path_count && strcmp(path->path, path[1].path) == 0)
			continue;
		path->uses = uses;
		uses = 0;
		if (path->uses & PATH_ITSELF)
			settle_link(settling, path->path);
		if (!is_link || path->uses & (PATH_FOLLOWED | PATH_LISTED))
			settle_followed(settling, path);
	}
}

static void settle_variables(struct settling *settling)
{
	const struct inputs *inputs = settling->inputs;

	for (size_t i = 0; i < inputs->variable_count; i++) {
		char *name = inputs->variable[i];
		size_t length = strlen(name);
		const char *value = getenv(name);
		if (strcmp(name, "=") == 0) {
			add(settling, SNAPIMG_INPUT_NAMES, "")->hash = snapimg_hash_names(environ);
			continue;
		}
		if (length > 0 && name[length - 1] == '*') {
			name[length - 1] = '\0';
			add(settling, SNAPIMG_INPUT_VARIABLES, name)->hash =
			        snapimg_hash_variables(environ, name);
			name[length - 1] = '*';
			continue;
		}
		struct snapimg_input *record = add(settling, SNAPIMG_INPUT_VARIABLE, name);
		record->value = value != NULL;
		record->hash = value ? snapimg_checksum(value, strlen(value)) : 0;
	}
}

/* The program's streams are snaptrace's own. */
static void settle_streams(struct settling *settling)
{
	for (uint32_t i = 0; i < 3; i++) {
		unsigned asked = settling->inputs->streams[i];
		struct stat status;
		struct winsize size;
		bool is_open = fstat((int)i, &status) == 0, is_terminal = isatty((int)i);
		const struct {
			enum snapimg_input_kind kind;
			uint64_t hash;
		} kinds[] = {
		        {SNAPIMG_INPUT_STREAM, is_terminal ? SNAPIMG_STREAM_TERMINAL
		                               : is_open   ? SNAPIMG_STREAM_OTHER
		                                           : SNAPIMG_STREAM_NONE},
		        {SNAPIMG_INPUT_STREAM_TYPE, is_open ? status.st_mode & S_IFMT : 0},
		        {SNAPIMG_INPUT_TERMINAL_SIZE,
		         ioctl((int)i, TIOCGWINSZ, &size) == 0 ? snapimg_checksum(&size, sizeof(size)) : 0},
		};

		for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
			if (asked & 1u << (kinds[k].kind - SNAPIMG_INPUT_STREAM)) {
				struct snapimg_input *record = add(settling, kinds[k].kind, "");
				record->value = i;
				record->hash = kinds[k].hash;
			}
	}
}

static uint64_t own_umask(void)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return mask;
}

static uint64_t own_affinity(void)
{
	uint8_t mask[SNAPIMG_AFFINITY_SIZE] = {0};

	(void)syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	return snapimg_checksum(mask, sizeof(mask));
}

static uint64_t own_system(void)
{
	struct utsname name = {0};

	(void)uname(&name);
	return snapimg_checksum(&name, sizeof(name));
}

static uint64_t ignored_signals(void)
{
	return the_caller.ignored_signals;
}

static uint64_t own_priority(void)
{
	return (uint64_t)syscall(SYS_getpriority, PRIO_PROCESS, 0);
}

/* What the program inherited from snaptrace's own caller. */
static void settle_state(struct settling *settling)
{
	static const struct {
		enum snapimg_input_kind kind;
		uint64_t (*read)(void);
	} rows[] = {{SNAPIMG_INPUT_UMASK, own_umask},
	            {SNAPIMG_INPUT_AFFINITY, own_affinity},
	            {SNAPIMG_INPUT_SYSTEM, own_system},
	            {SNAPIMG_INPUT_SIGNALS, ignored_signals}, /* interpreters look at all of them */
	            {SNAPIMG_INPUT_PRIORITY, own_priority}};
	uint32_t asked = settling->inputs->asked | 1u << (SNAPIMG_INPUT_SIGNALS - SNAPIMG_INPUT_UMASK);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (asked & 1u << (rows[i].kind - SNAPIMG_INPUT_UMASK))
			add(settling, rows[i].kind, "")->hash = rows[i].read();
	for (uint32_t i = 0; i < RLIM_NLIMITS; i++) {
		const struct rlimit *limit = &the_caller.limit[i];
		const uint64_t both[] = {limit->rlim_cur, limit->rlim_max};
		if (settling->inputs->limits & 1u << i) {
			struct snapimg_input *record = add(settling, SNAPIMG_INPUT_RESOURCE, "");
			record->value = i;
			record->hash = snapimg_checksum(both, sizeof(both));
		}
	}
}

static void settle_user(struct settling *settling, pid_t pid)
{
	gid_t groups[GROUPS];
	int count = getgroups(GROUPS, groups);
	struct snapimg_input *record = add(settling, SNAPIMG_INPUT_USER, "");
	char cwd[PATH_MAX];
	ssize_t length;

	record->size = geteuid() | (uint64_t)getegid() << 32;
	record->hash = snapimg_hash_groups(groups, count > 0 ? (size_t)count : 0);
	if (!settling->inputs->cwd_is_used)
		return;
	length = readlink(proc_path(pid, "cwd").text, cwd, sizeof(cwd) - 1);
	cwd[length > 0 ? length : 0] = '\0';
	(void)add(settling, SNAPIMG_INPUT_CWD, cwd);
}

enum status inputs_settle(struct inputs *inputs, pid_t pid)
{
	struct settling settling = {.inputs = inputs};
	const char *left = passing_left(inputs);

	if (left)
		return fail(STATUS_FAILED,
		            "--warm: %s was made before the program looked at its arguments, and every start "
		            "would lack it: leave out --warm, or choose a point with --at",
		            left);
	settle_variables(&settling);
	settle_user(&settling, pid);
	settle_streams(&settling);
	settle_state(&settling);
	settle_paths(&settling);
	if (settling.changed)
		return fail(STATUS_FAILED, "--warm: %s changed while the program was on its way: try again",
		            settling.changed);
	return settling.out_of_memory ? fail(STATUS_FAILED, "out of memory") : STATUS_OK;
}
