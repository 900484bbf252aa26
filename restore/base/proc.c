#include "restore/base/proc.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>

#include "restore/base/syscall_x86_64.h"

/* One that is mounted nowhere: nobody else sees it, and it goes with its descriptor. For who may mount. */
static long open_detached(const char *path, uint32_t flags)
{
	long context = sys(__NR_fsopen, "proc", FSOPEN_CLOEXEC);
	if (context < 0)
		return context;
	long result = sys(__NR_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
	long proc = result < 0 ? result : sys(__NR_fsmount, context, FSMOUNT_CLOEXEC, 0);
	sys(__NR_close, context);
	if (proc < 0)
		return proc;
	long descriptor = sys(__NR_openat, proc, path, flags | O_CLOEXEC);
	sys(__NR_close, proc);
	return descriptor;
}

long proc_open(const char *path, uint32_t flags)
{
	static const char mount[] = "/proc/";
	long descriptor = sys(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC);
	if (descriptor != -ENOENT)
		return descriptor;
	descriptor = open_detached(path + sizeof mount - 1, flags);
	return descriptor < 0 ? -ENOENT : descriptor;
}
