/* The controlling terminals of a tree's sessions, and the process groups in their foreground. */
#include <asm/ioctls.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/tree.h"
#include "restore/become/tree_parts.h"
#include "restore/loader.h"

/* The group that is in the foreground of the session's terminal; 0: none of the tree's. */
static uint32_t foreground_of(uint32_t session)
{
	const bool is_keeper = tree.count == 0;
	const struct snapimg_member *member = is_keeper ? snapimg_get_member(&loader.image) : tree.member;
	uint32_t count = is_keeper ? snapimg_member_count(&loader.image) : tree.count;
	for (uint32_t i = 0; i < count; i++)
		if (member[i].state != SNAPIMG_MEMBER_ZOMBIE && member[i].session == session &&
		    (member[i].status & SNAPIMG_MEMBER_FOREGROUND) != 0)
			return member[i].group;
	return 0;
}

uint32_t tree_foreground(void)
{
	return foreground_of(0);
}

static void ask(const struct snapimg_member *leader, uint64_t request, const void *argument, const char *what)
{
	long result = sys(__NR_ioctl, tree.pool[leader->terminal - 1], request, argument);
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image, ": process ", dec(leader->pid), ": cannot ", what,
		    " its terminal: ", error_text(result));
}

void tree_take_terminal(const struct snapimg_member *leader)
{
	if (leader->terminal != 0)
		ask(leader, TIOCSCTTY, NULL, "control");
}

void tree_give_foreground(void)
{
	int32_t group = (int32_t)foreground_of(tree_own()->session);
	if (tree_own()->terminal != 0 && group != 0)
		ask(tree_own(), TIOCSPGRP, &group, "give the foreground of");
}
