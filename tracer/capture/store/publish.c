#include "tracer/capture/store/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BUFFER = 4 << 20,
	CACHED = 64 << 20, /* what is behind goes past the page cache */
	DIRECT_ALIGNMENT = 4096,
	MODE = 0600, /* an image holds all the program's memory */
	LINKS_MAX = 40,
};

/* For publish_abandon(), which may come at any moment. */
static struct publication *volatile under_way;

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
	X(ENAMETOOLONG, "choose a shorter name with -o")

enum status publish_failed(const struct publication *publication, int error)
{
	const char *advice = "choose another place with -o";

#define X(number, text)                                                                                      \
	if (error == (number))                                                                               \
		advice = text;
	ADVICE(X)
#undef X
	return fail(STATUS_FAILED, "can't write the image: %s: %s: %s", publication->path, strerror(error),
	            advice);
}

static char *copy_until(const char *path, size_t length)
{
	return length ? strndup(path, length) : strdup(".");
}

/* What a symbolic link leads to is replaced, not the link. Returns the path to write, to be freed; NULL with
 * errno. */
static char *follow(const char *path)
{
	char target[PATH_MAX];
	char *current = strdup(path);

	for (int i = 0; current && i < LINKS_MAX; i++) {
		ssize_t length = readlink(current, target, sizeof(target) - 1);
		if (length < 0)
			return current; /* no link, or nothing there yet */
		target[length] = '\0';
		const char *slash = strrchr(current, '/');
		char *next = NULL;
		if (target[0] == '/' || !slash)
			next = strdup(target);
		else if (asprintf(&next, "%.*s%s", (int)(slash + 1 - current), current, target) < 0)
			next = NULL;
		free(current);
		current = next;
	}
	if (current)
		errno = ELOOP;
	free(current);
	return NULL;
}

static int check_existing(const struct publication *publication)
{
	struct stat found;

	if (fstatat(publication->directory, publication->name, &found, 0) < 0)
		return errno == ENOENT ? 0 : errno;
	if (S_ISDIR(found.st_mode))
		return EISDIR;
	return S_ISREG(found.st_mode) ? 0 : EEXIST;
}

/* Returns 0 or an errno. */
static int open_directory(struct publication *publication, const char *path, size_t length)
{
	char *directory = copy_until(path, length);
	int error = 0;

	if (!directory)
		return ENOMEM;
	publication->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A directory may be writable but not readable; then it can't be synced. */
	if (publication->directory < 0 && errno == EACCES)
		publication->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (publication->directory < 0)
		error = errno;
	free(directory);
	return error;
}

/* Finds directory and name. Returns 0 or an errno. */
static int find_place(struct publication *publication)
{
	char *path = follow(publication->path);
	int error;

	if (!path)
		return errno;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t length = strlen(name);
	if (length == 0)
		error = *path ? EISDIR : ENOENT;
	else if (length >= sizeof(publication->name))
		error = ENAMETOOLONG;
	else /* with its slash, which the root is nothing without */
		error = open_directory(publication, path, (size_t)(name - path));
	if (!error)
		memcpy(publication->name, name, length + 1);
	free(path);
	return error ? error : check_existing(publication);
}

static void make_hidden_name(struct publication *publication)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = (uint64_t)getpid();
	snprintf(publication->hidden, sizeof(publication->hidden), ".%.200s.%016llx", publication->name,
	         (unsigned long long)random);
}

/* Returns 0 or an errno. EOPNOTSUPP, EISDIR, ENOENT, EINVAL: open(2) of kernels and filesystems without
 * O_TMPFILE. */
static int open_file(struct publication *publication, bool allow_nameless)
{
	if (allow_nameless) {
		publication->fd = openat(publication->directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, MODE);
	} else {
		publication->fd = -1;
		errno = EOPNOTSUPP;
	}
	if (publication->fd < 0 &&
	    (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
		make_hidden_name(publication);
		publication->fd = openat(publication->directory, publication->hidden,
		                         O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, MODE);
		if (publication->fd < 0)
			publication->hidden[0] = '\0';
	}
	return publication->fd < 0 ? errno : 0;
}

static enum status begin_failed(struct publication *publication, int error)
{
	enum status status;

	if (error == EEXIST)
		status = fail(STATUS_FAILED,
		              "can't write the image: %s is not a regular file: name another with -o",
		              publication->path);
	else
		status = publish_failed(publication, error);
	publish_end(publication);
	return status;
}

enum status publish_begin(const char *path, bool allow_nameless, struct publication *ret_publication)
{
	struct publication publication = {
	        .path = path, .fd = -1, .directory = -1, .buffer = aligned_alloc(DIRECT_ALIGNMENT, BUFFER)};
	int error = publication.buffer ? 0 : ENOMEM;

	/* Beyond RLIMIT_FSIZE: EFBIG instead of death (write(2)). Not for longer than needed, as a program
	 * that is started inherits it. */
	publication.limit_action = signal(SIGXFSZ, SIG_IGN);
	if (!error)
		error = find_place(&publication);
	if (!error)
		error = open_file(&publication, allow_nameless);
	if (error)
		return begin_failed(&publication, error);
	fchmod(publication.fd, MODE); /* whatever the umask; a failure leaves less, not more */
	*ret_publication = publication;
	under_way = ret_publication;
	return STATUS_OK;
}

enum status publish_check(const char *path)
{
	struct publication publication = {0};
	enum status status = publish_begin(path, true, &publication);

	if (status == STATUS_OK)
		publish_end(&publication);
	return status;
}

/*
 * A large image isn't kept in the page cache: copying it there, into pages that often are fresh, takes longer
 * than the disk does (measured: 1 GiB in 2.5 s, in 0.7 s directly), nothing is left to be synced at the end,
 * and what others have cached stays. O_DIRECT needs whole blocks (open(2)); all else is written as usual, and
 * everything is where the filesystem knows no O_DIRECT.
 */
static void choose_way(struct publication *publication, const uint8_t *bytes, uint64_t offset, size_t size)
{
	bool whole = ((uintptr_t)bytes | offset | size) % DIRECT_ALIGNMENT == 0;
	bool direct = offset >= CACHED && whole && !publication->direct_refused;
	int flags;

	if (direct == publication->direct)
		return;
	flags = fcntl(publication->fd, F_GETFL);
	if (flags >= 0 && fcntl(publication->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0)
		publication->direct = direct;
	else
		publication->direct_refused = true;
}

/* Some filesystems take the flag, but no write with it. */
static bool refuses_direct(struct publication *publication, int error)
{
	if (error != EINVAL || !publication->direct || publication->direct_refused)
		return false;
	publication->direct_refused = true;
	return true;
}

static int write_all(struct publication *publication, uint64_t offset, const uint8_t *bytes, size_t size)
{
	while (size > 0 && !publication->error) {
		choose_way(publication, bytes, offset, size);
		ssize_t done = pwrite(publication->fd, bytes, size, (off_t)offset);
		if (done < 0 && (errno == EINTR || refuses_direct(publication, errno)))
			continue;
		if (done <= 0) {
			publication->error = done < 0 ? errno : EIO;
			break;
		}
		bytes += done;
		offset += (uint64_t)done;
		size -= (size_t)done;
	}
	return publication->error ? -1 : 0;
}

static int flush(struct publication *publication)
{
	size_t size = publication->buffered;

	publication->buffered = 0;
	return write_all(publication, publication->buffer_offset, publication->buffer, size);
}

/* How much the buffer takes: it ends at a whole block, so that the next one begins with one. */
static size_t buffer_room(const struct publication *publication)
{
	return BUFFER - publication->buffer_offset % DIRECT_ALIGNMENT - publication->buffered;
}

int publish_sink(void *context, uint64_t offset, const void *bytes, size_t size)
{
	struct publication *publication = context;
	const uint8_t *from = bytes;
	bool follows = publication->buffered && publication->buffer_offset + publication->buffered == offset;

	if (!follows && flush(publication) < 0)
		return -1;
	while (size > 0) {
		if (publication->buffered == 0)
			publication->buffer_offset = offset;
		size_t room = buffer_room(publication), part = size < room ? size : room;
		memcpy(publication->buffer + publication->buffered, from, part);
		publication->buffered += part;
		from += part;
		offset += part;
		size -= part;
		if (part == room && flush(publication) < 0)
			return -1;
	}
	return 0;
}

/* Gives the file its name. linkat(2) doesn't replace, rename(2) does, so an older image needs both. */
static int put_in_place(struct publication *publication)
{
	char own[64];

	snprintf(own, sizeof(own), "/proc/self/fd/%d", publication->fd);
	if (!publication->hidden[0]) {
		if (linkat(AT_FDCWD, own, publication->directory, publication->name, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST)
			return errno;
		make_hidden_name(publication);
		if (linkat(AT_FDCWD, own, publication->directory, publication->hidden, AT_SYMLINK_FOLLOW) <
		    0) {
			publication->hidden[0] = '\0';
			return errno;
		}
	}
	if (renameat(publication->directory, publication->hidden, publication->directory, publication->name) <
	    0)
		return errno;
	publication->hidden[0] = '\0';
	return 0;
}

enum status publish_finish(struct publication *publication)
{
	int error;

	if (flush(publication) < 0)
		return publish_failed(publication, publication->error);
	if (fsync(publication->fd) < 0)
		return publish_failed(publication, errno);
	error = check_existing(publication); /* it may have become something else meanwhile */
	if (!error)
		error = put_in_place(publication);
	if (error)
		return publish_failed(publication, error);
	fsync(publication->directory); /* the image is complete either way: at worst its name is lost with the
	                                  power */
	return STATUS_OK;
}

void publish_abandon(void)
{
	struct publication *publication = under_way;

	if (publication && publication->hidden[0])
		unlinkat(publication->directory, publication->hidden, 0);
}

void publish_end(struct publication *publication)
{
	under_way = NULL;
	if (publication->limit_action != SIG_ERR)
		signal(SIGXFSZ, publication->limit_action);
	if (publication->hidden[0])
		unlinkat(publication->directory, publication->hidden, 0);
	if (publication->fd >= 0)
		close(publication->fd);
	if (publication->directory >= 0)
		close(publication->directory);
	free(publication->buffer);
	*publication = (struct publication){.fd = -1, .directory = -1, .limit_action = SIG_ERR};
}
