/*
 * snapimg cache: the thawed copies that snaprun uses in place of frozen images.
 * snaprun itself only looks for a copy. Where there is none it becomes this
 * program, by exec, which makes one and becomes snaprun again: so the process
 * has no child and no thread that the program could notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "format/base/json.h"
#include "format/base/output_file.h"
#include "format/base/text.h"
#include "format/convert/restamp.h"
#include "format/facts/bootid.h"
#include "format/snapimg/cache_store.h"

static const uint64_t default_limit = UINT64_C(2) << 30;
static const uint64_t spare_room = UINT64_C(64) << 20; /* of the filesystem: not filled to the last byte */

struct cache_options {
	const char *dir;
	const char *image;
	char **restart; /* --exec: the program, the image, and the argument vector; NULL: none */
	bool json, verbose, quiet;
};

/* SNAP_CACHE_LIMIT: bytes, or with K, M, G. */
static uint64_t limit_of_environment(void)
{
	const char *text = getenv("SNAP_CACHE_LIMIT");
	char *end;
	unsigned long long number;

	if (text == NULL || *text < '0' || *text > '9')
		return default_limit;
	errno = 0;
	number = strtoull(text, &end, 10);
	const char *units = "KMG", *unit = *end == '\0' ? NULL : strchr(units, *end);
	unsigned int shift = unit == NULL ? 0 : 10 * (unsigned int)(unit - units + 1);
	if (errno != 0 || (*end != '\0' && (unit == NULL || end[1] != '\0')) || number > UINT64_MAX >> shift)
		return default_limit;
	return (uint64_t)number << shift;
}

static uint64_t raw_bytes(const struct snapimg *image)
{
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	uint64_t bytes = 0;
	uint32_t i;

	for (i = 0; i < snapimg_extent_count(image); i++)
		bytes += extent[i].raw_size;
	return bytes;
}

/* Before any work is done for nothing, at every start. */
static enum exit_status check_room(const struct cache_store *store, uint64_t bytes)
{
	struct statvfs status;

	if (fstatvfs(store->descriptor, &status) != 0)
		return complain(EXIT_CANNOT_READ, "cannot look at the cache: %s: %s", store->path,
		                strerror(errno));
	if (status.f_flag & ST_NOEXEC)
		return complain(EXIT_REFUSED,
		                "the cache lies on a filesystem that is mounted noexec: %s: use another "
		                "(SNAP_CACHE)",
		                store->path);
	if (bytes > limit_of_environment() || status.f_bavail * status.f_frsize < bytes + spare_room)
		return complain(EXIT_REFUSED, "no room in the cache: %s: %" PRIu64 " bytes are needed",
		                store->path, bytes);
	return EXIT_FINE;
}

/* Whoever comes second, while the first is at it, does without. The lock is one of the image's open file, so
 * nothing is left of it; where the filesystem has no such locks, two make the same copy at worst. */
static bool is_made_by_another(const struct image_file *file)
{
	return flock(file->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

/* Whether what was written there is read again whatever becomes of the disk, in this boot: not so where a
 * write may fail later than close(2) tells, as on a network's filesystem. */
static bool keeps_what_is_written(const struct cache_store *store)
{
	static const uint32_t local[] = {EXT4_SUPER_MAGIC,      XFS_SUPER_MAGIC,  BTRFS_SUPER_MAGIC,
	                                 OVERLAYFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC};
	struct statfs status;

	if (fstatfs(store->descriptor, &status) != 0)
		return false;
	for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++)
		if ((uint32_t)status.f_type == local[i])
			return true;
	return false;
}

/* The room for it is there, and nobody else is at it. */
static enum exit_status thaw_into(const struct cache_store *store, const char *name, struct image_file *file,
                                  const char *path, bool is_awaited)
{
	bool unsynced = is_awaited && keeps_what_is_written(store) && access(SNAPIMG_BOOT_ID_PATH, R_OK) == 0;
	enum snapimg_error error = SNAPIMG_ERR_SINK;
	struct image_failure failure;
	struct output_file output;
	enum exit_status status;
	char *to = NULL;

	if (image_thaw_needs_data(&file->image) && !image_file_read_data(file, &failure))
		return complain_of_image(path, &failure);
	if (asprintf(&to, "%s/%s", store->path, name) < 0)
		return complain(EXIT_REFUSED, "out of memory");
	image_restamp(file);
	if (output_file_begin(&output, to, OUTPUT_REPLACE_LINK | (unsynced ? OUTPUT_UNSYNCED : 0U)))
		error = image_thaw_into(file, &output, unsynced);
	status = finish_image(file, path, &output, error);
	free(to);
	return status;
}

static enum exit_status make_copy(const struct cache_store *store, struct image_file *file, const char *path,
                                  const char *digits, bool is_awaited)
{
	/* With its records and the zeros between its pages: about what they take, and no less. */
	uint64_t bytes = raw_bytes(&file->image) + file->size, limit = limit_of_environment();
	char name[COPY_NAME_SIZE];
	enum exit_status status;

	(void)snprintf(name, sizeof(name), "%s.snap", digits);
	if (faccessat(store->descriptor, name, R_OK, 0) == 0)
		return EXIT_FINE;
	if ((status = check_room(store, bytes)) != EXIT_FINE)
		return status;
	if (is_made_by_another(file))
		return complain(EXIT_REFUSED, "another process makes this copy: %s: wait for it", path);
	cache_store_shrink(store, limit > bytes ? limit - bytes : 0, NULL);
	status = thaw_into(store, name, file, path, is_awaited);
	if (status == EXIT_FINE)
		cache_store_shrink(store, limit, name); /* others may have made some meanwhile */
	return status;
}

enum exit_status cache_add_as(const char *dir, struct image_file *file, const char *path, const char *digits,
                              bool is_awaited)
{
	struct cache_store store = {.descriptor = -1};
	enum exit_status status = cache_store_open(&store, dir, true);

	if (status == EXIT_FINE)
		status = make_copy(&store, file, path, digits, is_awaited);
	cache_store_close(&store);
	return status;
}

static enum exit_status add(const struct cache_options *options)
{
	char digits[COPY_DIGITS + 1];
	struct image_file file;
	/* Of an image that is too large nothing but this is read. */
	enum exit_status status = open_image(&file, options->image, IMAGE_RECORDS, NULL);

	if (status != EXIT_FINE)
		return status;
	if (file.image.header->required_features & SNAPIMG_FEATURE_THAWED)
		status = complain(EXIT_REFUSED, "thawed already: %s: it needs no copy", options->image);
	else
		status = cache_add_as(options->dir, &file, options->image,
		                      text_hex(digits, file.image.header->digest, SNAPIMG_DIGEST_SIZE),
		                      options->restart != NULL);
	image_file_close(&file);
	return status;
}

/* Whatever became of the copy, the program is started. */
static enum exit_status add_and_restart(const struct cache_options *options)
{
	(void)add(options);
	(void)execv(options->restart[0], options->restart + 2);
	(void)fprintf(stderr, "snapimg: cannot start again: %s: %s\n", options->restart[0], strerror(errno));
	return EXIT_REFUSED;
}

static enum exit_status list(const struct cache_options *options)
{
	struct json json = {.out = stdout};
	struct cached_copies copies = {0};
	struct cache_store store;
	enum exit_status status = cache_store_open(&store, options->dir, false);
	size_t i;

	if (status == EXIT_FINE)
		status = cache_store_list(&store, &copies);
	if (status == EXIT_FINE && options->json)
		json_open(&json, NULL, '[');
	for (i = 0; i < copies.count; i++) {
		const struct cached_copy *copy = &copies.copy[i];

		if (options->json) {
			json_open(&json, NULL, '{');
			json_string(&json, "name", copy->name);
			json_number(&json, "bytes", copy->bytes);
			json_number(&json, "used", (uint64_t)copy->used.tv_sec);
			json_close(&json, '}');
		} else {
			printf("%s %" PRIu64 "\n", copy->name, copy->bytes);
		}
	}
	if (status == EXIT_FINE && options->json)
		json_close(&json, ']');
	free(copies.copy);
	cache_store_close(&store);
	return status;
}

static enum exit_status clear(const struct cache_options *options)
{
	struct cache_store store;
	enum exit_status status = cache_store_open(&store, options->dir, false);

	if (status == EXIT_FINE && store.descriptor >= 0)
		cache_store_shrink(&store, 0, NULL);
	cache_store_close(&store);
	return status;
}

static const struct {
	const char *name;
	enum exit_status (*run)(const struct cache_options *options);
	bool takes_image;
} subcommands[] = {
        {"add", add, true},
        {"list", list, false},
        {"clear", clear, false},
};

/* The words after the subcommand; false: they are wrong. */
static bool read_words(int count, char **words, struct cache_options *options)
{
	int i;

	for (i = 0; i < count; i++) {
		if (strcmp(words[i], "--json") == 0)
			options->json = true;
		else if (strcmp(words[i], "--verbose") == 0)
			options->verbose = true;
		else if (strcmp(words[i], "--quiet") == 0)
			options->quiet = true;
		else if (strcmp(words[i], "--dir") == 0 && i + 1 < count)
			options->dir = words[++i];
		else if (strcmp(words[i], "--exec") == 0 && i + 3 < count) {
			options->restart = words + i + 1;
			options->image = words[i + 2];
			return true;
		} else if (options->image == NULL && words[i][0] != '-')
			options->image = words[i];
		else
			return false;
	}
	return true;
}

enum exit_status command_cache(int count, char **words)
{
	struct cache_options options = {0};
	size_t i;

	for (i = 0; i < sizeof(subcommands) / sizeof(*subcommands); i++)
		if (count > 0 && strcmp(subcommands[i].name, words[0]) == 0)
			break;
	if (i == sizeof(subcommands) / sizeof(*subcommands) || !read_words(count - 1, words + 1, &options) ||
	    subcommands[i].takes_image != (options.image != NULL))
		return complain(EXIT_REFUSED,
		                "wrong words: cache: add IMAGE, list or clear; see snapimg --help");
	if (options.quiet)
		be_quiet();
	return options.restart != NULL ? add_and_restart(&options) : subcommands[i].run(&options);
}
