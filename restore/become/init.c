#include "restore/become/init.h"

#include <stddef.h> /* for <asm/signal.h> of Linux 5.10 */

#include <asm/errno.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/wait.h>

#include "restore/base/message.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/capabilities.h"
#include "restore/loader.h"

enum { SIGNAL_KEEPER_GONE = SIGUSR1 };

/* Shared by the keeper and init: what the keeper tells. */
static volatile struct {
	uint32_t program_ended;
	uint32_t keeper;  /* 0: it is outside of the namespace */
	uint32_t program; /* 0: all in the namespace ends with its init */
	uint32_t awaited; /* init_await() has returned */
} * told;

/* A mount of proc shows the ids of the namespace of who mounts it. Forbidden where the caller's own /proc is
 * covered in parts, as in many containers (fs/namespace.c, mount_too_revealing). */
void init_mount_proc(void)
{
	long result = sys(__NR_mount, 0, "/", 0, MS_REC | MS_SLAVE, 0);
	if (result == 0)
		result = sys(__NR_mount, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
	if (result < 0 && loader.options.verbose)
		warn("--ids=same: /proc cannot be mounted again: ", error_text(result),
		     ": it shows the ids outside of the namespace");
}

/* False when there is no child left. */
static bool reap(void)
{
	long result;
	do
		result = sys(__NR_wait4, -1, 0, WNOHANG, 0);
	while (result > 0);
	return result != -ECHILD;
}

/* Whom the program left running stays, as after any program. Ids outside of the namespace are 0 in it, so
 * nobody in it can pass for the keeper. */
static _Noreturn void serve(void)
{
	const bool is_guard = told->keeper != 0;
	const uint64_t awaited = (uint64_t)1 << (SIGCHLD - 1) | (uint64_t)1 << (SIGNAL_KEEPER_GONE - 1);
	bool alone = false;
	for (;;) {
		siginfo_t info = {0};
		long number = sys(__NR_rt_sigtimedwait, &awaited, &info, 0, SIGNAL_SET_SIZE);
		if (number == SIGNAL_KEEPER_GONE && info.si_pid == (int)told->keeper) {
			alone = true;
			if (!told->program_ended && told->program != 0)
				sys(__NR_kill, told->program, SIGKILL);
			if (!told->program_ended || is_guard)
				break;
		}
		if (!reap() && alone)
			break;
	}
	sys(__NR_exit_group, 0);
	__builtin_unreachable();
}

static _Noreturn void become_init(int ready)
{
	sys(__NR_prctl, PR_SET_NAME, told->keeper != 0 ? "snaprun-guard" : "snaprun-init");
	sys(__NR_prctl, PR_SET_PDEATHSIG, SIGNAL_KEEPER_GONE);
	sys(__NR_setsid); /* out of the terminal's and the job's reach */
	sys(__NR_chdir, "/");
	/* A keeper that was gone before sent no signal: then nobody has read when nobody can any more. */
	struct {
		int descriptor;
		int16_t events, happened;
	} readers = {.descriptor = ready};
	print(ready, "x");
	sys(__NR_poll, &readers, 1, -1);
	if (!told->awaited) {
		if (told->program != 0)
			sys(__NR_kill, told->program, SIGKILL);
		sys(__NR_exit_group, 0);
	}
	sys(__NR_close_range, 0, ~0u, 0);
	capabilities_drop();
	serve();
}

int init_start(bool in_namespace)
{
	int32_t ends[2] = {-1, -1};
	long shared = sys(__NR_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long result = shared < 0 && shared > -4096 ? shared : sys(__NR_pipe2, ends, O_CLOEXEC);
	if (result < 0)
		die(EXIT_REFUSED, "--ids=same: cannot be prepared: ", error_text(result));
	told = (void *)shared;
	told->keeper = in_namespace ? 0 : loader.tid;
	result = sys(__NR_clone, SIGCHLD);
	if (result == 0) {
		sys(__NR_close, ends[0]);
		become_init(ends[1]);
	}
	sys(__NR_close, ends[1]);
	if (result < 0)
		die(EXIT_REFUSED, "--ids=same: the namespace's init cannot be started: ", error_text(result),
		    ": raise ulimit -u");
	return ends[0];
}

void init_await(int ready)
{
	char byte;
	sys(__NR_read, ready, &byte, 1);
	told->awaited = 1;
}

void init_tell_program(uint32_t program)
{
	told->program = program;
}

void init_tell_end(void)
{
	told->program_ended = 1;
}
