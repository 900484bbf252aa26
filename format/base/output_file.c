#include "format/base/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/output_place.h"
#include "format/base/proc.h"

enum {
	BUFFER = 256 << 10,          /* of what is often small, and costs a fault a page */
	BUFFER_PAST_CACHE = 4 << 20, /* of what may go to the disk directly */
	CACHED = 64 << 20,           /* what is more goes past the page cache */
	SYNC_STEP = 2 << 20,
	DIRECT_ALIGNMENT = 4096,
	MODE = 0600, /* an image holds all the program's memory */
	HIDDEN_NAMES = 100,
};

/* For output_file_abandon(), which may come at any moment. */
static struct output_file *volatile under_way;

static bool fail_with(struct output_file *file, int error)
{
	if (file->error == 0)
		file->error = error;
	return false;
}

/* X(errno, what to do) */
#define ADVICE(X)                                                                                            \
	X(ENOSPC, "make room or choose another place with -o")                                               \
	X(EDQUOT, "make room or choose another place with -o")                                               \
	X(EFBIG, "raise the file size limit (ulimit -f) or choose another place with -o")                    \
	X(EACCES, "choose a place you may write to with -o")                                                 \
	X(EPERM, "choose a place you may write to with -o")                                                  \
	X(EROFS, "choose a place that can be written with -o")                                               \
	X(ENOENT, "make the directory or choose another place with -o")                                      \
	X(ENOTDIR, "choose another place with -o")                                                           \
	X(EISDIR, "name a file with -o")                                                                     \
	X(EINVAL, "name a file with -o")                                                                     \
	X(ENOTTY, "send it into a pipe or a file")                                                           \
	X(EEXIST, "name another with -o")                                                                    \
	X(ENAMETOOLONG, "choose a shorter name with -o")

const char *output_file_reason(int error)
{
	if (error == ENOTTY)
		return "standard output is a terminal";
	return error == EEXIST ? "not a regular file" : strerror(error);
}

const char *output_file_advice(int error)
{
#define X(number, text)                                                                                      \
	if (error == (number))                                                                               \
		return text;
	ADVICE(X)
#undef X
	return "choose another place with -o";
}

static void name_hidden(const struct output_file *file, unsigned int number, char hidden[NAME_MAX + 1])
{
	(void)snprintf(hidden, NAME_MAX + 1, ".%.200s.%u.part", file->name, number);
}

bool output_file_is_left_over(int directory, const char *hidden)
{
	int descriptor = openat(directory, hidden, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat opened, found;
	bool is_left_over;

	if (descriptor < 0)
		return false;
	is_left_over = fstat(descriptor, &opened) == 0 && S_ISREG(opened.st_mode) &&
	               opened.st_uid == geteuid() && flock(descriptor, LOCK_EX | LOCK_NB) == 0 &&
	               fstatat(directory, hidden, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	               found.st_ino == opened.st_ino && found.st_dev == opened.st_dev;
	(void)close(descriptor);
	return is_left_over;
}

/* Takes the lock that tells that the writer lives; whether the new file still has the name. Where the
 * filesystem knows no locks nobody can think it left over either. */
static bool lock(const struct output_file *file, const char *hidden)
{
	struct stat opened, found;

	if (flock(file->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		return false;
	return hidden == NULL || (fstat(file->descriptor, &opened) == 0 &&
	                          fstatat(file->directory, hidden, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	                          opened.st_ino == found.st_ino && opened.st_dev == found.st_dev);
}

/* Gives the file its hidden name by `take`, which returns false with EEXIST where another has it. Returns 0
 * or an errno. Signals wait: output_file_abandon() must know of each name that is ours, and of no other. */
static int hide(struct output_file *file, bool (*take)(struct output_file *file, const char *hidden))
{
	sigset_t all, before;
	int error = EEXIST;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	for (unsigned int i = 0; i < HIDDEN_NAMES && error == EEXIST; i++) {
		char hidden[NAME_MAX + 1];

		name_hidden(file, i, hidden);
		if (output_file_is_left_over(file->directory, hidden))
			(void)unlinkat(file->directory, hidden, 0);
		error = take(file, hidden) ? 0 : errno;
		if (error == 0)
			memcpy(file->hidden, hidden, sizeof(hidden));
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return error;
}

static bool take_by_open(struct output_file *file, const char *hidden)
{
	file->descriptor =
	        openat(file->directory, hidden, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, MODE);
	if (file->descriptor < 0)
		return false;
	if (lock(file, hidden))
		return true;
	(void)close(file->descriptor); /* another took it for left over */
	file->descriptor = -1;
	errno = EEXIST;
	return false;
}

static bool take_by_link(struct output_file *file, const char *hidden)
{
	struct proc_path own = proc_path(PROC_SELF, "fd/%d", file->descriptor);

	return linkat(AT_FDCWD, own.text, file->directory, hidden, AT_SYMLINK_FOLLOW) == 0;
}

/* Returns 0 or an errno. EOPNOTSUPP, EISDIR, ENOENT, EINVAL: open(2) of kernels and filesystems without
 * O_TMPFILE. */
static int open_file(struct output_file *file)
{
	int error = EOPNOTSUPP;

	if (!(file->flags & OUTPUT_NAMED)) {
		file->descriptor = openat(file->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, MODE);
		error = file->descriptor < 0 ? errno : 0;
	}
	if (error == EOPNOTSUPP || error == EISDIR || error == ENOENT || error == EINVAL)
		error = hide(file, take_by_open);
	else if (error == 0)
		(void)lock(file, NULL);
	/* The directory is there, but none where files are made: of /proc, or a deleted one. */
	return error == ENOENT ? EPERM : error;
}

static bool begin(struct output_file *file, const char *path, unsigned int flags)
{
	*file = (struct output_file){.path = path,
	                             .descriptor = -1,
	                             .directory = -1,
	                             .flags = flags,
	                             .buffer_size = flags & OUTPUT_PAST_CACHE ? BUFFER_PAST_CACHE : BUFFER};
	file->buffer = aligned_alloc(DIRECT_ALIGNMENT, file->buffer_size);
	if (file->buffer == NULL)
		return fail_with(file, ENOMEM);
	/* Beyond RLIMIT_FSIZE: EFBIG instead of death (write(2)). Not for longer than needed, as a program
	 * that is started inherits it. */
	file->limit_action = signal(SIGXFSZ, SIG_IGN);
	file->limit_ignored = file->limit_action != SIG_ERR;
	return true;
}

/* Where the output "-" goes. */
static int standard_output = STDOUT_FILENO;

bool output_file_claim_stdout(void)
{
	int kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (kept < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return false;
	standard_output = kept;
	return true;
}

static bool begin_stdout(struct output_file *file)
{
	if (isatty(standard_output))
		return fail_with(file, ENOTTY);
	file->is_stdout = true;
	file->descriptor = memfd_create("output", MFD_CLOEXEC);
	return file->descriptor >= 0 || fail_with(file, errno);
}

/* Whoever reads it gets all of it, or the error is told. */
static bool copy_to_stdout(struct output_file *file)
{
	off_t offset = 0, end = lseek(file->descriptor, 0, SEEK_END);

	while (offset < end) {
		ssize_t got = pread(file->descriptor, file->buffer, file->buffer_size, offset);
		if (got <= 0)
			return fail_with(file, got < 0 ? errno : EIO);
		for (ssize_t done = 0; done < got;) {
			ssize_t put = write(standard_output, file->buffer + done, (size_t)(got - done));
			if (put < 0 && errno != EINTR)
				return fail_with(file, errno);
			done += put > 0 ? put : 0;
		}
		offset += got;
	}
	return true;
}

bool output_file_begin(struct output_file *file, const char *path, unsigned int flags)
{
	int error;

	if (!begin(file, path, flags))
		return false;
	if (strcmp(path, "-") == 0)
		return begin_stdout(file);
	error = output_place_find(path, !(flags & OUTPUT_REPLACE_LINK), &file->directory, file->name);
	if (error == 0)
		error = open_file(file);
	if (error != 0)
		return fail_with(file, error);
	(void)fchmod(file->descriptor, MODE); /* whatever the umask; a failure leaves less, not more */
	under_way = file;
	return true;
}

bool output_file_begin_in_memory(struct output_file *file, const char *name)
{
	if (!begin(file, name, 0))
		return false;
	file->descriptor = memfd_create(name, MFD_CLOEXEC);
	return file->descriptor >= 0 || fail_with(file, errno);
}

bool output_file_set_mode(struct output_file *file, mode_t mode)
{
	return fchmod(file->descriptor, mode) == 0 || fail_with(file, errno);
}

int output_file_check(const char *path)
{
	struct output_file file;
	int error = output_file_begin(&file, path, 0) ? 0 : file.error;

	output_file_end(&file);
	return error;
}

/*
 * A large image isn't kept in the page cache: copying it there, into pages that often are fresh, takes longer
 * than the disk does (measured: 1 GiB in 2.5 s, in 0.7 s directly), nothing is left to be synced at the end,
 * and what others have cached stays. O_DIRECT needs whole blocks (open(2)); all else is written as usual, and
 * everything is where the filesystem knows no O_DIRECT.
 */
static void choose_way(struct output_file *file, const uint8_t *bytes, uint64_t offset, size_t size)
{
	bool whole = ((uintptr_t)bytes | offset | size) % DIRECT_ALIGNMENT == 0;
	bool direct = file->flags & OUTPUT_PAST_CACHE && offset >= CACHED && whole && !file->direct_refused;
	int flags;

	if (direct == file->direct)
		return;
	flags = fcntl(file->descriptor, F_GETFL);
	if (flags >= 0 &&
	    fcntl(file->descriptor, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0)
		file->direct = direct;
	else
		file->direct_refused = true;
}

/* Some filesystems take the flag, but no write with it. */
static bool refuses_direct(struct output_file *file, int error)
{
	if (error != EINVAL || !file->direct || file->direct_refused)
		return false;
	file->direct_refused = true;
	return true;
}

static bool write_all(struct output_file *file, uint64_t offset, const uint8_t *bytes, size_t size)
{
	while (size > 0 && file->error == 0) {
		choose_way(file, bytes, offset, size);
		ssize_t done = pwrite(file->descriptor, bytes, size, (off_t)offset);
		if (done < 0 && (errno == EINTR || refuses_direct(file, errno)))
			continue;
		if (done <= 0)
			return fail_with(file, done < 0 ? errno : EIO);
		bytes += done;
		offset += (uint64_t)done;
		size -= (size_t)done;
	}
	return file->error == 0;
}

/* The disk begins with what is written up to `end`, so that there is less to wait for at the end. It may
 * fail: it is only advice. */
static void begin_sync(struct output_file *file, uint64_t end)
{
	if (file->directory < 0 || file->flags & OUTPUT_UNSYNCED || end < file->sync_begun + SYNC_STEP)
		return;
	(void)sync_file_range(file->descriptor, (off_t)file->sync_begun, (off_t)(end - file->sync_begun),
	                      SYNC_FILE_RANGE_WRITE);
	file->sync_begun = end;
}

static bool flush(struct output_file *file)
{
	size_t size = file->buffered;

	file->buffered = 0;
	if (!write_all(file, file->buffer_offset, file->buffer, size))
		return false;
	begin_sync(file, file->buffer_offset + size);
	return true;
}

/* How much the buffer takes: it ends at a whole block, so that the next one begins with one. */
static size_t buffer_room(const struct output_file *file)
{
	return file->buffer_size - file->buffer_offset % DIRECT_ALIGNMENT - file->buffered;
}

int output_file_sink(void *context, uint64_t offset, const void *bytes, size_t size)
{
	struct output_file *file = context;
	const uint8_t *from = bytes;
	offset += file->base;
	bool follows = file->buffered > 0 && file->buffer_offset + file->buffered == offset;

	if (!follows && !flush(file))
		return -1;
	/* What is large is written from where it is, but for O_DIRECT's blocks. */
	if (size >= file->buffer_size / 2 && !(file->flags & OUTPUT_PAST_CACHE)) {
		if (!flush(file) || !write_all(file, offset, bytes, size))
			return -1;
		begin_sync(file, offset + size);
		return 0;
	}
	while (size > 0) {
		if (file->buffered == 0)
			file->buffer_offset = offset;
		size_t room = buffer_room(file), part = size < room ? size : room;
		memcpy(file->buffer + file->buffered, from, part);
		file->buffered += part;
		from += part;
		offset += part;
		size -= part;
		if (part == room && !flush(file))
			return -1;
	}
	return 0;
}

bool output_file_prepend(struct output_file *file, const void *bytes, size_t size)
{
	if (output_file_sink(file, 0, bytes, size) != 0)
		return false;
	file->base = size;
	return true;
}

static int rename_hidden(struct output_file *file)
{
	if (renameat(file->directory, file->hidden, file->directory, file->name) != 0)
		return errno;
	file->hidden[0] = '\0';
	return 0;
}

/* The file goes where an older one is. linkat(2) doesn't replace, rename(2) does, so it takes both. */
static int replace(void *argument)
{
	struct output_file *file = argument;
	int error = hide(file, take_by_link);

	return error != 0 ? error : rename_hidden(file);
}

static int replace_in_child(void *argument)
{
	(void)setsid(); /* out of a group that is killed */
	return replace(argument);
}

/* The same by a child, for which our caller waits as after vfork(2): SIGKILL between the two steps would
 * leave the hidden name, and so may come to us, not to it. The signals that it blocks are ours to take. */
static int replace_undisturbed(struct output_file *file)
{
	static uint8_t stack[64 << 10] __attribute__((aligned(16)));
	sigset_t all, before;
	int status, error;
	pid_t child;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	/* No signal tells of its end (clone(2)): nobody else waits for it. */
	child = clone(replace_in_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES, file);
	if (child < 0)
		error = replace(file);
	else
		error = waitpid(child, &status, __WALL) == child && WIFEXITED(status) ? WEXITSTATUS(status)
		                                                                      : EINTR;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* Gives the file its name. Returns 0 or an errno. */
static int put_in_place(struct output_file *file)
{
	if (file->hidden[0] != '\0')
		return rename_hidden(file);
	if (take_by_link(file, file->name))
		return 0;
	return errno == EEXIST ? replace_undisturbed(file) : errno;
}

bool output_file_finish(struct output_file *file)
{
	int error;

	if (!flush(file))
		return false;
	if (file->is_stdout)
		return copy_to_stdout(file);
	if (file->directory < 0)
		return true;
	if (!(file->flags & OUTPUT_UNSYNCED) && fsync(file->descriptor) != 0)
		return fail_with(file, errno);
	/* It may have become something else meanwhile. */
	error = output_place_check(file->directory, file->name, !(file->flags & OUTPUT_REPLACE_LINK));
	if (error == 0)
		error = put_in_place(file);
	if (error != 0)
		return fail_with(file, error);
	/* The file is complete either way: at worst its name is lost with the power. */
	if (!(file->flags & OUTPUT_UNSYNCED))
		(void)fsync(file->directory);
	return true;
}

void output_file_abandon(void)
{
	struct output_file *file = under_way;

	if (file != NULL && file->hidden[0] != '\0')
		(void)unlinkat(file->directory, file->hidden, 0);
}

static void end_by_signal(int number)
{
	output_file_abandon();
	(void)raise(number); /* comes when the handler returns */
}

void output_file_abandon_on_signals(void)
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction action = {.sa_handler = end_by_signal, .sa_flags = (int)SA_RESETHAND}, before;

	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++)
		if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			(void)sigaction(ending[i], &action, NULL);
}

void output_file_end(struct output_file *file)
{
	if (under_way == file)
		under_way = NULL;
	if (file->limit_ignored)
		(void)signal(SIGXFSZ, file->limit_action);
	if (file->hidden[0] != '\0')
		(void)unlinkat(file->directory, file->hidden, 0);
	if (file->descriptor >= 0)
		(void)close(file->descriptor);
	if (file->directory >= 0)
		(void)close(file->directory);
	free(file->buffer);
	*file = (struct output_file){.descriptor = -1, .directory = -1};
}
