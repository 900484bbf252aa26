/* A tree of processes: this process is the first, which makes the others. Each becomes what its own image in
 * the file holds; none goes on before all can. */
#ifndef RESTORE_BECOME_TREE_H
#define RESTORE_BECOME_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "restore/loader.h"

/* Whether the image is one of a tree, or of a process of it. Here, as few starts need the code of tree.c. */
static inline bool tree_is_one(void)
{
	return loader.tree_size > 0;
}
/* All of its processes are there. */
bool tree_is_born(void);
/* Its first process is in a process group of its own. */
bool tree_leads_group(void);
/* The process group that is in the foreground of the caller's terminal, other than the first process's; 0:
 * none. In the keeper, too. */
uint32_t tree_foreground(void);
/* This process is one of those that the first one made. */
static inline bool tree_is_member(void)
{
	return loader.tree_member > 0;
}
/* Makes what several of them have, and then the processes; returns in each, with its own image open. After
 * identity_enter(). */
void tree_enter(void);
/* This one has made again what it had made and what was gone; waits until that is true of all. */
void tree_tell_made(void);
void tree_await_made(void);
/* Some have the descriptors of others (CLONE_FILES). */
bool tree_has_sharers(void);
/* Those who have their own wait, until the ones that share them have closed what they built their memory of;
 * these say so, and then open nothing until the others have theirs under their numbers. */
void tree_await_quiet(void);
void tree_be_quiet(void);
void tree_await_numbers(void);
/* Nothing can be refused any more: waits until that is true of all. */
void tree_await_ready(void);
/* All is set: waits until that is true of all. A process that was stopped stops here. */
void tree_await_set(void);
/* Descriptors of all processes have numbers below it. */
uint32_t tree_descriptors_end(void);
/* Before a file is opened in one of them: whether no other has opened it. If so, the others wait, so that it
 * is open nowhere else in the tree, until tree_let_go(). */
bool tree_is_first_to_open(const char *path);
void tree_let_go(void);
/* The same for any of them. */
void tree_hold(void);
/* Of an earlier process of the tree, which lives; NULL: it is none. In the others. */
const struct snapimg_member *tree_earlier(uint32_t index);
/* The descriptor that the first process made for its object, in each of the others; -1: none. */
int tree_object(uint64_t index);
/* When a process has what it needs of them: closes the rest. */
void tree_leave_objects(void);

#endif
