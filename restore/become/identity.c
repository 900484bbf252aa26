/*
 * An ordinary user may choose ids, and what /proc/self/exe shows, only in a user
 * namespace of his own (user_namespaces(7), pid_namespaces(7)); with
 * CAP_SYS_ADMIN no user namespace is needed. In it the caller's user and group
 * ids are the only ones that are mapped, to themselves.
 */
#include "restore/become/identity.h"

#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/capabilities.h"
#include "restore/become/keeper.h"
#include "restore/loader.h"

enum { INIT_ID = 1 };

static const char how[] = ": an administrator can allow user namespaces (kernel.unprivileged_userns_clone, "
                          "user.max_user_namespaces, seccomp or AppArmor rules)";

static void write_line(const char *option, const char *path, const char *const *parts)
{
	long descriptor = sys(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	if (descriptor < 0)
		die(EXIT_REFUSED, option, ": ", path, ": cannot be opened: ", error_text(descriptor), how);
	if (!print_parts((int)descriptor, parts))
		die(EXIT_REFUSED, option, ": ", path, ": cannot be written", how);
	sys(__NR_close, descriptor);
}

/* An unprivileged group map needs setgroups(2) to be denied first (Linux 3.19). */
static void map_ids(const char *option, uint64_t user, uint64_t group)
{
	write_line(option, "/proc/self/setgroups", (const char *const[]){"deny", NULL});
	write_line(option, "/proc/self/uid_map",
	           (const char *const[]){dec(user), " ", dec(user), " 1\n", NULL});
	write_line(option, "/proc/self/gid_map",
	           (const char *const[]){dec(group), " ", dec(group), " 1\n", NULL});
}

static void make_namespaces(const char *option, uint64_t flags)
{
	uint64_t user = (uint64_t)sys(__NR_geteuid), group = (uint64_t)sys(__NR_getegid);
	if ((uint64_t)sys(__NR_getuid) != user || (uint64_t)sys(__NR_getgid) != group)
		die(EXIT_REFUSED, option,
		    ": the effective user or group is not the real one: start it as one user");
	capabilities_keep();
	long result = sys(__NR_unshare, CLONE_NEWUSER | flags);
	if (result < 0)
		die(EXIT_REFUSED, option, ": no user namespace can be made: ", error_text(result), how);
	map_ids(option, user, group);
}

static void check_ids(void)
{
	const struct snapimg_thread *thread = snapimg_get_thread(&loader.image);
	for (uint32_t i = 0; i < snapimg_thread_count(&loader.image); i++)
		if (thread[i].tid == INIT_ID)
			die(EXIT_REFUSED, "--same-ids: the recorded ID 1 is that of the namespace's init: "
			                  "start it without --same-ids");
}

uint32_t identity_wanted(uint32_t index)
{
	return loader.options.same_ids ? snapimg_get_thread(&loader.image)[index].tid : 0;
}

static void enter_same_ids(void)
{
	const uint64_t flags = CLONE_NEWPID | CLONE_NEWNS;
	check_ids();
	bool is_privileged = sys(__NR_unshare, flags) == 0;
	if (!is_privileged)
		make_namespaces("--same-ids", flags);
	keeper_split(identity_wanted(0));
	if (!is_privileged)
		capabilities_narrow();
}

void identity_enter(void)
{
	if (loader.options.same_ids)
		enter_same_ids();
	if (loader.options.exe && !capabilities_can_restore()) {
		make_namespaces("--exe", 0);
		capabilities_narrow();
	}
}
