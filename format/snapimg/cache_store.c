#include "format/snapimg/cache_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/output_file.h"

enum { DIRECTORY_MODE = 0700, OTHERS_WRITE = 0022 };

/* As the loader finds it (restore/look/cache.c). NULL: none. */
static char *directory_of_environment(void)
{
	const char *given = getenv("SNAP_CACHE"), *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *path = NULL;

	if (given != NULL && *given == '/')
		return strdup(given);
	if (given != NULL && *given != '\0' && strcmp(given, "auto") != 0)
		return NULL;
	if (base != NULL && *base == '/')
		return asprintf(&path, "%s/snaptrace", base) < 0 ? NULL : path;
	if (home != NULL && *home == '/')
		return asprintf(&path, "%s/.cache/snaptrace", home) < 0 ? NULL : path;
	return NULL;
}

/* The directory and the one above it, but no more: a home that is not there is not made. */
static void make_directory(const char *path)
{
	char *above = strdup(path);
	char *slash = above == NULL ? NULL : strrchr(above, '/');

	if (slash != NULL && slash != above) {
		*slash = '\0';
		if (mkdir(above, DIRECTORY_MODE) == 0)
			(void)chmod(above, DIRECTORY_MODE); /* whatever the umask is */
	}
	free(above);
	if (mkdir(path, DIRECTORY_MODE) == 0)
		(void)chmod(path, DIRECTORY_MODE);
}

enum exit_status cache_store_open(struct cache_store *store, const char *dir, bool make)
{
	struct stat status;

	*store = (struct cache_store){.path = dir != NULL ? strdup(dir) : directory_of_environment(),
	                              .descriptor = -1};
	if (store->path == NULL)
		return complain(EXIT_REFUSED,
		                "no cache: SNAP_CACHE, XDG_CACHE_HOME, HOME: set one, or give --dir");
	if (make)
		make_directory(store->path);
	store->descriptor = open(store->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (store->descriptor < 0 && errno == ENOENT && !make)
		return EXIT_FINE;
	if (store->descriptor < 0)
		return complain(EXIT_CANNOT_READ, "cannot open the cache: %s: %s", store->path,
		                strerror(errno));
	if (fstat(store->descriptor, &status) != 0 || status.st_uid != geteuid() ||
	    status.st_mode & OTHERS_WRITE)
		return complain(EXIT_REFUSED,
		                "the cache can be written by others: %s: make it yours alone (chmod go-w)",
		                store->path);
	return EXIT_FINE;
}

void cache_store_close(struct cache_store *store)
{
	if (store->descriptor >= 0)
		(void)close(store->descriptor);
	free(store->path);
	*store = (struct cache_store){.descriptor = -1};
}

/* What follows the digits and ".snap" that copies are named with, "" for a copy itself; NULL: no such name.
 */
static const char *after_copy_name(const char *name)
{
	size_t digits = strspn(name, "0123456789abcdef");

	if ((digits != COPY_DIGITS && digits != SIGNED_COPY_DIGITS) ||
	    strncmp(name + digits, ".snap", strlen(".snap")) != 0)
		return NULL;
	return name + digits + strlen(".snap");
}

/* Hidden ones of output_file.h, and what versions up to 0.2.0 left: a lock, or NAME.PID.NUMBER.tmp. */
static bool is_left_over(const struct cache_store *store, const char *name)
{
	const char *after = after_copy_name(*name == '.' ? name + 1 : name);

	if (after == NULL || *after == '\0')
		return false;
	if (*name == '.')
		return output_file_is_left_over(store->descriptor, name);
	return strcmp(after, ".lock") == 0 || (strlen(after) > strlen(".tmp") &&
	                                       strcmp(after + strlen(after) - strlen(".tmp"), ".tmp") == 0);
}

static bool add_copy(struct cached_copies *copies, const char *name, const struct stat *status,
                     bool is_left_over)
{
	struct cached_copy *copy;

	copy = array_add(copies->copy, copies->count);
	if (copy == NULL)
		return false;
	*copy = (struct cached_copy){.is_left_over = is_left_over,
	                             .bytes = (uint64_t)status->st_blocks * 512,
	                             .used = status->st_atim};
	memcpy(copy->name, name, strlen(name) + 1);
	copies->bytes += copy->bytes;
	return true;
}

static int by_use(const void *a, const void *b)
{
	const struct cached_copy *x = a, *y = b;

	if (x->is_left_over != y->is_left_over)
		return x->is_left_over ? -1 : 1;
	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

enum exit_status cache_store_list(const struct cache_store *store, struct cached_copies *ret_copies)
{
	struct cached_copies copies = {0};
	struct dirent *entry;
	struct stat status;
	DIR *directory;

	*ret_copies = copies;
	if (store->descriptor < 0)
		return EXIT_FINE;
	directory = fdopendir(dup(store->descriptor));
	if (directory == NULL)
		return complain(EXIT_CANNOT_READ, "cannot read the cache: %s: %s", store->path,
		                strerror(errno));
	rewinddir(directory); /* the place is shared with the descriptor */
	while ((entry = readdir(directory)) != NULL) {
		const char *after = after_copy_name(entry->d_name);
		bool left_over = is_left_over(store, entry->d_name);

		if ((left_over || (after != NULL && *after == '\0')) &&
		    fstatat(store->descriptor, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(status.st_mode) && !add_copy(&copies, entry->d_name, &status, left_over))
			break;
	}
	(void)closedir(directory);
	if (copies.count > 0)
		qsort(copies.copy, copies.count, sizeof(*copies.copy), by_use);
	*ret_copies = copies;
	return EXIT_FINE;
}

void cache_store_remove(const struct cache_store *store, const char *name)
{
	(void)unlinkat(store->descriptor, name, 0);
}

void cache_store_shrink(const struct cache_store *store, uint64_t limit, const char *spared)
{
	struct cached_copies copies;
	size_t i;

	if (cache_store_list(store, &copies) != EXIT_FINE)
		return;
	for (i = 0; i < copies.count && (copies.bytes > limit || copies.copy[i].is_left_over); i++) {
		if (spared != NULL && strcmp(copies.copy[i].name, spared) == 0)
			continue;
		cache_store_remove(store, copies.copy[i].name);
		copies.bytes -= copies.copy[i].bytes;
	}
	free(copies.copy);
}
