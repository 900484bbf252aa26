/*
 * Reads the image's records and has the reader check them. The image gets the
 * address space of the whole file, but only the header and the records are read
 * into it; the page data are read extent by extent (fill.c). They are not
 * mapped from the file, so what happens to it meanwhile changes nothing that
 * was checked; but most of a thawed image's are, by mappings.c.
 */
#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/poll.h>

#include "format/facts/bootid.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/tree.h"
#include "restore/fds/table.h"
#include "restore/loader.h"
#include "restore/look/cache.h"
#include "restore/look/in_memory.h"
#include "restore/look/own_file.h"
#include "restore/zone.h"

enum { SMALL_IMAGE = 128 << 10 }; /* read as a whole at once; not less than SNAPIMG_HEADER_AREA */

/* The kinds of files, as in st_mode. */
enum { TYPE_MASK = 0170000, REGULAR = 0100000, FIFO = 0010000 };

static _Noreturn void die_open(const char *path, long result)
{
	die(result == -ENOENT || result == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_UNREADABLE, path,
	    ": cannot open the image: ", error_text(result));
}

static struct stat look_at(const char *path, int descriptor)
{
	struct stat status = {0};
	long result = sys(__NR_fstat, descriptor, &status);
	if (result < 0)
		die(EXIT_UNREADABLE, path, ": cannot look at the image: ", error_text(result));
	return status;
}

/* Waits for the writer, unless the pipe has one or had it since it was opened here: it was let in then, and
 * won't come again. ppoll(2) tells of its end, but not of its absence before (fs/pipe.c, fifo_open()). */
static int take_pipe(const char *path, int descriptor)
{
	struct pollfd reader = {.fd = descriptor, .events = POLLIN};
	while (sys(__NR_ppoll, &reader, 1, 0, 0, 0) == -EINTR)
		;
	sys(__NR_fcntl, descriptor, F_SETFL, 0);
	return in_memory_take(path, descriptor);
}

/* What snapimg has checked, in memory that nobody can change. */
static uint64_t take_verified(const char *path)
{
	enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };
	int descriptor = loader.options.verified_file;
	long seals = sys(__NR_fcntl, descriptor, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS)
		die(EXIT_REFUSED, path, ": was not checked: leave --verified out");
	sys(__NR_fcntl, descriptor, F_SETFD, FD_CLOEXEC);
	loader.image_is_piped = true;
	loader.image_descriptor = descriptor;
	return (uint64_t)look_at(path, descriptor).st_size;
}

/* Returns the image's size. */
static uint64_t open_file(const char *path)
{
	const uint64_t flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	if (loader.options.verified != NULL)
		return take_verified(path);
	long descriptor =
	        loader.options.is_own ? own_file_open(flags) : sys(__NR_openat, AT_FDCWD, path, flags);
	if (descriptor < 0)
		die_open(path, descriptor);
	struct stat status = look_at(path, (int)descriptor);
	loader.image_is_piped = (status.st_mode & TYPE_MASK) == FIFO;
	if (loader.image_is_piped) {
		descriptor = take_pipe(path, (int)descriptor);
		status = look_at(path, (int)descriptor);
	}
	if ((status.st_mode & TYPE_MASK) != REGULAR)
		die(EXIT_UNREADABLE, path, ": neither a regular file nor a pipe: an image is one");
	if (status.st_size == 0)
		die(EXIT_REFUSED, path, ": ", snapimg_strerror(SNAPIMG_ERR_EMPTY),
		    ": freeze the program again");
	uint64_t size = (uint64_t)status.st_size;
	loader.image_offset = own_file_image_offset((int)descriptor);
	if (loader.image_offset >= size)
		die(EXIT_REFUSED, path, ": ", snapimg_strerror(SNAPIMG_ERR_TRUNCATED),
		    ": fetch the file again");
	size -= loader.image_offset;
	if (size > ZONE_THREADS - ZONE_IMAGE)
		die(EXIT_REFUSED, path, ": the image is larger than the loader can map");
	loader.image_descriptor = (int)descriptor;
	return size;
}

bool image_read(void *to, uint64_t size, uint64_t offset)
{
	for (uint64_t done = 0; done < size;) {
		long got = sys(__NR_pread64, loader.image_descriptor, (uint8_t *)to + done, size - done,
		               loader.image_offset + offset + done);
		if (got == -EINTR)
			continue;
		if (got < 0)
			die(EXIT_UNREADABLE, loader.options.image,
			    ": cannot read the image: ", error_text(got));
		if (got == 0)
			return false;
		done += (uint64_t)got;
	}
	return true;
}

void image_keep_own(void)
{
	long own = descriptor_copy_away(loader.image_descriptor);
	if (own < 0)
		die(EXIT_REFUSED, loader.options.image, ": cannot be kept open: ", error_text(own),
		    own == -EMFILE ? ": raise ulimit -Hn" : "");
	loader.image_descriptor = (int)own;
}

void image_close(void)
{
	sys(__NR_close, loader.image_descriptor);
}

extern const uint8_t _end[]; /* of the linker */

/* Where the image is mapped. A small one lies after the loader, where the same page tables serve: those of a
 * place of its own cost as much as some pages. */
static uint64_t place;

/* While the image of another process of the tree is the one that is open. */
static struct {
	bool is_open;
	struct snapimg own;
	uint64_t own_place, own_offset, own_vdso_end;
	bool own_data_are_mapped;
} lender;

static void choose_place(uint64_t size)
{
	enum { TABLE_SPAN = 2 << 20, GAP = SNAPIMG_PAGE_SIZE };
	uint64_t after = page_ceil((uint64_t)_end) + GAP, end = ZONE_START + TABLE_SPAN;
	place = lender.is_open ? ZONE_LENDER : after < end && size <= end - after ? after : ZONE_IMAGE;
}

static void read_part(uint64_t start, uint64_t end)
{
	enum { FEW = 8 * SNAPIMG_PAGE_SIZE }; /* the read makes them for less than a call more */
	uint64_t first = page_floor(place + start);
	if (place + end - first > FEW)
		sys(__NR_madvise, first, place + end - first, MADV_POPULATE_WRITE);
	if (!image_read((void *)(place + start), end - start, start))
		die(EXIT_REFUSED, loader.options.image, ": ", snapimg_strerror(SNAPIMG_ERR_TRUNCATED),
		    ": it became shorter while it was read: try again");
}

bool image_is_thawed(void)
{
	return (loader.image.header->required_features & SNAPIMG_FEATURE_THAWED) != 0;
}

bool image_is_self_contained(void)
{
	return (loader.image.header->required_features & SNAPIMG_FEATURE_SELF_CONTAINED) != 0;
}

/* The page data of a thawed image, which are trusted to stay anyway, for those who look at all of them. A
 * start reads what is in no piece straight into its place (fill.c): to map it here first, and to have it
 * copied by the kernel, takes 10 us more. */
static bool data_are_mapped;
static void map_data(void)
{
	uint64_t end = page_floor(SNAPIMG_HEADER_AREA + loader.image.section[SNAPIMG_SECTION_DATA].size);
	if (end <= SNAPIMG_HEADER_AREA)
		return;
	long result = sys(__NR_mmap, place + SNAPIMG_HEADER_AREA, end - SNAPIMG_HEADER_AREA, PROT_READ,
	                  MAP_PRIVATE | MAP_FIXED, loader.image_descriptor,
	                  loader.image_offset + SNAPIMG_HEADER_AREA);
	if (result != (long)(place + SNAPIMG_HEADER_AREA))
		die(EXIT_REFUSED, loader.options.image, ": cannot map the image: ", error_text(result),
		    ": put it on a filesystem that can, or freeze it (snapimg freeze)");
	data_are_mapped = true;
}

const uint8_t *image_stored(const struct snapimg_extent *extent)
{
	if (image_is_thawed()) /* whole pages, so what was mapped has them all */
		return data_are_mapped && !snapimg_extent_is_packed(extent)
		               ? loader.image.base + extent->offset
		               : NULL;
	return loader.image.size <= SMALL_IMAGE ? loader.image.base + extent->offset : NULL;
}

/* Of the records, what most starts don't read: VDSO, which a thawed image begins them with; 0: it was read.
 */
static uint64_t vdso_end;

/* The header and, if that is right, what it says are the records; the rest stays zero. */
static enum snapimg_error read_records(uint64_t size)
{
	vdso_end = 0;
	choose_place(size);
	long result = sys(__NR_mmap, place, size, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (result != (long)place)
		die(EXIT_REFUSED, loader.options.image, ": no memory for the image: ", error_text(result));
	read_part(0, size < SNAPIMG_HEADER_AREA ? size : SNAPIMG_HEADER_AREA);
	enum snapimg_error error = snapimg_check_header((const void *)place, size, &loader.image);
	if (error != SNAPIMG_OK)
		return error;
	if (image_is_thawed() && !loader.options.verify) {
		read_part(loader.image.header->section_table_offset, size);
		vdso_end = snapimg_vdso_end(&loader.image);
	}
	if (vdso_end > 0)
		read_part(vdso_end, loader.image.header->section_table_offset);
	else if (size <= SMALL_IMAGE && !image_is_thawed())
		read_part(SNAPIMG_HEADER_AREA, size);
	else
		read_part(snapimg_records_start(&loader.image), size);
	return SNAPIMG_OK;
}

static const char *advice_for(enum snapimg_error error)
{
	switch (error) {
	case SNAPIMG_ERR_NEWER_MAJOR:
	case SNAPIMG_ERR_FEATURE:
	case SNAPIMG_ERR_SECTION_UNKNOWN:
		return ": use a newer snaprun, or freeze the program again";
	case SNAPIMG_ERR_NOT_AN_IMAGE:
		return ": give a file that snaptrace wrote";
	case SNAPIMG_ERR_ARCHITECTURE:
	case SNAPIMG_ERR_PAGE_SIZE:
		return ": freeze the program on this kind of machine";
	default:
		return ": freeze the program again, or fetch the image again";
	}
}

/* A frozen image's copy in its place; returns the copy's size, 0: none. */
static uint64_t take_copy(uint64_t size, struct snapimg_header *header)
{
	struct stat status = {0};
	*header = (struct snapimg_header){0};
	if (size < CACHE_LEAST || !image_read(header, sizeof *header, 0) ||
	    memcmp(header->magic, SNAPIMG_MAGIC, SNAPIMG_MAGIC_SIZE) != 0 || header->major != SNAPIMG_MAJOR ||
	    (header->required_features & SNAPIMG_FEATURE_THAWED) != 0)
		return 0;
	int copy = cache_find(header->digest);
	if (copy < 0)
		return 0;
	if (sys(__NR_fstat, copy, &status) < 0 || status.st_size < SNAPIMG_HEADER_AREA ||
	    (uint64_t)status.st_size > ZONE_THREADS - ZONE_IMAGE) {
		sys(__NR_close, copy);
		cache_remove();
		return 0;
	}
	loader.image_descriptor = copy;
	return (uint64_t)status.st_size;
}

static enum snapimg_error check_page_data(void)
{
	const struct snapimg_extent *extent = snapimg_get_extent(&loader.image);
	enum snapimg_error error = SNAPIMG_OK;
	for (uint32_t i = 0; i < snapimg_extent_count(&loader.image) && error == SNAPIMG_OK; i++)
		if (!snapimg_extent_is_packed(&extent[i])) /* those are checked when they are decoded */
			error = snapimg_check_extent(&loader.image, &extent[i]);
	return error;
}

/* The page data of a frozen image are checked when they are decoded; --verify does so with mapped ones. */
static enum snapimg_error open_records(uint64_t size)
{
	enum snapimg_error error = read_records(size);
	if (error == SNAPIMG_OK)
		error = vdso_end > 0 ? snapimg_open_without_vdso((const void *)place, size, &loader.image)
		                     : snapimg_open((const void *)place, size, &loader.image);
	data_are_mapped = false;
	if (error != SNAPIMG_OK || !image_is_thawed() || !(loader.options.verify || lender.is_open))
		return error;
	map_data();
	return loader.options.verify ? check_page_data() : SNAPIMG_OK;
}

static _Noreturn void die_damaged(enum snapimg_error error)
{
	const char *where = loader.image.failed_section == 0 ? "" : " in section ";
	const char *name =
	        loader.image.failed_section == 0 ? "" : snapimg_section_name(loader.image.failed_section);
	die(EXIT_REFUSED, loader.options.image, ": ", snapimg_strerror(error), where, name,
	    advice_for(error));
}

void image_read_vdso(void)
{
	if (!loader.image.vdso_is_unread)
		return;
	read_part(loader.image.header->metadata_offset, vdso_end);
	enum snapimg_error error = snapimg_check_vdso(&loader.image);
	if (error != SNAPIMG_OK)
		die_damaged(error);
}

static void open_part(uint64_t size, const uint8_t *digest)
{
	enum snapimg_error error = open_records(size);
	if (error == SNAPIMG_OK && memcmp(loader.image.header->digest, digest, SNAPIMG_DIGEST_SIZE) != 0)
		error = SNAPIMG_ERR_DIGEST;
	if (error != SNAPIMG_OK)
		die_damaged(error);
}

void image_open_part(uint64_t offset, uint64_t size, const uint8_t *digest)
{
	loader.tree.offset = loader.image_offset;
	loader.tree.size = loader.image.size;
	memcpy(loader.tree.digest, loader.image.header->digest, SNAPIMG_DIGEST_SIZE);
	sys(__NR_munmap, place, loader.image.size);
	loader.image_offset += offset;
	open_part(size, digest);
}

bool image_borrow(uint32_t member)
{
	const struct snapimg_member *it = tree_earlier(member);
	if (it == NULL)
		return false;
	lender.is_open = true;
	lender.own = loader.image;
	lender.own_place = place;
	lender.own_offset = loader.image_offset;
	lender.own_vdso_end = vdso_end;
	lender.own_data_are_mapped = data_are_mapped;
	loader.image_offset = loader.tree.offset + it->offset;
	if (it->offset == 0) /* the first: its image is the whole one */
		open_part(loader.tree.size, loader.tree.digest);
	else
		open_part(it->size, it->digest);
	return true;
}

void image_return(void)
{
	sys(__NR_munmap, place, loader.image.size);
	loader.image = lender.own;
	place = lender.own_place;
	loader.image_offset = lender.own_offset;
	vdso_end = lender.own_vdso_end;
	data_are_mapped = lender.own_data_are_mapped;
	lender.is_open = false;
}

enum copy { COPY_SOUND, COPY_DAMAGED, COPY_OF_OTHER_BOOT, COPY_OF_UNKNOWN_BOOT };

/* After a loss of power a file that nobody has synced may lack pages, which are not compared with their
 * checksums. */
static enum copy look_at_boot(const struct snapimg_unsynced *unsynced)
{
	uint8_t boot_id[SNAPIMG_BOOT_ID_SIZE];
	char text[64];
	long descriptor = sys(__NR_openat, AT_FDCWD, SNAPIMG_BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
	long size = descriptor < 0 ? 0 : sys(__NR_read, descriptor, text, sizeof text);
	if (descriptor >= 0)
		sys(__NR_close, descriptor);
	if (size <= 0 || !snapimg_boot_id(text, (size_t)size, boot_id))
		return COPY_OF_UNKNOWN_BOOT;
	return memcmp(boot_id, unsynced->boot_id, sizeof boot_id) == 0 ? COPY_SOUND : COPY_OF_OTHER_BOOT;
}

static enum copy look_at_copy(uint64_t size, const struct snapimg_header *original)
{
	if (open_records(size) != SNAPIMG_OK)
		return COPY_DAMAGED;
	const struct snapimg_source *source = snapimg_get_source(&loader.image);
	if (source == NULL || !image_is_thawed() ||
	    memcmp(source->digest, original->digest, SNAPIMG_DIGEST_SIZE) != 0)
		return COPY_DAMAGED;
	return snapimg_unsynced_count(&loader.image) == 0 ? COPY_SOUND
	                                                  : look_at_boot(snapimg_get_unsynced(&loader.image));
}

/* Whether a sound copy is open now; else the original is again. */
static bool open_copy(uint64_t size, int original)
{
	struct snapimg_header header;
	uint64_t copy_size = take_copy(size, &header), offset = loader.image_offset;
	if (copy_size == 0)
		return false;
	loader.image_offset = 0;
	enum copy copy = look_at_copy(copy_size, &header);
	sys(__NR_close, copy == COPY_SOUND ? original : loader.image_descriptor);
	if (copy == COPY_SOUND)
		return true;
	if (copy == COPY_DAMAGED)
		cache_remove();
	else if (copy == COPY_OF_OTHER_BOOT)
		cache_forget();
	sys(__NR_munmap, place, copy_size);
	loader.image_descriptor = original;
	loader.image_offset = offset;
	return false;
}

void image_open(void)
{
	const char *path = loader.options.image;
	uint64_t size = open_file(path);
	loader.is_copy = open_copy(size, loader.image_descriptor);
	cache_close();
	if (loader.is_copy)
		return;
	enum snapimg_error error = open_records(size);
	if (error != SNAPIMG_OK)
		die_damaged(error);
}
