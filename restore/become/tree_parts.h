/* What the files of tree.h share: the tree's state, and where its processes meet. */
#ifndef RESTORE_BECOME_TREE_PARTS_H
#define RESTORE_BECOME_TREE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/image/reader.h"

/* Where all meet. */
/* MADE: each has made the files that it had made and that are gone. QUIET: of those that share another's
 * descriptors (CLONE_FILES), each has opened what it needs to build its memory, and closed it; NUMBERED: of
 * the others, each has its descriptors under their numbers. */
enum stage {
	STAGE_BORN,
	STAGE_GROUPED,
	STAGE_MADE,
	STAGE_QUIET,
	STAGE_READY,
	STAGE_NUMBERED,
	STAGE_SET,
	STAGES
};
enum failure { FAILURE_NONE, FAILURE_TOLD, FAILURE_SILENT };
enum { NONE = -1, ANY_SESSION = -1, LOOK_NS = 20000000, NAMES_MAX = 2048 };

/* In memory that all have. */
struct meeting {
	uint32_t arrived[STAGES];
	uint32_t wanted[STAGES];
	uint32_t failure;
	uint32_t lock, names;
	uint32_t name[NAMES_MAX]; /* what the names of files that they have open hash to; 0: free */
};

struct tree {
	struct meeting *meeting;
	const struct snapimg_member *member; /* a copy of TREE */
	uint32_t count, self;
	const int32_t *pool; /* by object of the first process: its descriptor, then its other end's */
	uint32_t pool_count;
	uint32_t descriptors_end;
	bool is_born;
};
extern struct tree tree;

static inline const struct snapimg_member *tree_own(void)
{
	return &tree.member[tree.self];
}

static inline bool tree_shares_descriptors(const struct snapimg_member *it)
{
	return it->state != SNAPIMG_MEMBER_ZOMBIE && (it->status & SNAPIMG_MEMBER_SHARES_DESCRIPTORS) != 0;
}

/* The index of the process with this ID, or NONE. */
int tree_find(uint32_t pid);

/* What is undone when this process fails: the first one ends all others, each other lets it know. */
void tree_add_undo(bool is_first);

void tree_arrive(enum stage stage);

/* Does not return where one of them failed. */
void tree_await(enum stage stage);

/* A session's leader gets its terminal: whoever it makes from then on has that, too. */
void tree_take_terminal(const struct snapimg_member *leader);

/* When all groups are there: of a session's leader. */
void tree_give_foreground(void);

/* Whether this is the first process of a group that has no leader, and that its session's is not, too. */
bool tree_begins_group(uint32_t index);

/* Makes the children of a process, in it. Returns the index in each new process, NONE when all are there. */
int tree_make_children(uint32_t self);

/* The process goes to its group; a zombie ends here. */
void tree_join_group(void);

/* The program's children that were stopped: it hears no more of that than it had not heard. */
void tree_hear_stops(void);

/* Stops this process as it was. */
void tree_stop(void);

#endif
