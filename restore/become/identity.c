/*
 * What a program has kept of its own IDs (KEPT in the image) is right in a PID
 * namespace, where it has the recorded ones. Where none can be made, or none is
 * wanted, what can be is written over with the new ones (kept.c).
 *
 * An ordinary user may choose ids, and what /proc/self/exe shows, only in a user
 * namespace of his own (user_namespaces(7), pid_namespaces(7)); with
 * CAP_SYS_ADMIN no user namespace is needed. In it the caller's user and group
 * ids are the only ones that are mapped, to themselves.
 */
#include "restore/become/identity.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/capabilities.h"
#include "restore/become/ipc.h"
#include "restore/become/keeper.h"
#include "restore/become/kept.h"
#include "restore/become/session.h"
#include "restore/become/users.h"
#include "restore/loader.h"

enum { INIT_ID = 1 };

const char namespaces_advice[] =
        ": an administrator can allow user namespaces (kernel.unprivileged_userns_clone, "
        "user.max_user_namespaces, seccomp or AppArmor rules)";

static bool has_same_ids;
static bool has_user_namespace, is_narrow; /* with all capabilities in it, until they are narrowed */

static void write_line(const char *option, const char *path, const char *const *parts)
{
	long descriptor = sys(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	if (descriptor < 0)
		die(EXIT_REFUSED, option, ": ", path, ": cannot be opened: ", error_text(descriptor),
		    namespaces_advice);
	if (!print_parts((int)descriptor, parts))
		die(EXIT_REFUSED, option, ": ", path, ": cannot be written", namespaces_advice);
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

/* Negative where none may be made: then nothing has changed. */
static long make_namespaces(const char *option, uint64_t flags)
{
	uint64_t user = (uint64_t)sys(__NR_geteuid), group = (uint64_t)sys(__NR_getegid);
	if ((uint64_t)sys(__NR_getuid) != user || (uint64_t)sys(__NR_getgid) != group)
		return -EPERM; /* both can't be mapped */
	capabilities_keep();
	if (user == 0 && !capabilities_can_map_root())
		return -EPERM;
	long result = sys(__NR_unshare, CLONE_NEWUSER | flags);
	if (result >= 0) {
		map_ids(option, user, group);
		has_user_namespace = true;
	}
	return result;
}

/* Those that who started it had, and one that is needed to the end: when no other namespace is to be made. */
static void narrow(void)
{
	if (has_user_namespace && !is_narrow)
		capabilities_narrow();
	is_narrow = has_user_namespace;
}

long namespaces_make(uint64_t flags)
{
	long result = sys(__NR_unshare, flags);
	return result == 0 ? result : make_namespaces("a namespace", flags);
}

static bool is_thread_id(uint32_t id)
{
	const struct snapimg_thread *thread = snapimg_get_thread(&loader.image);
	for (uint32_t i = 0; i < snapimg_thread_count(&loader.image); i++)
		if (thread[i].tid == id)
			return true;
	const struct snapimg_member *member = snapimg_get_member(&loader.image);
	for (uint32_t i = 0; i < snapimg_member_count(&loader.image); i++)
		if (member[i].pid == id || member[i].group == id || member[i].session == id)
			return true;
	return false;
}

/* The one that it had, where it can be had: else one that nobody in the namespace has. */
static uint32_t parent_id(void)
{
	uint32_t id = kept_parent();
	if (id > INIT_ID && !is_thread_id(id))
		return id;
	for (id = snapimg_get_thread(&loader.image)->tid - 1; id <= INIT_ID || is_thread_id(id);)
		id = id > INIT_ID ? id - 1
		                  : INIT_ID + snapimg_thread_count(&loader.image) +
		                            3 * snapimg_member_count(&loader.image) + 1;
	return id;
}

uint32_t identity_wanted(uint32_t index)
{
	return has_same_ids ? snapimg_get_thread(&loader.image)[index].tid : 0;
}

/* What a service manager tells a process about itself (sd_listen_fds(3), sd_watchdog_enabled(3)): in the
 * namespace it has another ID. */
static void tell_own_id(uint32_t before, uint32_t now)
{
	static const char *const names[] = {"LISTEN_PID=", "WATCHDOG_PID=", "SYSTEMD_EXEC_PID="};
	static char lines[sizeof names / sizeof names[0]][32];
	for (char **entry = loader.stack.envp; *entry != NULL; entry++)
		for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
			const char *value = text_after(*entry, names[i]);
			if (value == NULL || !text_equal(value, dec(before)))
				continue;
			const char *digits = dec(now);
			size_t length = strlen(names[i]);
			memcpy(lines[i], names[i], length);
			memcpy(lines[i] + length, digits, strlen(digits) + 1);
			*entry = lines[i];
		}
}

/* Negative where no namespace may be made. */
static long enter_same_ids(void)
{
	const uint64_t flags = CLONE_NEWPID | CLONE_NEWNS | (ipc_is_needed() ? CLONE_NEWIPC : 0u);
	uint32_t before = loader.tid;
	if (is_thread_id(INIT_ID))
		return -EEXIST;
	/* Without it no ID can be chosen, and once there is a namespace there's no way back. */
	if (sys(__NR_clone3, 0, 0) == -ENOSYS)
		return -ENOSYS;
	if (sys(__NR_unshare, flags) < 0) {
		long result = make_namespaces("--ids=same", flags);
		if (result < 0)
			return result;
	}
	has_same_ids = true;
	keeper_split(identity_wanted(0), parent_id());
	tell_own_id(before, loader.tid);
	return 0;
}

static _Noreturn void die_without_ids(const struct snapimg_kept *kept, long result)
{
	die(EXIT_REFUSED, loader.options.image, ": the program has kept its ID (as ",
	    snapimg_kept_name(kept->kind == SNAPIMG_KEPT_REGISTER ? SNAPIMG_KEPT_WORD : kept->kind),
	    kept->kind == SNAPIMG_KEPT_COMMON ? "" : " in ", snapimg_string(&loader.image, kept->where),
	    "), and no PID namespace can be made, in which it would have it: ",
	    result == -EEXIST ? "the ID is 1" : error_text(result),
	    ": allow namespaces, or start it with --ids=new if it does without");
}

/* Who traces it wants the program itself, with no keeper and in his own namespaces: snaptrace, to freeze it
 * once more. */
static bool is_traced(void)
{
	static const char label[] = "\nTracerPid:\t";
	char text[1024] = "";
	long descriptor = sys(__NR_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return false;
	sys(__NR_read, descriptor, text, sizeof text - 1);
	sys(__NR_close, descriptor);
	for (const char *at = text; *at != '\0'; at++) {
		const char *number = text_after(at, label);
		if (number != NULL)
			return *number != '0';
	}
	return false;
}

/* It may be a message that nobody needs any more, or a name by which something is found. */
static void tell_of_text(void)
{
	const struct snapimg_kept *kept = kept_in_text();
	if (kept != NULL)
		warn(loader.options.image, ": no PID namespace can be made: a text in ",
		     snapimg_string(&loader.image, kept->where),
		     " has the program's old ID and keeps it: --ids=new starts it without this line");
}

/* An image in which nobody has looked may have kept something; but it always was started with new IDs. */
static void enter_as_needed(void)
{
	bool is_searched = snapimg_kept_count(&loader.image) > 0;
	if (is_searched && kept_in_the_way(false) == NULL)
		return;
	if (kept_in_the_way(true) == NULL && is_traced())
		return;
	long result = enter_same_ids();
	const struct snapimg_kept *kept = result < 0 ? kept_in_the_way(true) : NULL;
	if (kept != NULL)
		die_without_ids(kept, result);
	if (result < 0)
		tell_of_text();
	if (result < 0 && loader.options.verbose)
		warn(loader.options.image, ": no PID namespace can be made: ", error_text(result),
		     ": IDs that the program has kept are written over");
}

static void must(const char *option, long result)
{
	if (result == -EEXIST)
		die(EXIT_REFUSED, option,
		    ": the recorded ID 1 is that of the namespace's init: start it with "
		    "--ids=new");
	if (result == -EPERM && sys(__NR_getuid) != sys(__NR_geteuid))
		die(EXIT_REFUSED, option,
		    ": the effective user or group is not the real one: start it as one user");
	if (result < 0)
		die(EXIT_REFUSED, option, ": no user namespace can be made: ", error_text(result),
		    namespaces_advice);
}

/* False where it isn't here, which only a program that came with all its files can do without. */
static bool has_executable(void)
{
	const char *path = snapimg_string(&loader.image, snapimg_get_process(&loader.image)->executable);
	long result = image_is_self_contained() ? sys(__NR_access, path, 0 /* F_OK */) : 0;
	if (result < 0)
		warn(path,
		     ": /proc/self/exe is not the program's own, which is not here: ", error_text(result));
	return result == 0;
}

static void enter_for_executable(void)
{
	if (!has_executable() || capabilities_can_restore() || (!loader.options.exe && is_traced()))
		return;
	long result = make_namespaces("--exe", 0);
	if (loader.options.exe)
		must("--exe", result);
	if (result < 0)
		warn(loader.options.image,
		     ": /proc/self/exe is not the program's own, which it asks for: no user "
		     "namespace can be made: ",
		     error_text(result));
}

/* What it has of System V objects and message queues is in a namespace of its own: so nobody else has it, and
 * ids and names are free. */
static void enter_for_ipc(void)
{
	if (!ipc_is_needed())
		return;
	long result = has_same_ids ? 0 : namespaces_make(CLONE_NEWIPC);
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image, ": the program has ", ipc_needed_for(),
		    ", and no IPC namespace can be made, in which it would have them alone: ",
		    error_text(result), namespaces_advice);
	ipc_make();
}

void identity_enter(void)
{
	bool is_tree = snapimg_member_count(&loader.image) > 0;
	users_keep();
	if (is_tree && loader.options.ids == IDS_NEW)
		die(EXIT_REFUSED, "--ids=new: ", loader.options.image,
		    " is a tree of processes, which know each other by their IDs: leave it out");
	if (is_tree)
		must("a tree of processes", enter_same_ids());
	else if (loader.options.ids == IDS_SAME)
		must("--ids=same", enter_same_ids());
	else if (loader.options.ids == IDS_AUTO)
		enter_as_needed();
	if (loader.options.exe || kept_asks_for_executable())
		enter_for_executable();
	enter_for_ipc();
	if (loader.options.verbose && !has_user_namespace && !capabilities_can_restore())
		warn("/proc/self/exe shows snaprun's file to others, and to who doesn't ask the C library: "
		     "an ordinary user can't say which it shows; --exe makes it the program's own");
	narrow();
	if (!has_same_ids && session_needs_process()) {
		uint32_t before = loader.tid;
		keeper_split_here();
		tell_own_id(before, loader.tid);
	}
}
