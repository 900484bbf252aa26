/*
 * A program that is in a session or process group of its own goes into a new one, when nothing is refused any
 * more. A session or group whose leader has gone (a daemon forks twice) is made by a process that goes, too.
 */
#include "restore/become/session.h"

#include <stddef.h> /* for <asm/signal.h> of Linux 5.10 */

#include <asm/errno.h>
#include <asm/ioctls.h>
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/identity.h"
#include "restore/become/tree.h"
#include "restore/fds/table.h"
#include "restore/loader.h"

static int terminal = -1;          /* the caller's, open until the program is in its foreground */
static int32_t callers_group = -1; /* where the program may have begun one of its own since */

const struct snapimg_attribute *session_wanted(void)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++)
		if (record[i].kind == SNAPIMG_ATTRIBUTE_SESSION)
			return &record[i];
	return NULL;
}

static bool is_own(uint64_t id)
{
	return id == snapimg_get_process(&loader.image)->pid;
}

bool session_is_anothers(const struct snapimg_attribute *record)
{
	return record->value != 0 && !is_own(record->value);
}

/* Whoever leads a process group can't leave it (setsid(2)). */
bool session_needs_process(void)
{
	const struct snapimg_attribute *record = session_wanted();
	return record != NULL && (session_is_anothers(record) ||
	                          (is_own(record->value) && sys(__NR_getpgid, 0) == (long)loader.tid));
}

/* The caller's foreground is given to a program that had it, not taken from a caller who has not. */
static long ask_for_terminal(void)
{
	int32_t foreground = 0, own = callers_group != -1 ? callers_group : (int32_t)sys(__NR_getpgid, 0);
	long opened = sys(__NR_openat, AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (opened < 0)
		return 0;
	if (sys(__NR_ioctl, opened, TIOCGPGRP, &foreground) < 0 || foreground != own) {
		sys(__NR_close, opened);
		return 0;
	}
	terminal = (int)descriptor_away(opened);
	return terminal < 0 ? terminal : 0;
}

long session_check(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return record->argument == 0 ? 0 : ask_for_terminal();
}

void session_note_caller(void)
{
	callers_group = (int32_t)sys(__NR_getpgid, 0);
}

void session_ask_foreground(void)
{
	if (tree_foreground() != 0)
		ask_for_terminal();
}

/* Once it has gone, its group has no leader. */
static long enter_group_of(uint32_t id)
{
	int32_t wanted = (int32_t)id;
	struct clone_args arguments = {.set_tid = (uint64_t)&wanted, .set_tid_size = 1};
	long leader = identity_wanted(0) == 0 ? -EPERM : sys(__NR_clone3, &arguments, sizeof arguments);
	if (leader < 0)
		leader = sys(__NR_clone, 0);
	if (leader == 0) {
		sys(__NR_setpgid, 0, 0);
		sys(__NR_exit_group, 0);
	}
	if (leader < 0)
		return leader;
	sys(__NR_waitid, P_PID, leader, 0, WEXITED | WNOWAIT | __WALL, 0);
	long result = sys(__NR_setpgid, 0, leader);
	sys(__NR_wait4, leader, 0, __WALL, 0);
	return result;
}

/* From the background it would stop who does it (tcsetpgrp(3)). */
void session_take_foreground(void)
{
	const uint64_t blocked = (uint64_t)1 << (SIGTTOU - 1);
	int32_t group = tree_foreground() != 0 ? (int32_t)tree_foreground() : (int32_t)sys(__NR_getpgid, 0);
	uint64_t before = 0;
	if (terminal < 0)
		return;
	sys(__NR_rt_sigprocmask, 0 /* SIG_BLOCK */, &blocked, &before, SIGNAL_SET_SIZE);
	sys(__NR_ioctl, terminal, TIOCSPGRP, &group);
	sys(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &before, 0, SIGNAL_SET_SIZE);
	sys(__NR_close, terminal);
	terminal = -1;
}

long session_enter(const struct snapimg_attribute *record, uint32_t tid)
{
	long result = 0;
	(void)tid;
	if (is_own(record->value))
		result = sys(__NR_setsid);
	else if (is_own(record->more)) /* its caller's shell may have done that */
		result = sys(__NR_getpgid, 0) == (long)loader.tid ? 0 : sys(__NR_setpgid, 0, 0);
	else if (record->more != record->value)
		result = enter_group_of((uint32_t)record->more);
	session_take_foreground();
	return result;
}

/* The records are sorted: it leads its session by now, and its descriptors have their numbers. */
long session_take_terminal(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return sys(__NR_ioctl, record->value, TIOCSCTTY, 0);
}

void session_leave(void)
{
	int32_t group = 0;
	const struct snapimg_attribute *record = session_wanted();
	if ((record == NULL || record->argument == 0) && tree_foreground() == 0)
		return;
	long opened = sys(__NR_openat, AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (opened < 0 || sys(__NR_ioctl, opened, TIOCGPGRP, &group) < 0 || group <= 1 ||
	    sys(__NR_kill, -group, 0) != -ESRCH)
		return;
	group = (int32_t)sys(__NR_getpgid, 0);
	sys(__NR_ioctl, opened, TIOCSPGRP, &group);
}
