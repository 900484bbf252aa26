/*
 * A table of the kinds that can be a process's own. What the caller has is known, and the processes of the
 * tree can be asked; a descriptor reaches others only by a call that is an effect itself.
 */
#include "tracer/points/effect_descriptor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/caller.h"
#include "tracer/description.h"
#include "tracer/ptrace/tracee.h"
#include "tracer/unix_diag.h"

enum { LINK_SIZE = 320 /* a memfd's name has 249 bytes at most (memfd_create(2)) */ };

struct descriptor {
	pid_t tid;
	int number;
	const struct kind *kind;
	char link[LINK_SIZE]; /* "": it is closed */
};

struct kind {
	const char *begins; /* its link in /proc/PID/fd */
	bool is_object;     /* one link, one object, whoever has opened it */
	bool takes;         /* who reads takes it away */
	bool (*is_own)(const struct descriptor *it);
};

static bool held_by_nobody_else(const struct descriptor *it);
static bool ends_held_by_nobody_else(const struct descriptor *it);
static bool pair_held_by_nobody_else(const struct descriptor *it);
static bool not_inherited(const struct descriptor *it);

static const struct kind kinds[] = {
        {"pipe:[", true, true, ends_held_by_nobody_else},
        {"socket:[", true, true, pair_held_by_nobody_else},
        {"anon_inode:[eventfd", false, true, held_by_nobody_else},
        {"/memfd:", false, false, held_by_nobody_else},
        {"/dev/null", false, false, not_inherited},
        {"/dev/zero", false, false, not_inherited},
        {"/dev/full", false, false, not_inherited},
        {"/dev/random", false, false, not_inherited},
        {"/dev/urandom", false, false, not_inherited},
};

static void read_link(pid_t pid, int number, char link[LINK_SIZE])
{
	ssize_t size = readlink(proc_path(pid, "fd/%d", number).text, link, LINK_SIZE - 1);

	link[size < 0 ? 0 : size] = '\0';
}

static struct descriptor describe(pid_t tid, int number)
{
	struct descriptor it = {.tid = tid, .number = number};

	read_link(tid, number, it.link);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !it.kind; i++)
		if (strncmp(it.link, kinds[i].begins, strlen(kinds[i].begins)) == 0)
			it.kind = &kinds[i];
	return it;
}

/* Where the kernel can't compare, they are one. */
static bool is_same_file(const struct descriptor *it, pid_t pid, int number)
{
	return description_compare(it->tid, it->number, pid, number) <= 0;
}

static bool caller_has(const struct descriptor *it, const char *link)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++)
		if (strcmp(the_caller.descriptor[i].link, link) == 0 &&
		    (it->kind->is_object || is_same_file(it, getpid(), the_caller.descriptor[i].number)))
			return true;
	return false;
}

/* The permissions of such a link are what it was opened for: owner's r and w (proc(5), /proc/pid/fd). */
static mode_t opened_for(pid_t pid, int number)
{
	struct stat stat;

	return lstat(proc_path(pid, "fd/%d", number).text, &stat) < 0 ? 0
	                                                              : stat.st_mode & (S_IRUSR | S_IWUSR);
}

struct question {
	const struct descriptor *it;
	const char *link;
	mode_t modes; /* the answer */
};

static bool look(void *context, pid_t pid, int number, const char *link)
{
	struct question *question = context;
	const struct descriptor *it = question->it;

	if (strcmp(link, question->link) == 0 && (it->kind->is_object || is_same_file(it, pid, number)))
		question->modes |= opened_for(pid, number);
	return true;
}

/* What the process's descriptors of this link are opened for, all together; 0: it has none. */
static mode_t process_has(pid_t pid, const struct descriptor *it, const char *link)
{
	struct question question = {.it = it, .link = link};

	(void)description_visit(pid, look, &question);
	return question.modes;
}

static bool others_have(const struct descriptor *it, const char *link)
{
	const struct tracee *mine = tracee_find(it->tid);

	for (const struct tracee *other = tracee_next(NULL); other; other = tracee_next(other))
		if (other->process != mine->process && other->tid == other->process->pid &&
		    process_has(other->tid, it, link) != 0)
			return true;
	return false;
}

static bool held_by_nobody_else(const struct descriptor *it)
{
	return !caller_has(it, it->link) && !others_have(it, it->link);
}

/* Both ends must be here: who had the other one may have left something in it. */
static bool ends_held_by_nobody_else(const struct descriptor *it)
{
	return process_has(it->tid, it, it->link) == (S_IRUSR | S_IWUSR) && held_by_nobody_else(it);
}

/* The peer must be here too: a socket without one is known to somebody by its name, or is of the Internet. */
static bool pair_held_by_nobody_else(const struct descriptor *it)
{
	char peer[LINK_SIZE];
	struct unix_state state;

	if (!unix_diag_ask((uint32_t)strtoul(it->link + strlen(it->kind->begins), NULL, 10), &state) ||
	    state.peer == 0)
		return false;
	snprintf(peer, sizeof(peer), "%s%u]", it->kind->begins, state.peer);
	return process_has(it->tid, it, peer) != 0 && held_by_nobody_else(it) && !caller_has(it, peer) &&
	       !others_have(it, peer);
}

static bool not_inherited(const struct descriptor *it)
{
	return !caller_has(it, it->link);
}

bool descriptor_was_inherited(int number)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++)
		if (the_caller.descriptor[i].number == number)
			return true;
	return false;
}

static bool is_copy(pid_t tid, int number)
{
	const struct copies *copies = &tracee_find(tid)->process->copies;

	for (unsigned i = 0; i < copies->count; i++)
		if (copies->copy[i].number == number)
			return true;
	return false;
}

/* By whichever number he has it: 2 may have become what 0 is. */
static bool is_of_caller(const struct descriptor *it)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++)
		if (is_same_file(it, getpid(), the_caller.descriptor[i].number))
			return true;
	return false;
}

/* A process that was attached to began with others; those with our numbers count as inherited all the same.
 */
bool descriptor_is_inherited(pid_t tid, int number)
{
	return (descriptor_was_inherited(number) || is_copy(tid, number)) &&
	       (the_caller.attached || is_of_caller(&(struct descriptor){.tid = tid, .number = number}));
}

/* What a process that was attached to began with, nobody knows. */
bool descriptor_is_own(pid_t tid, int number)
{
	struct descriptor it = describe(tid, number);

	return !the_caller.attached && it.kind && it.kind->is_own(&it);
}

bool descriptor_is_shared(pid_t tid, int number)
{
	struct descriptor it = describe(tid, number);

	return descriptor_is_inherited(tid, number) || (it.kind && it.kind->takes && !it.kind->is_own(&it));
}
