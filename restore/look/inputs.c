/*
 * What the program had read when it was frozen, compared with what it would
 * read now: FORMAT.md, INPUTS. Ends the loader at the first difference, so that
 * what is asked first is what differs most often and costs least.
 */
#include "format/facts/inputs.h"

#include <asm/errno.h>
#include <asm/ioctls.h>
#include <asm/stat.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <linux/fcntl.h>

#include "format/facts/checksum.h"
#include "format/facts/file_hash.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"
#include "restore/look/words.h"

enum {
	ROOM = 1 << 16,
	PATH_ROOM = 4096,
	GROUPS = 1024,
	RECORDS_MAX = 1 << 16,
	TYPE_MASK = 0170000,
	TYPE_REGULAR = 0100000,
	SIGNALS = 64,
	IGNORED = 1, /* SIG_IGN */
	SYSTEM_NAMES = 6,
	SYSTEM_NAME_ROOM = 65
};
#define NANOSECONDS 1000000000

static uint8_t room[ROOM] __attribute__((aligned(8)));
/* A bit for each record: a directory that was compared already, and whether it was the same. */
static uint8_t compared[RECORDS_MAX / 8], unchanged[RECORDS_MAX / 8];

static long look_at(const char *path, struct stat *status)
{
	*status = (struct stat){0};
	return sys(__NR_newfstatat, AT_FDCWD, path, status, 0);
}

static bool is_same_stamp(const struct snapimg_input *input, const struct stat *status)
{
	return input->mtime == (int64_t)status->st_mtime * NANOSECONDS + (int64_t)status->st_mtime_nsec &&
	       input->ctime == (int64_t)status->st_ctime * NANOSECONDS + (int64_t)status->st_ctime_nsec &&
	       input->inode == status->st_ino;
}

static bool has_same_owner(const struct snapimg_input *input, const struct stat *status)
{
	return status->st_mode == input->value &&
	       snapimg_hash_owner(status->st_uid, status->st_gid) == input->owner;
}

static long read_at(void *file, void *to, size_t size, uint64_t offset)
{
	return sys(__NR_pread64, *(int *)file, to, size, offset);
}

static bool is_same_content(const struct snapimg_input *input, const char *path)
{
	int file = (int)sys(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct file_hash_source source = {read_at, &file, input->size, room, ROOM};
	uint64_t hash = 0;
	if (file < 0)
		return false;
	bool was_read = snapimg_hash_file(&source, &hash);
	sys(__NR_close, file);
	return was_read && hash == input->hash;
}

static bool same_file(const struct snapimg_input *input, const char *path)
{
	struct stat status;
	if (look_at(path, &status) < 0 || (status.st_mode & TYPE_MASK) != TYPE_REGULAR ||
	    (uint64_t)status.st_size != input->size)
		return false;
	return is_same_stamp(input, &status) ||
	       (has_same_owner(input, &status) && is_same_content(input, path));
}

static bool same_listing(const struct snapimg_input *input, const char *path)
{
	struct stat status;
	uint64_t sum = 0;
	if (look_at(path, &status) < 0)
		return false;
	if (is_same_stamp(input, &status))
		return true;
	if (!has_same_owner(input, &status))
		return false;
	int file = (int)sys(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got = file;
	while (got >= 0 && (got = sys(__NR_getdents64, file, room, ROOM)) > 0)
		sum += snapimg_hash_entries(room, (size_t)got);
	if (file >= 0)
		sys(__NR_close, file);
	return got == 0 && sum == input->hash;
}

static bool is_same_directory(uint32_t index)
{
	const struct snapimg_input *input = &snapimg_get_input(&loader.image)[index];
	uint8_t bit = (uint8_t)(1u << index % 8);
	struct stat status;
	bool is_kept = index < RECORDS_MAX;
	if (is_kept && (compared[index / 8] & bit) != 0)
		return (unchanged[index / 8] & bit) != 0;
	bool same = look_at(snapimg_string(&loader.image, input->name), &status) == 0 &&
	            is_same_stamp(input, &status);
	if (is_kept) {
		compared[index / 8] |= bit;
		if (same)
			unchanged[index / 8] |= bit;
	}
	return same;
}

static bool same_absence(const struct snapimg_input *input, const char *path)
{
	struct stat status;
	if (is_same_directory(input->value - 1))
		return true;
	return look_at(path, &status) < 0;
}

static bool same_presence(const struct snapimg_input *input, const char *path)
{
	struct stat status;
	return look_at(path, &status) == 0 && has_same_owner(input, &status);
}

static bool same_link(const struct snapimg_input *input, const char *path)
{
	long length = sys(__NR_readlink, path, room, PATH_ROOM);
	if (input->value == 0)
		return length == -EINVAL; /* what is there is no link */
	return length >= 0 && snapimg_checksum(room, (size_t)length) == input->hash;
}

static bool same_variable(const struct snapimg_input *input, const char *name)
{
	const char *value = environment(name);
	if (value == NULL)
		return input->value == 0;
	return input->value == 1 && snapimg_checksum(value, strlen(value)) == input->hash;
}

static bool same_variables(const struct snapimg_input *input, const char *prefix)
{
	return snapimg_hash_variables(loader.stack.envp, prefix) == input->hash;
}

static bool same_directory_of_work(const struct snapimg_input *input, const char *path)
{
	(void)input;
	return sys(__NR_getcwd, room, PATH_ROOM) > 0 && text_equal((const char *)room, path);
}

static bool same_user(const struct snapimg_input *input, const char *unused)
{
	static uint32_t groups[GROUPS];
	uint64_t user = (uint64_t)sys(__NR_geteuid), group = (uint64_t)sys(__NR_getegid);
	long count = sys(__NR_getgroups, GROUPS, groups);
	(void)unused;
	return input->size == (user | group << 32) &&
	       input->hash == snapimg_hash_groups(groups, count > 0 ? (size_t)count : 0);
}

/* The caller's stream; where it has none, the image may have got its number. */
static bool look_at_stream(uint32_t number, struct stat *status)
{
	*status = (struct stat){0};
	return (int)number != loader.image_descriptor && sys(__NR_fstat, number, status) == 0;
}

static bool same_stream(const struct snapimg_input *input, const char *unused)
{
	struct termios modes;
	struct stat status;
	uint64_t kind = SNAPIMG_STREAM_NONE;
	(void)unused;
	if (look_at_stream(input->value, &status))
		kind = sys(__NR_ioctl, input->value, TCGETS, &modes) == 0 ? SNAPIMG_STREAM_TERMINAL
		                                                          : SNAPIMG_STREAM_OTHER;
	return input->hash == kind;
}

static bool same_type(const struct snapimg_input *input, const char *unused)
{
	struct stat status;
	(void)unused;
	uint64_t type = look_at_stream(input->value, &status) ? status.st_mode & TYPE_MASK : 0;
	return input->hash == type;
}

static bool same_size(const struct snapimg_input *input, const char *unused)
{
	struct winsize size;
	(void)unused;
	bool is_terminal = sys(__NR_ioctl, input->value, TIOCGWINSZ, &size) == 0;
	return input->hash == (is_terminal ? snapimg_checksum(&size, sizeof size) : 0);
}

static bool same_umask(const struct snapimg_input *input, const char *unused)
{
	long mask = sys(__NR_umask, 0);
	(void)unused;
	sys(__NR_umask, mask);
	return input->hash == (uint64_t)mask;
}

static bool same_limit(const struct snapimg_input *input, const char *unused)
{
	uint64_t limit[2] = {0};
	(void)unused;
	return sys(__NR_prlimit64, 0, input->value, 0, limit) == 0 &&
	       input->hash == snapimg_checksum(limit, sizeof limit);
}

static bool same_affinity(const struct snapimg_input *input, const char *unused)
{
	uint8_t mask[SNAPIMG_AFFINITY_SIZE] = {0};
	(void)unused;
	sys(__NR_sched_getaffinity, 0, sizeof mask, mask);
	return input->hash == snapimg_checksum(mask, sizeof mask);
}

static bool same_system(const struct snapimg_input *input, const char *unused)
{
	char name[SYSTEM_NAMES][SYSTEM_NAME_ROOM] = {0}; /* struct new_utsname of linux/utsname.h */
	(void)unused;
	sys(__NR_uname, name);
	return input->hash == snapimg_checksum(name, sizeof name);
}

/* 32 and 33 are the C library's own, and glibc's posix_spawn(), which system(3), make and Python start
 * programs by, leaves them ignored (sysdeps/unix/sysv/linux/spawni.c). */
static bool same_signals(const struct snapimg_input *input, const char *unused)
{
	struct kernel_action {
		uint64_t handler;
		uint64_t rest[3];
	} action = {.handler = 0}; /* the kernel fills it in */
	uint64_t ignored = 0;
	(void)unused;
	for (int signal = 1; signal <= SIGNALS; signal++)
		if (sys(__NR_rt_sigaction, signal, 0, &action, SIGNALS / 8) == 0 && action.handler == IGNORED)
			ignored |= 1ull << (signal - 1);
	return ((input->hash ^ ignored) & ~(3ull << 31)) == 0;
}

static bool same_priority(const struct snapimg_input *input, const char *unused)
{
	(void)unused;
	return input->hash == (uint64_t)sys(__NR_getpriority, 0 /* PRIO_PROCESS */, 0);
}

static bool same_names(const struct snapimg_input *input, const char *unused)
{
	(void)unused;
	return snapimg_hash_names(loader.stack.envp) == input->hash;
}

static bool no_condition(const struct snapimg_input *input, const char *path)
{
	(void)input, (void)path;
	return true;
}

static bool (*const same[])(const struct snapimg_input *input, const char *name) = {
        [SNAPIMG_INPUT_VARIABLE] = same_variable,
        [SNAPIMG_INPUT_VARIABLES] = same_variables,
        [SNAPIMG_INPUT_FILE] = same_file,
        [SNAPIMG_INPUT_LISTED] = same_listing,
        [SNAPIMG_INPUT_ABSENT] = same_absence,
        [SNAPIMG_INPUT_DIRECTORY] = no_condition,
        [SNAPIMG_INPUT_PRESENT] = same_presence,
        [SNAPIMG_INPUT_LINK] = same_link,
        [SNAPIMG_INPUT_CWD] = same_directory_of_work,
        [SNAPIMG_INPUT_USER] = same_user,
        [SNAPIMG_INPUT_STREAM] = same_stream,
        [SNAPIMG_INPUT_STREAM_TYPE] = same_type,
        [SNAPIMG_INPUT_TERMINAL_SIZE] = same_size,
        [SNAPIMG_INPUT_UMASK] = same_umask,
        [SNAPIMG_INPUT_RESOURCE] = same_limit,
        [SNAPIMG_INPUT_AFFINITY] = same_affinity,
        [SNAPIMG_INPUT_SYSTEM] = same_system,
        [SNAPIMG_INPUT_SIGNALS] = same_signals,
        [SNAPIMG_INPUT_PRIORITY] = same_priority,
        [SNAPIMG_INPUT_NAMES] = same_names,
};

/* Who makes it again has no terminal and the lowest priority, and is right for whom it belongs to. */
static bool can_be_met(uint32_t kind)
{
	return kind != SNAPIMG_INPUT_USER && kind != SNAPIMG_INPUT_PRIORITY &&
	       kind != SNAPIMG_INPUT_SIGNALS &&
	       (kind < SNAPIMG_INPUT_STREAM || kind > SNAPIMG_INPUT_TERMINAL_SIZE);
}

void inputs_check(void)
{
	const struct snapimg_input *input = snapimg_get_input(&loader.image);
	uint32_t count = snapimg_input_count(&loader.image);
	if (count == 0)
		die(EXIT_REFUSED, loader.options.image,
		    ": --inputs=check: it doesn't say what its program had read: make it with snaptrace "
		    "--warm");
	for (uint32_t i = 0; i < count; i++) {
		const char *name = snapimg_string(&loader.image, input[i].name);
		bool is_same = same[input[i].kind](&input[i], name);
		loader.refresh_is_useless = !is_same && !can_be_met(input[i].kind);
		if (!is_same)
			die(EXIT_REFUSED, loader.options.image, ": ", snapimg_input_name(input[i].kind), " ",
			    name, *name != '\0' ? " " : "",
			    "is not as it was when the program read it: make the image again, or leave ",
			    "out --inputs=check");
	}
}
