#include "restore/become/users.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/capabilities.h"
#include "restore/loader.h"

enum { REAL, EFFECTIVE, SAVED, FILES, IDS };
static const uint32_t same = UINT32_MAX; /* to setresuid(2) and its like: it stays */

/* Calls that are alike for users and for groups. */
struct calls {
	const char *name;
	int get, set, set_files;
};
static const struct calls calls_of_users = {"user", __NR_getresuid, __NR_setresuid, __NR_setfsuid},
                          calls_of_groups = {"group", __NR_getresgid, __NR_setresgid, __NR_setfsgid};

static struct {
	uint32_t group[SNAPIMG_MORE_GROUPS_MAX];
	long count; /* negative: there are more */
} kept;

void users_keep(void)
{
	kept.count = sys(__NR_getgroups, SNAPIMG_MORE_GROUPS_MAX, kept.group);
}

static const struct calls *calls_of(const struct snapimg_attribute *record)
{
	return record->kind == SNAPIMG_ATTRIBUTE_THREAD_USERS ? &calls_of_users : &calls_of_groups;
}

static void read_own(const struct calls *calls, uint32_t ret_id[IDS])
{
	sys(calls->get, &ret_id[REAL], &ret_id[EFFECTIVE], &ret_id[SAVED]);
	ret_id[FILES] = (uint32_t)sys(calls->set_files, same); /* changes nothing, tells the present one */
}

static void read_recorded(const struct snapimg_attribute *record, uint32_t ret_id[IDS])
{
	ret_id[REAL] = (uint32_t)record->value;
	ret_id[EFFECTIVE] = (uint32_t)(record->value >> 32);
	ret_id[SAVED] = (uint32_t)record->more;
	ret_id[FILES] = (uint32_t)(record->more >> 32);
}

static bool is_one_of(uint32_t id, const uint32_t *of, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (of[i] == id)
			return true;
	return false;
}

static _Noreturn void die_without(const struct calls *calls, uint32_t id, long result)
{
	die(EXIT_REFUSED, loader.options.image, ": process ", dec(snapimg_get_thread(&loader.image)->tid),
	    " had become ", calls->name, " ", dec(id), ", which can't be had here: ",
	    result == -EINVAL ? "its user namespace lacks it" : error_text(result),
	    ": start it as root, or as that user");
}

/* Whether it can be had is seen by having it as the saved one for a moment, which nothing depends on. */
static void check_id(const struct calls *calls, uint32_t id)
{
	uint32_t own[IDS] = {0};
	read_own(calls, own);
	if (is_one_of(id, own, FILES))
		return;
	long result = sys(calls->set, same, same, id);
	if (result < 0)
		die_without(calls, id, result);
	sys(calls->set, same, same, own[SAVED]);
}

static bool setgroups_is_denied(void)
{
	char text[8] = "";
	long descriptor = sys(__NR_openat, AT_FDCWD, "/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return false;
	sys(__NR_read, descriptor, text, sizeof text - 1);
	sys(__NR_close, descriptor);
	return text[0] == 'd';
}

/* The supplementary groups of a thread, of which `first` is the first record. Returns how many. */
static uint32_t read_groups(const struct snapimg_attribute *first, uint32_t *ret_group)
{
	const struct snapimg_attribute *end =
	        snapimg_get_attribute(&loader.image) + snapimg_attribute_count(&loader.image);
	uint32_t count = 0;
	for (const struct snapimg_attribute *it = first;
	     it < end && it->kind == first->kind && it->argument == first->argument && it->more != 0; it++)
		ret_group[count++] = (uint32_t)it->value;
	return count;
}

/* The kernel has them sorted. */
static bool has_groups(const uint32_t *group, uint32_t count)
{
	bool is_same = kept.count == (long)count;
	for (uint32_t i = 0; i < count && is_same; i++)
		is_same = kept.group[i] == group[i];
	return is_same;
}

/* Only where capabilities would be lost is it needed, but for others the kernel allows it, too. */
static void check_keeping(void)
{
	long keeps = sys(__NR_prctl, PR_GET_KEEPCAPS);
	long result = keeps == 0 ? sys(__NR_prctl, PR_SET_KEEPCAPS, 1) : 0;
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image,
		    ": the program had changed its user or group, and capabilities can't be kept meanwhile: ",
		    error_text(result), ": start it without secure bits");
	if (keeps == 0)
		sys(__NR_prctl, PR_SET_KEEPCAPS, 0);
}

static void check_groups(const struct snapimg_attribute *record)
{
	static uint32_t group[SNAPIMG_MORE_GROUPS_MAX];
	if (record->more > 1)
		return; /* with the first of them */
	uint32_t count = read_groups(record, group);
	if (has_groups(group, count))
		return;
	if (setgroups_is_denied() || !capabilities_can_set_groups())
		die(EXIT_REFUSED, loader.options.image, ": process ",
		    dec(snapimg_get_thread(&loader.image)->tid),
		    " had changed its supplementary groups, which can't be had here",
		    ": start it as root, or with those groups");
	for (uint32_t i = 0; i < count; i++)
		check_id(&calls_of_groups, group[i]);
}

void users_check(const struct snapimg_attribute *record)
{
	uint32_t id[IDS], own[IDS] = {0};
	check_keeping();
	if (record->kind == SNAPIMG_ATTRIBUTE_THREAD_MORE_GROUPS) {
		check_groups(record);
		return;
	}
	read_recorded(record, id);
	read_own(calls_of(record), own);
	for (uint32_t i = 0; i < IDS; i++)
		if (id[i] != own[i])
			check_id(calls_of(record), id[i]);
}

static void must(long result, const char *what)
{
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image, ": ", what,
		    ": cannot be changed: ", error_text(result));
}

static void set_ids(const struct snapimg_attribute *record)
{
	const struct calls *calls = calls_of(record);
	uint32_t id[IDS];
	read_recorded(record, id);
	must(sys(calls->set, id[REAL], id[EFFECTIVE], id[SAVED]), snapimg_attribute_name(record->kind));
	if (id[FILES] != id[EFFECTIVE])
		sys(calls->set_files, id[FILES]);
}

static void set_groups(const struct snapimg_attribute *record)
{
	uint32_t group[SNAPIMG_MORE_GROUPS_MAX]; /* of this thread: others may do it just now */
	if (record->more > 1)
		return;
	uint32_t count = read_groups(record, group);
	if (!has_groups(group, count))
		must(sys(__NR_setgroups, count, group), snapimg_attribute_name(record->kind));
}

static void set_kind(uint32_t index, uint32_t kind, void (*set)(const struct snapimg_attribute *))
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++)
		if (record[i].kind == kind && record[i].argument == index)
			set(&record[i]);
}

static bool has_record(uint32_t index)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++)
		if (record[i].kind >= SNAPIMG_ATTRIBUTE_THREAD_USERS &&
		    record[i].kind <= SNAPIMG_ATTRIBUTE_THREAD_MORE_GROUPS && record[i].argument == index)
			return true;
	return false;
}

/* Who was user 0 loses all capabilities with that, unless it keeps the permitted ones; and another effective
 * user makes the process undumpable, and takes its parent-death signal away: both are set later
 * (capabilities(7), prctl(2)). */
void users_commit(uint32_t index)
{
	struct capability_sets sets;
	long keeps = sys(__NR_prctl, PR_GET_KEEPCAPS);
	if (!has_record(index))
		return;
	capabilities_read(&sets);
	if (keeps == 0)
		must(sys(__NR_prctl, PR_SET_KEEPCAPS, 1), "the keep-capabilities flag");
	set_kind(index, SNAPIMG_ATTRIBUTE_THREAD_MORE_GROUPS, set_groups);
	set_kind(index, SNAPIMG_ATTRIBUTE_THREAD_GROUPS, set_ids);
	set_kind(index, SNAPIMG_ATTRIBUTE_THREAD_USERS, set_ids);
	must(sys(__NR_capset, &sets.header, sets.data), "capabilities");
	if (keeps == 0)
		must(sys(__NR_prctl, PR_SET_KEEPCAPS, 0), "the keep-capabilities flag");
	must(sys(__NR_prctl, PR_SET_DUMPABLE, 1), "the dumpable flag");
}
