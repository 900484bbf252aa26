/*
 * A file is used in one or several ways, which decide what a start must find:
 *
 *   mapped privately, open to read     the same content, wherever it lies now
 *   mapped shared, only read           the same, or the same inode with what others wrote into it since
 *   locked, mapped shared and written,
 *   open to write in place             exactly what it was: nobody could have changed it under the program
 *   open to append                     anything
 */
#include "tracer/capture/identify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "format/facts/file_hash.h"
#include "tracer/capture/fds/kinds.h"
#include "tracer/capture/parallel.h"

enum use {
	USE_PRIVATE = 1, /* mapped */
	USE_SHARED = 2,  /* mapped shared, not to be written */
	USE_READ = 4,    /* open */
	USE_WRITE = 8,   /* open or mapped, to be written in place */
	USE_LOCK = 16,
	USE_OUTPUT = 32, /* open, only to be written in place */
};

/* The kernel's clock for files has ticks of up to 10 ms (CONFIG_HZ; current_time(), fs/inode.c). */
enum {
	FRESH_NS = 20000000,
	SECOND = 1000000000,
	BLOCK = SNAPIMG_EXTENT_MAX,
	HASHED = 128 << 10 /* at once: stays in the cache */
};

/* Of what is mapped, too, the most is in memory: Java's lib/modules has 120 MiB, and is another inode
 * wherever Java was unpacked anew. */
#define IDENTIFY_MAPPED_MAX (UINT64_C(512) << 20)

static int64_t nanoseconds(int64_t seconds, uint32_t rest)
{
	return seconds * SECOND + rest;
}

static int64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return nanoseconds(time.tv_sec, (uint32_t)time.tv_nsec);
}

static void note_mappings(const struct mappings *mappings, uint8_t *uses)
{
	for (size_t i = 0; i < mappings->count; i++) {
		const struct snapimg_mapping *record = &mappings->mapping[i].record;
		const uint32_t written = SNAPIMG_MAP_SHARED | SNAPIMG_MAP_MAY_WRITE;

		if (record->kind != SNAPIMG_MAPPING_FILE)
			continue;
		if (!(record->flags & SNAPIMG_MAP_SHARED))
			uses[record->file - 1] |= USE_PRIVATE;
		else if (record->protection & SNAPIMG_PROT_WRITE || (record->flags & written) == written)
			uses[record->file - 1] |= USE_WRITE;
		else
			uses[record->file - 1] |= USE_SHARED;
	}
}

static bool holds_lock(const struct descriptors *descriptors, int32_t number)
{
	const struct snapimg_lock *lock = descriptors->objects.lock.items;

	for (size_t i = 0; i < descriptors->objects.lock.count; i++)
		if (lock[i].number == number)
			return true;
	return false;
}

static void note_opened(uint32_t flags, bool is_locked, uint8_t *uses)
{
	if (flags & O_PATH)
		return;
	if ((flags & O_ACCMODE) == O_RDONLY)
		*uses |= USE_READ;
	else if (!(flags & O_APPEND))
		*uses |= USE_WRITE;
	if ((flags & (O_ACCMODE | O_APPEND)) == O_WRONLY)
		*uses |= USE_OUTPUT;
	if (is_locked)
		*uses |= USE_LOCK;
}

/* Those that several processes of a tree have are objects. */
static void note_descriptors(const struct descriptors *descriptors, uint8_t *uses)
{
	const struct snapimg_object *object = descriptors->objects.object.items;

	for (size_t i = 0; i < descriptors->count; i++) {
		const struct snapimg_descriptor *record = &descriptors->record[i];
		bool is_locked = holds_lock(descriptors, record->number);

		if (record->kind == SNAPIMG_DESCRIPTOR_FILE)
			note_opened(record->flags, is_locked, &uses[record->file - 1]);
		else if (record->kind == SNAPIMG_DESCRIPTOR_OBJECT &&
		         object[record->source].kind == SNAPIMG_OBJECT_FILE)
			note_opened(object[record->source].flags, is_locked,
			            &uses[object[record->source].value[SNAPIMG_OPENED_FILE]]);
	}
	for (size_t i = 0; i < descriptors->objects.object.count; i++)
		if (object[i].kind == SNAPIMG_OBJECT_FILE)
			note_opened(object[i].flags, false, &uses[object[i].value[SNAPIMG_OPENED_FILE]]);
}

/* Whose content is real: the kernel makes up the others at each look. */
static bool has_content(const struct file *file)
{
	static const unsigned long made_up[] = {PROC_SUPER_MAGIC,    SYSFS_MAGIC,   CGROUP_SUPER_MAGIC,
	                                        CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC};
	struct statfs system;

	if (!S_ISREG(file->record.mode) || file->fd < 0 || fstatfs(file->fd, &system) < 0)
		return false;
	for (size_t i = 0; i < sizeof(made_up) / sizeof(*made_up); i++)
		if ((unsigned long)system.f_type == made_up[i])
			return false;
	return true;
}

static long read_file(void *descriptor, void *to, size_t size, uint64_t offset)
{
	ssize_t got;

	while ((got = pread(*(int *)descriptor, to, size, (off_t)offset)) < 0 && errno == EINTR)
		;
	return got;
}

static bool is_mapped_only(uint8_t uses)
{
	return (uses & ~(USE_PRIVATE | USE_SHARED)) == 0;
}

static void hash(struct file *file, uint32_t index, const struct mappings *mappings, uint8_t uses)
{
	uint8_t block[HASHED];
	struct snapimg_identity *identity = &file->identity;
	const struct file_hash_source source = {read_file, &file->fd, file->record.size, block,
	                                        sizeof(block)};
	const struct file_hash_mappings shown = {&mappings->mapping->record, mappings->count,
	                                         sizeof(*mappings->mapping)};
	bool mapped_only = is_mapped_only(uses);
	uint64_t most = uses & (USE_PRIVATE | USE_SHARED) ? IDENTIFY_MAPPED_MAX : IDENTIFY_MAX;
	uint64_t result;

	if ((!mapped_only && file->record.size > most) ||
	    !(mapped_only ? snapimg_hash_mapped(&source, &shown, index, &result)
	                  : snapimg_hash_file(&source, &result)))
		return;
	identity->hash = result;
	identity->flags |= SNAPIMG_IDENTITY_HASHED;
	if (!mapped_only)
		identity->flags |= SNAPIMG_IDENTITY_WHOLE;
}

/* How much the clock of files is ahead of the one that processes begin by. Time that passes between two
 * readings takes from it, so the most of some is nearest; were they read the other way, a file of the program
 * could seem to be older than it on a busy machine. */
static int64_t ahead_of_boot(void)
{
	int64_t most = INT64_MIN;

	for (int i = 0; i < 3; i++) {
		int64_t real = now(CLOCK_REALTIME);
		int64_t difference = real - now(CLOCK_BOOTTIME);
		most = difference > most ? difference : most;
	}
	return most;
}

/* The process's own beginning, as a time of files, which are stamped with the time of the kernel's last tick
 * (current_time() in fs/inode.c). proc(5): (22) starttime, in clock ticks since boot. */
static int64_t beginning(const struct proc_stat *process)
{
	int64_t tick = SECOND / sysconf(_SC_CLK_TCK);
	struct timespec stamps = {0};

	(void)clock_getres(CLOCK_REALTIME_COARSE, &stamps);
	return ahead_of_boot() + (int64_t)process->field[STAT_START_TIME] * tick -
	       nanoseconds(stamps.tv_sec, (uint32_t)stamps.tv_nsec);
}

static bool is_since(const struct statx_timestamp *time, const struct proc_stat *process)
{
	return nanoseconds(time->tv_sec, time->tv_nsec) >= beginning(process);
}

bool is_younger(const struct statx *times, const struct proc_stat *process)
{
	return is_since(times->stx_mask & STATX_BTIME ? &times->stx_btime : &times->stx_ctime, process);
}

bool is_surely_younger(const struct statx *times, const struct proc_stat *process)
{
	enum { TICKS = 3 }; /* what a beginning and a time of files are cut to, and one between them */
	int64_t tick = SECOND / sysconf(_SC_CLK_TCK);

	return times->stx_mask & STATX_BTIME &&
	       nanoseconds(times->stx_btime.tv_sec, times->stx_btime.tv_nsec) >=
	               beginning(process) + TICKS * tick;
}

/* Younger than the program, and its to write; or an output file, which it writes again though another run
 * made it. */
static bool is_made(const struct file *file, uint8_t uses, const struct proc_stat *process)
{
	struct statx times;

	if (!(uses & USE_WRITE) ||
	    statx(file->fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_CTIME | STATX_MTIME, &times) < 0)
		return false;
	return uses & USE_OUTPUT ? is_since(&times.stx_mtime, process) : is_younger(&times, process);
}

/* Files of which only the program's own view counts: X(a part of the path). The JVM's counters for jstat(1),
 * which any other JVM removes when it finds nobody of that ID. */
#define SCRATCH(X) X("/hsperfdata_")

static bool is_scratch(const char *path)
{
	bool found = false;

#define X(part) found = found || strstr(path, part);
	SCRATCH(X)
#undef X
	return found;
}

/* Files that are read again after a start, whoever changed them: X(end of the name, whether by the shim).
 * node's REPL, by preload/shim/node.cjs; the clock of libuuid, which it reads at each use, under a lock. */
#define READ_AGAIN(X)                                                                                        \
	X("/.node_repl_history", true)                                                                       \
	X("/libuuid/clock.txt", false)

static bool is_read_again(const char *path, const struct mappings *mappings)
{
	const size_t length = strlen(path);
	bool found = false, by_shim = false, has_shim = false;

#define X(end, is_by_shim)                                                                                   \
	if (length > strlen(end) && strcmp(path + length - strlen(end), end) == 0)                           \
		found = true, by_shim = (is_by_shim);
	READ_AGAIN(X)
#undef X
	for (size_t i = 0; i < mappings->count && by_shim && !has_shim; i++)
		has_shim = mappings->mapping[i].of_shim;
	return found && (has_shim || !by_shim);
}

static bool is_wanted(const struct carry *carry, const char *path)
{
	for (size_t i = 0; i < carry->count; i++)
		if (strcmp(carry->file[i], path) == 0)
			return true;
	return false;
}

static enum status carry_content(const struct file *file, uint32_t index, struct objects *objects)
{
	static uint8_t block[BLOCK];
	enum status status = STATUS_OK;

	for (uint64_t at = 0; at < file->record.size && status == STATUS_OK;) {
		uint64_t rest = file->record.size - at;
		ssize_t got = pread(file->fd, block, rest < sizeof(block) ? rest : sizeof(block), (off_t)at);

		if (got <= 0)
			return fail(STATUS_FAILED, "%s: can't read what the program made: %s", file->path,
			            got < 0 ? strerror(errno) : "it became shorter");
		status = objects_carry(objects, index, at, block, (uint64_t)got);
		at += (uint64_t)got;
	}
	return status;
}

/* Of what this process only reads: who writes it may be another of its tree. */
static bool may_be_anothers(const struct file *file, const struct proc_stat *first)
{
	struct statx times;

	return statx(file->fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_CTIME, &times) == 0 &&
	       is_younger(&times, first);
}

static enum status carry_if_made(struct file *file, uint32_t index, uint8_t uses,
                                 struct descriptors *descriptors, const struct proc_stat *first,
                                 const struct snapshot_request *request)
{
	const struct carry *carry = request->carry;
	bool scratch = is_scratch(file->path), wanted = scratch || is_wanted(carry, file->path);
	const char *beside;
	bool made = wanted || (!carry->none && is_made(file, uses, first));

	if (made && !wanted && file->record.size > IDENTIFY_MAX) {
		explain("%s: larger than 64 MiB: not carried (--carry=FILE carries it)", file->path);
		return STATUS_OK;
	}
	if (!made && request->in_tree && !carry->none && may_be_anothers(file, first))
		file->identity.flags |= SNAPIMG_IDENTITY_ANOTHERS;
	if (!made)
		return STATUS_OK;
	if (!scratch && (beside = made_file_beside_content(file->fd, file->path)) != NULL) {
		explain("%s: has %s: not carried", file->path, beside);
		return STATUS_OK;
	}
	file->identity.flags |= SNAPIMG_IDENTITY_MADE | (scratch ? SNAPIMG_IDENTITY_SCRATCH : 0u);
	explain("%s: is carried", file->path);
	return carry_content(file, index, &descriptors->objects);
}

/* Writing through a mapping leaves the times of a file in memory as they are (mm/shmem.c has no
 * page_mkwrite). */
static bool keeps_times(const struct file *file)
{
	struct statfs system;

	return fstatfs(file->fd, &system) == 0 && system.f_type != TMPFS_MAGIC &&
	       system.f_type != RAMFS_MAGIC && system.f_type != HUGETLBFS_MAGIC;
}

static void note_times(struct file *file, uint8_t uses)
{
	struct snapimg_identity *identity = &file->identity;
	struct stat status;

	if (fstat(file->fd, &status) < 0)
		return;
	identity->ctime_seconds = status.st_ctim.tv_sec;
	identity->ctime_nanoseconds = (uint32_t)status.st_ctim.tv_nsec;
	if (now(CLOCK_REALTIME) - nanoseconds(status.st_ctim.tv_sec, (uint32_t)status.st_ctim.tv_nsec) <
	            FRESH_NS ||
	    (uses & (USE_WRITE | USE_LOCK) && !keeps_times(file)))
		identity->flags |= SNAPIMG_IDENTITY_FRESH;
	if (uses & (USE_WRITE | USE_LOCK))
		identity->flags |= SNAPIMG_IDENTITY_EXCLUSIVE;
	else if (uses & USE_SHARED && !(uses & USE_PRIVATE))
		identity->flags |= SNAPIMG_IDENTITY_LIVE;
}

struct hashing {
	struct files *files;
	const struct mappings *mappings;
	const uint8_t *uses;
	bool *known;
};

static void hash_one(void *context, size_t index)
{
	const struct hashing *hashing = context;
	struct file *file = &hashing->files->file[index];

	if (file->identity.file && !hashing->known[index])
		hash(file, (uint32_t)index, hashing->mappings, hashing->uses[index]);
}

/* A Python has 20 MB of them, which take some 8 ms. */
static enum status hash_all(struct files *files, const struct mappings *mappings, const uint8_t *uses,
                            struct known_hashes *known)
{
	struct hashing hashing = {files, mappings, uses, calloc(files->count + 1, sizeof(bool))};

	if (!hashing.known)
		return fail(STATUS_FAILED, "out of memory");
	for (uint32_t i = 0; i < files->count; i++)
		hashing.known[i] =
		        files->file[i].identity.file &&
		        known_hashes_find(known, &files->file[i], i, mappings, !is_mapped_only(uses[i]));
	parallel_for(files->count, hash_one, &hashing);
	for (uint32_t i = 0; i < files->count; i++)
		if (files->file[i].identity.file && !hashing.known[i])
			known_hashes_keep(known, &files->file[i], i, mappings, !is_mapped_only(uses[i]));
	free(hashing.known);
	return STATUS_OK;
}

enum status files_identify(struct files *files, const struct mappings *mappings,
                           struct descriptors *descriptors, const struct proc_stat *first,
                           const struct snapshot_request *request, struct known_hashes *known)
{
	uint8_t *uses = calloc(files->count + 1, 1);
	enum status status = STATUS_OK;

	if (!uses)
		return fail(STATUS_FAILED, "out of memory");
	note_mappings(mappings, uses);
	note_descriptors(descriptors, uses);
	for (uint32_t i = 0; i < files->count; i++) {
		struct file *file = &files->file[i];

		if (uses[i] == 0 || !has_content(file) || is_read_again(file->path, mappings))
			continue;
		file->identity.file = i + 1;
		note_times(file, uses[i]);
	}
	status = hash_all(files, mappings, uses, known);
	for (uint32_t i = 0; i < files->count && status == STATUS_OK; i++)
		if (files->file[i].identity.file)
			status = carry_if_made(&files->file[i], i, uses[i], descriptors, first, request);
	free(uses);
	return status;
}

enum snapimg_error files_write_identities(const struct files *files, struct snapimg_writer *writer)
{
	enum snapimg_error error = SNAPIMG_OK;

	for (size_t i = 0; i < files->count && error == SNAPIMG_OK; i++)
		if (files->file[i].identity.file)
			error = snapimg_writer_add(writer, SNAPIMG_SECTION_IDENTITIES,
			                           &files->file[i].identity, sizeof(struct snapimg_identity));
	return error;
}
