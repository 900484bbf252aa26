/* The processes of a tree, as pstree(1) shows them, and as JSON. */
#include <stdio.h>
#include <sys/wait.h>

#include "format/base/text.h"
#include "format/snapimg/info.h"

enum { DEPTH_MAX = 64, INDENT = 2 };

/* The first thread's name; "" for a zombie, which has none. */
static const char *name_of(const struct snapimg *image, uint32_t index, struct snapimg *own)
{
	const struct snapimg_member *member = snapimg_get_member(image) + index;

	if (index == 0)
		return snapimg_get_thread(image)->comm;
	if (member->offset == 0 || snapimg_open_member(image, member, own) != SNAPIMG_OK)
		return "";
	return snapimg_get_thread(own)->comm;
}

static const char *describe_end(uint32_t status, char text[64])
{
	if (WIFSIGNALED((int)status))
		(void)snprintf(text, 64, "ended by signal %d", WTERMSIG((int)status));
	else
		(void)snprintf(text, 64, "ended with %d", WEXITSTATUS((int)status));
	return text;
}

static void print_one(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_member *member = snapimg_get_member(image) + index;
	struct snapimg own;
	char end[64];

	if (member->state == SNAPIMG_MEMBER_ZOMBIE) {
		printf("%u, a zombie that %s\n", member->pid, describe_end(member->status, end));
		return;
	}
	printf("%u ", member->pid);
	text_print(stdout, name_of(image, index, &own));
	if (member->state == SNAPIMG_MEMBER_STOPPED)
		printf(", stopped by signal %u", member->status & SNAPIMG_MEMBER_SIGNAL);
	if (member->session == member->pid)
		(void)fputs(", leads a session", stdout);
	else if (member->group == member->pid)
		(void)fputs(", leads a process group", stdout);
	if (member->status & SNAPIMG_MEMBER_FOREGROUND)
		(void)fputs(", in the foreground", stdout);
	if (member->status & SNAPIMG_MEMBER_SHARES_PLACE)
		(void)fputs(", shares its parent's directory", stdout);
	if (member->status & SNAPIMG_MEMBER_SHARES_DESCRIPTORS)
		(void)fputs(", shares its parent's descriptors", stdout);
	puts("");
}

static uint32_t next_child(const struct snapimg *image, uint32_t parent, uint32_t after)
{
	const struct snapimg_member *member = snapimg_get_member(image);
	uint32_t count = snapimg_member_count(image);
	uint32_t i;

	for (i = after + 1; i < count; i++)
		if (member[i].parent == member[parent].pid)
			break;
	return i < count ? i : count;
}

/* last: bit n: nothing more comes at depth n. */
static void print_branch(const struct snapimg *image, uint32_t index, unsigned int depth, uint64_t last)
{
	uint32_t count = snapimg_member_count(image), child, next;
	unsigned int i;

	printf("%*s", INDENT, "");
	for (i = 1; i < depth && i < DEPTH_MAX; i++)
		(void)fputs(last >> i & 1 ? "   " : "|  ", stdout);
	if (depth > 0)
		(void)fputs(last >> (depth % DEPTH_MAX) & 1 ? "`- " : "|- ", stdout);
	print_one(image, index);
	for (child = next_child(image, index, index); child < count; child = next) {
		uint64_t bit = depth + 1 < DEPTH_MAX ? (uint64_t)1 << (depth + 1) : 0;

		next = next_child(image, index, child);
		print_branch(image, child, depth + 1, next < count ? last & ~bit : last | bit);
	}
}

void info_print_tree(const struct snapimg *image)
{
	const struct snapimg_member *member = snapimg_get_member(image);
	uint32_t i;

	if (snapimg_member_count(image) == 0)
		return;
	puts("\nprocesses:");
	for (i = 0; i < snapimg_member_count(image); i++)
		if (member[i].parent == 0)
			print_branch(image, i, 0, 0);
}

void info_put_tree(struct json *json, const struct snapimg *image)
{
	static const char *const states[] = {[SNAPIMG_MEMBER_ALIVE] = "alive",
	                                     [SNAPIMG_MEMBER_STOPPED] = "stopped",
	                                     [SNAPIMG_MEMBER_ZOMBIE] = "zombie"};
	const struct snapimg_member *member = snapimg_get_member(image);
	uint32_t i;

	if (snapimg_member_count(image) == 0)
		return;
	json_open(json, "processes", '[');
	for (i = 0; i < snapimg_member_count(image); i++) {
		bool is_zombie = member[i].state == SNAPIMG_MEMBER_ZOMBIE;
		struct snapimg own;

		json_open(json, NULL, '{');
		json_number(json, "pid", member[i].pid);
		json_number(json, "parent", member[i].parent);
		json_number(json, "group", member[i].group);
		json_number(json, "session", member[i].session);
		json_string(json, "state", states[member[i].state]);
		json_number(json, "status",
		            is_zombie ? member[i].status
		                      : member[i].status & (SNAPIMG_STOP_TOLD | SNAPIMG_MEMBER_SIGNAL));
		json_bool(json, "foreground",
		          !is_zombie && (member[i].status & SNAPIMG_MEMBER_FOREGROUND) != 0);
		json_bool(json, "shares_directory",
		          !is_zombie && (member[i].status & SNAPIMG_MEMBER_SHARES_PLACE) != 0);
		json_bool(json, "shares_descriptors",
		          !is_zombie && (member[i].status & SNAPIMG_MEMBER_SHARES_DESCRIPTORS) != 0);
		json_string(json, "name", name_of(image, i, &own));
		json_close(json, '}');
	}
	json_close(json, ']');
}
