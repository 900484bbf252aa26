/*
 * --root=image. The new root is memory (tmpfs). Where nothing is embedded, each
 * entry of the caller's root is bound into it: the program sees the very same
 * files, mounts and all. A directory that leads to something embedded is made
 * anew, with the entries of the caller's own bound into it but for those that
 * the image has. In the end the memory is read-only: what the program would
 * write beside embedded files would be lost without a word.
 *
 * It lies on top of the caller's root, of which a descriptor is kept meanwhile,
 * and chroot(2) leads into it. So a program is not "chrooted" for the kernel
 * (fs/namespace.c, current_chrooted), and a root that can't be left by
 * pivot_root(2), such as an initramfs, will do.
 */
#include "restore/become/root.h"

#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/stat.h>

#include "restore/base/limits.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/identity.h"
#include "restore/fds/objects.h"
#include "restore/loader.h"

enum {
	PATH_SIZE = 4096,
	LISTED = 2048, /* of a directory at once */
	OPEN_DIRECTORY = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
	DIRECTORY_MODE = 0755,
	OMIT_TIME = (1 << 30) - 2, /* UTIME_OMIT: utimensat(2) */
};

struct listed { /* struct linux_dirent64, getdents64(2) */
	uint64_t inode;
	int64_t offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

/* The directory that is being walked through: its path, "" for the root, and both its descriptors. */
struct place {
	char path[PATH_SIZE];
	uint64_t length;
	int theirs; /* the caller's own; -1: he has none */
	int ours;
};

static struct place place;
static int their_root, our_root;

static _Noreturn void die_at(const char *path, const char *what, long result)
{
	die(EXIT_REFUSED, "--root=image: ", path, ": ", what, ": ", error_text(result));
}

static const struct snapimg_root *entry_at(uint32_t index)
{
	return &snapimg_get_root(&loader.image)[index];
}

static const char *path_at(uint32_t index)
{
	return snapimg_string(&loader.image, entry_at(index)->path);
}

/* The first entry whose path isn't before this one. */
static uint32_t find(const char *path)
{
	uint32_t from = 0, to = snapimg_root_count(&loader.image);
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		const char *its = path_at(middle), *wanted = path;
		while (*its != '\0' && *its == *wanted)
			its++, wanted++;
		if ((uint8_t)*its < (uint8_t)*wanted)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Whether the image has this, or something below it. */
static bool is_embedded(char *path, uint64_t length)
{
	uint32_t at = find(path);
	if (at < snapimg_root_count(&loader.image) && text_equal(path_at(at), path))
		return true;
	path[length] = '/';
	path[length + 1] = '\0';
	at = find(path);
	bool is_above = at < snapimg_root_count(&loader.image) && text_after(path_at(at), path) != NULL;
	path[length] = '\0';
	return is_above;
}

/* Adds a name to the path; what stands before it is left by place_leave(). */
static void place_name(const char *name, uint64_t size)
{
	if (place.length + 1 + size + 2 > PATH_SIZE)
		die_at(place.path, "the path is too long", -ENAMETOOLONG);
	place.path[place.length] = '/';
	memcpy(place.path + place.length + 1, name, size);
	place.path[place.length + 1 + size] = '\0';
}

static void place_unname(void)
{
	place.path[place.length] = '\0';
}

static void must(long result, const char *what)
{
	if (result < 0)
		die_at(place.path[0] == '\0' ? "/" : place.path, what, result);
}

static void copy_link(const char *name)
{
	char target[PATH_SIZE];
	long size = sys(__NR_readlinkat, place.theirs, name, target, sizeof target - 1);
	must(size, "cannot be read");
	target[size] = '\0';
	must(sys(__NR_symlinkat, target, place.ours, name), "cannot be made");
}

static void bind(const char *name, bool is_directory)
{
	long made = is_directory ? sys(__NR_mkdirat, place.ours, name, DIRECTORY_MODE)
	                         : sys(__NR_openat, place.ours, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
	                               0600);
	must(made, "cannot be made");
	if (!is_directory)
		sys(__NR_close, made);
	long tree = sys(__NR_open_tree, place.theirs, name,
	                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	must(tree, "cannot be bound");
	must(sys(__NR_move_mount, tree, "", place.ours, name, MOVE_MOUNT_F_EMPTY_PATH), "cannot be bound");
	sys(__NR_close, tree);
}

static void show(const char *name)
{
	struct statx status = {0};
	uint64_t size = strlen(name);
	if (text_equal(name, ".") || text_equal(name, ".."))
		return;
	place_name(name, size);
	if (!is_embedded(place.path, place.length + 1 + size)) {
		must(sys(__NR_statx, place.theirs, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status),
		     "cannot be looked at");
		if ((status.stx_mode & S_IFMT) == S_IFLNK)
			copy_link(name);
		else
			bind(name, (status.stx_mode & S_IFMT) == S_IFDIR);
	}
	place_unname();
}

/* All of the caller's directory but what is embedded. */
static void show_theirs(void)
{
	_Alignas(8) char buffer[LISTED] = {0};
	long descriptor = sys(__NR_openat, place.theirs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(descriptor, "cannot be listed");
	for (;;) {
		long got = sys(__NR_getdents64, descriptor, buffer, sizeof buffer);
		must(got, "cannot be listed");
		if (got == 0)
			break;
		for (long at = 0; at < got;) {
			const struct listed *listed = (const void *)(buffer + at);
			show(listed->name);
			at += listed->size;
		}
	}
	sys(__NR_close, descriptor);
}

static void start_over(void)
{
	place.length = 0;
	place_unname();
	place.theirs = their_root;
	place.ours = our_root;
}

static void place_close(void)
{
	if (place.ours != our_root)
		sys(__NR_close, place.ours);
	if (place.theirs != their_root && place.theirs >= 0)
		sys(__NR_close, place.theirs);
}

/* One step down; the first time the directory is made, with all that the caller has there. `mode`: of one
 * that is embedded itself. */
static void enter(const char *name, uint64_t size, uint32_t mode)
{
	char own[256];
	if (size >= sizeof own)
		die_at(place.path, "has a name that is too long", -ENAMETOOLONG);
	memcpy(own, name, size);
	own[size] = '\0';
	place_name(own, size);
	long theirs = place.theirs < 0 ? -ENOENT : sys(__NR_openat, place.theirs, own, OPEN_DIRECTORY);
	if (theirs == -ENOTDIR || theirs == -ELOOP)
		die_at(place.path, "is no directory here, and the image has files in it", theirs);
	if (theirs < 0 && theirs != -ENOENT)
		must(theirs, "cannot be opened");
	long made = sys(__NR_mkdirat, place.ours, own, DIRECTORY_MODE);
	long ours = made == 0 || made == -EEXIST ? sys(__NR_openat, place.ours, own, OPEN_DIRECTORY) : made;
	must(ours, "cannot be made");
	place_close();
	place.length += 1 + size;
	place.theirs = (int)theirs;
	place.ours = (int)ours;
	if (made < 0)
		return;
	if (theirs >= 0)
		show_theirs();
	must(sys(__NR_fchmodat, place.ours, ".", mode), "cannot be made");
}

static uint64_t name_length(const char *text)
{
	uint64_t length = 0;
	while (text[length] != '\0' && text[length] != '/')
		length++;
	return length;
}

/* *next: the contents of this entry and those after it. */
static void fill(uint32_t index, int descriptor, uint32_t *next)
{
	const struct snapimg_content *content = snapimg_get_rootdata(&loader.image);
	uint64_t size = entry_at(index)->size;
	must(size > limit_raise(RLIMIT_FSIZE) ? -EFBIG : sys(__NR_ftruncate, descriptor, size),
	     "cannot be made");
	for (; *next < snapimg_rootdata_count(&loader.image) && content[*next].object == index; ++*next) {
		const uint8_t *bytes = content_try(&content[*next]);
		must(bytes == NULL ? -EIO : 0, "is damaged in the image");
		long got =
		        sys(__NR_pwrite64, descriptor, bytes, content[*next].size, content[*next].position);
		must(got >= 0 && (uint64_t)got != content[*next].size ? -ENOSPC : got, "cannot be written");
	}
}

static void make_file(uint32_t index, const char *name, uint32_t *next)
{
	const struct snapimg_root *entry = entry_at(index);
	const int64_t times[4] = {0, OMIT_TIME, entry->mtime_seconds, entry->mtime_nanoseconds};
	long descriptor = sys(__NR_openat, place.ours, name,
	                      O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	must(descriptor, "cannot be made");
	fill(index, (int)descriptor, next);
	must(sys(__NR_fchmod, descriptor, entry->mode), "cannot be made");
	sys(__NR_utimensat, descriptor, 0, times, 0);
	sys(__NR_close, descriptor);
}

/* Down to its directory, then the entry itself. */
static void make_entry(uint32_t index, uint32_t *next)
{
	const struct snapimg_root *entry = entry_at(index);
	const char *at = path_at(index);
	start_over();
	for (;;) {
		at++; /* the slash */
		uint64_t length = name_length(at);
		if (at[length] == '\0')
			break;
		enter(at, length, DIRECTORY_MODE);
		at += length;
	}
	if (entry->kind == SNAPIMG_ROOT_DIRECTORY) {
		enter(at, strlen(at), entry->mode);
	} else {
		place_name(at, strlen(at));
		if (entry->kind == SNAPIMG_ROOT_FILE)
			make_file(index, at, next);
		else
			must(sys(__NR_symlinkat, snapimg_string(&loader.image, entry->target), place.ours,
			         at),
			     "cannot be made");
		place_unname();
	}
	place_close();
}

static void refuse(const char *what, long result)
{
	die(EXIT_REFUSED, "--root=image: ", what, ": ", error_text(result),
	    result == -EINVAL ? "" : namespaces_advice);
}

/* Memory as a mount of its own, with no name yet. */
static int make_memory(void)
{
	long context = sys(__NR_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (context < 0)
		refuse("no memory can be mounted (tmpfs)", context);
	sys(__NR_fsconfig, context, FSCONFIG_SET_STRING, "mode", "755", 0);
	long result = sys(__NR_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
	long memory = result < 0 ? result : sys(__NR_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (memory < 0)
		refuse("no memory can be mounted (tmpfs)", memory);
	sys(__NR_close, context);
	return (int)memory;
}

/* Mounts of a namespace that was made by somebody with privilege would show in the caller's, too. */
static void go_apart(void)
{
	long result = namespaces_make(CLONE_NEWNS);
	if (result < 0)
		refuse("no mount namespace can be made for the image's files", result);
	result = sys(__NR_mount, NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	if (result < 0)
		refuse("the root can't be set apart (a chroot that is no mount: mount --bind it on itself "
		       "first)",
		       result);
}

static void go_in(const char *directory)
{
	long result = sys(__NR_fchdir, our_root);
	if (result == 0)
		result = sys(__NR_chroot, ".");
	if (result == 0)
		result = sys(__NR_mount, NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	if (result < 0)
		refuse("the new root can't be entered", result);
	result = sys(__NR_chdir, directory);
	if (result < 0)
		warn("--root=image: ", directory, ": cannot be the working directory: ", error_text(result),
		     ": it is /");
}

void root_enter(void)
{
	char directory[PATH_SIZE] = "/";
	uint32_t next = 0;
	if (snapimg_root_count(&loader.image) == 0)
		die(EXIT_REFUSED, "--root=image: ", loader.options.image,
		    ": no files are embedded in it: give them to snaptrace --embed, or leave --root out");
	go_apart();
	if (sys(__NR_getcwd, directory, sizeof directory) < 0)
		memcpy(directory, "/", 2);
	their_root = (int)sys(__NR_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	our_root = make_memory();
	long result = sys(__NR_move_mount, our_root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
	if (result < 0)
		refuse("the new root can't be mounted", result);
	uint64_t mask = (uint64_t)sys(__NR_umask, 0);
	start_over();
	show_theirs();
	for (uint32_t i = 0; i < snapimg_root_count(&loader.image); i++)
		make_entry(i, &next);
	sys(__NR_umask, mask);
	go_in(directory);
	sys(__NR_close, their_root);
	sys(__NR_close, our_root);
}
