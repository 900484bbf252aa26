/*
 * The system calls of Linux on x86-64 by name, and which of their arguments
 * are paths. The numbers are those of the kernel's header, and of newer ones
 * than that (system_calls.cmake).
 */
#include "tracer/ptrace/system_calls.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
/* X(name, mask of arguments that are paths); *at calls count by what is written, not by where it leads. All calls of
 * include/linux/syscalls.h that take one, up to 6.17; those whose path lies within a structure (bind, bpf) don't. */
#define PATH_CALLS(X) \
	X(open, 1) X(creat, 1) X(openat, 2) X(openat2, 2) X(open_tree, 2) X(open_tree_attr, 2) \
	X(name_to_handle_at, 2) X(stat, 1) X(lstat, 1) X(newfstatat, 2) X(statx, 2) X(statfs, 1) \
	X(access, 1) X(faccessat, 2) X(faccessat2, 2) X(readlink, 1) X(readlinkat, 2) X(execve, 1) \
	X(execveat, 2) X(uselib, 1) X(chdir, 1) X(chroot, 1) X(pivot_root, 3) X(mkdir, 1) X(mkdirat, 2) \
	X(rmdir, 1) X(unlink, 1) X(unlinkat, 2) X(rename, 3) X(renameat, 10) X(renameat2, 10) X(link, 3) \
	X(linkat, 10) X(symlink, 3) X(symlinkat, 5) X(chmod, 1) X(fchmodat, 2) X(fchmodat2, 2) \
	X(chown, 1) X(lchown, 1) X(fchownat, 2) X(truncate, 1) X(mknod, 1) X(mknodat, 2) X(utime, 1) \
	X(utimes, 1) X(utimensat, 2) X(futimesat, 2) X(setxattr, 1) X(lsetxattr, 1) X(setxattrat, 2) \
	X(getxattr, 1) X(lgetxattr, 1) X(getxattrat, 2) X(listxattr, 1) X(llistxattr, 1) X(listxattrat, 2) \
	X(removexattr, 1) X(lremovexattr, 1) X(removexattrat, 2) X(file_getattr, 2) X(file_setattr, 2) \
	X(inotify_add_watch, 2) X(fanotify_mark, 16) X(mount, 3) X(umount2, 1) X(move_mount, 10) \
	X(mount_setattr, 2) X(fspick, 2) X(fsconfig, 8) X(swapon, 1) X(swapoff, 1) X(acct, 1) X(quotactl, 2)
/* clang-format on */

enum {
#define X(number, name) CALL_##name = (number),
#include <system_calls.inc>
#undef X
};

static const struct system_call {
	int number;
	const char *name;
} system_calls[] = {
#define X(number, name) {number, #name},
#include <system_calls.inc>
#undef X
};

static const struct path_call path_calls[] = {
#define X(name, mask) {CALL_##name, mask},
        PATH_CALLS(X)
#undef X
};

int system_call_number(const char *name)
{
	for (size_t i = 0; i < sizeof(system_calls) / sizeof(*system_calls); i++)
		if (strcmp(system_calls[i].name, name) == 0)
			return system_calls[i].number;
	return -1;
}

const char *system_call_name(long number)
{
	for (size_t i = 0; i < sizeof(system_calls) / sizeof(*system_calls); i++)
		if (system_calls[i].number == number)
			return system_calls[i].name;
	return "a system call";
}

const struct path_call *system_calls_with_path(size_t *ret_count)
{
	*ret_count = sizeof(path_calls) / sizeof(*path_calls);
	return path_calls;
}

unsigned system_call_path_mask(long number)
{
	for (size_t i = 0; i < sizeof(path_calls) / sizeof(*path_calls); i++)
		if (path_calls[i].number == number)
			return path_calls[i].mask;
	return 0;
}
