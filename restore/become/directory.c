#include "restore/become/directory.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <stdbool.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/thread_x86_64.h"
#include "restore/fds/table.h"
#include "restore/loader.h"

enum {
	STACK_SIZE = 8192,
	/* Threads share the working directory by CLONE_FS (clone(2)); this one has its own. */
	APART = CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
	        CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
};

static struct {
	bool is_open;
	int descriptor;
} directory;

long directory_make_removed(const char *path, uint32_t flags)
{
	const char *const places[] = {path, "/tmp", "/var/tmp"};
	static char name[4096 + 64];
	long result = -ENOENT;
	for (unsigned i = 0; i < sizeof places / sizeof places[0] && result < 0; i++) {
		uint64_t number = 0;
		size_t length = strlen(places[i]);
		if (length >= 4096)
			continue;
		memcpy(name, places[i], length + 1);
		while (i == 0 && length > 0 && name[length - 1] != '/')
			length--;
		memcpy(name + length, "/.snaprun-", sizeof "/.snaprun-");
		length += strlen(name + length);
		memcpy(&number, loader.random, sizeof number);
		const char *digits = dec(number);
		memcpy(name + length, digits, strlen(digits) + 1);
		result = sys(__NR_mkdirat, AT_FDCWD, name, 0700);
		if (result < 0)
			continue;
		result = sys(__NR_openat, AT_FDCWD, name, flags | O_DIRECTORY | O_CLOEXEC);
		sys(__NR_unlinkat, AT_FDCWD, name, AT_REMOVEDIR);
	}
	return result;
}

/* With "." after it the kernel looks whether one may go there. */
void directory_prepare(void)
{
	const char *path = snapimg_string(&loader.image, snapimg_get_process(&loader.image)->cwd);
	if (directory.is_open)
		return;
	directory.is_open = true;
	directory.descriptor = AT_FDCWD;
	if (*path == '\0')
		return; /* the caller's, as the program had inherited it */
	if (snapimg_get_process(&loader.image)->flags & SNAPIMG_PROCESS_CWD_REMOVED) {
		long removed = descriptor_away(directory_make_removed(path, O_PATH));
		if (removed < 0)
			die(EXIT_REFUSED, path,
			    ": no directory can be made and removed, as the program's was: ",
			    error_text(removed));
		directory.descriptor = (int)removed;
		return;
	}
	long place = sys(__NR_openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	long inside = place < 0 ? place : sys(__NR_openat, place, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (inside < 0 && image_is_self_contained()) {
		warn(path, ": cannot go back to the program's directory: ", error_text(inside),
		     ": it goes on in the caller's");
		if (place >= 0)
			sys(__NR_close, place);
		return;
	}
	if (inside < 0)
		die(EXIT_REFUSED, path, ": cannot go back to the program's directory: ", error_text(inside),
		    ": make it again");
	sys(__NR_close, place);
	directory.descriptor = (int)descriptor_away(inside);
	if (directory.descriptor < 0)
		die(EXIT_REFUSED, path, ": cannot be kept open: ", error_text(directory.descriptor));
}

void directory_forget(bool is_anothers)
{
	if (directory.is_open && directory.descriptor != AT_FDCWD && !is_anothers)
		sys(__NR_close, directory.descriptor);
	directory.is_open = false;
}

int directory_descriptor(void)
{
	directory_prepare();
	return directory.descriptor;
}

/* What the thread that has its own directory does. */
static struct {
	uint32_t tid; /* until it has left its stack; then the kernel makes it 0 */
	void (*function)(void *);
	void *argument;
	long result;
	_Alignas(16) uint8_t stack[STACK_SIZE];
} visit;

static void go(void *unused)
{
	(void)unused;
	visit.result = sys(__NR_fchdir, directory.descriptor);
	if (visit.result == 0)
		visit.function(visit.argument);
	sys(__NR_exit);
}

long directory_run(void (*function)(void *), void *argument)
{
	static uint64_t thread_block[8]; /* as that of main.c */
	uint64_t *stack = (uint64_t *)(visit.stack + STACK_SIZE - 16);
	uint32_t tid;
	if (directory_descriptor() == AT_FDCWD) {
		function(argument);
		return 0;
	}
	visit.function = function;
	visit.argument = argument;
	stack[0] = (uint64_t)go;
	stack[1] = 0;
	long made = thread_clone(APART, (uint64_t)stack, &visit.tid, (uint64_t)&visit.tid,
	                         (uint64_t)thread_block);
	if (made < 0)
		return made;
	while ((tid = *(volatile uint32_t *)&visit.tid) != 0)
		sys(__NR_futex, &visit.tid, FUTEX_WAIT, tid);
	while (sys(__NR_tgkill, loader.tid, made, 0) != -ESRCH)
		sys(__NR_sched_yield);
	return visit.result;
}

void directory_commit(void)
{
	const char *path = snapimg_string(&loader.image, snapimg_get_process(&loader.image)->cwd);
	if (directory.descriptor == AT_FDCWD)
		return;
	long result = sys(__NR_fchdir, directory.descriptor);
	if (result < 0)
		die(EXIT_REFUSED, path, ": cannot go back to the program's directory: ", error_text(result));
	sys(__NR_close, directory.descriptor);
}
