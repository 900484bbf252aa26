/*
 * The cache's directory and the copy must be the caller's own, and nobody else
 * may write to them; neither may be a symbolic link. What is in the copy is
 * checked as in any image, and it must name the image that it is a copy of.
 */
#include "restore/look/cache.h"

#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"
#include "restore/look/words.h"

enum {
	PATH_SIZE = 4096,
	TYPE_MASK = 0170000,
	DIRECTORY = 0040000,
	REGULAR = 0100000,
	OTHERS_WRITE = 0022,
	OWN_ARGUMENTS = 16,
	AT_ACCESS_NOW = 0x3fffffff, /* UTIME_NOW and UTIME_OMIT: utimensat(2) */
	AT_OMIT = 0x3ffffffe,
};

static struct {
	bool is_wanted; /* and the directory's name fits */
	char name[2 * SNAPIMG_SHA256_SIZE + sizeof ".snap"];
	bool is_open;
	int descriptor;       /* of the directory */
} cache = {.descriptor = -1}; /* among the data, not after the stack: each start asks it */

/* The texts one after the other; false when they do not fit. */
static bool join(char *to, uint64_t room, const char *const *texts)
{
	uint64_t used = 0;
	for (; *texts != NULL; texts++) {
		uint64_t size = strlen(*texts);
		if (size >= room - used)
			return false;
		memcpy(to + used, *texts, size);
		used += size;
	}
	to[used] = '\0';
	return true;
}

/* --cache, else SNAP_CACHE, else the user's own: the XDG Base Directory Specification. */
static bool choose_directory(char path[PATH_SIZE])
{
	const char *given = loader.options.cache != NULL ? loader.options.cache : environment("SNAP_CACHE");
	if (given != NULL && *given == '/')
		return join(path, PATH_SIZE, (const char *const[]){given, NULL});
	if (given != NULL && *given != '\0' && !text_equal(given, "auto"))
		return false; /* off */
	const char *base = environment("XDG_CACHE_HOME"), *home = environment("HOME");
	if (base != NULL && *base == '/')
		return join(path, PATH_SIZE, (const char *const[]){base, "/snaptrace", NULL});
	return home != NULL && *home == '/' &&
	       join(path, PATH_SIZE, (const char *const[]){home, "/.cache/snaptrace", NULL});
}

static bool is_own(int descriptor, uint32_t type)
{
	struct stat status = {0};
	return sys(__NR_fstat, descriptor, &status) == 0 && (status.st_mode & TYPE_MASK) == type &&
	       (status.st_mode & OTHERS_WRITE) == 0 && status.st_uid == (uint64_t)sys(__NR_geteuid);
}

static int open_own(int directory, const char *path, uint64_t flags, uint32_t type)
{
	long descriptor = sys(__NR_openat, directory, path, O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | flags);
	if (descriptor >= 0 && !is_own((int)descriptor, type)) {
		sys(__NR_close, descriptor);
		return -1;
	}
	return descriptor < 0 ? -1 : (int)descriptor;
}

static void name_by(const uint8_t *digest)
{
	static const char digits[] = "0123456789abcdef";
	for (unsigned i = 0; i < SNAPIMG_DIGEST_SIZE; i++) {
		cache.name[2 * i] = digits[digest[i] >> 4];
		cache.name[2 * i + 1] = digits[digest[i] & 15];
	}
	memcpy(cache.name + 2 * (uint64_t)SNAPIMG_DIGEST_SIZE, ".snap", sizeof ".snap");
	if (loader.options.verified != NULL) { /* by its SHA-256: no other image has that */
		memcpy(cache.name, loader.options.verified, (uint64_t)2 * SNAPIMG_SHA256_SIZE);
		memcpy(cache.name + 2 * (uint64_t)SNAPIMG_SHA256_SIZE, ".snap", sizeof ".snap");
	}
}

/* At most two directories are made: .cache of an existing home, and in it snaptrace. */
static bool can_be_made(char *path)
{
	enum { W_OK_BIT = 2, MADE = 2 };
	for (unsigned i = 0; i < MADE; i++) {
		uint64_t length = strlen(path);
		while (length > 1 && path[length - 1] != '/')
			length--;
		path[length > 1 ? length - 1 : length] = '\0';
		if (sys(__NR_faccessat, AT_FDCWD, path, W_OK_BIT) == 0)
			return true;
	}
	return false;
}

int cache_find(const uint8_t *digest)
{
	char directory[PATH_SIZE];
	cache.is_wanted = choose_directory(directory);
	if (!cache.is_wanted)
		return -1;
	name_by(digest);
	cache.descriptor = open_own(AT_FDCWD, directory, O_PATH | O_DIRECTORY, DIRECTORY);
	cache.is_open = cache.descriptor >= 0;
	if (!cache.is_open) { /* snapimg makes it, where there is a place for it */
		cache.is_wanted = can_be_made(directory);
		return -1;
	}
	int copy = open_own(cache.descriptor, cache.name, O_RDONLY, REGULAR);
	/* What was used longest ago is removed first; a time that can't be set makes nothing worse. */
	const uint64_t times[] = {0, AT_ACCESS_NOW, 0, AT_OMIT};
	if (copy >= 0)
		sys(__NR_utimensat, copy, 0, times, 0);
	return copy;
}

void cache_forget(void)
{
	sys(__NR_unlinkat, cache.descriptor, cache.name, 0);
}

void cache_remove(void)
{
	warn(loader.options.image, ": its thawed copy ", cache.name, " in the cache is damaged: removed");
	cache_forget();
}

void cache_close(void)
{
	if (cache.is_open)
		sys(__NR_close, cache.descriptor);
	cache.is_open = false;
}

/* The directory of the file that this process runs, and a name in it. */
static bool beside_self(const char *self, const char *name, char *path)
{
	uint64_t length = strlen(self);
	while (length > 0 && self[length - 1] != '/')
		length--;
	char directory[PATH_SIZE];
	memcpy(directory, self, length);
	directory[length] = '\0';
	return length > 0 && join(path, PATH_SIZE, (const char *const[]){directory, name, NULL});
}

/* What cache_make needs to put together. */
struct restart {
	char directory[PATH_SIZE], self[PATH_SIZE], tool[PATH_SIZE];
	const char *argument[];
};

static bool name_tools(struct restart *restart)
{
	long size = sys(__NR_readlinkat, AT_FDCWD, "/proc/self/exe", restart->self, PATH_SIZE - 1);
	return size > 0 && beside_self(restart->self, "snapimg", restart->tool);
}

static struct restart *make_restart(void)
{
	uint64_t size = sizeof(struct restart) + (loader.stack.argc + OWN_ARGUMENTS) * sizeof(char *);
	/* Nobody unmaps it: it goes with the exec, or with all that is not the program's. */
	long memory = sys(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct restart *restart = (struct restart *)memory;
	return memory < 0 || loader.stack.argc == 0 || !name_tools(restart) ? NULL : restart;
}

/* Becomes snapimg, with words of its own, after which it becomes this program again. Returns if it can't. */
static long become_tool(struct restart *restart, const char *const *words, const char *added)
{
	uint64_t count = 0;
	while (*words != NULL)
		restart->argument[count++] = *words++;
	restart->argument[count++] = "--exec";
	restart->argument[count++] = restart->self;
	restart->argument[count++] = loader.options.image;
	restart->argument[count++] = loader.stack.argv[0];
	if (added != NULL)
		restart->argument[count++] = added;
	for (uint64_t i = 1; i <= loader.stack.argc; i++) /* with the NULL */
		restart->argument[count++] = loader.stack.argv[i];
	return sys(__NR_execve, restart->tool, restart->argument, loader.stack.envp);
}

void cache_make(void)
{
	/* What lies beside a runnable file is nobody's tool; and a pipe can't be read twice. */
	if (!cache.is_wanted || loader.options.cache_tried || loader.options.is_own || loader.image_is_piped)
		return;
	struct restart *restart = make_restart();
	if (restart == NULL || !choose_directory(restart->directory))
		return;
	const char *const words[] = {"snapimg",
	                             "cache",
	                             "add",
	                             "--dir",
	                             restart->directory,
	                             loader.options.verbose ? "--verbose" : "--quiet",
	                             NULL};
	long result = become_tool(restart, words, "--cache-tried");
	if (loader.options.verbose)
		warn(restart->tool, ": cannot be started: ", error_text(result), ": no thawed copy is made");
}

void key_enter(void)
{
	const char *key = loader.options.key != NULL ? loader.options.key : environment("SNAP_KEY");
	if (key == NULL || *key == '\0' || loader.options.verified != NULL)
		return;
	if (loader.options.is_own)
		die(EXIT_REFUSED,
		    "--key: a runnable file can't vouch for itself: start it with snaprun --key");
	if (loader.options.record)
		die(EXIT_REFUSED, "--key: --record-hot changes the image: record first, then sign");
	struct restart *restart = make_restart();
	if (restart == NULL)
		die(EXIT_REFUSED, "--key: snapimg, which checks signatures, can't be found: mount /proc");
	const char *directory = choose_directory(restart->directory) ? restart->directory : "";
	const char *const words[] = {"snapimg",
	                             "start",
	                             "--key",
	                             key,
	                             "--dir",
	                             directory,
	                             loader.options.verbose ? "--verbose" : "--quiet",
	                             NULL};
	long result = become_tool(restart, words, NULL);
	die(EXIT_REFUSED, restart->tool,
	    ": cannot be started, and it is what checks signatures: ", error_text(result),
	    ": install it beside snaprun");
}
