#include "format/convert/restamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "format/facts/file_hash.h"

enum { ROOM = 1 << 18, SETTLED_NS = 20000000 };

static long read_file(void *file, void *to, size_t size, uint64_t offset)
{
	const int *descriptor = file;
	ssize_t got;

	while ((got = pread(*descriptor, to, size, (off_t)offset)) < 0 && errno == EINTR)
		;
	return got;
}

static bool has_stamp(const struct snapimg_file *record, const struct snapimg_identity *identity,
                      const struct stat *status)
{
	return record->inode == status->st_ino && record->mtime_seconds == status->st_mtim.tv_sec &&
	       record->mtime_nanoseconds == (uint32_t)status->st_mtim.tv_nsec &&
	       identity->ctime_seconds == status->st_ctim.tv_sec &&
	       identity->ctime_nanoseconds == (uint32_t)status->st_ctim.tv_nsec;
}

/* A file that has just changed might change again and keep its times (struct snapimg_identity, FRESH). */
static bool has_settled(const struct stat *status)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - status->st_ctim.tv_sec) * 1000000000 + now.tv_nsec - status->st_ctim.tv_nsec >
	       SETTLED_NS;
}

static bool has_content(const struct snapimg *image, const struct snapimg_file *record,
                        /* NOLINTNEXTLINE(readability-non-const-parameter): it is read into */
                        const struct snapimg_identity *identity, int descriptor, uint8_t *room)
{
	const struct file_hash_source source = {read_file, &descriptor, record->size, room, ROOM};
	const struct file_hash_mappings mappings = {snapimg_get_mapping(image), snapimg_mapping_count(image),
	                                            sizeof(struct snapimg_mapping)};
	uint64_t hash;
	bool read = identity->flags & SNAPIMG_IDENTITY_WHOLE
	                    ? snapimg_hash_file(&source, &hash)
	                    : snapimg_hash_mapped(&source, &mappings, identity->file - 1, &hash);

	return read && hash == identity->hash;
}

static void set_stamp(struct snapimg_file *record, struct snapimg_identity *identity,
                      const struct stat *status)
{
	record->device = status->st_dev;
	record->inode = status->st_ino;
	record->mtime_seconds = status->st_mtim.tv_sec;
	record->mtime_nanoseconds = (uint32_t)status->st_mtim.tv_nsec;
	identity->ctime_seconds = status->st_ctim.tv_sec;
	identity->ctime_nanoseconds = (uint32_t)status->st_ctim.tv_nsec;
	identity->flags &= ~(uint32_t)SNAPIMG_IDENTITY_FRESH;
}

static void restamp(const struct snapimg *image, struct snapimg_file *record,
                    struct snapimg_identity *identity, uint8_t *room)
{
	int descriptor =
	        open(snapimg_string(image, record->path), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;

	if (descriptor < 0)
		return;
	if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
	    (uint64_t)status.st_size == record->size && has_settled(&status) &&
	    !has_stamp(record, identity, &status) && has_content(image, record, identity, descriptor, room))
		set_stamp(record, identity, &status);
	(void)close(descriptor);
}

void image_restamp(struct image_file *file)
{
	const struct snapimg *image = &file->image;
	/* The records are in memory of our own. */
	uint8_t *base = file->memory;
	struct snapimg_file *records =
	        (void *)(base + ((const uint8_t *)snapimg_get_file(image) - image->base));
	struct snapimg_identity *identity =
	        (void *)(base + ((const uint8_t *)snapimg_get_identity(image) - image->base));
	uint8_t *room = malloc(ROOM);

	for (uint32_t i = 0; i < snapimg_identity_count(image) && room; i++)
		if (identity[i].flags & SNAPIMG_IDENTITY_HASHED &&
		    !(identity[i].flags & SNAPIMG_IDENTITY_EXCLUSIVE))
			restamp(image, &records[identity[i].file - 1], &identity[i], room);
	free(room);
}
