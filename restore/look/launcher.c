/*
 * A launcher is a text file, executed by its first line; each line after it is
 * a word and a value (tracer/warm/launcher.c writes it):
 *
 *     image PATH       what is started, if all that it was made from is as it was
 *     program PATH     else this, with these words and the caller's arguments
 *     word WORD
 *     snaptrace PATH   what makes the image again
 */
#include "restore/look/launcher.h"

#include <stddef.h> /* first: Linux 5.10's <asm/signal.h> needs it */

#include <asm/signal.h>
#include <asm/stat.h>
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/resource.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

#ifndef __NR_close_range
#define __NR_close_range 436 /* since Linux 5.9 */
#endif

enum { TEXT_MAX = 1 << 16, WORDS_MAX = 64, PATH_MAX_ = 4096, NICE_MOST = 19, REFUSED_FOR = 3600 };
enum { IO_PRIORITY_WHO_PROCESS = 1, IO_PRIORITY_IDLE = 3 << 13 }; /* ioprio_set(2) */

static char text[TEXT_MAX];
static struct {
	const char *file, *image, *program, *snaptrace;
	char *word[WORDS_MAX];
	uint64_t words;
	bool is_anothers; /* his to make again */
} launcher;

static void take_line(char *line)
{
	const char *value;
	if ((value = text_after(line, "image ")) != NULL)
		launcher.image = value;
	else if ((value = text_after(line, "program ")) != NULL)
		launcher.program = value;
	else if ((value = text_after(line, "snaptrace ")) != NULL)
		launcher.snaptrace = value;
	else if (text_after(line, "word ") != NULL && launcher.words < WORDS_MAX)
		launcher.word[launcher.words++] = line + 5;
}

static void take_lines(uint64_t size)
{
	char *line = text;
	for (uint64_t i = 0; i < size; i++)
		if (text[i] == '\n') {
			text[i] = '\0';
			take_line(line);
			line = text + i + 1;
		}
}

/* It failed before, and not long ago: it would again. */
static bool was_refused(void)
{
	static const char suffix[] = ".refused";
	static char path[PATH_MAX_];
	struct stat status = {0};
	int64_t now = 0;
	uint64_t length = strlen(launcher.image);
	if (length + sizeof suffix > sizeof path)
		return true;
	memcpy(path, launcher.image, length);
	memcpy(path + length, suffix, sizeof suffix);
	if (sys(__NR_newfstatat, AT_FDCWD, path, &status, 0) < 0)
		return false;
	sys(__NR_time, &now);
	return now - (int64_t)status.st_mtime < REFUSED_FOR;
}

/* In a grandchild of a session of its own: nothing of it is the caller's, not even a descriptor. */
static _Noreturn void make_again(char **environment)
{
	const char *words[] = {"snaptrace", "-q", "--if-needed", "--refresh", launcher.file, NULL};
	sys(__NR_close_range, 3, ~0u, 0);
	for (int i = 0; i < 3; i++)
		sys(__NR_close, i);
	sys(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR);
	sys(__NR_dup2, 0, 1);
	sys(__NR_dup2, 0, 2);
	sys(__NR_setpriority, 0 /* PRIO_PROCESS */, 0, NICE_MOST);
	sys(__NR_ioprio_set, IO_PRIORITY_WHO_PROCESS, 0, IO_PRIORITY_IDLE);
	sys(__NR_execve, launcher.snaptrace, words, environment);
	sys(__NR_exit_group, EXIT_NOT_FOUND);
	__builtin_unreachable();
}

static void make_in_background(char **environment)
{
	if (launcher.snaptrace == NULL || launcher.is_anothers || loader.refresh_is_useless || was_refused())
		return;
	long child = sys(__NR_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		sys(__NR_setsid);
		if (sys(__NR_clone, SIGCHLD, 0, 0, 0, 0) == 0)
			make_again(environment);
		sys(__NR_exit_group, 0);
	}
	if (child > 0)
		sys(__NR_wait4, child, 0, 0, 0);
}

/* die_instead: the program itself. */
static void start_cold(void)
{
	const struct resume_area *area = &loader.area;
	bool is_kept = area->start != 0;
	char **given = loader.options.arguments, **environment = loader.stack.envp;
	uint64_t count = loader.options.argument_count;
	if (is_kept) { /* the kernel's first stack may be gone */
		uint64_t fixed = area->argc - count;
		given = (char **)(area->start + area->argv) + fixed;
		environment = (char **)(area->start + area->envp);
	}
	long room = sys(__NR_mmap, 0, (launcher.words + count + 1) * sizeof(char *), PROT_READ | PROT_WRITE,
	                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room >= 0) {
		char **words = (char **)room;
		memcpy(words, launcher.word, launcher.words * sizeof(char *));
		memcpy(words + launcher.words, given, count * sizeof(char *));
		make_in_background(environment);
		room = sys(__NR_execve, launcher.program, words, environment);
	}
	print(2, "snaprun: ", launcher.program, ": cannot be executed: ", error_text(room), "\n");
}

void launcher_read(const char *file)
{
	int descriptor = (int)sys(__NR_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status = {0};
	long size = descriptor < 0 ? descriptor : sys(__NR_read, descriptor, text, TEXT_MAX);
	if (size < 0)
		die(EXIT_UNREADABLE, "--launcher: ", file, ": cannot be read: ", error_text(size));
	if (sys(__NR_fstat, descriptor, &status) < 0 || status.st_uid != (uint32_t)sys(__NR_geteuid))
		launcher.is_anothers = true;
	sys(__NR_close, descriptor);
	take_lines((uint64_t)size);
	if (launcher.image == NULL || launcher.program == NULL || launcher.words == 0)
		die(EXIT_REFUSED, "--launcher: ", file,
		    ": is no launcher: make it with snaptrace --launcher");
	launcher.file = file;
	loader.options.image = launcher.image;
	loader.options.inputs = true;
	if (!loader.options.verbose)
		loader.options.quiet = true;
	die_instead = start_cold;
}
